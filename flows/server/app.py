"""Prefect's server, which answers only requests to this machine by its own names.

`python -m flows.server.app --port PORT` is the stack's; a temporary one is
started with `--descriptor`, a socket that is bound already. Prefect does not check the Host header
of requests: without the check a web page could reach it by a host name of its own that resolves
to 127.0.0.1.
"""

import os
import socket
from pathlib import Path

import click
import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings

from flows.engine.checkout import find_root
from flows.server.hosts import for_named_hosts
from flows.server.own_server import note_server
from pipeline.core.bento.ports import HOST

BACKLOG = 2048


@click.command()
@click.option("--port", type=int, help="Listen on 127.0.0.1 at this port.")
@click.option("--descriptor", type=int, help="Listen on this socket, with a short-lived server.")
def main(port: int | None, descriptor: int | None) -> None:
    """Serve Prefect's API, and its pages with --port, until the process is ended."""
    if descriptor is not None:
        serve(socket.socket(fileno=descriptor), is_temporary=True)
    else:
        listener = socket.create_server((HOST, port or 0), backlog=BACKLOG)
        note_server(find_root(Path.cwd()), os.environ["PREFECT_API_URL"])
        serve(listener, is_temporary=False)


def serve(listener: socket.socket, is_temporary: bool) -> None:
    """Serve on a bound socket; a temporary server keeps what only workers need in memory."""
    settings = get_current_settings().server.api
    config = uvicorn.Config(
        for_named_hosts(create_app(ephemeral=is_temporary, final=True)),
        timeout_keep_alive=settings.keepalive_timeout,
        log_level="error" if is_temporary else "info",
        access_log=False,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
