"""From a file that nobody has described to a bento, with nothing edited in between."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.core.paths import READING_ORDER
from tests.conftest import fresh_clone
from tests.e2e.conftest import Clone


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A fresh clone in which nothing was built."""
    (tmp_path / "home").mkdir()
    return Clone(fresh_clone(tmp_path / "clone"))


def test_a_strangers_file_becomes_a_bento(clone: Clone) -> None:
    strangers_file(clone.root.parent / "Prêts 2024.csv")
    made = clone.hallmark(
        "init", "../Prêts 2024.csv", "--target", "remboursé", "--positive", "oui",
        "--sensitive", "sexe", "--name", "loans",
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    built = clone.hallmark("build", "loans", "split", "--engine")
    assert built.returncode == 0, built.stdout + built.stderr
    clone.run_stages("loans", *READING_ORDER[READING_ORDER.index("split") + 1 :])
    home = clone.root / "data/loans"
    assert json.loads((home / "65_gate/verdict.json").read_text())["outcome"] == "pass"
    assert (home / "75_package/bento").is_dir()
    assert "not said yet" in (home / "70_report/report.html").read_text()
    plots = clone.dvc("plots", "show", "data/loans/dvc.yaml")
    page = (clone.root / "dvc_plots/index.html").read_text()
    assert plots.returncode == 0
    assert "Loss by epoch, loans" in page
    assert "ROC curve on the test part, loans" in page


def strangers_file(target: Path) -> None:
    """1,500 loans: another separator and encoding, accents, codes for missing, an identifier."""
    rng = np.random.default_rng(0)
    num = 1500
    income = np.exp(rng.normal(8, 0.5, num)).round(2)
    debt = rng.gamma(2, 500, num).round(2)
    job = rng.choice(["salarié", "indépendant", "retraité"], num)
    score = 2.5 * np.log(income / 3000) - debt / 900 + 1.2 * (job == "retraité") + 1.2
    table = pl.DataFrame(
        {
            "dossier": [f"D{number:05d}" for number in rng.permutation(num)],
            "revenu net": income,
            "dette": debt,
            "métier": job,
            "sexe": rng.choice(["femme", "homme"], num),
            "pays": ["France"] * num,
            "remboursé": np.where(rng.random(num) < 1 / (1 + np.exp(-2 * score)), "oui", "non"),
        }
    )
    missing = pl.Series(rng.random(num) < 0.05)
    text = table.with_columns(
        dette=pl.when(missing).then(pl.lit("n/a")).otherwise(pl.col("dette").cast(pl.String))
    )
    target.write_bytes(text.write_csv(separator=";").encode("cp1252"))
