"""The state of a training in the middle: safetensors for arrays, JSON for the rest, no pickle.

Both parts are one file, renamed into place, so that a kill leaves the last whole state. It lies in
`.local/checkpoints/<digest of what train declares to read>/`: a training with other inputs has
another digest and never resumes it.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import replacing
from pipeline.core.paths import Paths, local_state
from pipeline.core.project import Project, read_yaml

if TYPE_CHECKING:
    from torch import Tensor

FILE = "state.safetensors"
NUM_KEPT = 5


@dataclass(frozen=True)
class Checkpoint:
    """Where the state is kept, and whether one is there."""

    folder: Path

    def save(self, tensors: "dict[str, Tensor]", progress: dict[str, Any]) -> None:
        """Replace the state by this one: arrays, and plain data for where the training stands."""
        from safetensors.torch import save_file

        with replacing(self.folder / FILE) as temporary:
            arrays = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
            save_file(arrays, temporary, metadata={"progress": json.dumps(progress)})

    def load(self) -> "tuple[dict[str, Tensor], dict[str, Any]] | None":
        """The state, or None when there is none that can be read."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.folder / FILE, framework="pt") as content:
                tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
                return tensors, json.loads(content.metadata()["progress"])
        except (FileNotFoundError, SafetensorError, KeyError, TypeError, ValueError):
            return None  # none there, damaged, or without readable progress

    def delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def checkpoint_of(project: Project[Any], paths: Paths, device: str) -> Checkpoint:
    """The checkpoint of this stage with just these inputs on this kind of device.

    Of other trainings that never ended, the newest few are kept, the rest is deleted.
    """
    whole = f"{declared_inputs_digest(project, paths)} {device}"
    digest = hashlib.sha256(whole.encode()).hexdigest()[:32]
    folder = local_state(paths.root) / "checkpoints"
    others = sorted(
        (other for other in folder.glob("*") if other.name != digest),
        key=lambda other: other.stat().st_mtime,
    )
    for other in others[:-NUM_KEPT]:
        shutil.rmtree(other, ignore_errors=True)
    return Checkpoint(folder / digest)


def declared_inputs_digest(project: Project[Any], paths: Paths) -> str:
    """SHA-256 over what dvc.yaml declares this stage to read: files, code, lock, settings."""
    entry = read_yaml(paths.root, Path("dvc.yaml"))["stages"][paths.stage]["do"]
    whole = hashlib.sha256(repr((project, paths.stage)).encode())
    for dependency in entry["deps"]:
        name = dependency.replace("${key}", project.name)
        name = name.replace("${item.modality}", project.modality)
        source = paths.root / name
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file():
                whole.update(f"\0{file.relative_to(paths.root)}\0".encode())
                whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()
