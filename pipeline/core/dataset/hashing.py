"""A keyed hash of rows that stays the same: split decides by it where a row goes."""

import hashlib

import numpy as np
import polars as pl
from numpy.typing import NDArray


def keyed_hash(table: pl.DataFrame, key: str) -> NDArray[np.uint64]:
    """A hash of each row, the same on every machine and with every version of every package.

    Each distinct value is hashed on its own (BLAKE2b with a key, RFC 7693) and the columns'
    hashes are chained in the order of their names, so ("a", "bc") differs from ("ab", "c"), and
    a missing value from every other. The order of columns and rows does not matter; a number
    hashes as its digits, so that it is the same in text.

    Returns:
        Shape (rows,), evenly spread over 0 … 2⁶⁴ - 1.
    """
    secret = hashlib.sha256(key.encode()).digest()
    state = np.full(table.height, _digest("row", secret, b"start"), dtype=np.uint64)
    for name in sorted(table.columns):
        state = _mixed(state ^ _column_hash(_canonical(table[name]), secret, name.encode()))
    return state


def _column_hash(values: pl.Series, secret: bytes, name: bytes) -> NDArray[np.uint64]:
    """The hash of each value, shape (rows,); every distinct value is hashed once."""
    distinct = values.drop_nulls().unique()
    digests = [_digest(value, secret, name) for value in distinct]
    hashes = values.replace_strict(
        distinct, pl.Series(values=digests, dtype=pl.UInt64), default=None, return_dtype=pl.UInt64
    )
    return hashes.fill_null(_digest(None, secret, name)).to_numpy()


def _canonical(values: pl.Series) -> pl.Series:
    """`values` as text that does not depend on how a package prints numbers."""
    dtype = values.dtype
    if dtype.is_float():
        whole = (values == values.floor()) & (values.abs() < 2**53)
        digits = values.set(~whole, None).cast(pl.Int64).cast(pl.String)
        bits = (values.cast(pl.Float64) + 0.0).reinterpret(signed=True).cast(pl.String)
        return digits.fill_null("bits " + bits)
    if dtype.is_temporal():
        return values.to_physical().cast(pl.String)
    if dtype == pl.Boolean:
        return values.cast(pl.Int8).cast(pl.String)
    return values.cast(pl.String)


def _digest(value: str | None, secret: bytes, name: bytes) -> int:
    content = b"\0" + name if value is None else b"\1" + name + b"\0" + value.encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8, key=secret).digest(), "little")


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit over all others: SplitMix64's finaliser (Steele, Lea and Flood 2014)."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
