"""`hallmark serve`."""

from pathlib import Path

import click

from flows.engine.checkout import find_root


@click.command()
@click.argument("project")
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--version", help="Serve this version, whatever is promoted.")
def serve(project: str, port: int, host: str, version: str | None) -> None:
    """Serve the champion, or else the candidate, until Ctrl-C.

    When another version is promoted, its service is started first and then takes over; no request
    is lost meanwhile.

    HALLMARK_TOKEN, when set, is what requests must carry as a bearer token.

    HALLMARK_ALLOWED_HOSTS names the hosts that requests may be for, besides localhost, 127.0.0.1,
    [::1] and the address of --host: names with commas between them, or * for all. Whoever reaches
    the service by a name of its own (a container's, a proxy's) must set it.

    HALLMARK_WORKERS is the number of processes that answer, 2 if not set: when one dies, the other
    one answers while it is started again. With 1 it takes half the memory.

    \b
    Examples:
      hallmark serve adult
      hallmark serve adult --port 3100 --version 3
    """
    from flows.server.hosts import allowed_hosts
    from flows.serving.serve import serve as serving
    from pipeline.core.settings.project import known_project

    root = find_root(Path.cwd())
    known_project(root, project)
    allowed_hosts()  # refuses what is none before anything starts
    serving(root, project, host, port, version, click.echo)
