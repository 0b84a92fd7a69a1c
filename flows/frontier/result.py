"""A frontier's result: points, front and choice together; as JSON, and as lines for people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from flows.costs.amounts import money
from flows.costs.stage_costs import Cost, records
from flows.frontier.choice import Choice, Gap, Measured, choose, front, measured
from flows.frontier.records import Ended
from flows.frontier.tracing import Traced
from pipeline.core.errors import ProjectError
from pipeline.core.metrics.measures import METRICS_OF
from pipeline.core.paths import local_state
from pipeline.core.settings.problems import nearest


@dataclass(frozen=True)
class Frontier:
    """A project's frontier.

    Attributes:
        project: The project's name.
        quality: The measure of the y axis.
        traced: Its points, as they ended.
        num_evaluations: How often `evaluate` has opened the test part on this machine before.
        currency: Of all money.
    """

    project: str
    quality: str
    traced: Traced
    num_evaluations: int = 0
    currency: str | None = None

    @cached_property
    def measured(self) -> list[Measured]:
        return [
            measured(one.point.name, one.point.family, one.content, self.quality)
            for one in self.traced.ended
            if one.content is not None
        ]

    @property
    def larger_is_better(self) -> bool:
        return next(known[self.quality] for known in METRICS_OF.values() if self.quality in known)

    @cached_property
    def front(self) -> list[Measured]:
        return front(self.measured, self.larger_is_better)

    @cached_property
    def choice(self) -> Choice:
        return choose(self.measured, self.quality, self.larger_is_better)

    @property
    def num_rows(self) -> int:
        """How many validation rows the points were measured on."""
        return next((int(one.content["num_rows"]) for one in self.traced.ended if one.content), 0)

    @property
    def num_rules_left(self) -> int:
        """How many rules are about the champion, and so decided at the gate alone."""
        contents = (one.content for one in self.traced.ended if one.content)
        return next((int(content.get("num_rules_left", 0)) for content in contents), 0)

    @property
    def chosen_assignments(self) -> tuple[str, ...] | None:
        """What `--set` takes to make the chosen point; None when none was chosen."""
        chosen = self.choice.chosen
        return self.of(chosen.name).point.assignments if chosen else None

    def of(self, name: str) -> Ended:
        return next(one for one in self.traced.ended if one.point.name == name)

    def cost_text(self, name: str) -> str:
        """`15 s, 0.0021 EUR`; a dash when what it cost is not on record."""
        return short_cost(self.of(name).cost, self.currency)


def short_cost(cost: Cost | None, currency: str | None) -> str:
    if cost is None:
        return "–"
    priced = f", {money(cost, currency)}" if cost.money is not None and currency else ""
    return f"{cost.wall_s:.0f} s{priced}"


def made(root: Path, project: str, quality: str, traced: Traced, currency: str | None) -> Frontier:
    """The frontier of points that have ended.

    Raises:
        ProjectError: not one could be measured, or there is no such measure.
    """
    found = [one for one in traced.ended if one.content is not None]
    if not found:
        raise ProjectError(
            f"expected a point of {project} that can be measured, found none",
            hint=f"`hallmark build {project} calibrate` says more",
            findings=[f"{one.point.name}: {one.message}" for one in traced.ended],
        )
    known = tuple(found[0].content["metrics"]) if found[0].content else ()
    if quality not in known:
        raise ProjectError(
            f"--quality: expected a measure of this project ({', '.join(known)}), got {quality!r}",
            hint=nearest(quality, known),
        )
    runs = local_state(root) / "runs"
    opened = [one for one in records(runs, project, "evaluate") if one.get("exit_code") == 0]
    return Frontier(project, quality, traced, len(opened), currency)


def as_json(frontier: Frontier) -> dict[str, Any]:
    """All of it, as `frontier.json` has it."""
    choice = frontier.choice
    known = {one.name: one for one in frontier.measured}
    on_front = {one.name for one in frontier.front}
    chosen = choice.chosen.name if choice.chosen else None
    return {
        "project": frontier.project,
        "quality": frontier.quality,
        "num_validation_rows": frontier.num_rows,
        "chosen": chosen,
        "chosen_settings": list(frontier.chosen_assignments or ()) if chosen else None,
        "nearest": choice.nearest.name if choice.nearest else None,
        "best": choice.best.name if choice.best else None,
        "alike": [one.name for one in choice.alike],
        "sentence": choice.sentence,
        "currency": frontier.currency,
        "num_evaluations_before": frontier.num_evaluations,
        "points": [
            _point_as_json(one, known.get(one.point.name), on_front, chosen)
            for one in frontier.traced.ended
        ],
        "refused": [asdict(one) for one in frontier.traced.refused],
    }


def _point_as_json(
    ended: Ended, point: Measured | None, on_front: set[str], chosen: str | None
) -> dict[str, Any]:
    name = ended.point.name
    content: Mapping[str, Any] = ended.content or {}
    return {
        "name": name,
        "family": ended.point.family,
        "settings": list(ended.point.assignments),
        "outcome": ended.outcome,
        "origin": ended.origin,
        "message": ended.message,
        "cost": ended.cost.as_json() if ended.cost else None,
        "quality": asdict(point.quality) if point else None,
        "worst_gap": _gap_as_json(point.gap) if point and point.gap else None,
        "would_pass": point.would_pass if point else None,
        "on_front": name in on_front,
        "chosen": name == chosen,
        "metrics": content.get("metrics"),
        "gaps": content.get("gaps"),
        "rules": content.get("rules"),
    }


def _gap_as_json(gap: Gap) -> dict[str, Any]:
    """Bounds that are not finite are no JSON: None."""
    span = {key: value if value < 1e9 else None for key, value in asdict(gap.span).items()}
    return {**asdict(gap), "span": span}
