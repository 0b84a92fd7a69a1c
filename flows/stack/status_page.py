"""The stack's overview page: where everything is, and how each project stands.

`python -m flows.stack.status_page --port PORT` serves it on 127.0.0.1. It reads files alone: the
registry, the history of promotions, what builds wrote of themselves.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.engine.checkout import find_root
from flows.registry.history import history
from flows.registry.versions import versions
from flows.server.hosts import for_named_hosts
from flows.stack.processes import Part, how_it_is, running_parts, state
from pipeline.core.bento.ports import HOST
from pipeline.core.errors import PipelineError
from pipeline.core.paths import local_state
from pipeline.core.run.runner import read_record
from pipeline.core.settings.project import projects
from pipeline.core.verdict.override_records import PASS, passes

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

TEMPLATE = "status_page.html.j2"
VERDICTS = {
    "pass": "passed",
    "pass_with_override": "passed, with an override",
    "fail": "refused",
    "insufficient": "refused: not enough evidence",
}


@dataclass(frozen=True)
class BuildState:
    """A project's newest build.

    Attributes:
        outcome: `passed`, `refused`, `failed` or `stopped`, with the reason where there is one.
        tone: How it is shown: pass, fail or insufficient.
        when: When it began, for people.
        took: How long it took.
        cost: In money, as far as prices are known.
    """

    outcome: str
    tone: str
    when: str
    took: str
    cost: str


@dataclass(frozen=True)
class ProjectState:
    """How a project stands; None for what it has not."""

    name: str
    champion: str | None = None
    champion_since: str | None = None
    champion_by: str | None = None
    candidate: str | None = None
    candidate_since: str | None = None
    build: BuildState | None = None
    error: str | None = None


def project_state(root: Path, project: str) -> ProjectState:
    """Read a project's state; what cannot be read is said, and hides nothing else."""
    try:
        moves = history(root, project)
        known = versions(root, project)
    except PipelineError as error:
        return ProjectState(name=project, build=last_build(root, project), error=str(error))
    live = moves[-1] if moves else None
    waits = known[0] if known and (live is None or known[0].version != live.after) else None
    return ProjectState(
        name=project,
        champion=live.after if live else None,
        champion_since=_time(live.time) if live else None,
        champion_by=live.who if live else None,
        candidate=waits.version if waits else None,
        candidate_since=_time(waits.created.isoformat()) if waits else None,
        build=last_build(root, project),
    )


def last_build(root: Path, project: str) -> BuildState | None:
    """The newest build on record; None when there is none."""
    for source in sorted((local_state(root) / "runs").glob("*/build.json"), reverse=True):
        content = read_record(source)
        if content.get("project") == project:
            return _of_build(content)
    return None


def _of_build(content: dict[str, Any]) -> BuildState:
    verdict, code = content.get("verdict"), content.get("exit_code")
    if content.get("stopped"):
        outcome, tone = str(content["stopped"]), "insufficient"
    elif passes(str(verdict)) and code == 0:
        outcome, tone = VERDICTS[str(verdict)], "pass" if verdict == PASS else "insufficient"
    elif passes(str(verdict)) and code == 3:
        outcome, tone = "refused: its rehearsal failed", "fail"
    elif verdict in VERDICTS and code == 3:
        outcome, tone = VERDICTS[verdict], "fail" if verdict == "fail" else "insufficient"
    elif code == 0:
        outcome, tone = "ended well, up to a stage before the gate", "pass"
    else:
        failed = [s["name"] for s in content.get("stages", ()) if s.get("state") == "failed"]
        outcome, tone = f"failed in {', '.join(failed) or 'its preparation'}", "fail"
    spent = content.get("totals", {}).get("spent", {})
    money, currency = spent.get("money"), content.get("currency") or ""
    return BuildState(
        outcome=outcome,
        tone=tone,
        when=_time(str(content.get("started"))),
        took=f"{content.get('wall_s', 0):.0f} s",
        cost="price unknown" if money is None else f"{money:.4f} {currency}".strip(),
    )


def _time(text: str) -> str:
    """`24 Nov 2026, 07:30 UTC`."""
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%d %b %Y, %H:%M} UTC"
    except ValueError:
        return text


def application(root: Path) -> "Starlette":
    """The page at /, all costs at /costs, and /healthz."""
    from jinja2 import Environment, FileSystemLoader
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import HTMLResponse, PlainTextResponse
    from starlette.routing import Route

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    template = environment.get_template(TEMPLATE)

    def overview(_: "Request") -> "Response":
        content = state(root) or {"processes": {}}
        parts = running_parts(content)
        return HTMLResponse(
            template.render(
                root=root,
                projects=[project_state(root, name) for name in projects(root)],
                services={p.name.removeprefix("service-"): p for p in parts if p.kind == "service"},
                prefect=next((part.url for part in parts if part.kind == "prefect"), None),
                links=[part.link for part in parts if part.link and part.kind != "page"],
                parts=[_part_row(root, part, content) for part in parts],
                now=f"{datetime.now(UTC):%H:%M:%S} UTC",
            )
        )

    def costs(_: "Request") -> "Response":
        from flows.costs.all_costs import all_costs
        from flows.costs.cost_page import render

        return HTMLResponse(render(all_costs(root)))

    def healthz(_: "Request") -> "Response":
        return PlainTextResponse("ok")

    routes = [Route("/", overview), Route("/costs", costs), Route("/healthz", healthz)]
    return Starlette(routes=routes, middleware=[Middleware(for_named_hosts)])


def _part_row(root: Path, part: Part, content: dict[str, Any]) -> dict[str, Any]:
    entry = content["processes"][part.name]
    # The page itself answers just now.
    found = "healthy" if part.kind == "page" else how_it_is(root, content, part)
    return {
        "name": part.name,
        "health": found,
        "tone": "pass" if found == "healthy" else "insufficient",
        "since": _time(entry["since"]),
        "num_restarts": entry["num_restarts"],
        "address": part.url,
    }


@click.command()
@click.option("--port", type=int, required=True)
def main(port: int) -> None:
    """Serve the page until the process is ended."""
    import uvicorn

    app = application(find_root(Path.cwd()))
    uvicorn.run(app, host=HOST, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
