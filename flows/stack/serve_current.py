"""Waits until a project has a version to serve, then becomes `hallmark serve PROJECT`.

`python -m flows.stack.serve_current PROJECT --port PORT` is the stack's service process: on a fresh
clone there is nothing to serve yet, and that is no failure.
"""

import os
import sys
import time
from pathlib import Path

import click

from flows.engine.checkout import find_root
from flows.registry.versions import versions
from flows.stack.processes import waiting_note
from pipeline.core.files import write_text

POLL_S = 1.0


@click.command()
@click.argument("project")
@click.option("--port", type=int, required=True)
def main(project: str, port: int) -> None:
    """Wait for a first version, then serve."""
    root = find_root(Path.cwd())
    note = waiting_note(root, f"service-{project}")
    while not versions(root, project):
        if not note.exists():
            write_text(note, f"nothing to serve yet: `hallmark build {project}`\n")
        time.sleep(POLL_S)
    note.unlink(missing_ok=True)
    serve = ("-m", "flows.cli.main", "serve", project, "--port", str(port))
    os.execv(sys.executable, [sys.executable, *serve])  # noqa: S606 -- words that we wrote


if __name__ == "__main__":
    main()
