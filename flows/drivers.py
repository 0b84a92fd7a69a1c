"""Who drives a build of the command line: the engine alone, or the Prefect flow around it.

Imports prefect only when the flow is to run.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from flows.complete import Completed, complete_build
from flows.engine import Observer, Request
from flows.prefect_settings import API_URL, answers, apply, lasting_server, ui_link
from pipeline.core.termination import terminating

Driver = Literal["flow", "engine"]


def drive(request: Request, view: Observer, wanted: Driver | None = None) -> Completed:
    """Build with the flow when a Prefect server answers, else with the engine; say which.

    Args:
        request: What to build.
        view: Who watches at the console.
        wanted: `flow` starts a server for the run where none answers; `engine` asks for none.

    Raises:
        PipelineError: as `flows.complete.complete_build` does, or the server did not start.
    """
    server = {} if wanted == "engine" else lasting_server(request.root)
    if server and answers(server[API_URL]):
        click.echo(f"building with the Prefect flow, server {server[API_URL]}")
        apply(request.root, server)
        return _with_link(request, view, server[API_URL])
    if wanted == "flow":
        with _own_server(request.root) as url:
            apply(request.root, {API_URL: url})
            return _with_flow(request, view)[0]
    silent = f"; the Prefect server {server[API_URL]} does not answer" if server else ""
    click.echo(f"building with the engine alone{silent}")
    return complete_build(request, view)


def _with_link(request: Request, view: Observer, url: str) -> Completed:
    completed, run_id = _with_flow(request, view)
    link = f"run: {ui_link(url, run_id)}"
    return replace(completed, lines=(*completed.lines, link))


def _with_flow(request: Request, view: Observer) -> tuple[Completed, str]:
    from flows.build import build_here
    from flows.prefect_flush import flush

    with terminating():
        try:
            run = build_here(request, view)
        finally:
            flush()
    return run.completed, run.flow_run_id


@contextlib.contextmanager
def _own_server(root: Path) -> Iterator[str]:
    """A server for this run alone; prefect is imported while it starts."""
    from flows.prefect_server import temporary_server

    click.echo("building with the Prefect flow, through a server started for this run (10 to 30 s)")
    with terminating(), temporary_server(root) as server:
        apply(root, {API_URL: server.url})
        import flows.build  # noqa: F401 -- takes two seconds, as the server does

        server.wait_until_it_answers()
        yield server.url
