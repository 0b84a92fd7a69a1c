"""A folder of images by class, `<class>/<name>.png`, as a table: file, image (bytes), label."""

import hashlib
import sys
from pathlib import Path

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.core.run.progress import rows
from pipeline.ingest.delivery import Delivery, check_inside
from pipeline.ingest.limits import Allowance, check_value_size

SHARD_BYTES = 64 * 2**20
"""So many bytes of images are in memory at a time."""
MAX_NAMED = 5
ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".gif", ".bmp", ".webp"),
    *(".tif", ".tiff", ".avif", ".heic", ".heif", ".ico", ".pbm", ".pgm", ".ppm", ".svg"),
)
"""Of images, in any case; those that cannot be decoded are rows as well, which `clean` counts."""
SCHEMA = {"file": pl.String, "image": pl.Binary, "label": pl.String}


def images(
    path: Path, folder: Path, source: str, allowance: Allowance, inside: Path | None
) -> Delivery:
    """The images below `path`, by class and name; their bytes as they are, whatever they are.

    Files of another ending and hidden ones are no rows: they are named on standard error.

    Args:
        path: The folder that holds one for each class.
        folder: Where to keep the table as long as it is read.
        source: What messages call `path`.
        allowance: How many bytes may be read.
        inside: The folder that no link may lead out of; None where any may.

    Raises:
        ProjectError: there are none, a class has none, a file or folder is out of place, or an
            image or all of them are too large.
    """
    files, others = _files(path, source)
    if others:
        _tell(others, source)
    for file in files:  # before any is read
        name = f"{source}/{file.parent.name}/{file.name}"
        if inside:
            check_inside(file, inside, name)
        check_value_size(file.stat().st_size, name)
        allowance.take(file.stat().st_size)
    shard: list[tuple[str, bytes, str]] = []
    shards: list[Path] = []
    lines, num_bytes, num_waiting = hashlib.sha256(), 0, 0

    def write() -> None:
        target = folder / f"{len(shards):06}.parquet"
        pl.DataFrame(shard, schema=SCHEMA, orient="row").write_parquet(target)
        shards.append(target)
        shard.clear()

    for file in rows(files, len(files), "files read"):
        name, content = f"{file.parent.name}/{file.name}", file.read_bytes()
        shard.append((name, content, file.parent.name))
        lines.update(f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode())
        num_bytes += len(content)
        num_waiting += len(content)
        if num_waiting >= SHARD_BYTES or file is files[-1]:
            write()
            num_waiting = 0
    return Delivery(pl.scan_parquet(shards), lines.hexdigest(), num_bytes, len(others))


def _tell(others: list[Path], source: str) -> None:
    """Say in a line which files are no rows."""
    names = [f"{one.parent.name}/{one.name}" for one in others[:MAX_NAMED]]
    more = [f"{len(others) - MAX_NAMED:,} more"] if len(others) > MAX_NAMED else []
    what = "file is no image by its" if len(others) == 1 else "files are no images by their"
    print(
        f"{source}: {len(others):,} {what} name, left out: {', '.join([*names, *more])}",
        file=sys.stderr,
    )


def _files(path: Path, source: str) -> tuple[list[Path], list[Path]]:
    """Every image's file, by class and name; and the files beside them that are no images."""
    if not path.is_dir():
        raise ProjectError(
            f"ingest.source: expected {source} to be a folder of images, found a file",
            hint="`ingest.format: images` reads a folder with one for each class; without it a "
            "parquet file of images is read",
        )
    classes = [one for one in _seen(path) if one.name[0] != "."]
    if not classes:
        raise ProjectError(
            f"ingest.source: expected images in the folder {source}, found it empty",
            hint="`dvc pull` fetches raw data; or correct `ingest.source` in project.yaml",
        )
    inside = {one: _seen(one) for one in classes if one.is_dir()}
    misplaced = [one for one in classes if not one.is_dir()]
    found = [one for several in inside.values() for one in several]
    misplaced += [one for one in found if one.is_dir() and one.name[0] != "."]
    if misplaced:
        raise ProjectError(
            f"ingest.source: expected every image of {source} in a folder of its class, "
            f"`<class>/<name>.png`, found {len(misplaced)} files or folders elsewhere",
            findings=[one.relative_to(path).as_posix() for one in misplaced],
            hint="the folder's name is the label: move them into one, or away",
        )
    if bare := [one.name for one, several in inside.items() if not any(map(_is_image, several))]:
        raise ProjectError(
            f"ingest.source: expected images of each class in {source}, found {len(bare)} "
            "folders without any",
            findings=bare,
            hint="remove them where there is no such class; else ask for the delivery again",
        )
    files = [one for one in found if _is_image(one)]
    return files, [one for one in found if not _is_image(one) and not one.is_dir()]


def _is_image(file: Path) -> bool:
    """By its name."""
    return file.name[0] != "." and file.suffix.lower() in ENDINGS


def _seen(path: Path) -> list[Path]:
    """What lies in a folder, by name; DVC's own files are left out."""
    own = (".gitignore", ".dvcignore")
    found = (one for one in path.iterdir() if one.name not in own and one.suffix != ".dvc")
    return sorted(found, key=lambda one: one.name)
