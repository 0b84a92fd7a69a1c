"""Makes a deployment's run a worktree, then becomes Prefect's engine in it.

The worker starts it as `python -m flows.orchestration.isolated PROJECT` in the checkout that it
serves. The process stays the same, so that the worker cancels it as any other; its code, `flows` as
well as `pipeline`, is the commit's, whatever somebody does to the checkout meanwhile.
"""

import os
import sys
from pathlib import Path

from flows.engine.checkout import find_root
from flows.engine.worktree import create, worktrees_folder
from flows.pruning.prune import prune_runs
from pipeline.core.errors import PipelineError
from pipeline.core.paths import local_state
from pipeline.core.run.runner import explained
from pipeline.core.settings.project import known_project

FLOW_RUN_ID = "PREFECT__FLOW_RUN_ID"


def main(project: str, engine: tuple[str, ...] = ("-m", "prefect.engine")) -> None:
    """Replace this process by `python ENGINE…` in a new worktree of the checkout's commit."""
    try:
        checkout = find_root(Path.cwd())
        known_project(checkout, project)
        prune_runs(checkout)
        run_id = _free_name(checkout, os.environ[FLOW_RUN_ID])
        root = create(checkout, project, run_id).root
    except PipelineError as error:
        _end_run(str(error))
        raise SystemExit(error.exit_code) from error
    except Exception as error:
        code, failure = explained(
            error, Path.cwd() / ".local" / "errors" / f"{os.environ[FLOW_RUN_ID]}.txt"
        )
        _end_run(f"{failure['class']}: {failure['message']}")
        raise SystemExit(code) from error
    os.chdir(root)
    os.environ["PWD"] = str(root)
    os.execv(sys.executable, [sys.executable, *engine])  # noqa: S606 -- words that we wrote


def _free_name(checkout: Path, flow_run_id: str) -> str:
    """The run's id; a run that is tried again gets a number behind it."""
    folder = worktrees_folder(local_state(checkout))
    name, attempt = flow_run_id, 1
    while (folder / name).exists() or (folder / f"{name}.json").exists():
        attempt += 1
        name = f"{flow_run_id}-{attempt}"
    return name


def _end_run(message: str) -> None:
    """Say in Prefect why the run could not begin."""
    from uuid import UUID

    from prefect.client.orchestration import get_client
    from prefect.states import Failed

    sys.stderr.write(f"{message}\n")
    try:
        with get_client(sync_client=True) as client:
            run = UUID(os.environ[FLOW_RUN_ID])
            client.set_flow_run_state(run, Failed(message=message), force=True)
    except Exception as error:  # the worker says then that this process failed
        sys.stderr.write(f"Prefect was not told: {type(error).__name__}: {error}\n")


if __name__ == "__main__":
    main(sys.argv[1])
