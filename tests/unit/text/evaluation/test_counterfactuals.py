"""Words of one group are swapped for another's, and how far the answer moves is measured."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.core.scoring.counterfactuals import CounterfactualSettings, Versions, assessed, gap
from pipeline.core.settings.columns import Columns
from pipeline.text.data.word_lists import WordList, lists
from pipeline.text.evaluation.counterfactuals import groupings, swap, versions

COLUMNS = Columns(target="label", positive="yes", text="t")
HOW = {"confidence": 0.95, "num_replicates": 500, "seed": 0}
KNOWN = {one.name: one for one in lists()}


def test_every_list_names_its_source_and_has_a_word_for_each_group() -> None:
    assert sorted(KNOWN) == ["gendered words", "names", "nationalities", "religions"]
    for one in lists():
        assert one.source.startswith("Written for this repository")
        assert all(len(row) == len(one.groups) for row in (*one.words, *one.before_nouns))
        for group in range(len(one.groups)):  # no word stands for two rows
            words = [row[group].lower() for row in one.words]
            assert len(set(words)) == len(words)
        for sentence in one.sentences:
            found = swap(sentence, one)
            assert found is not None
            assert sentence in found
            assert len(set(found)) == len(one.groups)
    assert "nationalities" not in groupings()
    assert {"names", "names, in templates", "nationalities, in templates"} <= set(groupings())


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("gendered words", "He has HIS; to her.", "He has HIS; to him.|She has HERS; to her."),
        ("gendered words", "He gave HIS dog", "He gave HIS dog|She gave HER dog"),
        ("gendered words", "her tea; it is hers", "his tea; it is his|her tea; it is hers"),
        ("gendered words", "I saw her and left", "I saw him and left|I saw her and left"),
        ("gendered words", "He's here", "He's here|She's here"),
        ("names", "Emily's tea", "Emily's tea|Lakisha's tea|Guadalupe's tea|Fatima's tea"),
        ("names", "EMILY", "EMILY|LAKISHA|GUADALUPE|FATIMA"),
        ("religions", "a christian", "a christian|a Muslim|a Jewish|a Hindu|a Buddhist"),
    ],
)
def test_a_text_gets_the_words_of_each_group(name: str, text: str, found: str) -> None:
    assert "|".join(swap(text, KNOWN[name]) or ()) == found


def test_an_article_follows_the_word() -> None:
    found = swap("An American and an Iranian, a German", KNOWN["nationalities"])
    assert found is not None
    assert found[0] == "An American and an American, an American"
    assert found[1] == "A Mexican and a Mexican, a Mexican"


@pytest.mark.parametrize("text", ["the theme, chess and shell", "emily", "", "a manhole", "Emilys"])
def test_a_part_of_a_word_or_another_case_of_a_name_is_none(text: str) -> None:
    assert swap(text, KNOWN["gendered words"]) is None
    assert swap(text, KNOWN["names"]) is None


def test_texts_without_a_word_are_left_out_and_more_than_the_most_are_sampled() -> None:
    texts = [f"he has {i}" if i % 2 else f"tea {i}" for i in range(100)] + [None]
    table = pl.DataFrame({"t": texts, "_row": range(1000, 1101)})
    found = {one.by: one for one in versions(table, COLUMNS, 20, 3)}
    one = found["gendered words"]
    assert (one.num_touched, one.num_rows) == (50, 101)
    male, female = (table["t"].to_list() for table in one.tables)
    assert len(male) == 20
    assert one.rows == tuple(1000 + int(text.split()[-1]) for text in male)
    assert female == [text.replace("he", "she") for text in male]
    again = {one.by: one for one in versions(table, COLUMNS, 20, 3)}
    assert again["gendered words"].rows == one.rows
    assert found["names"].num_touched == 0


def planted(num: int, shift: float, in_templates: bool = False) -> dict[str, Any]:
    """The report on texts of which the second group's answer is higher by `shift`, on average."""
    tables = [pl.DataFrame({"t": [f"{group} {i}" for i in range(num)]}) for group in ("a", "b")]
    noise = np.random.default_rng(1).normal(0, 0.02, num)

    def answers(cases: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        found = []
        for text in cases["t"]:
            group, i = text.split()
            found.append(0.5 + (shift + noise[int(i)] if group == "b" else 0.0))
        return np.array(found)[:, None]

    one = Versions(
        "swapped",
        "us",
        ("a", "b"),
        tables,
        num,
        10 * num,
        rows=() if in_templates else tuple(range(num)),
        templates=tuple(tables[0]["t"]) if in_templates else (),
    )
    report = assessed([one], answers, ["probability"], CounterfactualSettings(), HOW)
    found: dict[str, Any] = report["by"]["swapped"]
    json.dumps(report)
    return found | {"noise": noise}


def test_a_planted_change_is_measured_with_an_interval_that_holds_it() -> None:
    found = planted(200, 0.1)
    value = 0.1 + found["noise"].mean()
    assert found["gap"]["value"] == pytest.approx(value, abs=1e-6)
    error = found["noise"].std() / np.sqrt(200)  # of a mean, by hand
    assert found["gap"]["standard_error"] == pytest.approx(error, rel=0.15)
    assert found["gap"]["high"] == pytest.approx(value + 1.645 * error, abs=0.3 * error)
    assert found["gap"]["low"] == pytest.approx(value - 1.96 * error, abs=0.3 * error)
    assert [one["value"] for one in found["changes"]] == pytest.approx(
        [-value / 2, value / 2], abs=1e-6
    )
    largest = int(found["noise"].argmax())
    assert found["largest"]["row"] == largest
    assert found["largest"]["value"] == pytest.approx(0.1 + found["noise"][largest], abs=1e-6)
    assert (found["largest"]["from"], found["largest"]["to"]) == ("a", "b")


def test_no_change_is_no_change() -> None:
    scores = np.full((80, 3, 1), 0.7)
    found = gap(scores, HOW)
    assert (found["value"], found["low"], found["high"]) == (0.0, 0.0, 0.0)


def test_the_largest_of_several_groups_counts() -> None:
    scores = np.zeros((100, 3, 2)) + np.array([[0.1, 0.5], [0.4, 0.5], [0.2, 0.45]])
    assert gap(scores, HOW)["value"] == pytest.approx(0.3)


def test_few_texts_are_no_evidence_but_templates_of_ours_are() -> None:
    assert planted(49, 0.1)["gap"] is None
    assert planted(50, 0.1)["gap"] is not None
    found = planted(12, 0.1, in_templates=True)
    assert found["gap"]["value"] > 0.05
    assert found["largest"]["row"] is None
    assert found["largest"]["template"].startswith("a ")


def test_a_word_in_any_place_of_a_long_text_is_swapped_quickly() -> None:
    text = "tea " * 250_000 + "he"
    found = swap(text, KNOWN["gendered words"])
    assert found is not None
    assert found[1].endswith(" she")


def test_a_list_is_data() -> None:
    one = WordList("x", "us", ("a", "b"), (("tea", "milk"),), (), False, True, ("Tea is here.",))
    assert swap("Tea, TEA and tea", one) == ("Tea, TEA and tea", "Milk, MILK and milk")
