"""What a build that ran nothing leaves to be done: a version to register, a bento to put back.

Read from the workspace, whose files the build has compared with dvc.lock: quick, without MLflow.
"""

from collections.abc import Sequence
from pathlib import Path

from flows.engine.build_record import GATE
from flows.engine.checkout import dirty_files
from flows.registry.registration import PACKAGE, REHEARSE, objection, put_back
from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_json
from pipeline.core.paths import Paths


def is_unregistered(root: Path, project: str, reached: Sequence[str]) -> bool:
    """Whether what lies in the workspace, all of it fresh, is to be registered still.

    A build that ran nothing asks it, each time.
    """
    if not {GATE, PACKAGE, REHEARSE} <= set(reached):
        return False
    try:
        verdict, package, rehearsal = (
            read_json(Paths(root, project, stage).output(name))
            for stage, name in (
                (GATE, "verdict.json"),
                (PACKAGE, "report.json"),
                (REHEARSE, "report.json"),
            )
        )
        return (
            objection(root, project, verdict, package, rehearsal, lambda: bool(dirty_files(root)))
            is None
        )
    except (ArtifactMissing, KeyError, TypeError):  # refused: it has no package
        return False


def put_bento_back(root: Path, project: str, reached: Sequence[str]) -> list[str]:
    """Put the bento of the workspace back where a registered version has lost it."""
    if PACKAGE not in reached:
        return []
    package = Paths(root, project, PACKAGE)
    digest = read_json(package.output("report.json")).get("digest")
    return put_back(root, project, package.output("bento"), digest)
