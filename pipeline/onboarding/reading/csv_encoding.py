"""Which character encoding a text is in, as far as its bytes tell."""

import codecs
import re
from collections.abc import Callable, Iterator

from pipeline.ingest.limits import MAX_RECORD_BYTES

SAMPLE_BYTES = 2**16
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Encodings of the Latin script, the usual first; their letters tell them apart.
LATIN = ("cp1252", "cp1250", "cp1254", "mac_roman", "cp850")
LETTERS = frozenset(
    "äöüÄÖÜßéèêëÉÈàâáãåæÀÁÂÅÆçÇñÑíìîïÍóòôõøœÓØúùûÚąćęłńśźżĄĆĘŁŃŚŹŻěščřžýůťďňŠČŘŽőűŐŰșțăğışĞİŞ"
)
MARKS_OF_TEXT = frozenset("€–—’‘“”…°£§«»®©™²³½")
OTHERS = (
    "cp932", "gb18030", "big5", "cp949", "euc_jp", "cp1251", "koi8_r", "cp1253", "cp1255",
    "cp1256", "cp874",
)  # fmt: skip


def encoding_of(blocks: Callable[[], Iterator[bytes]]) -> str:
    """The encoding of a text: utf-8 if it is that, else a guess in which all of it can be read.

    Args:
        blocks: Gives the text's bytes in blocks, anew each time.
    """
    first = next(blocks(), b"")
    if found := _marked(first):
        return found
    if _is_in("utf-8", blocks()):
        return "utf-8"
    ranked = _ranked(_lines_beyond_ascii(blocks()))
    return next((name for name in ranked if _is_in(name, blocks())), "latin-1")


def _is_in(encoding: str, blocks: Iterator[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in blocks:
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _lines_beyond_ascii(blocks: Iterator[bytes]) -> bytes:
    """The first lines with other than ASCII characters, whole ones."""
    carry, found = b"", b""
    for block in blocks:
        text, end, carry = (carry + block).rpartition(b"\n")
        if len(carry) > MAX_RECORD_BYTES:  # no line of a table: reading it will say so
            return (found + carry)[:SAMPLE_BYTES]
        found += b"\n".join(re.findall(rb"[^\r\n]*[\x80-\xff][^\r\n]*", text)) + end
        if len(found) > SAMPLE_BYTES:
            return found[: found.find(b"\n", SAMPLE_BYTES) + 1]
    return found + carry


def _marked(block: bytes) -> str | None:
    """The encoding that a byte order mark or the zeros of UTF-16 name."""
    for mark, name in MARKS:
        if block.startswith(mark):
            return name
    head = block[:4096]
    if len(head) > 3 and b"\x00" in head:
        even, odd = head[0::2], head[1::2]
        if odd.count(0) > len(odd) / 3 and even.count(0) < len(even) / 20:
            return "utf-16-le"
        if even.count(0) > len(even) / 3 and odd.count(0) < len(odd) / 20:
            return "utf-16-be"
    return None


def _ranked(sample: bytes) -> list[str]:
    """The encodings that the lines with other than ASCII characters can be in, the likely first."""
    import charset_normalizer

    latin = [name for name in LATIN if _is_in(name, iter([sample]))]
    latin.sort(key=lambda name: -_share_of_letters(sample.decode(name)))
    runs = re.findall(rb"[\x80-\xff]+", sample)
    num_single = sum(len(run) == 1 for run in runs)
    best = charset_normalizer.from_bytes(sample, cp_isolation=[*LATIN, *OTHERS]).best()
    found = best.encoding if best is not None else None
    others = [found] if found in OTHERS and found is not None else []
    ranked = [*latin, *others] if num_single > 0.8 * len(runs) else [*others, *latin]
    return [*ranked, "latin-1"]


def _share_of_letters(text: str) -> float:
    """How many of the characters beyond ASCII are such as people write in these languages."""
    others = [one for one in text if ord(one) > 127]
    points = sum(1.0 if one in LETTERS else 0.5 if one in MARKS_OF_TEXT else 0.0 for one in others)
    return points / max(1, len(others))
