"""What single columns show that a person should look at."""

from collections.abc import Callable, Iterable, Mapping

import polars as pl

from pipeline.onboarding.alerts import sentinels
from pipeline.onboarding.columns import roles
from pipeline.onboarding.columns.proposal import Finding, ProposedColumn
from pipeline.onboarding.columns.roles import Assigned
from pipeline.onboarding.columns.spellings import Reading
from pipeline.onboarding.columns.targets import other_spellings

MOSTLY_MISSING = 0.5
NEARLY_CONSTANT = 0.995
MANY_LEVELS = 50
RARE_LEVEL_ROWS = 20
SHOWN = 3


def of_column(reading: Reading, column: ProposedColumn, assigned: Assigned | None) -> list[Finding]:
    """Everything about one column but how it goes with others."""
    found: list[Finding | None] = [rule(reading, column) for rule in RULES]
    found.append(_key(reading, column, assigned))
    return [one for one in found if one is not None]


def _constant(reading: Reading, column: ProposedColumn) -> Finding | None:
    num_rows, name = reading.values.len(), reading.name
    if reading.kind == "empty":
        return Finding(
            "constant",
            (name,),
            f"{name} has no value in any of {num_rows} rows",
            "it is under `columns.drop`; ask the sender whether it should be filled",
        )
    if reading.num_distinct == 1:
        return Finding(
            "constant",
            (name,),
            f"{name} has the same value in all {num_rows - reading.num_missing} rows"
            + (" that have one" if reading.num_missing else ""),
            "it is under `columns.drop`; was the file filtered by it?",
        )
    if column.role not in ("numeric", "categorical"):
        return None
    counts = reading.values.drop_nulls().rename("value").value_counts(name="count")
    most = int(counts["count"].max())  # type: ignore[arg-type]
    if most < NEARLY_CONSTANT * (num_rows - reading.num_missing):
        return None
    return Finding(
        "constant",
        (name,),
        f"{name} is nearly constant: only {num_rows - reading.num_missing - most} of {num_rows} "
        "rows have another value than the most frequent one",
        "move it to `columns.drop` unless these rows matter",
    )


def _mostly_missing(reading: Reading, column: ProposedColumn) -> Finding | None:
    num_rows, name = reading.values.len(), reading.name
    if column.role == "drop" or reading.num_missing < MOSTLY_MISSING * num_rows:
        return None
    return Finding(
        "missing",
        (name,),
        f"{name} is missing in {reading.num_missing} of {num_rows} rows "
        f"({reading.num_missing / num_rows:.0%})",
        "move it to `columns.drop` if nobody knows why; `columns.missing` says what a missing "
        "value becomes",
    )


def _free_text(reading: Reading, column: ProposedColumn) -> Finding | None:
    if column.role != "drop" or not column.reason.startswith("free text"):
        return None
    return Finding(
        "free_text",
        (reading.name,),
        f"{reading.name} is free text: {roles.num_words(reading.values.drop_nulls()):.0f} words on "
        f"average, {reading.num_distinct} different ones in {reading.values.len()} rows",
        "it is under `columns.drop` until text is a modality of its own; make categories or "
        "numbers of it at the source",
    )


def _many_levels(reading: Reading, column: ProposedColumn) -> Finding | None:
    if column.role not in ("categorical", "sensitive") or column.edges:
        return None
    counts = reading.values.drop_nulls().rename("value").value_counts(name="count")
    if counts.height <= MANY_LEVELS:
        return None
    rare = counts.filter(pl.col("count") < RARE_LEVEL_ROWS)
    return Finding(
        "many_levels",
        (reading.name,),
        f"{reading.name} has {counts.height} levels, {rare.height} of them in fewer than "
        f"{RARE_LEVEL_ROWS} rows each",
        "levels that training hardly meets count as unknown (`train.encoder.min_level_count`); "
        "bring them together at the source, or move the column to `columns.drop`",
    )


def _unreadable(reading: Reading, column: ProposedColumn) -> Finding | None:
    if not reading.num_failed or column.role == "drop":
        return None
    what = "numbers" if reading.is_number else "dates"
    num = reading.num_failed
    return Finding(
        "other",
        (reading.name,),
        f"{reading.name} holds {what}, but for {num} of {reading.values.len()} values",
        f"the rule `cast` under `clean.rules` makes these {num} missing; set `on_failure: refuse` "
        "to be told when more come, or name them in a rule `missing_codes`",
    )


def _signs(reading: Reading, column: ProposedColumn) -> Finding | None:
    if not reading.has_signs:
        return None
    done = "is under `columns.drop`" if column.role == "drop" else "is taken as categories"
    return Finding(
        "other",
        (reading.name,),
        f"{reading.name} writes numbers with a sign of a currency or percent "
        f"({reading.num_distinct} different ones): it {done}",
        "write plain numbers at the source, then name it under `columns.numeric`",
    )


def _ambiguous(reading: Reading, column: ProposedColumn) -> Finding | None:
    name = reading.name
    if column.role == "drop":
        return None
    if reading.dates and reading.dates.other:
        return Finding(
            "other",
            (name,),
            f"{name} can be read as {reading.dates.format} and as {reading.dates.other}: none of "
            f"its {reading.num_distinct} different dates tells day from month",
            f"{reading.dates.format} is taken; change `formats` of the rule `cast` if it is wrong",
        )
    if reading.is_ambiguous:
        return Finding(
            "other",
            (name,),
            f"{name} writes all its numbers as 1,234: the comma may part thousands or begin "
            "decimals",
            'it is read as thousands; set `decimal: ","` in the rule `cast` if it is wrong',
        )
    return None


def _sentinels(reading: Reading, column: ProposedColumn) -> Finding | None:
    if column.role not in ("numeric", "categorical", "sensitive", "target", "weight"):
        return None
    found = sentinels.sentinels(reading)
    if not found:
        return None
    shown = ", ".join(f"{value:g} in {num} rows" for value, num in found)
    codes = ", ".join(f"{value:g}" for value, _ in found)
    return Finding(
        "missing",
        (reading.name,),
        f"{reading.name} has numbers apart from all others that often stand for missing: {shown}",
        f"if they do, add a rule `missing_codes` with `codes: [{codes}]` for this column after the "
        "rule `cast` under `clean.rules`; nothing was changed",
    )


def _spellings(reading: Reading, column: ProposedColumn) -> Finding | None:
    if column.role not in ("categorical", "sensitive", "target"):
        return None
    same = other_spellings(reading)
    if not same or len(same) > MANY_LEVELS:
        return None
    shown = ", ".join(f"{old!r}: {new!r}" for old, new in list(same.items())[:SHOWN])
    more = f", and {len(same) - SHOWN} more" if len(same) > SHOWN else ""
    done = column.role == "target"
    return Finding(
        "other",
        (reading.name,),
        f"{reading.name} has {len(same)} {'level' if len(same) == 1 else 'levels'} that "
        f"{'differs' if len(same) == 1 else 'differ'} from others only by case, blanks or a mark "
        "at the end",
        f"they are brought together by the rule `replace` under `clean.rules`: {shown}{more}"
        if done
        else "bring them together by a rule under `clean.rules`: `{rule: replace, column: "
        f"{reading.name}, mapping: {{{shown}}}}}`{more}",
    )


def _bare_weight(reading: Reading, column: ProposedColumn) -> Finding | None:
    if column.role != "numeric" or not roles.is_bare_weight(reading):
        return None
    return Finding(
        "other",
        (reading.name,),
        f"{reading.name} may be a weight that a survey gives its rows; it is taken as a number "
        f"with {reading.num_distinct} values",
        "if it is one, take it from `columns.numeric` and set `columns.weight`",
    )


def _contact(reading: Reading, column: ProposedColumn) -> Finding | None:
    if column.role != "drop" or not column.reason.startswith("names people"):
        return None
    return Finding(
        "other",
        (reading.name,),
        f"{reading.name} seems to hold {column.reason.removeprefix('names people: ')} "
        f"({reading.num_distinct} different ones)",
        "it is under `columns.drop`; better, have it taken out at the source",
    )


def _key(reading: Reading, column: ProposedColumn, assigned: Assigned | None) -> Finding | None:
    """A key that repeats: `init` already splits by the one that stays."""
    if assigned is None or not assigned.is_key:
        return None
    num_rows = reading.values.len() - reading.num_missing
    repeats = f"{reading.name} repeats: {reading.num_distinct} values in {num_rows} rows"
    if column.role == "identifier":
        return Finding(
            "other",
            (reading.name,),
            f"{repeats}; the rows of one share a part",
            "it is under `split.column`; take it out only if rows of one have nothing in common",
        )
    return Finding(
        "other",
        (reading.name,),
        f"{repeats}, so that rows of one may fall on both sides of the split",
        f"set `split: {{by: group, column: {reading.name}}}`",
    )


RULES: tuple[Callable[[Reading, ProposedColumn], Finding | None], ...] = (
    _constant,
    _mostly_missing,
    _sentinels,
    _free_text,
    _many_levels,
    _unreadable,
    _signs,
    _ambiguous,
    _spellings,
    _bare_weight,
    _contact,
)


def of_columns(
    readings: Mapping[str, Reading],
    columns: Iterable[ProposedColumn],
    assigned: Mapping[str, Assigned],
) -> list[Finding]:
    """What single columns show, in the table's order."""
    found: list[Finding] = []
    for column in columns:
        found += of_column(readings[column.name], column, assigned.get(column.name))
    return found
