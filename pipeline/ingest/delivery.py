"""A delivered file as it lies there: where it is found, what it weighs, what it looks like."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import ProjectError
from pipeline.ingest.limits import Allowance
from pipeline.ingest.reading_settings import Reading

if TYPE_CHECKING:
    import polars as pl

BLOCK_BYTES = 8 * 2**20
DVC_CACHE = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")
"""Where DVC's cache has a file, by its digest: `cache.type: symlink` has links there."""
OF_THIS_MACHINE = ("", "file", "local", "git")
PASSED_ON = ("zip", "tar", "libarchive", "simplecache", "filecache", "blockcache")
"""What a chain of URLs may hold before its last: each reads only what comes after it."""
# How files that are no csv begin: what they are, and what to do about it.
SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (rb"PAR1", "a parquet file", "set `ingest.format: parquet`"),
    (rb"\xd0\xcf\x11\xe0", "an Excel workbook", "set `ingest.format: excel`"),
    (rb"PK\x03\x04", "an Excel workbook or another archive", "set `ingest.format: excel`"),
    (rb"x[\x01\x9c\xda]", "a zlib stream", "unpack it yourself, or pack it with gzip"),
    (rb"ARROW1", "an Arrow (feather) file", "write it as parquet: polars and pandas read both"),
    (rb"\x80[\x02-\x05]", "a Python pickle, which can run code", "have it written as parquet"),
    (rb"SQLite format 3\x00", "an SQLite database", "give its URL and a query: `--query`"),
    (rb"\x89HDF", "an HDF5 file", "have it written as parquet"),
    (rb"%PDF", "a PDF", "ask for the table itself, as csv or Excel"),
    (rb"\$FL[23]@", "an SPSS file", "have it written as csv or parquet"),
    (rb"<stata_dta>", "a Stata file", "have it written as csv or parquet"),
    (rb"version https://git-lfs", "a Git LFS pointer, not the file", "`git lfs pull` fetches it"),
    (rb"outs:\n- ", "a DVC pointer, not the file", "`dvc pull` fetches the file beside it"),
    (
        rb"(?i)\s*(<!doctype html|<html|<head)",
        "a web page",
        "a log-in or error page was saved in place of the file: download it again",
    ),
    (rb"\s*<\?xml", "XML", "have it written as csv or parquet"),
    (rb"\s*(\{\s*\"|\[\s*[\[\{\"\d\]])", "JSON", "have it written as csv or parquet"),
    (rb"(?i)\s*(%[^\n]*\n\s*)*@relation", "an ARFF file", "have it written as csv or parquet"),
)


@dataclass(frozen=True)
class Delivery:
    """A delivered file or folder.

    Attributes:
        table: Its rows, not read yet.
        sha256: Of its bytes as delivered.
        num_bytes: Its size.
        num_left_out: Files of a folder of images that are none.
    """

    table: "pl.LazyFrame"
    sha256: str
    num_bytes: int
    num_left_out: int = 0


@contextmanager
def local(source: str, home: Path, settings: Reading) -> Iterator[Path]:
    """The source as a path: itself below `home`, the project's folder, or a URL's temporary copy.

    Raises:
        ProjectError: there is nothing, it cannot be opened, is larger than `settings.max_bytes`,
            or lies outside of `home` where `settings.external` does not say so.
    """
    if "://" not in source:
        path = home / source
        if not settings.external:
            check_inside(path, home, source)
        if not path.exists():
            raise _absent(str(path))
        yield path
        return
    if not settings.external and _is_of_this_machine(source):
        raise _outside(source, "a file of this machine by its URL")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (re.split(r"[?#]", source)[0].rpartition("/")[2] or "delivery")
        _download(source, path, Allowance(settings, source))
        yield path


def check_inside(path: Path, home: Path, source: str) -> None:
    """Refuse a path that leaves the project's folder, by itself or by a link.

    A link into DVC's cache, where a file is named by its digest, leaves nothing: DVC made it.
    """
    place = path.resolve()
    if place.is_relative_to(home.resolve()):
        return
    if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(home)):
        raise _outside(source, "a path that leads out of it")
    if not DVC_CACHE.search(place.as_posix()):
        raise _outside(source, "a link that leads out of it")


def _is_of_this_machine(url: str) -> bool:
    """Whether a URL is a path, or a chain such as `zip://a.csv::file:///b.zip` may lead to one:
    it ends at one, or goes there by anything but archives and caches."""
    *before, last = url.split("::")
    kind, is_url, _ = last.partition("://")
    return (
        not is_url
        or kind.lower() in OF_THIS_MACHINE
        or any(one.partition("://")[0] not in PASSED_ON for one in before)
    )


def _outside(source: str, what: str) -> ProjectError:
    return ProjectError(
        f"ingest.source: expected a file below the project's folder, got {what}: {source}",
        hint="copy it to raw/, where DVC keeps it, and name it there; or set "
        "`ingest.external: true`, and know that DVC does not see when it changes",
    )


def _download(source: str, target: Path, allowance: Allowance) -> None:
    import fsspec

    try:
        with fsspec.open(source, "rb") as stream, target.open("wb") as copy:
            while block := stream.read(BLOCK_BYTES):
                allowance.take(len(block))
                copy.write(block)
    except ProjectError:
        raise
    except (FileNotFoundError, IsADirectoryError):
        raise _absent(source) from None
    except Exception as error:  # each file system has errors of its own
        raise ProjectError(
            f"ingest.source: {source} cannot be opened: {error}",
            hint="is the address right, and does this machine have the rights to read it?",
        ) from None


def _absent(address: str) -> ProjectError:
    return ProjectError(
        f"ingest.source: expected a file at {address}, found none",
        hint="`dvc pull` fetches raw data; or correct `ingest.source` in project.yaml",
    )


def files(path: Path) -> list[Path]:
    """The file itself, or a folder's files by name; hidden ones and DVC's own are left out.

    Raises:
        ProjectError: the file or one of them is empty, or the folder has none.
    """
    found = [path]
    if path.is_dir():
        found = sorted(one for one in path.iterdir() if one.is_file() and one.name[0] != ".")
        found = [one for one in found if one.suffix != ".dvc"]
    if not found:
        raise ProjectError(
            f"ingest.source: expected files in the folder {path}, found none",
            hint="`dvc pull` fetches raw data; or correct `ingest.source` in project.yaml",
        )
    for one in found:
        if is_blank(one):
            raise ProjectError(
                f"ingest.source: expected data in {one}, found an empty file",
                hint="`dvc checkout` restores a raw file that DVC knows",
            )
    return found


def is_blank(path: Path) -> bool:
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            if block.strip():
                return False
    return True


def digest(paths: list[Path]) -> str:
    """The SHA-256 of a file's bytes; of several, that of their digests and names in order."""
    single = [_sha256(path) for path in paths]
    if len(paths) == 1:
        return single[0]
    lines = [f"{value}  {path.name}\n" for value, path in zip(single, paths, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def disguise(head: bytes) -> tuple[str, str] | None:
    """What the beginning of a file that should be text shows it to be, and what to do about it."""
    for signature, kind, advice in SIGNATURES:
        if re.match(signature, head):
            return kind, advice
    return None
