"""The state of a training in the middle: safetensors for arrays, JSON for the rest, no pickle.

Both parts are one file, renamed into place, so that a kill leaves the last whole state. The one
before it is kept too, for when the disk lost a part of the last: each holds a checksum of itself.
They lie in `.local/checkpoints/<digest of what train declares to read>/`: a training with other
inputs has another digest and never resumes them.
"""

import hashlib
import itertools
import json
import shutil
import sys
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import replacing
from pipeline.core.paths import Paths, local_state
from pipeline.core.run.declared import declared_inputs
from pipeline.core.settings.project import Project

if TYPE_CHECKING:
    from torch import Tensor

FILE, PREVIOUS = "state.safetensors", "previous.safetensors"
LAYOUT = "2"
"""Of what a checkpoint holds and of the code that its digest covers; stands in each file."""
NUM_KEPT = 5


@dataclass(frozen=True)
class Checkpoint:
    """Where the state is kept, and whether one is there."""

    folder: Path

    def save(self, tensors: "dict[str, Tensor]", progress: dict[str, Any]) -> None:
        """Replace the state by this one: arrays, and plain data for where the training stands."""
        from safetensors.torch import save_file

        for left in self.folder.glob(f".{FILE}.*"):  # by a process that was killed while it saved
            left.unlink(missing_ok=True)
        arrays = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        told = {
            "layout": LAYOUT,
            "progress": json.dumps(progress),
            "crc32": str(_checksum(arrays)),
        }
        with replacing(self.folder / FILE) as temporary:
            save_file(arrays, temporary, metadata=told)
            if (self.folder / FILE).is_file():
                (self.folder / FILE).replace(self.folder / PREVIOUS)

    def load(self) -> "tuple[dict[str, Tensor], dict[str, Any]] | None":
        """The last state that is whole, or None when there is none."""
        for name in (FILE, PREVIOUS):
            source = self.folder / name
            if source.is_file():
                if state := _read(source):
                    return state
                print(f"the checkpoint {name} is damaged: it is left out", file=sys.stderr)
                source.unlink(missing_ok=True)
        return None

    def delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(source: Path) -> "tuple[dict[str, Tensor], dict[str, Any]] | None":
    """A file's state; None if it is damaged, or has no readable progress."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(source, framework="pt") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            told = content.metadata()
            progress = json.loads(told["progress"])
            return (tensors, progress) if told["crc32"] == str(_checksum(tensors)) else None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def _checksum(arrays: "dict[str, Tensor]") -> int:
    """CRC-32 of all bytes, in the order of names."""
    import torch

    found = 0
    for _, value in sorted(arrays.items()):
        found = zlib.crc32(value.reshape(-1).view(torch.uint8).numpy().data, found)
    return found


def checkpoint_of(project: Project[Any], paths: Paths, device: str) -> Checkpoint:
    """The checkpoint of this stage with just these inputs on this kind of device.

    Of other trainings that never ended, the newest few are kept, the rest is deleted.
    """
    whole = f"{declared_inputs_digest(project, paths)} {device}"
    digest = hashlib.sha256(whole.encode()).hexdigest()[:32]
    folder = local_state(paths.root) / "checkpoints"
    others = [other for other in folder.glob("*") if other.name != digest]
    for other in others:
        if _layout(other) not in (None, LAYOUT):
            print(
                f"the checkpoint {other} is of another layout of the code and is not resumed here; "
                f"when no other checkout trains from it, `rm -r {other}` removes it",
                file=sys.stderr,
            )
    for other in sorted(others, key=changed_at)[:-NUM_KEPT]:
        shutil.rmtree(other, ignore_errors=True)
    return Checkpoint(folder / digest)


def _layout(folder: Path) -> str | None:
    """The layout of the state that a folder holds; None where no state can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / FILE, framework="pt") as content:
            return str((content.metadata() or {}).get("layout", "1"))
    except (OSError, SafetensorError):
        return None


def changed_at(folder: Path) -> float:
    """When a folder last changed; 0 if another process has deleted it meanwhile."""
    with suppress(FileNotFoundError):
        return folder.stat().st_mtime
    return 0.0


def declared_inputs_digest(project: Project[Any], paths: Paths) -> str:
    """SHA-256 over what dvc.yaml declares this stage to read: files, code, lock, settings."""
    whole = hashlib.sha256(repr((project, paths.stage)).encode())
    declared = declared_inputs(paths.root, paths.stage, project.name, project.modality)
    for file in itertools.chain.from_iterable(declared.values()):
        whole.update(f"\0{file}\0".encode())
        with (paths.root / file).open("rb") as content:
            whole.update(hashlib.file_digest(content, "sha256").digest())
    return whole.hexdigest()
