"""A frontier in MLflow: one run for it, and below it one for each point that was measured.

Metrics carry the prefix `validation/`: they are no test results. What is there already is found
again, so the same frontier is logged once.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flows.frontier.choice import Measured
from flows.frontier.page import DATA, PAGE
from flows.frontier.records import Ended
from flows.frontier.result import Frontier
from flows.tracking.address import patience_s, ui_command
from flows.tracking.content import flattened, interval, plain_name
from flows.tracking.store import PARENT, Point, Store

PREFIX = "validation/"
SECTIONS = ("balance", "train", "calibrate")


def log(root: Path, frontier: Frontier, page: Path) -> list[str]:
    """Log a frontier; return what people are told. Tracking that is down is told, and no failure:
    the same command logs it later, and costs nothing more."""
    try:
        store = Store(root, frontier.project, patience_s())
        run = _logged(store, frontier, page)
    except Exception as error:  # whatever is wrong with tracking, the frontier is drawn
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        return [f"not tracked: {why}", "  nothing is lost: the same command logs it later"]
    return [f"tracked: {store.link(run)}", f"runs: `{ui_command(root)}`"]


def _logged(store: Store, frontier: Frontier, page: Path) -> str:
    now = int(time.time() * 1000)
    began = now - int(1000 * frontier.traced.wall_s)
    known = {"frontier": _digest([_key(one) for one in _measured(frontier)], frontier.quality)}
    tags = {
        "project": frontier.project,
        "mlflow.source.name": f"hallmark frontier {frontier.project}",
    }
    run = store.run_known_by(known, "frontier", began, tags)
    if store.tags(run).get("complete") == "true":
        return run
    for one in _measured(frontier):
        _log_point(store, frontier, one, run, now)
    chosen = frontier.choice.chosen
    store.log_parameters(run, {"quality": frontier.quality, "rows": "validation"})
    store.log_points(run, [Point(0, {"num_points": len(frontier.measured)}, now)])
    for name in (PAGE, DATA):
        store.log_file(run, page.with_name(name))
    store.log_tags(
        run,
        {
            "chosen": chosen.name if chosen else "none",
            "chosen_settings": ", ".join(frontier.chosen_assignments or ()),
            "mlflow.note.content": frontier.choice.sentence,
            "complete": "true",
        },
    )
    store.end_run(run, "FINISHED", now)
    return run


def _log_point(store: Store, frontier: Frontier, ended: Ended, parent: str, now: int) -> None:
    point = next(one for one in frontier.measured if one.name == ended.point.name)
    known = {PARENT: parent, "frontier_point": _key(ended)}
    tags = {"project": frontier.project, "family": point.family, "rows": "validation"}
    run = store.run_known_by(known, point.name, now - int(1000 * ended.wall_s), tags)
    settings = {name: ended.point.settings.get(name, {}) for name in SECTIONS}
    store.log_parameters(run, dict(flattened("", settings)))
    store.log_points(run, [Point(0, _metrics(ended, point), now)])
    store.log_tags(
        run,
        {
            "outcome_on_validation": point.outcome,
            "on_front": str(point in frontier.front).lower(),
            "chosen": str(point is frontier.choice.chosen).lower(),
            "settings": ", ".join(ended.point.assignments),
            "origin": ended.origin,
        },
    )
    store.end_run(run, "FINISHED", now)


def _metrics(ended: Ended, point: Measured) -> dict[str, float]:
    """Every measure with its bounds, the worst gap, and the cost."""
    content: Any = ended.content
    found: dict[str, float] = {}
    for name, span in content["metrics"].items():
        found |= interval(PREFIX + name, span)
    for by, gaps in content["gaps"].items():
        for name, span in gaps.items():
            found |= interval(f"{PREFIX}{by}/{name}", span)
    if point.gap is not None and point.gap.span.high < 1e9:
        found |= interval(f"{PREFIX}worst_gap", vars(point.gap.span))
    if ended.cost is not None:
        found |= {"cost_wall_s": ended.cost.wall_s, "cost_cpu_s": ended.cost.cpu_s}
        if ended.cost.money is not None:
            found["cost_money"] = ended.cost.money
    return {plain_name(name): value for name, value in found.items()}


def _measured(frontier: Frontier) -> Iterable[Ended]:
    return (one for one in frontier.traced.ended if one.content is not None)


def _key(ended: Ended) -> str:
    """Names a measured point: its settings and what was measured."""
    return _digest(ended.point.settings, (ended.content or {}).get("metrics"))


def _digest(*content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
