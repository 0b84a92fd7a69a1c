"""Find what names or reaches a person in a text: e-mail addresses, telephone and card numbers, and
addresses of the web. By their form alone: a name, or a number written in words, is not found.

Forms were chosen so that prices, dates, ranges and product codes are left alone; what is missed and
what is taken for another thing is in `tests/unit/text/data/test_personal_data.py`.
"""

import re
from collections.abc import Callable, Iterable

KINDS = ("url", "email", "card", "phone")
"""In this order: an address on the web may hold what looks like the others."""
PERSONAL = ("email", "card", "phone")
"""What a contract counts: an address on the web mostly names a shop."""

_START, _END = r"(?<![\w.+@/-])", r"(?![\w@]|[.-]\d)"
_FORMS = {
    "url": re.compile(r"\b(?:https?://|www\.)[^\s<>\"']{1,2000}(?<![.,;:!?)\]])", re.IGNORECASE),
    "email": re.compile(
        r"(?<![\w.+-])[\w.+-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(?![\w-])", re.IGNORECASE
    ),
    "card": re.compile(
        _START + r"(?:\d{14,19}"
        r"|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?"
        r"|\d{4}([ -])\d{6}\2\d{4,5})" + _END
    ),
    "phone": re.compile(
        _START + r"(?<!\d )(?:"
        r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}"  # +49 89 1234567
        r"|(?:\+?1[ .-]?)?\([2-9]\d\d\)[ .-]?\d{3}[ .-]\d{4}"  # (212) 555-0123
        r"|(?:1([.-]))?[2-9]\d\d([.-])\d{3}\2\d{4}"  # 1-800-555-0123, 212.555.0123
        r"|(?:1 )?[2-9]\d\d \d{3}[ -]\d{4}"  # 212 555 0123
        r"|0[1-9]\d{1,3}[ /-]\d{3,4}[ -]?\d{3,5}"  # 089 1234567, 020 7946 0958
        r")(?! \d)" + _END
    ),
}


def masked(text: str, kinds: Iterable[str] = PERSONAL) -> tuple[str, dict[str, int]]:
    """The text with a placeholder such as `[email]` for each finding, and how many of each kind."""
    counts = {}
    for kind in sorted(kinds, key=KINDS.index):
        text, count = _replaced(text, kind)
        if count:
            counts[kind] = count
    return text, counts


def num_found(text: str) -> int:
    """How many e-mail addresses, card numbers and telephone numbers."""
    return sum(masked(text)[1].values())


def _replaced(text: str, kind: str) -> tuple[str, int]:
    is_one, found = _CHECKS.get(kind), []

    def placeholder(match: re.Match[str]) -> str:
        if is_one is not None and not is_one(match[0]):
            return match[0]
        found.append(kind)
        return f"[{kind}]"

    return _FORMS[kind].sub(placeholder, text), len(found)


def _is_card(written: str) -> bool:
    """Whether digits begin and end as a card's: a known issuer's first digits, its length, and the
    check digit of H. P. Luhn (US patent 2,950,048; ISO/IEC 7812-1)."""
    digits = re.sub(r"\D", "", written)
    if not any(re.fullmatch(form, digits) for form in _ISSUERS):
        return False
    doubled = [int(d) * (2 - i % 2) for i, d in enumerate(reversed(digits), 1)]
    return sum(sum(divmod(d, 10)) for d in doubled) % 10 == 0


_ISSUERS = (
    r"4\d{15}(\d{3})?",  # Visa
    r"(5[1-5]|2[2-7])\d{14}",  # Mastercard
    r"3[47]\d{13}",  # American Express
    r"(6\d|35)\d{14}(\d{3})?",  # Discover, Maestro, UnionPay, JCB
    r"3[068]\d{12}",  # Diners Club
)


def _is_phone(written: str) -> bool:
    """Whether it has as many digits as a number has (ITU-T E.164: at most 15)."""
    return 9 <= len(re.sub(r"\D", "", written)) <= 15


_CHECKS: dict[str, Callable[[str], bool]] = {"card": _is_card, "phone": _is_phone}
