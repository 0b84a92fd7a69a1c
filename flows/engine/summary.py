"""What a build tells people at its end: verdict, metrics, rehearsal, cost, where things lie.

Text only.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flows.costs.amounts import cost_text, saving_text
from flows.costs.trainings import training_lines
from flows.engine.build_record import Outcome
from flows.engine.stage_run import StageResult
from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_json
from pipeline.core.paths import Paths
from pipeline.core.verdict.override_records import in_words

MAX_METRICS = 8
MAX_CHECKS = 10
OUTCOMES = {
    "pass": "passed",
    "pass_with_override": "passed, with an override",
    "fail": "refused",
    "insufficient": "insufficient evidence",
}
MARKS = {"pass": "✓", "fail": "✗", "not_applicable": "–"}


def closing(root: Path, project: str, outcome: Outcome) -> list[str]:
    """The closing lines of a build; of a stage's result only when it reached that stage."""
    lines = [line for result in outcome.failed for line in failure(project, result, outcome)]
    if outcome.stopped:
        lines.append(f"stopped: {outcome.stopped}")
    lines += verdict_lines(outcome.verdict)
    lines += [line for result in outcome.refused for line in refusal(project, result)]
    has_ended = outcome.exit_code in (0, 3)
    if has_ended and outcome.reached("evaluate"):
        lines += metric_lines(root, project)
    lines += rehearsal_lines(outcome.rehearsal)
    lines += cost_lines(outcome)
    lines += training_lines(outcome.folder, project)
    if has_ended:
        for stage, name in (("report", "report.html"), ("package", "bento")):
            made = Paths(root, project, stage).output(name)
            if outcome.reached(stage) and made.exists():
                lines.append(f"{Path(name).stem}: {made.relative_to(root)}")
    return lines


def refusal(project: str, result: StageResult) -> Iterator[str]:
    """A stage that a gate refused: what it says, and no word of a failure."""
    if result.error:
        yield f"{result.name}@{project} refused: {result.error.message}"


def failure(project: str, result: StageResult, outcome: Outcome) -> Iterator[str]:
    assert result.error is not None  # noqa: S101 -- narrows the type: only failed ones come here
    error = result.error
    yield f"{result.name}@{project} failed: {error.kind}: {error.message}"
    log = outcome.folder / f"{result.name}@{project}.log"
    if log.is_file():
        yield f"  whole log: {log}"


def verdict_lines(verdict: Mapping[str, Any] | None) -> list[str]:
    """The verdict, and one line for each rule."""
    if verdict is None:
        return []
    lines = [f"verdict: {OUTCOMES.get(verdict['outcome'], verdict['outcome'])}"]
    for rule in verdict.get("rules", ()):
        mark = MARKS.get(rule.get("outcome"), "?")
        lines.append(f"  {mark} {_sentence(rule)}")
        if rule.get("overridden"):
            lines.append(f"    ! {in_words(rule['overridden'])}")
        elif rule.get("outcome") == "insufficient" and not rule.get("refuses", True):
            lines.append(f"    warns only: {rule['reason']}")
    if chance := verdict.get("false_refusals"):
        lines.append(f"  {chance['sentence']}")
    return lines + _beside_the_rules(verdict)


def _beside_the_rules(verdict: Mapping[str, Any]) -> list[str]:
    """That training was cut short, and how a cheap model does, where no rule says it already."""
    rules = verdict.get("rules", ())
    told = {rule.get("sentence") for rule in rules}
    found = [verdict["cut_short"]] if verdict.get("cut_short") else []
    ruled = any(rule.get("against") == "baseline" for rule in rules)
    if verdict.get("cheap_model") and not ruled:
        found.append(verdict["cheap_model"]["sentence"])
    return [f"  {sentence}" for sentence in found if sentence not in told]


def _sentence(rule: Mapping[str, Any]) -> str:
    """A rule's sentence; of a comparison that was not made, behind the rule's own words."""
    sentence = str(rule.get("sentence") or rule.get("rule"))
    is_made = rule.get("value") is not None or rule.get("groups")
    if not rule.get("against") or is_made:
        return sentence
    return f"{rule['rule']}: {sentence[0].lower()}{sentence[1:]}"


def rehearsal_lines(rehearsal: Mapping[str, Any] | None) -> list[str]:
    """How the packaged service did, and one line for each check that did not pass."""
    if rehearsal is None:
        return []
    passed = rehearsal["outcome"] == "pass"
    lines = [f"rehearsal: {'passed' if passed else 'failed'}{_replayed(rehearsal)}"]
    failed = [one for one in rehearsal.get("checks", ()) if one.get("outcome") != "pass"]
    for check in failed[:MAX_CHECKS]:
        expected, found = check.get("expected"), check.get("found")
        lines.append(f"  ✗ {check.get('name')}: expected {expected}, found {found}")
    if len(failed) > MAX_CHECKS:
        lines.append(f"  … and {len(failed) - MAX_CHECKS} more")
    return lines


def _replayed(rehearsal: Mapping[str, Any]) -> str:
    """`, 500 rows replayed, at most 1.2e-08 from …`; nothing when the service never answered."""
    if rehearsal.get("max_abs_difference") is None:
        return ""
    single = rehearsal["latency_ms"]["single"]
    bad = [one for one in rehearsal["checks"] if one["name"].startswith("bad request")]
    what = rehearsal.get("compared", "probabilities")
    num_answered = sum(one["outcome"] == "pass" for one in bad)
    return (
        f", {rehearsal['num_rows']} rows replayed, at most "
        f"{rehearsal['max_abs_difference']:.1g} from the offline {what}; "
        f"p50 {single['p50']:.1f} ms, p99 {single['p99']:.1f} ms; "
        f"{num_answered} of {len(bad)} bad requests answered as they must be"
    )


def metric_lines(root: Path, project: str) -> list[str]:
    """The main metrics of `evaluate`, one line; none when it wrote none."""
    source = Paths(root, project, "evaluate").output("metrics.json")
    try:
        content = read_json(source)
    except ArtifactMissing:
        return []
    shown = [f"{name} {value:.3f}" for name, value in _numbers(content)][:MAX_METRICS]
    return ["metrics: " + ", ".join(shown)] if shown else []


def _numbers(content: Any) -> Iterator[tuple[str, float]]:
    for name, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, dict):
            value = value.get("value")
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield str(name), float(value)


def cost_lines(outcome: Outcome) -> list[str]:
    """What the build cost and what the cache saved, of what is known."""
    currency = outcome.currency
    lines = [f"cost: {cost_text(outcome.spent, currency)}"] if outcome.spent.wall_s else []
    num_spared = sum(result.state in ("cached", "restored") for result in outcome.stages)
    if num_spared > outcome.num_unknown:
        text = f"the cache saved: {saving_text(outcome.saved, currency)}"
        if outcome.num_unknown:
            text += f" (and of {outcome.num_unknown} stages what they cost is unknown)"
        lines.append(text)
    elif num_spared:
        lines.append(
            f"the cache saved: unknown, no earlier run of {num_spared} stages is on record"
        )
    return lines
