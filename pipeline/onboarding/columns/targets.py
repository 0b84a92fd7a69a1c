"""What is predicted, by the target's values: one of two classes, of several, or a number."""

from dataclasses import dataclass

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Task
from pipeline.onboarding.columns.naming import is_of, listed, names_an_identifier
from pipeline.onboarding.columns.shares import highest, lowest
from pipeline.onboarding.columns.spellings import Reading

MAX_CLASSES = 20
"""More distinct texts than this are no classes to tell apart."""
MAX_WHOLE_CLASSES = 10
"""Whole numbers with more values than this are predicted as numbers."""
MIN_ROWS, MIN_CLASS_ROWS = 100, 20
SHOWN = 5
"""How many of the target's values an error shows: it is no sensitive column."""


@dataclass(frozen=True)
class Decision:
    """What is predicted.

    Attributes:
        task: The kind.
        positive: Of a binary task, the positive value, as it stands after cleaning; else empty.
        reason: Why, in one line.
        mapping: Values that are another spelling of a value, and that value.
    """

    task: Task
    positive: str
    reason: str
    mapping: dict[str, str]


def decide(target: Reading, positive: str | None, task: Task | None = None) -> Decision:
    """The task by the target's values, and the positive one by `positive`, spelling or rarity.

    Raises:
        ProjectError: nothing can be learnt from this target, `positive` is none of its values, or
            they do not suit the `task` that a person named.
    """
    _check_known(target)
    mapping = other_spellings(target, positive)
    levels = _levels(target, mapping)
    if levels.height == 1:
        raise ProjectError(
            f"--target {target.name}: expected at least two different values, found one in all "
            f"{target.values.len() - target.num_missing} rows that have any",
            hint="is it the right column? was the file filtered by it?",
        )
    if task in ("regression", "multiclass"):
        return _as_asked(target, levels, mapping, task)
    if positive is not None:
        return _binary(target, levels, mapping, _given(target, levels, positive), "as given")
    if task == "binary" and levels.height > 2:
        raise ProjectError(
            f"--task binary: expected two values of the target {target.name!r}, or `--positive`, "
            f"found {levels.height} values",
            hint="say with `--positive` which one is sought; all others count as not",
        )
    if levels.height == 2:
        chosen, why = _likely_positive(levels)
        return _binary(target, levels, mapping, chosen, why)
    if target.is_number:
        return _of_numbers(target, levels, mapping)
    return _of_texts(target, levels, mapping)


def _as_asked(
    target: Reading, levels: pl.DataFrame, mapping: dict[str, str], task: Task
) -> Decision:
    if task == "multiclass":
        return _multiclass(target, levels, mapping, f"{levels.height} classes, as --task says")
    if not target.is_number:
        raise ProjectError(
            f"--task regression: expected numbers in the target {target.name!r}, found other text",
            hint="leave --task out: the target's values then say what is predicted",
        )
    low, high = lowest(target.values), highest(target.values)
    reason = f"a number, as --task says; {levels.height} values from {low:g} to {high:g}"
    return Decision("regression", "", reason, {})


def _check_known(target: Reading) -> None:
    num_known = target.values.len() - target.num_missing
    if target.kind == "empty" or num_known == 0:
        raise ProjectError(
            f"--target {target.name}: expected values to learn from, found none in "
            f"{target.values.len()} rows",
            hint="is it the right column? codes such as ?, NA and - count as missing",
        )
    if target.is_date or target.kind == "other":
        raise ProjectError(
            f"--target {target.name}: expected classes or numbers, found "
            f"{'dates' if target.is_date else target.delivered}",
            hint="make a number or a class of it at its source, such as the days until then",
        )
    if num_known < MIN_ROWS:
        raise ProjectError(
            f"--target {target.name}: expected at least {MIN_ROWS} rows with a value, found "
            f"{num_known}",
            hint="four parts are made of them, and nothing can be shown with so few: deliver more",
        )
    if _is_identifier(target, num_known):
        raise ProjectError(
            f"--target {target.name}: expected classes or numbers, found a value of its own in "
            f"each of {num_known} rows: it names rows, and says nothing that can be learnt",
            hint="name the column that answers the question",
        )


def _is_identifier(target: Reading, num_known: int) -> bool:
    if target.num_distinct < num_known:
        return False
    if target.kind == "integer":
        span = highest(target.values) - lowest(target.values) + 1
        return names_an_identifier(target.name) or span == num_known
    return target.kind == "text"


def other_spellings(reading: Reading, preferred: str | None = None) -> dict[str, str]:
    """Of a column of classes: values that differ from a more frequent one only by case, inner
    blanks or a mark at the end, and that one; `preferred` stays whatever its frequency."""
    if reading.kind != "text":
        return {}
    counts = reading.values.drop_nulls().rename("value").value_counts(name="count")
    folded = pl.col("value").str.to_lowercase().str.replace_all(r"[\s_]+", " ")
    counts = counts.with_columns(folded=folded.str.replace(r"[\s.;,]+$", ""))
    counts = counts.filter(pl.col("folded") != "")
    counts = counts.with_columns(preferred=(pl.col("value") == (preferred or "").strip()))
    counts = counts.sort(["preferred", "count", "value"], descending=[True, True, False])
    first = pl.col("value").first().over("folded")
    differ = counts.with_columns(first=first).filter(pl.col("value") != pl.col("first"))
    return dict(sorted(zip(differ["value"], differ["first"], strict=True)))


def _levels(target: Reading, mapping: dict[str, str]) -> pl.DataFrame:
    """The target's values after cleaning as text (`value`) with their `count`, rarest first."""
    text = target.values.cast(pl.String).drop_nulls()
    counts = (text.replace(mapping) if mapping else text).rename("value").value_counts(name="count")
    return counts.sort(["count", "value"])


def _given(target: Reading, levels: pl.DataFrame, positive: str) -> str:
    """The target's value that `positive` means: as it stands, in any case, or the same number."""
    wanted = positive.strip()
    same = levels.filter(pl.col("value") == wanted)
    if same.height == 0:
        same = levels.filter(pl.col("value").str.to_lowercase() == wanted.lower())
    if same.height == 0:
        number = pl.Series([wanted]).cast(pl.Float64, strict=False)[0]
        if number is not None:
            same = levels.filter(pl.col("value").cast(pl.Float64, strict=False) == number)
    if same.height == 0 and target.kind == "boolean":
        same = levels.filter(pl.col("value") == _as_boolean(wanted))
    if same.height != 1:
        shown = levels.sort(["count", "value"], descending=[True, False])["value"].head(SHOWN)
        more = levels.height - shown.len()
        raise ProjectError(
            f"--positive {positive}: expected a value of the target {target.name!r}, which has "
            f"{', '.join(map(repr, shown))}{f' and {more} more' if more > 0 else ''}",
            hint="give one of them, in quotes where the shell would read it otherwise",
        )
    return str(same["value"][0])


def _as_boolean(word: str) -> str:
    from pipeline.core.dataset.casting import TRUE

    return "true" if word.lower() in TRUE else "false"


def _likely_positive(levels: pl.DataFrame) -> tuple[str, str]:
    """Of two values the one that is spelled as a yes, else the rarer one; and why."""
    known = listed("positive")
    spelled = [
        value
        for value in levels["value"]
        if value.lower() in known or value.startswith(">") or value.lower() == "true"
    ]
    if len(spelled) == 1:
        return spelled[0], "it is spelled as a yes"
    return str(levels["value"][0]), "it is the rarer of the two"


def _binary(
    target: Reading, levels: pl.DataFrame, mapping: dict[str, str], positive: str, why: str
) -> Decision:
    num_positive = int(levels.filter(pl.col("value") == positive)["count"][0])
    total = int(levels["count"].sum())
    fewest = min(num_positive, total - num_positive)
    if fewest < MIN_CLASS_ROWS:
        raise ProjectError(
            f"--target {target.name}: expected at least {MIN_CLASS_ROWS} rows of each class, found "
            f"{num_positive} of {total} rows positive ({positive!r})",
            hint="four parts are made of them, each with rows of both classes: deliver more rows "
            "of the rarer one, or choose another `--positive`",
        )
    rest = f"; the other {levels.height - 1} values count as not" if levels.height > 2 else ""
    reason = (
        f"two classes: {positive!r} is positive, {why}; {num_positive / total:.1%} of "
        f"{total} rows{rest}"
    )
    return Decision("binary", positive, reason, mapping)


def _of_numbers(target: Reading, levels: pl.DataFrame, mapping: dict[str, str]) -> Decision:
    """Whole numbers with few values are classes, unless the name says that they count or measure
    or one has too few rows; all others are numbers."""
    few = target.kind == "integer" and levels.height <= MAX_WHOLE_CLASSES
    num_rare = levels.filter(pl.col("count") < MIN_CLASS_ROWS).height
    if few and not num_rare and not is_of(target.name, "quantity"):
        why = f"{levels.height} whole numbers, at most {MAX_WHOLE_CLASSES}: classes"
        return _multiclass(target, levels, mapping, why)
    low, high = lowest(target.values), highest(target.values)
    why = "more than a few"
    if few:
        why = "its name says that they count or measure"
    if few and num_rare:
        why = f"{num_rare} of them in fewer than {MIN_CLASS_ROWS} rows, too few for classes"
    reason = f"a number with {levels.height} values, {why}; from {low:g} to {high:g}"
    return Decision("regression", "", reason, {})


def _of_texts(target: Reading, levels: pl.DataFrame, mapping: dict[str, str]) -> Decision:
    if levels.height > MAX_CLASSES:
        raise ProjectError(
            f"--target {target.name}: expected a number or at most {MAX_CLASSES} classes, found "
            f"{levels.height} different texts",
            hint="say with `--positive` which one is sought, or bring them together into fewer "
            "classes at the source",
        )
    return _multiclass(target, levels, mapping, f"{levels.height} different texts: classes")


def _multiclass(
    target: Reading, levels: pl.DataFrame, mapping: dict[str, str], why: str
) -> Decision:
    rare = levels.filter(pl.col("count") < MIN_CLASS_ROWS)
    if rare.height:
        raise ProjectError(
            f"--target {target.name}: expected at least {MIN_CLASS_ROWS} rows of each class, found "
            f"fewer of {rare.height} of {levels.height}",
            findings=[
                f"{value!r}: {count} {'row' if count == 1 else 'rows'}"
                for value, count in rare.iter_rows()
            ],
            hint="four parts are made of them, each with rows of every class: bring rare classes "
            "together at the source, leave them out, or say with `--positive` which one is sought",
        )
    fewest = int(levels["count"][0])
    return Decision("multiclass", "", f"{why}; the rarest has {fewest} rows", mapping)
