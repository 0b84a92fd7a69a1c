"""How much a delivered file may make us read; checked before memory or disk is taken.

A file of kilobytes can unpack to terabytes, and what its headers say of its size may be a lie.
Why these limits: docs/decisions/0038-limits-of-input.md.
"""

import zipfile

from pipeline.core.errors import ProjectError
from pipeline.ingest.reading_settings import Reading

ALWAYS_BYTES = 64 * 2**20
"""So much may be unpacked from any file, however well it is packed."""
MAX_RECORD_BYTES = 64 * 2**20
"""Of one record of a csv, and of one value of another source."""
MAX_COLUMNS = 100_000
OTHER_METHODS = {zipfile.ZIP_BZIP2: "bz2", zipfile.ZIP_LZMA: "lzma"}
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


class Allowance:
    """What may still be read of one source, all of its files together.

    Args:
        settings: Its limits.
        source: What messages call it.
    """

    def __init__(self, settings: Reading, source: str) -> None:
        self._most, self._ratio = settings.max_bytes, settings.max_ratio
        self._source = source
        self._taken = 0

    def take(self, num_bytes: int) -> None:
        """Note that so many bytes are read, unpacked; refuse more than `ingest.max_bytes`."""
        self._taken += num_bytes
        if self._taken > self._most:
            raise ProjectError(
                f"ingest.max_bytes: expected at most {size(self._most)} in {self._source}, "
                f"unpacked, found more",
                hint="is it the right file? if it is, `hallmark init` a part of it, then set a "
                "larger `ingest.max_bytes` in project.yaml",
            )

    def check_ratio(
        self, unpacked: int, packed: int, source: str, always: int = ALWAYS_BYTES
    ) -> None:
        """Refuse what unpacks to far more than any table does: a decompression bomb.

        Args:
            unpacked: Bytes so far, or as a file states.
            packed: Bytes that they were unpacked from.
            source: What messages call the file.
            always: So many bytes may be unpacked from any.
        """
        if unpacked > max(always, self._ratio * max(packed, 1)):
            raise ProjectError(
                f"ingest.max_ratio: expected {source} to unpack to at most {self._ratio:,} times "
                f"its size, found {size(unpacked)} or more from {size(packed)}",
                hint="tables do not pack so well: is it the right file? if it is, unpack it "
                "yourself, or set a larger `ingest.max_ratio` in project.yaml",
            )


def size(num_bytes: int) -> str:
    """In words: `8.0 GiB`."""
    value, power = float(num_bytes), 0
    while value >= 1024 and power < len(UNITS) - 1:
        value, power = value / 1024, power + 1
    return f"{value:,.0f} {UNITS[power]}" if power == 0 else f"{value:,.1f} {UNITS[power]}"


def check_zip_method(member: zipfile.ZipInfo, source: str) -> None:
    """Refuse a member packed with other than deflate: only that is unpacked in bounded parts."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ProjectError(
            f"ingest.source: expected the archive {source} to be packed with deflate, found "
            f"{OTHER_METHODS.get(member.compress_type, 'another method')} in it",
            hint="unpack it yourself, and deliver what is in it, or pack it as usual",
        )


def check_num_columns(num_columns: int, source: str) -> None:
    if num_columns > MAX_COLUMNS:
        raise ProjectError(
            f"ingest.source: expected at most {MAX_COLUMNS:,} columns in {source}, found "
            f"{num_columns:,}",
            hint="is `ingest.separator` right? a table has a row for each case, not a column",
        )


def check_value_size(num_bytes: int, what: str) -> None:
    """Refuse a single value that is larger than any that a table has."""
    if num_bytes > MAX_RECORD_BYTES:
        raise ProjectError(
            f"ingest.source: expected at most {size(MAX_RECORD_BYTES)} in {what}, found "
            f"{size(num_bytes)}",
            hint="is it damaged, or another file than was meant? leave it out at the source",
        )
