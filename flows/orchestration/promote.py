"""The Prefect flows `promote` and `rollback`: forms around `flows.registry.promotion`.

What may become the champion is decided there, as for the command line.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed
from pydantic import WithJsonSchema

from flows.engine.checkout import find_root
from flows.orchestration.build import OPTIONS, failed, run_name
from flows.registry import promotion
from flows.registry.history import Move
from pipeline.core.errors import PipelineError, ProjectError
from pipeline.core.settings.project import known_project


def _text(words: str) -> WithJsonSchema:
    """A field for text with one line of help."""
    return WithJsonSchema({"type": "string", "description": words})


Project = Annotated[str, _text("Which project, as params.yaml names it.")]
Who = Annotated[str, _text("Your name: it stays in the history.")]
Why = Annotated[str, _text("The reason: it stays in the history.")]


@flow(flow_run_name=run_name, **{**OPTIONS, "name": "promote"})
def promote(
    project: Project,
    who: Who,
    why: Why,
    version: Annotated[str | None, _text("Which version; empty: the candidate.")] = None,
) -> State[Any]:
    """Make a version the champion: the one that is served.

    Refused without a passing verdict, a passing rehearsal, matching digests and a clean tree.
    """
    return _moved(promotion.promote, project, who=who, why=why, version=version or None)


@flow(flow_run_name=run_name, **{**OPTIONS, "name": "rollback"})
def rollback(project: Project, who: Who, why: Why) -> State[Any]:
    """Make the champion before this one live again, after rehearsing it anew."""
    return _moved(promotion.rollback, project, who=who, why=why)


def _moved(move: Callable[..., Move], project: str, **given: str | None) -> State[Any]:
    """Check what the form sent, move the champion, say what became of it."""
    try:
        for name, value in {"project": project, **given}.items():
            if name != "version" and (not isinstance(value, str) or not value.strip()):
                raise ProjectError(f"{name}: expected text, got {value!r}")
        root = find_root(Path.cwd())
        done = move(root, known_project(root, project), **given)
    except PipelineError as error:
        return failed(error)
    text = f"{done.kind}: {project} {done.before or 'none'} → {done.after}"
    get_run_logger().info(text)
    return Completed(message=text)
