"""Who drives a build of the command line: the engine alone, or the Prefect flow around it.

Imports prefect only when the flow is to run.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import click

from flows.engine.build import Observer, Request
from flows.orchestration.complete import Completed, complete_build
from flows.orchestration.leave import will_run_a_flow
from flows.server.prefect_settings import (
    API_URL,
    AUTH,
    answer,
    apply,
    lasting_server,
    ui_link,
)
from pipeline.core.run.termination import terminating

Driver = Literal["flow", "engine"]


def drive(request: Request, view: Observer, wanted: Driver | None = None) -> Completed:
    """Build with the flow when a Prefect server answers, else with the engine; say which.

    Args:
        request: What to build.
        view: Who watches at the console.
        wanted: `flow` starts a server for the run where none answers; `engine` asks for none.

    Raises:
        PipelineError: as `complete_build` does, or the server did not start.
    """
    with prefect_server(request.root, wanted) as server:
        if server is None:
            return complete_build(request, view)
        if server.lasts:
            return _with_link(request, view, server.url)
        return _with_flow(request, view)[0]


@dataclass(frozen=True)
class Server:
    """The Prefect server that a run uses.

    Attributes:
        url: The address of its API.
        lasts: Whether it is there after this run, so that a link to it is of use.
    """

    url: str
    lasts: bool


@contextlib.contextmanager
def prefect_server(
    root: Path, wanted: Driver | None = None, doing: str = "building"
) -> Iterator[Server | None]:
    """The server to run a flow at, this process set up for it; None for the engine alone. Says
    which it is.

    Raises:
        PipelineError: a server was to be started and did not.
    """
    settings = {} if wanted == "engine" else lasting_server(root)
    found = answer(settings) if settings else None
    if found == "answers":
        click.echo(f"{doing} with the Prefect flow, server {settings[API_URL]}")
        apply(root, settings)
        will_run_a_flow()
        yield Server(settings[API_URL], lasts=True)
    elif wanted == "flow":
        with _own_server(root, doing) as url:
            will_run_a_flow()
            yield Server(url, lasts=False)
    else:
        why = f"; the Prefect server {settings[API_URL]} {found}" if found else ""
        hint = f" (is {AUTH} its secret?)" if found == "refuses us" else ""
        click.echo(f"{doing} with the engine alone{why}{hint}")
        yield None


def _with_link(request: Request, view: Observer, url: str) -> Completed:
    completed, run_id = _with_flow(request, view)
    if run_id is None:
        return completed
    link = f"run: {ui_link(url, run_id)}"
    return replace(completed, lines=(*completed.lines, link))


def _with_flow(request: Request, view: Observer) -> tuple[Completed, str | None]:
    from flows.orchestration.build_here import build_here
    from flows.orchestration.flush import flush

    with terminating():
        try:
            run = build_here(request, view)
        finally:
            is_told = flush()
    if is_told or run.is_lost:
        return run.completed, run.flow_run_id
    line = "Prefect does not know all of this build's tasks and logs: its server does not answer"
    return replace(run.completed, lines=(*run.completed.lines, line)), run.flow_run_id


@contextlib.contextmanager
def _own_server(root: Path, doing: str) -> Iterator[str]:
    """A server for this run alone; prefect is imported while it starts."""
    from flows.server.temporary import temporary_server

    click.echo(f"{doing} with the Prefect flow, through a server started for this run (10 to 30 s)")
    with terminating(), temporary_server(root) as server:
        apply(root, server.settings)
        import flows.orchestration.build_here  # noqa: F401 -- takes two seconds, as the server does

        server.wait_until_it_answers()
        yield server.url
