"""Columns that name or reach a person: e-mail, telephone, names, addresses. Never shows a value."""

from pipeline.onboarding.columns.naming import is_of
from pipeline.onboarding.columns.shares import share_matching
from pipeline.onboarding.columns.spellings import Reading

EMAIL = r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"
PHONE = r"^(?:\+|00|\(\d{2,4}\)\s?)?\d[\d\s()/.-]{6,}\d$"
PHONE_SIGNS = r"^\+\d|\(\d{2,4}\)|^\d{3}-\d{3}-\d{4}$|^\d{3}-\d{4}$"
WEB = r"^(?:https?://|www\.)\S+$"
IP = r"^\d{1,3}(?:\.\d{1,3}){3}$"
SOCIAL = r"^\d{3}-\d{2}-\d{4}$"
IBAN = r"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$"
PERSON = r"^\p{L}[\p{L}'’.,() -]+$"
MIN_SHARE, MIN_DISTINCT_SHARE = 0.8, 0.2


def kind_of(reading: Reading) -> str | None:
    """What of people a column holds, in words; None where it does not seem to."""
    name = reading.name
    if reading.kind == "integer" and is_of(name, "phone") and _is_mostly_distinct(reading):
        return "telephone numbers, by its name"
    if reading.kind != "text":
        return None
    known = reading.values.drop_nulls()
    for pattern, words in (
        (EMAIL, "e-mail addresses"),
        (WEB, "web addresses"),
        (IP, "addresses in a network"),
        (SOCIAL, "social security numbers"),
        (IBAN, "bank accounts"),
    ):
        if share_matching(known, pattern) >= MIN_SHARE:
            return f"{words}, by how they are written"
    if share_matching(known, PHONE) >= MIN_SHARE and (
        is_of(name, "phone") or share_matching(known, PHONE_SIGNS) >= MIN_SHARE
    ):
        return "telephone numbers, by how they are written"
    if not _is_mostly_distinct(reading):
        return None
    if is_of(name, "person") and share_matching(known, PERSON) >= MIN_SHARE:
        return "names, by the column's name and how they are written"
    if is_of(name, "address") or is_of(name, "email"):
        return "addresses, by the column's name"
    return None


def _is_mostly_distinct(reading: Reading) -> bool:
    known = reading.values.len() - reading.num_missing
    return reading.num_distinct > 20 and reading.num_distinct >= MIN_DISTINCT_SHARE * known
