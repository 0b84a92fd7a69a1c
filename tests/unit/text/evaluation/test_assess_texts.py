"""assess swaps words in test texts and scores them with the model; what it finds was planted."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from pipeline.assess.stage import Settings, run
from pipeline.core.paths import Paths, folder_name
from pipeline.core.prediction import prediction
from pipeline.core.prediction.outcome import BINARY
from pipeline.core.prediction.policy import Policy
from pipeline.core.scoring import counterfactuals as swaps
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.project import Project

NUM_ROWS, SHARE = 240, 3
"""Every third text has a gendered word."""


def leaning(table: pl.DataFrame) -> Any:
    """A model that likes `she` and nothing else."""
    return np.array([1.0 if "she" in text.lower().split() else 0.0 for text in table["words"]])


def numbered(table: pl.DataFrame) -> tuple[NDArray[np.float64]]:
    """Each different text as a number of its own."""
    return (table["words"].rank("dense").cast(pl.Float64).to_numpy(),)


WHOLE = SimpleNamespace(encode=numbered)
"""Stands for an encoder that reads texts to their end."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("assess")
    home = root / "data/people"
    texts = [f"he likes it {i}" if i % SHARE == 0 else f"good tea {i}" for i in range(NUM_ROWS)]
    rows = pl.int_range(NUM_ROWS, eager=True, dtype=pl.UInt32)
    tables = {
        ("split", "test.parquet"): {"words": texts, "_row": rows},
        ("evaluate", "predictions.parquet"): {
            "_row": rows,
            "label": [i % 2 for i in range(NUM_ROWS)],
            **{f"{who}probability": [0.5] * NUM_ROWS for who in ("", "baseline_")},
            **{f"{who}decision": [1] * NUM_ROWS for who in ("", "baseline_")},
        },
    }
    for (stage, name), content in tables.items():
        (home / folder_name(stage)).mkdir(parents=True)
        pl.DataFrame(content).write_parquet(home / folder_name(stage) / name)
    (home / folder_name("calibrate")).mkdir()
    policy = Policy(temperature=1.0, threshold=0.5).as_dict()
    (home / folder_name("calibrate") / "policy.json").write_text(json.dumps(policy))
    columns = Columns(target="liked", positive="yes", text="words", no_sensitive="texts")
    project = Project("people", "text", Settings(num_replicates=200), {"columns": columns})
    with pytest.MonkeyPatch.context() as patch:
        model = SimpleNamespace(logits=leaning, outcome=BINARY, encoder=WHOLE)
        patch.setattr(prediction, "load", lambda *_: model)
        run(project, Paths(root, "people", "assess"))
    return read(home)


def read(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "55_assess/report.json").read_text())
    return found


def test_texts_that_are_read_alike_have_one_answer() -> None:
    asked: list[int] = []

    def logits(table: pl.DataFrame) -> NDArray[np.float64]:
        asked.append(table.height)
        return table["words"].str.len_chars().to_numpy().astype(float)

    first = SimpleNamespace(
        encode=lambda table: (table["words"].str.slice(0, 1).rank("dense").to_numpy(),)
    )
    model: Any = SimpleNamespace(encoder=first, logits=logits)

    found = swaps.logits(model, pl.DataFrame({"words": ["tea", "a box", "tins", "a", "tea"]}))

    assert asked == [2]
    assert found.tolist() == [3, 5, 3, 5, 3]


def test_what_was_planted_is_found_in_texts_and_in_sentences(report: dict[str, Any]) -> None:
    found = report["counterfactuals"]["by"]
    planted = 1 / (1 + math.exp(-1)) - 0.5
    gendered = found["gendered words"]
    assert (gendered["num_touched"], gendered["num_rows"]) == (NUM_ROWS // SHARE, NUM_ROWS)
    assert gendered["gap"]["value"] == pytest.approx(planted, abs=1e-6)
    assert gendered["gap"]["low"] == pytest.approx(planted, abs=1e-6)  # each text moves alike
    female = next(one for one in gendered["changes"] if one["group"] == "female")
    assert female["output"] == "probability of yes"
    assert female["value"] == pytest.approx(planted / 2, abs=1e-6)
    assert 0 < found["gendered words, in templates"]["gap"]["value"] < planted
    assert found["nationalities, in templates"]["gap"]["value"] == 0


def test_lists_without_a_text_are_no_evidence_and_no_text_is_shown(report: dict[str, Any]) -> None:
    names = report["counterfactuals"]["by"]["names"]
    assert (names["num_touched"], names["gap"], names["largest"]) == (0, None, None)
    assert report["counterfactuals"]["by"]["gendered words"]["largest"]["row"] % SHARE == 0
    assert "likes it" not in json.dumps(report)
