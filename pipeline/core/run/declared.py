"""What dvc.yaml declares a stage to read, as files, and which files its code had when it ran.

DVC keeps one digest of a folder, so a changed folder does not say which of its files changed. Each
stage that ends well therefore leaves the list of files of every package that it declares, in
`.local/manifests/`, under DVC's own digest of that folder; `hallmark why` compares with it.
"""

import fnmatch
import hashlib
import json
from pathlib import Path

from pipeline.core.files import write_json
from pipeline.core.paths import local_state
from pipeline.core.settings.yaml_files import read_yaml

LEFT_OUT = ("__pycache__", "*.pyc", "*.swp", "*~")
"""What `.dvcignore` leaves out of a folder of code: caches, and what editors write."""
MAX_MANIFESTS = 1000


def declared_inputs(root: Path, stage: str, project: str, modality: str) -> dict[Path, list[Path]]:
    """The files of each path that `stage` declares to read, all relative to `root`.

    Raises:
        ProjectError: dvc.yaml is absent or does not parse.
    """
    entry = read_yaml(root, Path("dvc.yaml"))["stages"][stage]
    values = {"${name}": project, "${modality}": modality}
    found = {}
    for name in entry["deps"]:
        for word, value in values.items():
            name = name.replace(word, value)
        found[Path(name)] = files_of(root, Path(name))
    return found


def files_of(root: Path, path: Path) -> list[Path]:
    """A file itself, or a folder's files in the order of their names; none where nothing is."""
    place = root / path
    if place.is_file():
        return [path]
    inside = (file.relative_to(root) for file in sorted(place.rglob("*")) if file.is_file())
    return [file for file in inside if not _is_left_out(file)]


def _is_left_out(file: Path) -> bool:
    return any(fnmatch.fnmatch(part, pattern) for part in file.parts for pattern in LEFT_OUT)


def remember_code(root: Path, stage: str, project: str, modality: str) -> None:
    """Write the manifest of each folder of code that `stage` declares, where there is none yet."""
    folder = local_state(root) / "manifests"
    for path in declared_inputs(root, stage, project, modality):
        if path.parts[0] == "pipeline" and (root / path).is_dir():
            listed = manifest(root, path)
            target = folder / f"{digest(listed)}.json"
            if not target.exists():
                write_json(target, listed)
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in files[:-MAX_MANIFESTS]:
        file.unlink(missing_ok=True)


def manifest(root: Path, folder: Path) -> dict[str, str]:
    """The MD5 of each file of a folder, by its path below it."""
    return {
        file.relative_to(folder).as_posix(): hashlib.md5((root / file).read_bytes()).hexdigest()  # noqa: S324 -- DVC's
        for file in files_of(root, folder)
    }


def digest(listed: dict[str, str]) -> str:
    """DVC's digest of a folder with these files: the MD5 of their list as JSON."""
    entries = [{"md5": listed[name], "relpath": name} for name in sorted(listed)]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"  # noqa: S324 -- DVC's


def remembered(root: Path, of_digest: str) -> dict[str, str] | None:
    """The manifest of a folder as it was when it had this digest; None where none was left."""
    source = local_state(root) / "manifests" / f"{of_digest}.json"
    try:
        listed: dict[str, str] = json.loads(source.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return listed
