"""Why a stage cannot run: raw data or code that no stage makes is absent or damaged."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from flows.engine.stage_run import StageError
from flows.graph.damage import Damage
from flows.graph.plan import Planner, missing_sources
from flows.graph.reasons import Reason
from pipeline.core.errors import MAX_FINDINGS, ArtifactMissing, ProjectError


def why_not_runnable(planner: Planner, reasons: Iterable[Reason]) -> StageError | None:
    """What must be mended by hand before a stage with these reasons can run; None when nothing."""
    reasons = tuple(reasons)
    if absent := missing_sources(reasons):
        return _absent(absent)
    damaged = [r for r in reasons if r.kind == "damaged" and r.how == "source"]
    if not damaged:
        return None
    comparison = planner.fresh.truth.comparison
    return _damaged(
        planner.root,
        [Damage(r.what, r.old, r.new, (comparison.object(r.old),)) for r in damaged],
    )


def _absent(paths: tuple[str, ...]) -> StageError:
    listed = ", ".join(paths)
    return StageError(
        "ArtifactMissing",
        f"expected {listed}, found none, and no stage makes it\n"
        f"  hint: data that DVC knows: `dvc pull {' '.join(paths)}`; code: `git status`",
        ProjectError.exit_code,
    )


def _damaged(root: Path, damages: list[Damage]) -> StageError:
    """Raw data cannot be made again: the commands that fetch them anew."""
    shown = damages[:MAX_FINDINGS]
    objects = [_shown(root, source) for damage in shown for source in damage.damaged]
    gone = " ".join(shlex.quote(path) for path in (*objects, *(damage.path for damage in shown)))
    pointer = " ".join(sorted({_pointer(root, damage.path) for damage in shown}))
    lines = [f"  - {damage}" for damage in shown]
    if rest := len(damages) - len(shown):
        lines.append(f"  … and {rest} more")
    text = "\n".join(
        [
            "expected the raw data that DVC knows, found files that are damaged, in its cache as "
            "well",
            *lines,
            f"  hint: `rm -rf {gone}`, then `dvc pull {pointer}` fetches them anew; when they come "
            "back damaged, so is the remote",
        ]
    )
    return StageError(ArtifactMissing.__name__, text, ArtifactMissing.exit_code)


def _shown(root: Path, source: Path) -> str:
    return str(source.relative_to(root)) if source.is_relative_to(root) else str(source)


def _pointer(root: Path, path: str) -> str:
    """The `.dvc` file that names a file of raw data."""
    for place in (Path(path), *Path(path).parents):
        if (root / f"{place}.dvc").is_file():
            return f"{place}.dvc"
    return path
