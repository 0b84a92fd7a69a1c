"""Run one stage, and see that what it left is what dvc.lock names.

DVC restores an object of its cache without reading it when it is read-only, and the bytes of a
damaged one would be read by the next stage, by MLflow and by the report. So nobody reads a result
before its bytes were compared; a damaged object is thrown away and the stage runs again.
"""

import os
import shutil
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from flows.engine.stage_run import RunContext, StageError, StageResult, run_stage
from flows.graph.damage import Comparison, Damage, discard
from flows.graph.outputs import locked
from pipeline.core.errors import MAX_FINDINGS, ArtifactMissing


@dataclass(frozen=True)
class ProvenRun:
    """Runs stages for a build. Safe in any thread.

    Attributes:
        comparison: Compares files with digests.
        lock: DVC's own lock of the repository: dvc.lock is whole while it is held.
        notes: What people are to be told.
    """

    comparison: Comparison
    lock: Path
    notes: "deque[str]" = field(default_factory=deque)

    def run(
        self, context: RunContext, stage: str, reasons: tuple[str, ...] = (), force: bool = False
    ) -> StageResult:
        """As `run_stage`; what was restored damaged is discarded and made again, once."""
        result = run_stage(context, stage, reasons, force)
        if not (damages := self._damages(context, result)):
            return result
        self.notes.append(
            f"{stage}@{context.project}: a damaged result is made again: {damages[0]}"
        )
        discard(damages)
        for damage in damages:
            self._remove(damage.path)
        again = run_stage(context, stage, (*reasons, f"its result was damaged: {damages[0]}"), True)
        if not (left := self._damages(context, again)):
            return again
        return replace(again, state="failed", error=_still_damaged(left, context, stage))

    def tell(self) -> Iterator[str]:
        """What people are to be told and were not yet."""
        while self.notes:
            yield self.notes.popleft()

    def _damages(self, context: RunContext, result: StageResult) -> tuple[Damage, ...]:
        if result.state not in ("ran", "restored"):
            return ()
        from dvc.lock import make_lock

        folder = str(self.lock.parent)
        with make_lock(str(self.lock), tmp_dir=folder, friendly=False, wait=True):
            entries = locked(context.root, context.project, [result.name])
        return self.comparison.of_entry(entries.get(result.name, {}))

    def _remove(self, path: str) -> None:
        target = self.comparison.root / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        elif os.path.lexists(target):
            target.unlink()


def _still_damaged(damages: tuple[Damage, ...], context: RunContext, stage: str) -> StageError:
    lines = [f"  - {damage}" for damage in damages[:MAX_FINDINGS]]
    text = "\n".join(
        [
            "expected what the stage wrote to be what dvc.lock names, found other bytes, twice",
            *lines,
            f"  hint: does something else write there, or is the disk broken? then "
            f"`hallmark build {context.project} --from {stage}`",
        ]
    )
    return StageError(ArtifactMissing.__name__, text, ArtifactMissing.exit_code)
