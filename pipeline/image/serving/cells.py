"""Images of requests: base64 to bytes, opened within limits, then cleaned, measured, checked and
encoded by the stages' own code."""

import base64
import binascii
import io
import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import polars as pl

from pipeline.core.cleaning.rules import Rule
from pipeline.core.cleaning.whole_cells import Unreadable, WholeCells
from pipeline.core.settings.columns import Columns
from pipeline.image.data import cleaning, contract_columns, decoding
from pipeline.image.serving.limits import TOGETHER, Limits, check, num_pixels

DATA_URL = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)
EXPECTED = "a PNG or JPEG image in base64"
EXAMPLE_SIDE = 28
"""Of an example where the contract sets no size."""


def cells_of(
    fields: Iterable[Any],
    columns: Columns,
    rules: tuple[Rule, ...],
    encoder: Any,
    enforcement: Any,
) -> WholeCells:
    """How the project's image is read; its field has the limits."""
    name = columns.image or ""
    limits = next(one.limits for one in fields if one.name == name)
    return WholeCells(
        name,
        pl.Binary(),
        partial(read_value, limits=Limits.of_settings(limits)),
        described,
        rules,
        cleaning.apply,
        partial(contract_columns.of_rows, columns=columns),
        enforcement.of_whole(name),
        encoder,
        partial(beyond, limits=Limits.of_settings(limits)),
    )


def read_value(value: Any, limits: Limits) -> bytes | None:
    """The bytes of a JSON value: base64 or a `data:` URL, of an image that can be decoded.

    Raises:
        Unreadable: it is no such image, or beyond a limit.
    """
    if value is None:
        return None
    content = bytes_of(value)
    check(content, limits)
    return content


def bytes_of(value: Any) -> bytes:
    """The bytes that a JSON value stands for.

    Raises:
        Unreadable: it is no base64.
    """
    if not isinstance(value, str):
        raise Unreadable(EXPECTED, "no text")
    if not value.strip():
        raise Unreadable(EXPECTED, "an empty text")
    start = DATA_URL.match(value)
    if value[:5].lower() == "data:" and not start:
        raise Unreadable(f"{EXPECTED}, as data:image/png;base64,…", "another data: URL")
    text = value[start.end() :] if start else value
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable(EXPECTED, "text that is no base64") from None


def beyond(values: Sequence[Any], limits: Limits) -> tuple[int, Unreadable] | None:
    """The place where one request's images have more pixels together than they may, and why."""
    most, found = TOGETHER * limits.max_pixels, 0
    if len(values) <= TOGETHER:
        return None
    for place, value in enumerate(values):
        try:
            found += num_pixels(bytes_of(value), limits)
        except Unreadable:
            continue  # it has a finding of its own
        if found > most:
            expected = (
                f"images of at most {most:,} pixels together in one request, {TOGETHER} times "
                "`max_image_pixels`"
            )
            return place, Unreadable(expected, f"{found:,} pixels up to this row")
    return None


def described(content: bytes) -> str:
    """An image in words."""
    found = decoding.opened(content)
    header = found and found[0]
    return f"a {header.format} of {header.width:,} × {header.height:,} pixels" if header else "none"


def example(name: str, checks: Sequence[Any]) -> str:
    """A made image that keeps the contract's limits of size and mode, in base64."""
    from PIL import Image

    mode = next((one for one in _allowed(f"{name}.mode", checks)), "L")
    width, height = (_side(f"{name}.{side}", checks) for side in ("width", "height"))
    shades = Image.linear_gradient("L").resize((width, height))
    written = io.BytesIO()
    shades.convert(mode).save(written, "JPEG" if mode == "CMYK" else "PNG")
    return base64.b64encode(written.getvalue()).decode()


def _allowed(column: str, checks: Sequence[Any]) -> Iterable[Any]:
    """The values that a check allows of a measure."""
    for one in checks:
        if one.columns == (column,):
            yield from one.arguments.get("value_set", ())


def _side(column: str, checks: Sequence[Any]) -> int:
    """A width or height that the checks allow."""
    ranges = [one.arguments for one in checks if one.columns == (column,)]
    least = [one["min_value"] for one in ranges if one.get("min_value") is not None]
    most = [one["max_value"] for one in ranges if one.get("max_value") is not None]
    allowed = list(_allowed(column, checks))
    if allowed:
        return int(allowed[0])
    return int(min([max([EXAMPLE_SIDE, *least]), *most]))
