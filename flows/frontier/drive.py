"""A frontier from a wish to its files: traced, chosen, drawn, tracked; with Prefect or without."""

import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from flows.engine.checkout import commit
from flows.frontier.candidates import candidates, read_candidates
from flows.frontier.costs import folder_of
from flows.frontier.page import write
from flows.frontier.points import settings_now
from flows.frontier.result import Frontier, made
from flows.frontier.tracing import Observer, Pool, Request, trace
from flows.orchestration.drivers import prefect_server
from flows.server.prefect_settings import ui_link
from flows.settings.project_file import Change, apply
from pipeline.core.costs.prices import load_prices
from pipeline.core.errors import ProjectError
from pipeline.core.paths import local_state
from pipeline.core.run.termination import terminating
from pipeline.core.settings.problems import nearest
from pipeline.core.settings.project import known_project

MAX_JOBS = 4
CHOICES = "choices.jsonl"


@dataclass(frozen=True)
class Wish:
    """A frontier that somebody asked for.

    Attributes:
        request: What is traced.
        quality: The measure to have most of.
    """

    request: Request
    quality: str


@dataclass(frozen=True)
class Drawn:
    """A frontier that is drawn.

    Attributes:
        frontier: Its points and its choice.
        page: The HTML page.
        lines: What else people are told, in order.
    """

    frontier: Frontier
    page: Path
    lines: tuple[str, ...] = ()


def wish_of(
    root: Path,
    project: str,
    source: Path | None,
    quality: str | None,
    budget_s: float,
    jobs: int | None,
) -> Wish:
    """What a command line asks for, checked.

    Raises:
        ProjectError: an unknown project or measure, a file of points that is refused.
    """
    from pipeline.core.metrics.measures import METRICS_OF

    known_project(root, project)
    settings = settings_now(root, project)
    task = settings["columns"]["task"]
    usual = {"binary": settings["calibrate"].get("maximise"), "regression": "r2"}
    chosen = quality or usual.get(task) or "accuracy"
    if chosen not in METRICS_OF[task]:
        raise ProjectError(
            f"--quality: expected a measure of `evaluate`, got {chosen!r}",
            hint=nearest(chosen, METRICS_OF[task]),
        )
    found = candidates(root, project) if source is None else read_candidates(source)
    request = Request(
        root=root,
        project=project,
        candidates=found,
        budget_s=budget_s,
        jobs=jobs or min(os.cpu_count() or 1, MAX_JOBS),
    )
    return Wish(request, chosen)


def drive(wish: Wish, view: Observer, wanted: Literal["flow", "engine"] | None = None) -> Drawn:
    """Trace with the flow when a Prefect server answers, else without; say which.

    Raises:
        PipelineError: as `flows.frontier.tracing.trace` does, or the server did not start.
    """
    with prefect_server(wish.request.root, wanted, "tracing") as server:
        if server is None:
            return complete(wish, view)
        from flows.frontier.flow import frontier_here
        from flows.orchestration.flush import flush

        with terminating():
            try:
                drawn, run_id = frontier_here(wish, view)
            finally:
                flush()
    if run_id is None or not server.lasts:
        return drawn
    return replace(drawn, lines=(*drawn.lines, f"run: {ui_link(server.url, run_id)}"))


def complete(wish: Wish, observer: Observer, pool: Pool | None = None) -> Drawn:
    """Trace, choose, draw and track a frontier. Tracking that is down is no failure."""
    from flows.registry.tracker import is_on

    request = wish.request
    traced = trace(request, observer, pool)
    if traced.interrupted and not any(one.content for one in traced.ended):
        raise KeyboardInterrupt(traced.interrupted)
    prices = load_prices(request.root)
    currency = prices.currency if prices else None
    found = made(request.root, request.project, wish.quality, traced, currency)
    page = write(found, folder_of(local_state(request.root), request.project))
    if not is_on():
        return Drawn(found, page, ("not tracked: HALLMARK_TRACKING=off",))
    from flows.frontier.tracking import log

    return Drawn(found, page, tuple(log(request.root, found, page)))


def write_choice(root: Path, found: Frontier) -> list[Change]:
    """Write the chosen point's settings into project.yaml; return what changed.

    The choice is noted in `.local/frontier/<project>/choices.jsonl`: for what, and how often the
    test part had been opened before.
    """
    assignments = found.chosen_assignments or ()
    changes = apply(root, found.project, assignments)
    note = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(root),
        "chosen": found.choice.chosen.name if found.choice.chosen else None,
        "settings": list(assignments),
        "num_points": len(found.measured),
        "num_evaluations_before": found.num_evaluations,
    }
    target = folder_of(local_state(root), found.project) / CHOICES
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(note, ensure_ascii=False) + "\n")
    return changes
