"""Choose the strength of train's penalty on validation rows: what each strength costs and brings.

    python benchmarks/mitigation.py adult

Trains once per strength on the built parts of the project, fits the decision policy on its
calibration part as the stage does, and measures on its validation part, never on the test part:
ROC AUC, accuracy, and for each sensitive column the gap in selection rates with its one-sided upper
bound. Groups that are too small are left out, as
`assess` leaves them out. The whole run takes about ten seconds per strength.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline import train
from pipeline.core.calibration import fit_policy
from pipeline.core.checkpoint import Checkpoint
from pipeline.core.files import read_parquet
from pipeline.core.gaps import measured
from pipeline.core.group_rates import Binary
from pipeline.core.groups import group_names
from pipeline.core.labels import positives
from pipeline.core.metrics import BinaryMetrics
from pipeline.core.modality import part
from pipeline.core.paths import Paths
from pipeline.core.prediction import Predictor
from pipeline.core.project import Project, load_project
from pipeline.core.training import fit

STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5)
MIN_GROUP_SIZE = 100  # validation is a third of the test part, where `assess` asks for 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", help="a project whose stage `balance` has run")
    parser.add_argument("--strengths", type=float, nargs="+", default=STRENGTHS)
    given = parser.parse_args()
    root = Path.cwd()
    project = load_project(root, given.project, "train", train.Settings, train.SECTIONS)
    paths = Paths(root, given.project, "train")
    rows = (
        read_parquet(paths.input("balance", "train.parquet")),
        read_parquet(paths.input("split", "validation.parquet")),
        read_parquet(paths.input("split", "calibration.parquet")),
    )
    table = Table(
        "strength", "threshold", "ROC AUC", "accuracy", title=f"{given.project}, validation part"
    )
    for column in project.columns.sensitive:
        table.add_column(f"gap by {column}")
        table.add_column("at most")
    for strength in track(given.strengths, description="training", console=Console(stderr=True)):
        table.add_row(*line_of(project, strength, *rows))
    Console(width=100).print(table)


def line_of(
    project: Project[train.Settings],
    strength: float,
    rows: pl.DataFrame,
    validation: pl.DataFrame,
    calibration: pl.DataFrame,
) -> list[str]:
    """One line of the table."""
    columns = project.columns
    mitigation = project.settings.mitigation.model_copy(update={"strength": strength})
    settings = project.settings.model_copy(update={"mitigation": mitigation})
    model = trained(project, settings, rows, validation)
    known = positives(calibration, columns).to_numpy().astype(float)
    policy = fit_policy(model.logits(calibration), known, "accuracy")
    probability = policy.probability(model.logits(validation))
    decisions = policy.decide(probability).astype(int)
    labels = positives(validation, columns).to_numpy().astype(int)
    quality = BinaryMetrics.of(labels, probability, decisions)(labels * 0 + 1.0)
    line = [
        f"{strength:g}",
        f"{policy.threshold:g}",
        f"{quality['roc_auc']:.4f}",
        f"{quality['accuracy']:.4f}",
    ]
    found = Binary(labels, decisions, probability)
    for column in columns.sensitive:
        groups = group_names(validation, (column,), columns).to_numpy().astype(str)
        entries = found.entries(groups, confidence=0.95, num_replicates=100, seed=0)
        gap = measured(
            entries,
            "demographic_parity_difference",
            confidence=0.95,
            min_group_size=MIN_GROUP_SIZE,
            num_replicates=100,
            seed=0,
        )
        line += [f"{gap[end]:.3f}" if gap else "–" for end in ("value", "high")]
    return line


def trained(
    project: Project[train.Settings],
    settings: train.Settings,
    rows: pl.DataFrame,
    validation: pl.DataFrame,
) -> Predictor:
    """A model with these settings; what the stage does, without its files."""
    import torch

    columns = project.columns
    mitigated = train.mitigated_columns(settings.mitigation, columns)
    encoder: Any = part(project.modality, "encoding").fit(rows, columns, settings.encoder)
    module = part(project.modality, "model")
    architecture = module.architecture(encoder, settings.network)
    torch.manual_seed(settings.seed)
    with tempfile.TemporaryDirectory() as folder:
        weights, _ = fit(
            module.build(architecture),
            train.tensors(rows, encoder, columns, mitigated),
            train.tensors(validation, encoder, columns, mitigated),
            settings,
            Checkpoint(Path(folder)),
            Path(folder) / "curves.jsonl",
        )
    network = module.build(architecture)
    network.load_state_dict(weights)
    return Predictor(encoder, network.eval())


if __name__ == "__main__":
    main()
