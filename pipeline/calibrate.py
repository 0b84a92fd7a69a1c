"""From logits to decisions: a temperature for the probabilities, a threshold for the decision.

Reads: split/calibration.parquet, the model's files.
Writes: policy.json.
Refuses when: the model's files do not belong together.
"""

from pydantic import Field

from pipeline.core import prediction
from pipeline.core.calibration import Objective, fit_policy
from pipeline.core.files import read_parquet, write_json
from pipeline.core.labels import positives
from pipeline.core.paths import Paths
from pipeline.core.project import Frozen, Project

SECTIONS = ("columns",)


class Settings(Frozen):
    temperature: float | None = Field(None, gt=0)
    """Divides the logits; fitted on the calibration part when not given."""
    threshold: float | None = Field(None, gt=0, lt=1)
    """The least probability that is decided as positive; chosen on the calibration part when
    not given."""
    maximise: Objective = "accuracy"
    """What the threshold is chosen for."""


def run(project: Project[Settings], paths: Paths) -> None:
    columns, settings = project.columns, project.settings
    table = read_parquet(paths.input("split", "calibration.parquet"))
    model = prediction.load(paths.input("train", ""), project.modality)
    labels = positives(table, columns).to_numpy().astype(float)
    logits = model.logits(table)
    policy = fit_policy(logits, labels, settings.maximise, settings.temperature, settings.threshold)
    found = {**policy.as_dict(), "maximise": settings.maximise, "num_rows": table.height}
    write_json(paths.output("policy.json"), found)
