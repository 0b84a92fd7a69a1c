"""Limits are proposed from training rows and from what so many rows can show."""

import dataclasses
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.core.prediction.outcome import BINARY, Outcome
from pipeline.core.settings.columns import Columns
from pipeline.core.statistics.intervals import Interval
from pipeline.core.statistics.largest_gap import Rates, max_gap
from pipeline.core.verdict.gate_rules import Rule
from pipeline.onboarding.gates import cross_validation, gap_proposal, gate_proposal
from pipeline.onboarding.gates.cross_validation import CrossValidated, cross_validated, folds
from pipeline.onboarding.gates.gate_proposal import proposed_rules
from pipeline.onboarding.gates.proposed_rule import ProposedRule
from tests.people import columns_of, people, task_columns, task_people


@pytest.fixture(scope="module")
def proposed() -> list[ProposedRule]:
    return proposed_rules(people(600), columns_of(), "tabular", 400)


def found(metrics: dict[str, tuple[float, float]], chance: dict[str, float]) -> CrossValidated:
    """4,000 rows of two classes with these values and standard errors."""
    return CrossValidated(
        rows=people(4000),
        predicted=BINARY,
        truth=np.zeros(4000),
        decisions=np.zeros(4000),
        probability=np.full(4000, 0.5),
        metrics={name: Interval(v, v - 2 * e, v + 2 * e, e) for name, (v, e) in metrics.items()},
        chance={"roc_auc": 0.5, "accuracy": 0.6, "average_precision": 0.4, **chance},
    )


def test_a_limit_is_what_was_reached_less_a_margin_less_chance() -> None:
    # 0.01 · √(1 + 4000/4000) · (1.645 + 0.842) = 0.0352; 0.90 - 0.02 - 0.0352 = 0.8448.
    rule = gate_proposal._rule_of("roc_auc", found({"roc_auc": (0.90, 0.01)}, {}), 4000)
    assert rule.rule == {"measure": "roc_auc", "at_least": 0.84}
    assert "0.900 in cross-validation on 4,000 training rows" in rule.comment
    assert "less 0.035 for chance, with 4,000 test rows" in rule.comment


def test_few_training_rows_have_a_larger_margin() -> None:
    few = dataclasses.replace(found({"roc_auc": (0.90, 0.01)}, {}), rows=people(1000))
    # 0.02 · √(4000/1000) = 0.04; 0.90 - 0.04 - 0.0352 = 0.8248.
    rule = gate_proposal._rule_of("roc_auc", few, 1000)
    assert rule.rule["at_least"] == 0.82
    assert "less 0.040 for the network" in rule.comment


def test_an_error_has_its_limit_above() -> None:
    number = dataclasses.replace(
        found({"mean_absolute_error": (10.0, 0.2)}, {"mean_absolute_error": 20.0}),
        predicted=Outcome("regression"),
    )
    # 10 + 0.5 + 0.2 · √2 · 2.487 = 11.2, rounded up to two digits.
    rule = gate_proposal._rule_of("mean_absolute_error", number, 4000)
    assert rule.rule == {"measure": "mean_absolute_error", "at_most": 12.0}


def test_a_limit_that_the_same_answer_for_everybody_keeps_is_not_proposed() -> None:
    # 0.63 - 0.02 - 0.035 = 0.575, below the 0.6 of the most frequent class.
    rule = gate_proposal._rule_of("accuracy", found({"accuracy": (0.63, 0.01)}, {}), 4000)
    assert not rule.is_active
    assert "the same answer for everybody has 0.600" in rule.comment


def test_every_proposal_is_a_rule_of_the_gate(proposed: list[ProposedRule]) -> None:
    titles = [Rule.model_validate(dict(rule.rule)).title for rule in proposed]
    assert len(set(titles)) == len(titles)
    measures = [(rule.rule["measure"], rule.rule.get("by")) for rule in proposed]
    assert measures[:2] == [("roc_auc", None), ("accuracy", None)]
    assert ("demographic_parity_difference", "sex") in measures
    assert ("demographic_parity_difference", "region") in measures


def test_the_same_rows_give_the_same_rules(proposed: list[ProposedRule]) -> None:
    assert proposed_rules(people(600), columns_of(), "tabular", 400) == proposed


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_have_their_own_measures(task: str) -> None:
    columns = Columns.model_validate(task_columns(task, sensitive=["sex"]))
    table = task_people(task, 500)
    rules = proposed_rules(table, columns, "tabular", 300)
    measures = [rule.rule["measure"] for rule in rules]
    if task == "multiclass":
        assert measures[:3] == ["accuracy", "f1_macro", "demographic_parity_difference"]
        assert measures[3:] == ["accuracy", "accuracy"]
    else:
        assert measures[:3] == ["r2", "mean_absolute_error", "mean_residual_difference"]
        assert measures[3:] == ["r2", "mean_absolute_error"]
        deviation = float(table["wage"].to_numpy().std())
        assert rules[2].rule["at_most"] >= 0.1 * deviation
    assert [rule.rule.get("against") for rule in rules] == [None] * 3 + ["champion"] * 2
    assert [rule.rule.get("by") for rule in rules[3:]] == [None, "sex"]
    for rule in rules:
        Rule.model_validate(dict(rule.rule))


@pytest.mark.parametrize("rate", [0.05, 0.97])
def test_where_a_class_is_rare_a_model_must_decide_for_it_at_times(rate: float) -> None:
    """A model that never does has a balanced accuracy of 0.5, whatever its other measures."""
    (rule,) = gate_proposal._balanced_rule(found({}, {"average_precision": rate}))
    assert Rule.model_validate(dict(rule.rule)).title == "balanced_accuracy ≥ 0.52"
    assert "calibrate.maximise: balanced_accuracy" in rule.comment
    assert gate_proposal._balanced_rule(found({}, {"average_precision": 0.4})) == []


def test_a_rare_positive_is_judged_by_average_precision() -> None:
    rare = found({}, {"average_precision": 0.05})
    assert gate_proposal._of_decisions(rare) == "average_precision"
    frequent = found({}, {"average_precision": 0.97})
    assert gate_proposal._of_decisions(frequent) == ""
    assert gate_proposal._of_decisions(found({}, {})) == "accuracy"


def test_where_nothing_can_be_learnt_the_gate_refuses_and_a_person_is_told() -> None:
    rng = np.random.default_rng(0)
    label = rng.choice(["high", "low"], 400)
    rules = proposed_rules(people(400).with_columns(income=label), columns_of(), "tabular", 300)
    assert rules[0].rule == {"measure": "roc_auc", "at_least": 0.55}
    assert rules[0].finding is not None
    assert "nothing beyond the same answer for everybody" in rules[0].finding.sentence
    assert not rules[1].is_active


def gap_of(table: pl.DataFrame, num_test_rows: int, **changes: Any) -> ProposedRule:
    columns = columns_of(**changes)
    decisions = np.arange(table.height) % 10 < 3
    given = CrossValidated(
        table, BINARY, np.zeros(table.height), decisions.astype(float), np.zeros(0), {}, {}
    )
    return gap_proposal.gap_rule("sex", table, columns, given, num_test_rows)


def test_many_rows_have_the_usual_limit() -> None:
    rule = gap_of(people(4000), 4000)
    assert rule.rule == {
        "measure": "demographic_parity_difference",
        "by": "sex",
        "at_most": 0.1,
    }
    assert (rule.finding, rule.spare) == (None, {})


def test_few_rows_have_the_limit_that_a_model_without_a_gap_keeps() -> None:
    rule = gap_of(people(4000), 300)
    limit = float(rule.rule["at_most"])
    assert 0.1 < limit <= 0.25
    assert f"no limit below {limit:g} can be shown" in rule.comment
    rng, sizes, kept = np.random.default_rng(0), np.array([[120.0, 180.0]]), 0
    for _ in range(300):
        drawn = rng.binomial(sizes.astype(int), 0.3).astype(float)
        kept += max_gap(Rates(drawn, sizes), confidence=0.95).high <= limit
    assert 0.9 <= kept / 300 <= 1  # nearly all, of so many rows with one rate


def test_rows_that_can_show_no_limit_of_use_are_told_so() -> None:
    rule = gap_of(people(4000), 80)
    assert rule.rule["at_most"] == 0.1
    assert rule.finding is not None
    assert "there is not enough evidence" in rule.finding.sentence


def test_a_group_that_is_too_small_has_its_line_ready() -> None:
    table = people(2000)
    few = table.with_columns(
        sex=pl.when(pl.int_range(pl.len()) < 20).then(pl.lit("other")).otherwise("sex")
    )
    rule = gap_of(few, 2000)
    assert rule.spare == {
        "accept_small_groups": "1 of 3 groups has fewer than 200 test rows, too few for a bound "
        "of use"
    }
    assert rule.finding is not None
    assert "1 of the 3 groups of 'sex'" in rule.finding.sentence
    assert "other" not in rule.finding.sentence + rule.comment
    Rule.model_validate({**rule.rule, **rule.spare})


def test_one_group_alone_cannot_be_compared() -> None:
    table = people(400).with_columns(
        sex=pl.when(pl.int_range(pl.len()) < 5).then(pl.lit("a")).otherwise(pl.lit("b"))
    )
    rule = gap_of(table, 300)
    assert rule.finding is not None
    assert "no gap between them can be measured" in rule.finding.sentence


def test_a_gap_of_the_baseline_moves_no_limit_and_is_told() -> None:
    table = people(4000)
    given = CrossValidated(
        table,
        BINARY,
        np.zeros(4000),
        (table["sex"] == "male").to_numpy().astype(float),
        np.zeros(0),
        {},
        {},
    )
    rule = gap_proposal.gap_rule("sex", table, columns_of(), given, 4000)
    assert rule.rule["at_most"] == 0.1
    assert rule.finding is not None
    assert "has a gap of 1 between the groups of 'sex'" in rule.finding.sentence


def test_a_calibrated_model_keeps_the_limit_on_calibration() -> None:
    rng = np.random.default_rng(0)
    given = dataclasses.replace(found({}, {}), probability=rng.random(400))
    floors = [gate_proposal.calibration_floor(given, num, 100) for num in (200, 2000, 20_000)]
    assert floors == sorted(floors, reverse=True)
    assert floors[2] < 0.02


def test_rows_of_one_key_share_a_fold_and_every_fold_leaves_every_class() -> None:
    rows = pl.DataFrame({"_key": pl.Series([1, 1, 2, 3, 4, 5, 6, 7] * 5, dtype=pl.UInt64)})
    found_folds = folds(rows, np.zeros(40))
    by_key = rows.with_columns(fold=pl.Series(found_folds)).group_by("_key")
    assert by_key.agg(pl.col("fold").n_unique())["fold"].max() == 1
    unlucky = pl.DataFrame({"_key": pl.Series(range(5, 55, 5), dtype=pl.UInt64)})
    classes = np.array([0, 1] * 5)
    placed = folds(unlucky, classes)
    for fold in np.unique(placed):
        assert set(classes[placed != fold]) == {0, 1}


def test_large_tables_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validation, "MAX_ROWS", 200)
    assert cross_validated(people(500), columns_of(), "tabular").rows.height == 200


def test_a_class_of_one_row_does_not_stop_the_proposal() -> None:
    table = task_people("multiclass", 300)
    one = table.with_columns(
        grade=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("alone")).otherwise("grade")
    )
    columns = Columns.model_validate(task_columns("multiclass"))
    assert proposed_rules(one, columns, "tabular", 200)[0].rule["measure"] == "accuracy"
