"""The Prefect flow `prune`: `hallmark prune` on a schedule or from a form."""

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed
from pydantic import WithJsonSchema

from flows.engine.checkout import find_root
from flows.orchestration.build import OPTIONS, failed
from flows.pruning.prune import prune as prune_by_rule
from flows.pruning.prune import summary
from pipeline.core.errors import PipelineError, ProjectError

DryRun = Annotated[
    bool, WithJsonSchema({"type": "boolean", "description": "Only say what would go."})
]


@flow(**{**OPTIONS, "name": "prune"})
def prune(dry_run: DryRun = False) -> State[Any]:
    """Remove what ended runs have left and nothing names any more; never a registered version."""
    logger = get_run_logger()
    try:
        if not isinstance(dry_run, bool):
            raise ProjectError(f"dry_run: expected true or false, got {dry_run!r}")
        pruned = prune_by_rule(find_root(Path.cwd()), dry_run=dry_run)
    except PipelineError as error:
        return failed(error)
    for item in pruned.items:
        if item.kind != "cache":
            logger.info("%s %s", item.kind, item.name)
    for note in pruned.notes:
        logger.warning(note)
    return Completed(message=summary(pruned, dry_run))
