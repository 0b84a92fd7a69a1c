"""A project of a table with all that a column can be: made-up loans, delivered as parquet.

Types that JSON does not have, missing values of every kind, dates in two writings and with a zone,
booleans, weights, an identifier, a column without any value, numbers without end, and names with
quotes, brackets, dots, letters of other scripts and signs that other programs read as their own.
"""

import json
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.people import HERE, SETTINGS, write_yaml

NUM_ROWS = 600
ZONE = "America/New_York"
WHO, WEIGHT = "id ☃", "wt."
SIZE, TAIL, HUGE = 'Größe "m²" [2]', "tail ${x} {{ y }}", "huge, int"
NOTHING, NEEDED, PRICE = "nothing", "needed <b>", "price.$1$"
ANSWER, FLAG, MANY, KIND = "yes/no?", "flag 🚩", "many\\levels", "kind of 'it'"
OPENED, SEEN, SINCE = "opened (d.m.y)", "seen; at", "since"
GROUP, TARGET, NOTE = "group & <i>", "paid = back", "note"

COLUMNS: dict[str, Any] = {
    "target": TARGET,
    "positive": "true",
    "numeric": [SIZE, TAIL, HUGE, NOTHING, NEEDED, PRICE],
    "categorical": [ANSWER, FLAG, MANY, KIND],
    "dates": [OPENED, SEEN, SINCE],
    "missing": {NEEDED: "drop_row", SIZE: "median", ANSWER: "level"},
    "sensitive": [GROUP],
    "identifier": WHO,
    "weight": WEIGHT,
    "drop": {NOTE: "free text"},
}
RULES: list[dict[str, Any]] = [
    {"name": "blanks", "rule": "strip_whitespace", "columns": [SIZE, OPENED]},
    {"name": "unknown", "rule": "missing_codes", "columns": [SIZE, OPENED], "codes": ["?"]},
    {
        "name": "as they are written",
        "rule": "cast",
        "columns": {SIZE: "float", OPENED: "date", ANSWER: "boolean", NOTHING: "float"},
        "formats": {OPENED: "%d.%m.%Y"},
        "decimal": ",",
    },
]


def table() -> pl.DataFrame:
    """The rows as they are delivered; whether a loan is paid depends on size, dates and flag."""
    rng = np.random.default_rng(3)
    gone = {name: rng.random(NUM_ROWS) < 0.15 for name in (SIZE, TAIL, FLAG, OPENED, SEEN, ANSWER)}
    size = np.round(rng.lognormal(6, 1, NUM_ROWS), 2)
    tail = rng.standard_cauchy(NUM_ROWS) * 1e6
    tail[[5, 6, 7, 8]] = np.inf, -np.inf, 1e308, -1e308
    opened = [date(2015, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 2000, NUM_ROWS)]
    start = datetime(2020, 1, 1)
    seen = [start + timedelta(minutes=int(m)) for m in rng.integers(0, 400_000, NUM_ROWS)]
    flag, answer = rng.random(NUM_ROWS) < 0.4, rng.random(NUM_ROWS) < 0.5
    score = 2.5 * (np.log(size) - 6) + 3 * flag + 2 * answer + 0.001 * rng.normal(size=NUM_ROWS)
    score += np.array([(day.year - 2017) * 1.0 for day in opened]) - 2.5
    spelt = {True: ("Yes", " true", "1", "JA"), False: ("no", "F", "0 ", "nein")}
    named = {
        WHO: [f"person {i}" for i in range(NUM_ROWS)],
        WEIGHT: rng.choice([0.5, 1.0, 4.0], NUM_ROWS),
        SIZE: [german(value, i) for i, value in enumerate(size)],
        TAIL: tail,
        HUGE: rng.integers(-(2**62), 2**62, NUM_ROWS),
        NEEDED: [None if i % 20 == 0 else float(i % 7) for i in range(NUM_ROWS)],
        PRICE: pl.Series(np.round(rng.random(NUM_ROWS), 2)).cast(pl.Decimal(10, 2)),
        ANSWER: [spelt[bool(one)][i % 4] for i, one in enumerate(answer)],
        FLAG: flag,
        MANY: [f"l'évêque № {int(k)}" for k in rng.zipf(1.5, NUM_ROWS) % 400],
        KIND: pl.Series(rng.choice(["a.b", 'q"q', "<script>"], NUM_ROWS)).cast(pl.Categorical),
        OPENED: [f"{day:%d.%m.%Y}" for day in opened],
        SEEN: pl.Series(seen)
        .dt.cast_time_unit("ns")
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(ZONE),
        SINCE: [date(1960, 1, 1) + timedelta(days=30 * i) for i in range(NUM_ROWS)],
        GROUP: rng.choice(["a$b$", "<i>", "ü"], NUM_ROWS, p=[0.5, 0.3, 0.2]),
        NOTE: ["-"] * NUM_ROWS,
        TARGET: score + rng.logistic(size=NUM_ROWS) > 0,
    }
    whole = pl.DataFrame(named).with_columns(pl.lit(None).alias(NOTHING))
    whole = whole.with_columns(
        *(
            pl.when(pl.Series(one)).then(None).otherwise(pl.col(n)).alias(n)
            for n, one in gone.items()
        ),
    )
    unknown = pl.when(pl.col(OPENED).is_null() & (pl.int_range(pl.len()) % 2 == 0))
    nan = pl.when(pl.int_range(pl.len()) == 9).then(float("nan")).otherwise(pl.col(TAIL))
    return whole.with_columns(
        nan.alias(TAIL), unknown.then(pl.lit(" ?")).otherwise(pl.col(OPENED)).alias(OPENED)
    )


def german(value: float, number: int) -> str:
    """1234.5 as 1.234,50, every third one with blanks."""
    text = f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
    return f" {text} " if number % 3 == 0 else text


def make_difficult(root: Path) -> Path:
    """A repository at `root` with this project, before its first stage; its folder."""
    sections = {
        **SETTINGS,
        "columns": COLUMNS,
        "ingest": {"source": "raw/loans.parquet"},
        "validate": {},
        "clean": {"rules": RULES},
        "split": {"shares": {"train": 0.5, "validation": 0.1, "calibration": 0.1, "test": 0.3}},
        "audit": {"min_group_size": 10},
        "balance": {"method": "reweigh"},
        "train": {
            "max_epochs": 15,
            "batch_size": 32,
            "learning_rate": 0.01,
            "encoder": {"num_bins": 8, "min_level_count": 3},
            "network": {"hidden": [16], "dropout": 0.0},
        },
        "gate": {"rules": [{"measure": "roc_auc", "at_least": 0.5}]},
        "report": {},
        "package": {},
        "rehearse": {},
    }
    home = root / "data" / "people"
    write_yaml(root / "params.yaml", {"projects": {"people": {"modality": "tabular"}}})
    write_yaml(home / "project.yaml", sections)
    (home / "contract.json").write_text(json.dumps(contract(), ensure_ascii=False))
    (home / "raw").mkdir()
    table().write_parquet(home / "raw/loans.parquet")
    (home / "champion").mkdir()
    (home / "champion/champion.json").write_text('{"version": null}\n')
    (home / "overrides.json").write_text('{"overrides": []}\n')
    for file in ("dvc.yaml", "requirements.lock"):
        shutil.copy(HERE / file, root / file)
    return home


def contract() -> dict[str, Any]:
    """Expectations on columns of all these names."""

    def suite(*entries: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        meta = {"severity": "critical", "meta": {"notes": "As it was agreed."}}
        expectations = [{"type": kind, "kwargs": kwargs, **meta} for kind, kwargs in entries]
        return {"name": "loans", "expectations": expectations}

    between, in_set = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"
    names = [WHO, WEIGHT, *COLUMNS["numeric"], *COLUMNS["categorical"], *COLUMNS["dates"]]
    exist = [("expect_column_to_exist", {"column": name}) for name in names]
    return {
        "delivered": suite(*exist, ("expect_column_values_to_be_unique", {"column": WHO})),
        "prepared": suite(
            ("expect_column_values_to_not_be_null", {"column": NEEDED}),
            (between, {"column": SIZE, "min_value": 0}),
            (in_set, {"column": ANSWER, "value_set": [True, False]}),
            (in_set, {"column": FLAG, "value_set": [True, False]}),
            (in_set, {"column": KIND, "value_set": ["a.b", 'q"q', "<script>"]}),
            (in_set, {"column": GROUP, "value_set": ["a$b$", "<i>", "ü"]}),
        ),
    }
