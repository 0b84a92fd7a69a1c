"""The search finds what was planted, pays for having looked, and counts as plain loops do."""

from itertools import combinations
from math import comb

import numpy as np
import polars as pl
import pytest

from pipeline.audit.slice_search import MAX_CROSSINGS, Coded, Outcome, holm, search, two_sided_p

HOW = {"depth": 2, "min_rows": 50, "confidence": 0.95, "max_shown": 5}


def columns(rng: np.random.Generator, num_rows: int, *num_levels: int) -> list[Coded]:
    return [
        Coded(name, rng.integers(0, levels, num_rows), [f"{name}{i}" for i in range(levels)])
        for name, levels in zip("abcd", num_levels, strict=False)
    ]


def test_a_planted_conjunction_is_found_and_comes_first() -> None:
    rng = np.random.default_rng(0)
    made = columns(rng, 4000, 3, 4, 2)
    planted = (made[0].codes == 1) & (made[1].codes == 2)
    flags = rng.random(4000) < np.where(planted, 0.5, 0.2)
    found = search(made, {"y": Outcome(flags)}, **HOW)
    first = found["found"][0]
    assert first["slice"] == {"a": "a1", "b": "b2"}
    assert (first["num_rows"], first["rate"]) == (
        int(planted.sum()),
        pytest.approx(flags[planted].mean(), abs=1e-6),
    )
    assert first["rest"] == pytest.approx(flags[~planted].mean(), abs=1e-6)
    assert 0 < first["low"] < first["value"] < first["high"]
    assert first["p_adjusted"] < 1e-6
    assert found["num_tested"] == 3 + 4 + 2 + 12 + 6 + 8
    parts = search(made, {"y": Outcome(flags)}, **{**HOW, "min_rows": 500})["found"]
    assert {"a": "a1", "b": "b2"} not in [one["slice"] for one in parts]  # it has some 330 rows


def test_a_conjunction_that_its_part_says_already_is_not_found() -> None:
    rng = np.random.default_rng(1)
    made = columns(rng, 4000, 3, 3)
    flags = rng.random(4000) < np.where(made[0].codes == 0, 0.6, 0.2)
    found = [tuple(one["slice"]) for one in search(made, {"y": Outcome(flags)}, **HOW)["found"]]
    assert set(found) == {("a",)}


def test_three_levels_deep_counts_as_a_plain_group_by() -> None:
    rng = np.random.default_rng(2)
    made = columns(rng, 3000, 2, 3, 2, 2)
    planted = (made[0].codes == 1) & (made[1].codes == 0) & (made[2].codes == 1)
    flags = rng.random(3000) < np.where(planted, 0.7, 0.2)
    found = search(made, {"y": Outcome(flags)}, **{**HOW, "depth": 3})
    assert found["found"][0]["slice"] == {"a": "a1", "b": "b0", "c": "c1"}
    table = pl.DataFrame({one.name: one.codes for one in made})
    large = 0
    for size in (1, 2, 3):
        for names in combinations("abcd", size):
            sizes = table.group_by(names).len()["len"]
            large += int(((sizes >= 50) & (3000 - sizes >= 50)).sum())
    assert found["num_tested"] == large


def test_chance_alone_finds_something_in_at_most_one_of_twenty_tables() -> None:
    rng = np.random.default_rng(3)
    any_found = [
        search(columns(rng, 1500, 3, 4, 3), {"y": Outcome(rng.random(1500) < 0.1)}, **HOW)[
            "num_found"
        ]
        > 0
        for _ in range(200)
    ]
    assert np.mean(any_found) <= 0.05 + 0.03  # two standard errors of 200 tables


def test_without_the_correction_chance_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.audit.slice_search.holm", lambda p: p)
    rng = np.random.default_rng(3)
    any_found = [
        search(columns(rng, 1500, 3, 4, 3), {"y": Outcome(rng.random(1500) < 0.1)}, **HOW)[
            "num_found"
        ]
        > 0
        for _ in range(50)
    ]
    assert np.mean(any_found) > 0.2


def test_holm_by_hand() -> None:
    """Sorted .01, .02, .03, .04 times 4, 3, 2, 1 are .04, .06, .06, .04; and never falling."""
    assert holm(np.array([0.04, 0.01, 0.03, 0.02])) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm(np.array([])).shape == (0,)


def test_small_p_values_are_fishers() -> None:
    hits, size, all_hits, num_rows = 9, 12, 30, 100
    tail = sum(
        comb(all_hits, k) * comb(num_rows - all_hits, size - k) for k in range(hits, size + 1)
    ) / comb(num_rows, size)
    found = two_sided_p(
        np.array([hits]), np.array([size]), np.array([all_hits]), np.array([num_rows])
    )
    assert found[0] == pytest.approx(2 * tail)


def test_both_sides_are_listed() -> None:
    made = [Coded("a", np.repeat([0, 1, 2], 400), ["low", "middle", "high"])]
    flags = np.concatenate([np.arange(400) < n for n in (40, 200, 360)])
    found = search(made, {"y": Outcome(flags)}, **{**HOW, "max_shown": 1})
    assert [one["slice"]["a"] for one in found["found"]] == ["high", "low"]
    assert found["num_found"] == 3 - 1  # middle has the rate of the others


def test_nothing_to_search_is_no_error() -> None:
    assert search([], {}, **HOW)["num_tested"] == 0
    one = [Coded("a", np.zeros(100, dtype=np.int64), ["only"])]
    assert search(one, {"y": Outcome(np.ones(100, dtype=bool))}, **HOW)["found"] == []


def alike(rng: np.random.Generator, num_rows: int, planted: float) -> tuple[list[Coded], Outcome]:
    """Labels follow a chance that depends on column a; `planted` is added where b is 1 and c is 1,
    and the chances are given as strata."""
    made = columns(rng, num_rows, 4, 2, 2)
    chance = np.array([0.1, 0.3, 0.5, 0.7])[made[0].codes]
    there = (made[1].codes == 1) & (made[2].codes == 1)
    flags = rng.random(num_rows) < chance + planted * there
    return made, Outcome(flags, made[0].codes)


def test_within_strata_only_what_the_chances_do_not_explain_is_found() -> None:
    made, outcome = alike(np.random.default_rng(4), 6000, 0.15)
    plain = search(made, {"y": Outcome(outcome.flags)}, **HOW)
    assert {"a": "a3"} in [one["slice"] for one in plain["found"]]
    found = search(made, {"y": outcome}, **HOW)["found"]
    assert found[0]["slice"] == {"b": "b1", "c": "c1"}
    assert found[0]["low"] < 0.15 < found[0]["high"]
    assert not any("a" in one["slice"] for one in found)


def test_within_strata_too_chance_is_seldom_found() -> None:
    rng = np.random.default_rng(5)
    any_found = []
    for _ in range(200):
        made, outcome = alike(rng, 1500, 0.0)
        any_found.append(search(made, {"y": outcome}, **HOW)["num_found"] > 0)
    assert np.mean(any_found) <= 0.05 + 0.03


def test_only_slices_that_name_a_wanted_column_are_tested() -> None:
    made = columns(np.random.default_rng(6), 2000, 3, 4, 2)
    found = search(made, {"y": Outcome(np.arange(2000) % 2 == 0)}, **HOW, naming=["c"])
    assert found["num_tested"] == 2 + 6 + 8  # c, a × c, b × c


def test_a_wide_table_is_searched_less_deep_and_the_report_says_so() -> None:
    rng = np.random.default_rng(7)
    made = [Coded(f"x{i}", rng.integers(0, 2, 200), ["0", "1"]) for i in range(60)]
    assert comb(60, 3) > MAX_CROSSINGS
    found = search(made, {"y": Outcome(rng.random(200) < 0.5)}, **{**HOW, "depth": 3})
    assert found["depth"] == 2
