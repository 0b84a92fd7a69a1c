"""The rules of texts change what they say, count it, and drop what cannot be learnt from."""

import html
import time
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.clean.stage import Settings
from pipeline.core.cleaning.rules import Rule, for_requests
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.typed_settings import strictly
from pipeline.text.data import words
from pipeline.text.data.cleaning import apply, cleaned, cleaned_scan

RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(tuple[Rule, ...])


def rules(*entries: dict[str, Any]) -> tuple[Rule, ...]:
    named = [
        {"name": f"rule {number}", "columns": ["t"]} | one for number, one in enumerate(entries)
    ]
    return RULES.validate_python(tuple(named))


def one(texts: list[str | None], **rule: Any) -> tuple[list[str | None], dict[str, Any]]:
    clean, [entry] = apply(pl.DataFrame({"t": texts}, {"t": pl.String}), rules(rule))
    return clean["t"].to_list(), entry


def test_text_is_brought_into_one_form_of_unicode_with_single_blanks() -> None:
    given = [
        "cafe\u0301",
        "a\u00a0 b\r\n\tc",
        "x\u200by\ufeff",
        " \u2003 ",
        "\x00a\x07",
        "ok",
        None,
    ]
    found, entry = one(given, rule="normalize_text")
    assert found == ["caf\u00e9", "a b c", "xy", None, "a", "ok", None]
    assert entry["cells"] == {"t": 5}


def test_the_compatible_form_is_another() -> None:
    assert one(["\uff21\ufb01 x\u00b2"], rule="normalize_text")[0] == ["\uff21\ufb01 x\u00b2"]
    assert one(["\uff21\ufb01 x\u00b2"], rule="normalize_text", form="NFKC")[0] == ["Afi x2"]


def test_joiners_that_persian_and_emoji_need_stay() -> None:
    texts = ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f373"]
    assert one(list(texts), rule="normalize_text")[0] == texts


def test_html_goes_and_what_looks_like_it_stays() -> None:
    given = {
        "a<br />b<BR>c": "a b c",
        '<a href="x">tea</a> &amp; <b>milk</b>': " tea  &  milk ",
        "salt &lt; sugar&#33; &nosuch; AT&T": "salt < sugar! &nosuch; AT&T",
        "x <!-- <b>no</b> --> y<script>alert(1 < 2)</script>z": "x   y z",
        "I <3 it, a < b > c, <jane@x.org>": "I <3 it, a < b > c, <jane@x.org>",
        "&lt;br&gt; was written": "<br> was written",
    }
    found, entry = one(list(given), rule="strip_html")
    assert found == list(given.values())
    assert entry["cells"] == {"t": 5}


def test_masking_counts_by_kind_and_keeps_no_value() -> None:
    found, entry = one(
        ["a@b.org, 1-800-555-0123", "c@d.org", "none", None], rule="mask_personal_data"
    )
    assert found == ["[email], [phone]", "[email]", "none", None]
    assert entry == {
        "name": "rule 0",
        "rule": "mask_personal_data",
        "cells": {"t": 2},
        "rows_dropped": 0,
        "found": {"email": 2, "phone": 1, "card": 0},
    }


def test_a_cut_ends_with_a_word_where_one_ends_near() -> None:
    assert one(["tea and milk", "short"], rule="cut_text", max_characters=11)[0] == [
        "tea and mil",  # the last word's beginning lies too far back
        "short",
    ]
    assert one(["aaaa bbbb cccc d eee"], rule="cut_text", max_characters=17)[0] == [
        "aaaa bbbb cccc d"
    ]
    assert one(["tea and"], rule="cut_text", max_characters=3)[1]["cells"] == {"t": 1}


def test_rows_of_empty_and_of_too_long_texts_are_dropped_with_their_count() -> None:
    given = ["", "!?", None, "\U0001f600", "one", "one two", "one two three", "x" * 20]
    assert one(list(given), rule="drop_by_length")[0] == given[3:]
    found, entry = one(list(given), rule="drop_by_length", max_words=2, max_characters=19)
    assert (found, entry["rows_dropped"]) == (["\U0001f600", "one", "one two"], 5)
    assert entry["found"] == {"short": 3, "long": 2}


def test_of_texts_with_the_same_words_the_first_is_kept() -> None:
    given = ["Good tea!", "good  TEA", "good teas", None, "...", "!"]
    found, entry = one(list(given), rule="drop_same_words")
    assert found == ["Good tea!", "good teas", None, "...", "!"]
    assert entry["rows_dropped"] == 1


@pytest.mark.parametrize(
    ("text", "other", "num_words"),
    [
        ("दिन अच्छा", "दान अच्छी", 2),  # Hindi: a good day, a good gift
        ("เก่า", "เก้า", 1),  # Thai: old, nine
        ("مُدَرِّس", "مَدْرَسة", 1),  # Arabic with its vowels: a teacher, a school
        ("great \U0001f600", "great \U0001f621", 2),
        ("می‌رود", "می‌روم", 1),  # Persian, with a joiner: goes, go
    ],
)
def test_marks_and_emoji_tell_words_apart(text: str, other: str, num_words: int) -> None:
    assert one([text, other], rule="drop_same_words")[0] == [text, other]
    assert one([text, f" {text}!"], rule="drop_same_words")[0] == [text]
    assert words.num_words(text) == num_words


EVERY = rules(
    {"rule": "strip_html"},
    {"rule": "normalize_text"},
    {"rule": "mask_personal_data"},
    {"rule": "drop_by_length"},
    {"rule": "cut_text", "max_characters": 100},
    {"rule": "drop_same_words"},
)


def test_slices_give_what_the_whole_gives() -> None:
    texts = [f"{i % 7}@x.org<br>tea {i % 40}" if i % 9 else "" for i in range(100)]
    table = pl.DataFrame({"t": texts, "y": ["a", "b"] * 50})
    columns = Columns(target="y", positive="a", text="t")
    whole, ledger = cleaned(table, EVERY, columns)
    found, its_ledger = cleaned_scan(table.lazy(), EVERY, columns, 13)
    assert found.equals(whole)
    assert its_ledger == ledger
    assert ledger[2]["found"] == {"email": 88, "phone": 0, "card": 0}


def test_a_request_gets_the_rules_that_change_a_text_and_none_that_drops_it() -> None:
    kept = for_requests(EVERY, ("t",))
    assert [rule.rule for rule in kept] == [
        "strip_html",
        "normalize_text",
        "mask_personal_data",
        "cut_text",
    ]
    assert for_requests(EVERY, ("other",)) == ()


def test_a_text_of_a_megabyte_goes_through_all_rules_in_a_moment() -> None:
    for text in ("tea and milk " * 80_000, "<!--" * 250_000, "<script " * 120_000, "<a " * 330_000):
        start = time.perf_counter()
        found, _ = apply(pl.DataFrame({"t": [f"tea {text}"]}), EVERY)
        assert len(found["t"][0]) <= 100
        assert time.perf_counter() - start < 20  # squared it would be hours


def test_an_escaped_page_is_read_as_html_reads_it() -> None:
    text = "caf\u00e9 \u2013 5 < 6 & \u20ac"
    assert one([html.escape(text)], rule="strip_html")[0] == [text]


def test_a_rule_of_texts_is_refused_in_a_table_by_name_with_the_nearest() -> None:
    rule = {"name": "tags", "rule": "strip_html", "columns": ["t"]}
    with pytest.raises(ValidationError) as caught:
        strictly(Settings, {"rules": [rule]}, {"modality": "tabular"})
    [problem] = caught.value.errors()
    assert "the modality tabular, got 'strip_html' in the rule 'tags'" in problem["msg"]
    assert problem["ctx"]["error"].hint == "did you mean `strip_whitespace`?"
    assert strictly(Settings, {"rules": [rule]}, {"modality": "text"}).rules[0].rule == "strip_html"


def test_a_missing_text_has_no_median() -> None:
    with pytest.raises(ValidationError, match="expected drop_row, got median"):
        Columns(target="y", positive="a", text="t", missing={"t": "median"})
    assert Columns(target="y", positive="a", text="t", missing={"t": "drop_row"}).missing
