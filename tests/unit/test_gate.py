"""gate: rules decide on bounds, and evidence that is not there is no pass."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from flows.settings import check_project
from pipeline.core.deciding import decide
from pipeline.core.errors import ProjectError
from pipeline.core.runner import run_stage
from pipeline.gate import Outcome, Rule, compare, total, verdict
from tests.data import make_project, set_section


def interval(low: float, value: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


EVALUATION: dict[str, Any] = {
    "confidence": 0.95,
    "model": {
        "metrics": {"roc_auc": interval(0.8, 0.85, 0.9), "log_loss": interval(0.3, 0.4, 0.5)}
    },
    "baseline": {
        "metrics": {"roc_auc": interval(0.5, 0.6, 0.65), "log_loss": interval(0.3, 0.4, 0.5)}
    },
}
GAP = {"demographic_parity_difference": {**interval(0.02, 0.05, 0.09), "noise_floor": 0.04}}
ASSESSMENT: dict[str, Any] = {
    "confidence": 0.9,
    "model": {
        "sex": {"too_small": [], "gaps": GAP},
        "region": {"too_small": ["island"], "gaps": GAP},
        "both": {"too_small": ["a", "b"], "gaps": {}},
    },
}
ASSESSMENT["baseline"] = ASSESSMENT["model"]


REST = ("validate", "clean", "split", "audit", "balance", "report", "package", "rehearse")


def decided(**rule: Any) -> dict[str, Any]:
    found: dict[str, Any] = verdict((Rule(**rule),), EVALUATION, ASSESSMENT)["rules"][0]
    return found


@pytest.mark.parametrize(
    ("limit", "low", "high", "outcome"),
    [
        ({"at_most": 0.5}, 0.3, 0.4, "pass"),
        ({"at_most": 0.5}, 0.3, 0.5, "pass"),
        ({"at_most": 0.5}, 0.4, 0.6, "insufficient"),
        ({"at_most": 0.5}, 0.5, 0.6, "insufficient"),
        ({"at_most": 0.5}, 0.51, 0.6, "fail"),
        ({"at_most": 0.0}, 0.0, 0.0, "pass"),
        ({"at_most": 0.0}, 0.0, 0.1, "insufficient"),
        ({"at_least": 0.5}, 0.6, 0.7, "pass"),
        ({"at_least": 0.5}, 0.5, 0.7, "pass"),
        ({"at_least": 0.5}, 0.4, 0.6, "insufficient"),
        ({"at_least": 0.5}, 0.4, 0.5, "insufficient"),
        ({"at_least": 0.5}, 0.3, 0.49, "fail"),
        ({"at_least": 0.0}, 0.0, 0.0, "pass"),
    ],
)
def test_outcomes(limit: dict[str, float], low: float, high: float, outcome: Outcome) -> None:
    measure = "log_loss" if "at_most" in limit else "accuracy"
    assert compare(Rule(measure=measure, **limit), low, high) == outcome  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "insufficient"], "insufficient"),
        (["insufficient", "fail"], "fail"),
        (["pass", "fail"], "fail"),
        (["pass", "not_applicable"], "pass"),
        (["not_applicable"], "pass"),
        (["pass", "warned"], "pass"),
        (["warned", "fail"], "fail"),
        (["warned"], "insufficient"),
        ([], "insufficient"),
    ],
)
def test_totals(outcomes: list[str], expected: Outcome) -> None:
    decided = [
        {"outcome": "insufficient", "refuses": False}
        if outcome == "warned"
        else {"outcome": outcome, "refuses": outcome in ("fail", "insufficient")}
        for outcome in outcomes
    ]
    assert total(decided) == expected


def test_a_rule_carries_its_numbers_its_sentence_and_the_baselines() -> None:
    found = decided(measure="roc_auc", at_least=0.75)
    assert found["rule"] == "roc_auc ≥ 0.75"
    assert (found["outcome"], found["value"], found["low"], found["high"]) == (
        "pass",
        0.85,
        0.8,
        0.9,
    )
    assert (found["direction"], found["bound"]) == ("at_least", 0.75)
    theirs = EVALUATION["baseline"]["metrics"]["roc_auc"]
    assert found["baseline"] == {"outcome": "fail", "refuses": True, **theirs}
    assert found["sentence"] == (
        "roc_auc is 0.850, with 95% confidence no less than 0.800; the limit of 0.75 is kept."
    )


@pytest.mark.parametrize(
    ("limit", "words"),
    [(0.2, "even the other end of its interval breaks the limit of 0.2"), (0.45, "cannot show")],
)
def test_sentences_of_what_does_not_pass(limit: float, words: str) -> None:
    found = decided(measure="log_loss", at_most=limit)
    assert "no more than 0.500" in found["sentence"]
    assert words in found["sentence"]


def test_gaps_are_decided_with_their_own_confidence_and_show_the_noise_floor() -> None:
    found = decided(measure="demographic_parity_difference", by="sex", at_most=0.1)
    assert found["rule"] == "demographic_parity_difference by sex ≤ 0.1"
    assert (found["outcome"], found["noise_floor"]) == ("pass", 0.04)
    assert "90% confidence" in found["sentence"]


@pytest.mark.parametrize(
    ("reason", "limit", "outcome"),
    [
        (None, 0.1, "insufficient"),
        ("too few islanders", 0.1, "pass"),
        (None, 0.01, "fail"),
        ("too few islanders", 0.01, "fail"),
    ],
)
def test_groups_that_are_too_small_need_a_reason(
    reason: str | None, limit: float, outcome: Outcome
) -> None:
    found = decided(
        measure="demographic_parity_difference",
        by="region",
        at_most=limit,
        accept_small_groups=reason,
    )
    assert (found["outcome"], found["too_small"]) == (outcome, ["island"])
    assert found["accepted_small_groups"] == reason
    assert ("too few rows to measure: island" in found["sentence"]) == (outcome == "insufficient")


def test_what_could_not_be_measured_is_insufficient_also_with_a_reason() -> None:
    found = decided(
        measure="demographic_parity_difference", by="both", at_most=1, accept_small_groups="few"
    )
    assert (found["outcome"], found["value"]) == ("insufficient", None)
    assert "could not be measured" in found["sentence"]


def kept(low: float, high: float) -> dict[str, Any]:
    """The report on a ROC AUC of 0.85 whose bounds at 99 % are these."""
    found = {**interval(0.8, 0.85, 0.9), "bounds": {"0.95": [0.8, 0.9], "0.99": [low, high]}}
    return {**EVALUATION, "model": {"metrics": {"roc_auc": found}}, "baseline": EVALUATION["model"]}


def test_a_rule_may_ask_for_a_confidence_of_its_own() -> None:
    evaluation = {**kept(0.7, 0.93), "baseline": kept(0.7, 0.93)["model"]}
    rule = Rule(measure="roc_auc", at_least=0.75, confidence=0.99)
    found = verdict((rule,), evaluation, ASSESSMENT)["rules"][0]
    assert (found["outcome"], found["low"], found["confidence"]) == ("insufficient", 0.7, 0.99)
    assert found["rule"] == "roc_auc ≥ 0.75 at 0.99"
    assert "with 99% confidence no less than 0.700" in found["sentence"]


def test_a_confidence_that_was_not_kept_is_refused() -> None:
    rule = Rule(measure="roc_auc", at_least=0.75, confidence=0.97)
    with pytest.raises(ProjectError, match=r"keeps \(0.95, 0.99\), got 0.97"):
        verdict((rule,), kept(0.7, 0.93), ASSESSMENT)


def test_too_little_evidence_may_warn_with_a_reason_which_is_shown() -> None:
    limit = {"measure": "roc_auc", "at_least": 0.82}
    rules = (Rule(**limit), Rule(measure="log_loss", at_most=0.6))
    assert verdict(rules, EVALUATION, ASSESSMENT)["outcome"] == "insufficient"
    lenient = Rule(**limit, insufficient="warn", reason="the first month has few rows")
    found = verdict((lenient, rules[1]), EVALUATION, ASSESSMENT)
    assert found["outcome"] == "pass"
    assert (found["rules"][0]["outcome"], found["rules"][0]["refuses"]) == ("insufficient", False)
    assert found["rules"][0]["reason"] == "the first month has few rows"
    shown = Rule(measure="roc_auc", at_least=0.95, insufficient="warn", reason="few rows")
    assert verdict((shown, rules[1]), EVALUATION, ASSESSMENT)["outcome"] == "fail"


def test_without_a_sensitive_column_a_rule_by_groups_is_no_silent_pass() -> None:
    nobody = {**ASSESSMENT, "model": {}, "baseline": {}}
    rule = Rule(measure="demographic_parity_difference", by="sex", at_most=1)
    found = verdict((rule,), EVALUATION, nobody)
    assert found["outcome"] == "insufficient"
    assert "no sensitive column was named" in found["rules"][0]["sentence"]


def test_the_verdict_says_what_the_rows_could_have_shown() -> None:
    """By hand: 0.05 / 1.645 is the standard error, 0.84 more of them make a power of 80 %."""
    found = decided(measure="roc_auc", at_least=0.75)
    assert found["distance"] == pytest.approx((1.645 + 0.8416) * 0.05 / 1.645, abs=1e-4)
    assert "A true value 0.076 above the limit would be shown to keep it" in found["power"]
    found = decided(measure="demographic_parity_difference", by="sex", at_most=0.1)
    assert "no limit lower than 0.040 could be passed at all" in found["power"]


def test_false_refusals_follow_from_the_distance_to_the_limit() -> None:
    """A bound one half-width of 95 % from the limit crosses it in 5 % of test sets."""
    found = decided(measure="roc_auc", at_least=0.75)
    assert found["false_refusal"] == pytest.approx(0.05, abs=1e-3)
    both = (Rule(measure="roc_auc", at_least=0.75), Rule(measure="log_loss", at_most=0.6))
    together = verdict(both, EVALUATION, ASSESSMENT)["false_refusals"]
    assert together["estimate"] == pytest.approx(1 - 0.95**2, abs=1e-3)
    assert together["at_most"] == pytest.approx(0.1, abs=1e-3)
    assert "probability of about 10%" in together["sentence"]


def test_a_false_refusal_rate_is_what_resampling_finds() -> None:
    """A model of accuracy 0.8 on 400 rows against the limit 0.77, drawn anew 4,000 times."""
    rng = np.random.default_rng(0)
    error = (0.8 * 0.2 / 400) ** 0.5
    low = 0.8 - 1.645 * error
    found = {**interval(low, 0.8, 0.8 + 1.645 * error), "standard_error": error}
    evaluation = {"confidence": 0.95, "model": {"metrics": {"accuracy": found}}}
    said = decide(Rule(measure="accuracy", at_least=0.77), evaluation, {}, "model")
    drawn = rng.binomial(400, 0.8, 4000) / 400
    refused = drawn - 1.645 * np.sqrt(drawn * (1 - drawn) / 400) < 0.77
    assert said["false_refusal"] == pytest.approx(refused.mean(), abs=0.04)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([{"measure": "demographic_parity_difference", "by": "sexx", "at_most": 1}], "`sex`?"),
        ([{"measure": "roc_auc", "at_least": 0.5}] * 2, "each rule once"),
    ],
)
def test_the_whole_file_is_checked_before_anything_runs(
    tmp_path: Path, rules: list[dict[str, Any]], words: str
) -> None:
    sections = {"gate": {"rules": rules}, **{key: {} for key in REST}}
    make_project(tmp_path, **sections)
    with pytest.raises(ProjectError) as caught:
        check_project(tmp_path, "people")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            {"measure": "roc_auc", "at_least": 0.5, "insufficient": "warn"},
            "needs a `reason`",
        ),
        ({"measure": "roc_auc", "at_least": 0.5, "reason": "x"}, "expected `insufficient: warn`"),
        ({"measure": "roc_auc", "at_least": 0.5, "min_group_size": 3}, "is for rules with `by`"),
        (
            {"measure": "roc_auk", "at_least": 0.5},
            "unknown measure 'roc_auk' without `by`; did you mean `roc_auc`?",
        ),
        (
            {"measure": "demographic_parity_diff", "by": "sex", "at_most": 0.1},
            "with `by`; did you mean `demographic_parity_difference`?",
        ),
        ({"measure": "accuracy", "by": "sex", "at_least": 0.1}, "unknown measure 'accuracy' with"),
        ({"measure": "roc_auc", "at_most": 0.5}, "roc_auc: expected the limit under `at_least`"),
        ({"measure": "log_loss", "at_least": 0.5}, "expected the limit under `at_most`"),
        (
            {"measure": "demographic_parity_ratio", "by": "sex", "at_most": 0.9},
            "expected the limit under `at_least`",
        ),
        ({"measure": "log_loss", "at_most": float("inf")}, "at_most"),
        (
            {"measure": "log_loss", "at_most": 1, "accept_small_groups": " "},
            "accept_small_groups",
        ),
    ],
)
def test_a_rule_that_cannot_decide_is_refused_before_anything_runs(
    rule: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate(rule)
    assert words in str(caught.value)


def test_an_unknown_grouping_is_refused_by_name() -> None:
    with pytest.raises(ProjectError) as caught:
        decided(measure="demographic_parity_difference", by="sexx", at_most=0.5)
    for words in ("project.yaml: gate.rules", "expected one of sex, region, both", "`sex`?"):
        assert words in str(caught.value)


@pytest.mark.parametrize("limits", [{}, {"at_most": 0.1, "at_least": 0.0}])
def test_a_rule_needs_one_limit(tmp_path: Path, limits: dict[str, float]) -> None:
    make_project(tmp_path, gate={"rules": [{"measure": "roc_auc", **limits}]})
    with pytest.raises(ProjectError) as caught:
        run_stage(tmp_path, "gate", "people")
    assert "gate.rules.0: expected one of `at_most` and `at_least`" in str(caught.value)


def test_the_verdict_is_written_whatever_it_is(built: Path) -> None:
    for limit, outcome in ((0.0, "pass"), (1.0, "fail")):
        set_section(built, "gate", {"rules": [{"measure": "roc_auc", "at_least": limit}]})
        run_stage(built, "gate", "people")
        written = json.loads((built / "data/people/65_gate/verdict.json").read_text())
        assert (written["outcome"], written["confidence"]) == (outcome, 0.95)


def test_without_rules_nothing_passes(built: Path) -> None:
    set_section(built, "gate", {})
    run_stage(built, "gate", "people")
    written = json.loads((built / "data/people/65_gate/verdict.json").read_text())
    assert (written["outcome"], written["baseline_outcome"]) == ("insufficient", "insufficient")
    assert written["rules"] == []
