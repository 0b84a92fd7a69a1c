"""What is measured of texts: lengths, scripts, copies, personal data; and no text is shown."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.core.metrics.slices import accuracy, mean_absolute_error
from pipeline.core.settings.columns import Columns
from pipeline.core.statistics.intervals import wilson
from pipeline.text.data import content, profile
from pipeline.text.data.contract_columns import measured
from pipeline.text.data.scripts import script
from pipeline.text.data.words import num_words, same
from pipeline.text.evaluation import features, slices

COLUMNS = Columns(target="label", positive="yes", text="t")
LONG = "word " * 200_000
"""A megabyte."""
TEXTS = [
    "Good tea!",
    "good  TEA",
    "Хороший чай",
    "",
    None,
    "...",
    LONG,
    "mail jane@x.org or 1-800-555-0123",
]


def table() -> pl.DataFrame:
    return pl.DataFrame({"t": TEXTS, "label": ["yes", None] * 4})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It isn't tea, it’s 2 coffees.", 6),
        ("", 0),
        ("?! ...", 0),
        ("snake_case", 2),
        ("Хороший чай", 2),
    ],
)
def test_words_are_letters_and_digits_with_apostrophes_inside(text: str, found: int) -> None:
    assert num_words(text) == found


def test_case_punctuation_blanks_and_forms_of_unicode_make_no_other_text() -> None:
    assert same("Good TEA!") == same(" good,\n tea") == "good tea"
    assert same("cafe\u0301") == same("caf\u00e9")
    assert same("it’s") == same("IT'S")
    assert same("good teas") != same("good tea")
    assert same("...") != same("!")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("good tea 100%", "latin"),
        ("Хороший tea", "cyrillic"),
        ("お茶は美味しいです", "hiragana"),
        ("很好的茶", "han"),
        ("شاي جيد", "arabic"),
        ("좋은 차", "hangul"),
        ("ａｂｃ", "latin"),
        ("аb", "cyrillic"),  # equally many: the first in the alphabet
        ("123 !?", None),
        ("", None),
    ],
)
def test_a_script_is_that_of_most_letters(text: str, found: str | None) -> None:
    assert script(text) == found


def test_a_contract_may_name_what_is_measured() -> None:
    found = measured(table(), COLUMNS)
    assert found.columns == [
        "t",
        "label",
        "t.num_characters",
        "t.num_words",
        "t.is_empty",
        "t.script",
        "t.personal_data",
        "t.num_near_duplicates",
    ]
    assert found["t.num_characters"].to_list() == [9, 9, 11, 0, None, 3, 1_000_000, 33]
    assert found["t.num_words"].to_list() == [2, 2, 2, 0, None, 0, 200_000, 9]
    assert found["t.is_empty"].to_list() == [False, False, False, True, True, True, False, False]
    assert found["t.script"].to_list() == [
        "latin",
        "latin",
        "cyrillic",
        None,
        None,
        None,
        "latin",
        "latin",
    ]
    assert found["t.personal_data"].to_list() == [0, 0, 0, 0, None, 0, 0, 2]
    assert found["t.num_near_duplicates"].to_list() == [1, 1, 0, 0, None, 0, 0, 0]
    assert found.select("t", "label").equals(table())


def test_a_table_without_the_text_is_as_it_is() -> None:
    other = pl.DataFrame({"label": ["yes"]})
    assert measured(other, COLUMNS).equals(other)
    numbers = measured(pl.DataFrame({"t": [12, None]}), COLUMNS)
    assert numbers["t.num_words"].to_list() == [1, None]


def test_what_can_be_named_is_known_before_there_is_a_row() -> None:
    nothing = pl.DataFrame(schema={"t": pl.Null, "label": pl.Null})
    assert measured(nothing, COLUMNS).columns == measured(table(), COLUMNS).columns


def test_texts_of_the_same_words_share_a_key_for_split() -> None:
    keys = content.keys(table(), COLUMNS)["t"].to_list()
    assert keys[0] == keys[1]
    assert len(set(keys)) == 7


def test_the_profile_counts_and_shows_no_text() -> None:
    [found, label] = profile.columns(table(), ("t",))
    assert label["top"] == [{"value": "yes", "count": 4}]
    assert (found["num_missing"], found["top"], found["min"]) == (1, [], None)
    assert found["texts"] == {
        "num_empty": 2,
        "num_near_duplicates": 1,
        "num_characters": {"min": 0, "median": 9.0, "max": 1_000_000},
        "num_words": {"min": 0, "median": 2.0, "max": 200_000},
        "scripts": [
            {"value": "latin", "count": 4},
            {"value": "none", "count": 2},
            {"value": "cyrillic", "count": 1},
        ],
        "personal_data": {"email": 1, "card": 0, "phone": 1},
    }
    assert "jane" not in json.dumps(found)


def test_a_column_of_prose_is_shown_in_no_role() -> None:
    prose = pl.DataFrame({"note": ["call me at home after six", "please send it to my aunt"] * 30})
    [found] = profile.columns(prose)
    assert found["top"] == []
    assert set(features.levels(prose, "note").unique()) == {"(-∞, 6]"}
    [kinds] = profile.columns(pl.DataFrame({"kind": ["green tea", "milk"] * 30}))
    assert [one["value"] for one in kinds["top"]] == ["green tea", "milk"]


def many(num_rows: int = 120) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    words = np.array(["tea", "milk", "cup", "bad", "good", "taste", "box", "price"])
    texts = [" ".join(rng.choice(words, int(rng.integers(1, 30)))) for _ in range(num_rows - 20)]
    return pl.DataFrame({"t": [*texts, *(f"хороший чай {i}" for i in range(20))]})


def test_texts_become_the_same_numbers_again_and_tell_words_apart() -> None:
    rows, categorical = features.matrix(many(), COLUMNS)
    again, _ = features.matrix(many(), COLUMNS)
    assert rows.tobytes() == again.tobytes()
    assert not categorical.any()
    lengths = [num_words(text) for text in many()["t"]]
    assert rows[:, -1] == pytest.approx(np.log1p(lengths))
    russian, english = rows[-20:, :-1].mean(axis=0), rows[:-20, :-1].mean(axis=0)
    assert np.abs(russian - english).max() > 0.5
    assert features.matrix(many(), COLUMNS, ("t",))[0].shape == (120, 0)


def test_texts_without_a_word_have_a_length_alone() -> None:
    rows, _ = features.matrix(pl.DataFrame({"t": ["", "!", None]}), COLUMNS)
    assert rows.tolist() == [[0.0], [0.0], [0.0]]


def test_what_can_be_named_are_lengths_and_scripts() -> None:
    words, scripts = features.described(many(), "t")
    assert scripts.name == "script"
    assert scripts[-20:].unique().to_list() == ["cyrillic"]
    assert words[-20:].n_unique() == 1  # each has three words
    assert features.levels(many(), "t").to_list() == words.to_list()
    codes = features.coded(many(), "t", COLUMNS)
    assert [len(set(one.tolist())) for one in codes.values()] == [words.n_unique(), 2]
    assert features.levels(pl.DataFrame({"k": ["a", None]}), "k").to_list() == ["a", "(missing)"]


def test_rows_of_the_same_words_are_identical() -> None:
    codes = features.identical(table(), COLUMNS, ())
    assert codes[0] == codes[1]
    assert len(set(codes.tolist())) == 7


def test_slices_are_lengths_and_scripts_with_their_intervals() -> None:
    hits = pl.Series([True] * 100 + [False] * 15 + [True] * 5)
    found: list[dict[str, Any]] = accuracy(slices.slices_of(many(), COLUMNS), hits, 10)
    scripts = {one["slice"]: one for one in found if one["column"] == "script"}
    assert scripts["cyrillic"]["num_rows"] == 20
    assert scripts["cyrillic"]["accuracy"] == 0.25
    low, high = wilson(np.array([5.0]), np.array([20.0]))
    assert (scripts["cyrillic"]["low"], scripts["cyrillic"]["high"]) == (
        pytest.approx(low[0], abs=1e-6),
        pytest.approx(high[0], abs=1e-6),
    )
    assert sum(one["num_rows"] for one in found if one["column"] == "num_words") == 120
    errors = pl.Series(np.arange(120.0))
    means = mean_absolute_error(slices.slices_of(many(), COLUMNS), errors, 10)
    assert means[0]["slice"] == "cyrillic"
    assert means[0]["mean_absolute_error"] == 109.5
