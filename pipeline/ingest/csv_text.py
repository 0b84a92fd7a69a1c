"""A delivered csv as a plain file in UTF-8: unpacked, decoded, blanks between fields made one."""

import codecs
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.core.errors import ProjectError
from pipeline.ingest.csv_fields import not_in, too_long
from pipeline.ingest.delivery import BLOCK_BYTES, disguise
from pipeline.ingest.limits import MAX_RECORD_BYTES, Allowance, check_zip_method
from pipeline.ingest.reading_settings import Reading

PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
HEAD_BYTES = 4096
XZ_MEMORY_BYTES = 256 * 2**20
"""More than the largest preset needs; a header may ask for gigabytes."""


@contextmanager
def as_utf8(
    path: Path, settings: Reading, folder: Path, source: str, allowance: Allowance
) -> Iterator[Path]:
    """The csv in UTF-8: itself where it is so, else a file in `folder` that lasts for the block.

    Raises:
        ProjectError: it is no text in `settings.encoding`, an archive that cannot be unpacked, or
            larger than `allowance` has left.
    """
    encoding = text_encoding(settings.encoding)
    is_spaced = settings.separator == "whitespace"
    if encoding == "utf-8" and not is_spaced and not packing(path):
        check_disguise(head_of(path), source)
        allowance.take(path.stat().st_size)
        yield path
        return
    target = folder / "delivery.csv"
    with target.open("wb") as copy:
        for block in decoded(unpacked(path, source, allowance), encoding, source):
            copy.write(narrowed(block) if is_spaced else block)
    check_disguise(head_of(target), source)
    yield target


def head_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def packing(path: Path) -> str:
    """How the file is packed, by its first bytes; empty where it is not."""
    head = head_of(path)
    return next((kind for magic, kind in PACKED.items() if head.startswith(magic)), "")


def unpacked(path: Path, source: str, allowance: Allowance) -> Iterator[bytes]:
    """The file's bytes in blocks, unpacked where it is gzip, bz2, xz, zstd or a zip of one file.

    Raises:
        ProjectError: the archive is damaged, holds several files or none, or unpacks to more than
            `allowance` has left; its bytes are counted, whatever it says of its size.
    """
    import lzma
    import zlib

    kind, num_bytes = packing(path), 0
    try:
        with path.open("rb") as packed, _opened(packed, kind, source) as stream:
            while block := stream.read(BLOCK_BYTES):
                num_bytes += len(block)
                if kind:
                    allowance.check_ratio(num_bytes, packed.tell(), source)
                allowance.take(len(block))
                yield block
    except (
        *(EOFError, OSError, zipfile.BadZipFile, lzma.LZMAError, zlib.error),
        RuntimeError,  # zipfile's, of a password or an unknown compression
    ) as error:
        if not kind:
            raise
        raise ProjectError(
            f"ingest.source: expected {source} to be a whole {kind} file: {error}",
            hint="was the delivery cut short? compare its size with the sender's",
        ) from None


def _opened(packed: io.BufferedReader, kind: str, source: str) -> io.BufferedIOBase:
    import bz2
    import gzip

    if kind == "gzip":
        return gzip.GzipFile(fileobj=packed)
    if kind == "bz2":
        return bz2.BZ2File(packed)
    if kind == "xz":
        return io.BufferedReader(_Xz(packed))
    if kind == "zstd":
        import pyarrow

        stream: Any = pyarrow.CompressedInputStream(packed, "zstd")
        return io.BufferedReader(stream)
    if kind == "zip":
        archive = zipfile.ZipFile(packed)
        member = _member(archive, source)
        check_zip_method(member, source)
        content: Any = archive.open(member)
        return io.BufferedReader(content)
    return packed


class _Xz(io.RawIOBase):
    """An xz file unpacked, within a limit of memory, which `lzma.LZMAFile` does not have.

    Args:
        packed: The file, of one stream or several.
    """

    def __init__(self, packed: io.BufferedReader) -> None:
        super().__init__()
        self._packed = packed
        self._stream = self._next_stream()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content, found = b"", b""
        while not found:
            if self._stream.eof:
                content = (self._stream.unused_data or self._packed.read(HEAD_BYTES)).lstrip(b"\0")
                if not content:
                    return 0
                self._stream = self._next_stream()
            elif self._stream.needs_input and not (content := self._packed.read(HEAD_BYTES)):
                raise EOFError("it ends before its end-of-stream marker")
            found, content = self._stream.decompress(content, len(buffer)), b""
        buffer[: len(found)] = found
        return len(found)

    @staticmethod
    def _next_stream() -> Any:
        import lzma

        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)


def _member(archive: zipfile.ZipFile, source: str) -> zipfile.ZipInfo:
    found = [one for one in archive.infolist() if not one.is_dir()]
    found = [one for one in found if not one.filename.startswith("__MACOSX/")]
    names = [one.filename for one in found]
    if "[Content_Types].xml" in names:
        raise ProjectError(
            f"ingest.source: expected csv in {source}, found an Excel workbook",
            hint="set `ingest.format: excel`",
        )
    if len(found) != 1:
        raise ProjectError(
            f"ingest.source: expected one file in {source}, found {len(found)}",
            findings=names,
            hint="unpack it, and name the file that is meant",
        )
    return found[0]


def check_disguise(head: bytes, source: str) -> None:
    """Refuse what is no table of text, by its first bytes."""
    if found := disguise(head):
        kind, advice = found
        raise ProjectError(f"ingest.source: expected csv in {source}, found {kind}", hint=advice)


def text_encoding(name: str) -> str:
    """Python's name of a text encoding; `utf-8` whether or not a byte order mark is asked for."""
    try:
        "".encode(name)
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise ProjectError(
            f"ingest.encoding: expected an encoding that Python knows, got {name!r}",
            hint="for instance utf-8, latin-1, cp1252",
        ) from None
    return "utf-8" if found in ("utf-8", "utf-8-sig") else found


def decoded(blocks: Iterator[bytes], encoding: str, source: str) -> Iterator[bytes]:
    """Blocks of whole lines in UTF-8, without a byte order mark.

    Raises:
        ProjectError: some bytes are not in `encoding`, or a line has no end for longer than any
            record is; the message names the line.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line, carry, is_first, is_last = 1, "", True, False
    while not is_last:
        block = next(blocks, b"")
        is_last = not block
        try:
            text = decoder.decode(block, final=is_last)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(encoding, "ignore")
            line += carry.count("\n") + before.count("\n")
            raise not_in(encoding, line, source) from None
        if is_first and text:
            text, is_first = text.removeprefix("\ufeff"), False
        text = carry + text
        cut = len(text) if is_last else _end_of_lines(text)
        line += text.count("\n", 0, cut)
        carry = text[cut:]
        if len(carry) > MAX_RECORD_BYTES:
            raise too_long(line, source)
        yield text[:cut].encode("utf-8", "replace")


def _end_of_lines(text: str) -> int:
    """Where the last whole line ends; a carriage return ends one only where there is no other."""
    return text.rfind("\n") + 1 or text.rfind("\r", 0, len(text) - 1) + 1


def narrowed(block: bytes) -> bytes:
    """Each run of blanks and tabs outside quotes as one blank, none at either end of a line."""
    block = re.sub(rb'("[^"\n]*")?(?:[ \t]+|(?=\r?\n)|\Z)', rb"\1 ", block)
    return re.sub(rb"(?m)^ +| +(?=\r?$)", b"", block)
