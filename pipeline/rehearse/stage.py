"""Boot the packaged service and replay test rows: does it answer as the model did offline?

Reads: package/bento, package/report.json, ingest/snapshot.parquet, split/test.parquet,
evaluate/predictions.parquet.
Writes: report.json, with an outcome; its timings differ from run to run.
Refuses when: the bento is not the one that package reported. A service that does not do well is
no refusal here: this stage always writes its outcome, and promotion and the build decide on it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from pipeline.core.bento import folder as packaged
from pipeline.core.cleaning.cleaning import of_finite_numbers
from pipeline.core.cleaning.rules import Rule, for_requests
from pipeline.core.errors import ArtifactMissing, PipelineError
from pipeline.core.files import read_json, read_parquet, write_json
from pipeline.core.paths import Paths
from pipeline.core.prediction import prediction
from pipeline.core.prediction.decisions import decided
from pipeline.core.prediction.outcome import Outcome
from pipeline.core.prediction.output_policy import OutputPolicy, read_policy
from pipeline.core.prediction.policy import Policy
from pipeline.core.scoring.offline import EXPECTED, Classes, Decisions, Numbers, Offline
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import strictly
from pipeline.rehearse.rehearsal import TOLERANCES, Budget, Rehearsal

SECTIONS = ()
RARE = 20

Floats = NDArray[np.float64]


class Settings(Budget):
    num_rows: int = Field(500, ge=1)
    """Test rows to replay; all of them when there are fewer. Half of them, if there are so many,
    lack a value, have a rare level, or are the shortest and longest texts or images; the others
    come in the order of the split's hash."""


def run(project: Project[Settings], paths: Paths) -> None:
    bento = paths.input("package", "bento")
    check_reported(bento, read_json(paths.input("package", "report.json")))
    service = read_json(bento / packaged.SOURCE / packaged.SERVICE)
    names = [field["name"] for field in service["fields"]]
    test = read_parquet(paths.input("split", "test.parquet"), ["_row", "_key", *names])
    snapshot = read_parquet(paths.input("ingest", "snapshot.parquet"), names)
    columns = strictly(Columns, service["columns"], {})
    task = columns.task
    decides = ("decision",) if task == "binary" else ()
    numbers = chosen(test, names, project.settings.num_rows, columns.wholes)
    predictions = read_parquet(
        paths.input("evaluate", "predictions.parquet"), ["_row", EXPECTED[task], *decides]
    )
    known = pl.DataFrame({"_row": numbers}).join(
        predictions, on="_row", how="left", maintain_order="left"
    )
    report = rehearse(
        bento,
        snapshot[numbers.to_list()],
        known[EXPECTED[task]].to_numpy(),
        project.settings,
        decisions=known["decision"].to_numpy().astype(bool) if decides else None,
    )
    write_json(paths.output("report.json"), report)


def rehearse(
    bento: Path,
    rows: pl.DataFrame,
    expected: Floats,
    settings: Settings,
    decisions: NDArray[np.bool_] | None = None,
    version: str | None = None,
) -> dict[str, Any]:
    """Serve a copy of a bento, ask it for these rows and for much that is wrong, and stop it.

    Args:
        bento: The bento's folder; nothing is written to it.
        rows: Rows as delivered, what requests carry alone.
        expected: What is known of them offline: probabilities of the positive class or numbers,
            shape (rows,), or probabilities of several classes, shape (rows, classes).
        settings: What is allowed.
        decisions: Of two classes their offline decisions, shape (rows,); of the bento's own policy
            if not given.
        version: What the service is to name itself; the bento's own version if not given.

    Returns:
        The report: `outcome` is `pass` or `fail`, whatever went wrong with the service.

    Raises:
        ArtifactMissing: there is no whole bento in the folder.
    """
    known = to_be_answered(bento, rows, expected, settings, decisions)
    return Rehearsal(bento, rows, known, settings, version).to_the_end()


def to_be_answered(
    bento: Path,
    rows: pl.DataFrame,
    expected: Floats,
    settings: Settings,
    decisions: NDArray[np.bool_] | None,
) -> Offline:
    """What a bento's service must answer to rows; arguments as those of `rehearse`."""
    policy = policy_of(bento)
    service = read_json(bento / packaged.SOURCE / packaged.SERVICE)
    labels, tolerance = service["labels"], settings.tolerance
    if tolerance is None:
        tolerance = TOLERANCES[served_in(service)]
    if isinstance(policy, Policy):
        if decisions is None:
            decisions = offline_decisions(bento, rows, expected)
        return Decisions(expected, decisions, labels, tolerance)
    if labels:
        return Classes(expected, labels, tolerance)
    model = read_json(bento / packaged.SOURCE / packaged.MODEL / prediction.ARCHITECTURE)
    return Numbers(expected, Outcome.from_dict(model), tolerance)


def served_in(service: Mapping[str, Any]) -> str:
    """The precision that a bento is served in; one that does not say it is of before it could."""
    precision: str = service.get("computed", {}).get("served_in", prediction.PRECISION)
    return precision


def offline(bento: Path, rows: pl.DataFrame) -> Floats:
    """What this code gets from a bento's model files, without its service: `expected` of
    `rehearse`.

    Args:
        bento: The bento's folder.
        rows: Rows as delivered, what requests carry alone.

    Raises:
        ArtifactMissing: a file of the bento is absent or damaged.
        PipelineError: its cleaning rules drop rows.
    """
    model = model_of(bento)
    outputs = model.logits(cleaned(bento, rows))
    if model.outcome.task == "regression":
        return model.outcome.in_units(outputs)
    return policy_of(bento).probability(outputs)


def offline_decisions(bento: Path, rows: pl.DataFrame, probability: Floats) -> NDArray[np.bool_]:
    """The decisions between two classes that this code gets of these rows, as `offline` gets their
    probabilities."""
    policy = policy_of(bento)
    assert isinstance(policy, Policy)  # noqa: S101 -- narrows the type, checks no input
    if not policy.columns:
        return policy.decide(probability)
    return decided(policy, model_of(bento), cleaned(bento, rows), probability)


def model_of(bento: Path) -> prediction.Predictor:
    """The model of a bento."""
    source = bento / packaged.SOURCE
    modality = read_json(source / packaged.SERVICE)["modality"]
    return prediction.load(source / packaged.MODEL, modality)


def cleaned(bento: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows as delivered, after a bento's own cleaning rules.

    Raises:
        PipelineError: they drop rows.
    """
    source = bento / packaged.SOURCE
    service = read_json(source / packaged.SERVICE)
    rules = TypeAdapter(tuple[Rule, ...]).validate_python(service["rules"])
    cleaning = part(service["modality"], "data.cleaning")
    finite = of_finite_numbers(rows)[0]
    table: pl.DataFrame = cleaning.apply(finite, for_requests(rules, tuple(rows.columns)))[0]
    if table.height != rows.height:
        raise PipelineError(
            f"expected rows that the bento's cleaning rules keep, {rows.height - table.height} of "
            f"{rows.height} were dropped",
            hint="choose rows that cleaning kept, such as those of split/test.parquet",
        )
    return table


def policy_of(bento: Path) -> Policy | OutputPolicy:
    """The policy that a bento decides with; raises ArtifactMissing when it is absent or damaged."""
    return read_policy(bento / packaged.SOURCE / packaged.MODEL / "policy.json")


def check_reported(bento: Path, report: dict[str, Any]) -> None:
    """Refuse a bento that is not the one that `package` reported."""
    found = packaged.digest(bento)
    if found != report["digest"]:
        raise ArtifactMissing(
            f"expected the bento that package reported, {report['digest'][:12]}, "
            f"found {found[:12]} in {bento}",
            hint="it was changed after it was made: delete it, then `dvc checkout`",
        )


def chosen(
    test: pl.DataFrame, features: list[str], num_rows: int, wholes: Collection[str] = ()
) -> pl.Series:
    """The `_row` of the test rows to replay, warts and all, in the order of the split's hash.

    Args:
        test: Test rows.
        features: What requests carry.
        num_rows: How many to replay.
        wholes: The features that are an image or a text, no two of which are the same.
    """
    texts = [name for name in features if test.schema[name] == pl.String]
    levels = [name for name in texts if name not in wholes]
    has_warts = pl.any_horizontal(
        pl.lit(False),
        *(pl.col(name).is_null() for name in features),
        *(pl.len().over(name) < RARE for name in levels),
        *(_is_extreme(name, is_text=name in texts) for name in wholes),
    )
    ordered = test.with_columns(has_warts.alias("_wart")).sort("_key", "_row").with_row_index("_at")
    warts = ordered.filter("_wart").head(num_rows // 2)
    others = ordered.filter(~pl.col("_at").is_in(warts["_at"].implode()))
    return pl.concat([warts, others.head(num_rows - warts.height)]).sort("_at")["_row"]


def _is_extreme(name: str, *, is_text: bool) -> pl.Expr:
    """Whether an image or a text is among the shortest or the longest."""
    size = pl.col(name).str.len_chars() if is_text else pl.col(name).bin.size()
    return (size.rank("ordinal") < RARE) | (size.rank("ordinal", descending=True) < RARE)
