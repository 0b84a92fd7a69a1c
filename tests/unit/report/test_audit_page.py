"""The page shows what the audit found, for each kind of target, and what it did not look for."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.audit.stage import Settings, audited
from pipeline.core.settings.columns import Columns
from pipeline.report.audit_page import MAX_ROWS, draw, not_looked_for
from pipeline.tabular.evaluation import features
from tests.unit.report.test_stage import Page, page

ROLES: dict[str, Any] = {
    "target": "rain",
    "numeric": ("wind",),
    "categorical": ("town",),
    "sensitive": ("sky", "town"),
}
QUICK: dict[str, Any] = {"min_group_size": 60, "min_slice_rows": 40, "num_folds": 3}


def days(task: str, num_rows: int = 600) -> pl.DataFrame:
    """`wind` tells `sky`, and rain follows both."""
    rng = np.random.default_rng(0)
    sky = rng.choice(["clear", "grey", "rare"], num_rows, p=[0.5, 0.45, 0.05])
    wind = rng.normal(0, 1, num_rows) + 3 * (sky == "grey")
    rain = wind + rng.normal(0, 1, num_rows)
    rain_of = {
        "binary": np.where(rain > 1, "yes", "no"),
        "multiclass": np.array(["dry", "drops", "floods"])[(rain > 0).astype(int) + (rain > 2)],
        "regression": rain,
    }
    return pl.DataFrame(
        {"sky": sky, "wind": wind, "town": rng.choice(["Ayr", "Oban"], num_rows)}
        | {"rain": rain_of[task]}
    )


def report(task: str, **settings: Any) -> dict[str, Any]:
    positive = "yes" if task == "binary" else ""
    columns = Columns(**ROLES, task=task, positive=positive)  # type: ignore[arg-type]
    return audited(days(task), columns, Settings(**{**QUICK, **settings}), features)


def shown(root: Path, content: dict[str, Any]) -> Page:
    return page(root, lambda inputs: inputs.update({"30_audit/report.json": content}))


def test_every_part_is_on_the_page(tmp_path: Path) -> None:
    found = shown(tmp_path, report("binary", given=["town"]))
    text = found.text
    for words in (
        "The outcome is most frequent in grey and least in clear",
        "Too few rows to compare (fewer than 60): rare",
        "among rows alike in town",
        "sky is not a feature, and yet the features together give it back at AUC 0.",
        "Left out for too few rows: rare.",
        "Labels that the other columns speak against",
        "Alike, but of another group",
        "Where labels differ although the features say the same",
        "Holm’s correction",
        "How wrong one would be, on average",
    ):
        assert words in text, words
    names = {attributes.get("aria-label", "") for tag, attributes in found.tags if tag == "svg"}
    for start in ("How well sky is told", "Share of suspect labels by sky", "Largest differences"):
        assert any(name.startswith(start) for name in names), start


@pytest.mark.parametrize(
    ("task", "words"),
    [("multiclass", "“floods” is most frequent in grey"), ("regression", "is highest in grey")],
)
def test_other_targets_have_their_own_words(tmp_path: Path, task: str, words: str) -> None:
    assert words in shown(tmp_path, report(task)).text


def test_what_was_not_looked_for_is_said(tmp_path: Path) -> None:
    text = shown(tmp_path, report("binary", look_for=["duplicates"])).text
    assert "Nothing was done to find labels that the other columns speak against, features" in text
    assert "(`audit.given`, for yes-or-no outcomes)" in text
    assert "have fewer than 60 training rows" in text
    assert "Do the features give the groups away?" not in text


def test_an_older_report_still_renders() -> None:
    old = {"by": {"town": []}, "min_group_size": 10, "gaps": {}}
    assert not_looked_for(old) == []


def test_many_groups_are_in_the_table_alone() -> None:
    content = report("binary")
    content["by"]["sky"] *= MAX_ROWS
    assert "share-0" not in draw(content)
    assert "share-1" in draw(content)
