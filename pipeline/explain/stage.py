"""What the model used: attributions by integrated gradients, overall and for single rows.

The modality attributes (`explanation`), and its KIND says how a single row is shown: as `columns`
with bars, as a `picture` with colours, or as `tokens` with colours.

Reads: split/test.parquet, the model's files, calibrate/policy.json.
Writes: report.json; reference.json, what the rows were compared with: the service explains by it.
Refuses when: attributions do not add up to what they explain (completeness).
"""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.errors import PipelineError
from pipeline.core.files import read_json, read_parquet, write_json
from pipeline.core.paths import Paths
from pipeline.core.prediction import prediction
from pipeline.core.prediction.decisions import decided
from pipeline.core.prediction.output_policy import OutputPolicy
from pipeline.core.prediction.policy import Policy
from pipeline.core.scoring.scored import names_of
from pipeline.core.settings.modality import part
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import Frozen

SECTIONS = ("columns",)

Floats = NDArray[np.float64]
FACTORS = (1, 2, 4, 8)


class Settings(Frozen):
    num_rows: int = Field(1000, ge=10)
    """Test rows that are explained: the first ones, in the order of the split's hash."""
    num_cases: int = Field(10, ge=1)
    """Single predictions that the report shows, spread over the range of probabilities, or of
    predicted numbers."""
    num_steps: int = Field(128, ge=8)
    """Steps of the integral from the reference to the row; where attributions do not add up, up to
    eight times as many."""
    max_completeness_error: float = Field(0.05, gt=0, json_schema_extra={"unit": "logits"})
    """The largest mean error, in logits, between the sum of a row's attributions and the change
    of its logit; of a regression, in standard deviations of the target."""


def run(project: Project[Settings], paths: Paths) -> None:
    settings = project.settings
    test = read_parquet(paths.input("split", "test.parquet"))
    rows = test.sort("_key", "_row").head(settings.num_rows)
    model = prediction.load(paths.input("train", ""), project.modality)
    explanation = part(project.modality, "evaluation.explanation")
    for num_steps in (factor * settings.num_steps for factor in FACTORS):
        explained = explanation.attributions(model, rows, num_steps)
        if mean_error(explained.errors) <= settings.max_completeness_error:
            break
    check_completeness(explained.errors, settings.max_completeness_error)
    policy = read_json(paths.input("calibrate", "policy.json"))
    answers = answered(model, policy, rows, explained.logits)
    numeric, scale = model.outcome.task == "regression", model.outcome.scale
    report = {
        "kind": explanation.KIND,
        "method": explanation.METHOD,
        "unit": f"units of {project.columns.target}" if numeric else "logits",
        "reference": explained.reference,
        "num_rows": rows.height,
        "completeness_error": {
            "mean": round(mean_error(explained.errors), 6),
            "max": round(float(np.abs(explained.errors).max()), 6),
            "limit_of_mean": settings.max_completeness_error,
        },
        "ranking": explanation.ranking(explained, scale),
        "cases": [
            {
                "row": rows["_row"][place],
                **said(answers.row(place, named=True)),
                **explanation.case(model, explained, place, rows.row(place, named=True), scale),
            }
            for place in spread(answers, settings.num_cases)
        ],
    }
    reference = {
        "words": explained.reference,
        "num_steps": num_steps,
        "values": explanation.reference_of(model, rows),
    }
    write_json(paths.output("report.json"), report)
    write_json(paths.output("reference.json"), reference)


def mean_error(errors: Floats) -> float:
    return float(np.abs(errors).mean())


def check_completeness(errors: Floats, limit: float) -> None:
    """Refuse attributions that do not sum to the difference that they explain.

    Source: M. Sundararajan, A. Taly, Q. Yan, Axiomatic attribution for deep networks, ICML 2017.
    """
    mean = mean_error(errors)
    if not mean <= limit:
        raise PipelineError(
            f"explain: expected attributions to add up within {limit:g} logits on average, "
            f"got {mean:.4f}",
            hint=f"{FACTORS[-1]} times `explain.num_steps` were taken: raise it, or "
            "`explain.max_completeness_error`",
        )


def answered(
    model: prediction.Predictor, policy: dict[str, Any], rows: pl.DataFrame, outputs: Floats
) -> pl.DataFrame:
    """What the model says of each row: `probability` and `decision`, or `prediction`."""
    outcome = model.outcome
    if outcome.task == "regression":
        return pl.DataFrame({"prediction": outcome.in_units(outputs)})
    if outcome.task == "multiclass":
        probability = OutputPolicy.from_dict(policy).probability(outputs)
        named = names_of(outcome, probability.argmax(axis=1))
        return pl.DataFrame({"probability": probability.max(axis=1), "decision": named})
    decides = Policy.from_dict(policy)
    chance = decides.probability(outputs)
    decisions = decided(decides, model, rows, chance).astype(int)
    return pl.DataFrame({"probability": chance, "decision": decisions})


def spread(answers: pl.DataFrame, num_cases: int) -> list[int]:
    """The places of rows that lie evenly in the order of what is said of them.

    Args:
        answers: From `answered`; its first column is the order.
        num_cases: At most.
    """
    order = np.argsort(answers.to_series(0).to_numpy(), kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(num_cases, len(order))).astype(int)]
    return [int(place) for place in chosen]


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """A row's answer as the report has it."""
    return {key: round(x, 6) if isinstance(x, float) else x for key, x in answer.items()}
