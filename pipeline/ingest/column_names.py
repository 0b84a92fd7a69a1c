"""The names of a delivered table's columns: its own, those that a person gave, or numbers."""

from collections import Counter
from collections.abc import Sequence

from pipeline.core.errors import ProjectError
from pipeline.ingest.reading_settings import Reading


def settled(
    delivered: Sequence[str] | None, num_columns: int, settings: Reading, source: str
) -> list[str]:
    """The columns' names: `settings.names`, else the delivered ones without blanks around them,
    else `column_1` and so on.

    Raises:
        ProjectError: there are more or fewer names than columns, or some stand twice or are empty
            and `settings.duplicate_names` refuses them.
    """
    if settings.names:
        if len(settings.names) != num_columns:
            raise ProjectError(
                f"ingest.names: expected a name for each of the {num_columns} columns of {source}, "
                f"got {len(settings.names)}",
                hint="is `ingest.separator` right? name the columns from left to right",
            )
        names = list(settings.names)
    elif delivered is None:
        names = [f"column_{place}" for place in range(1, num_columns + 1)]
    else:
        names = [name.strip() for name in delivered]
    if settings.duplicate_names == "number":
        return numbered(names)
    check_once(names, source)
    return names


def numbered(names: Sequence[str]) -> list[str]:
    """Each name once: the second `name` becomes `name_2`, the third empty one `column_3`."""
    taken = {name for name in names if name.strip()}
    seen: Counter[str] = Counter()
    result = []
    for place, name in enumerate(names, 1):
        seen[name] += 1
        if name.strip() and seen[name] == 1:
            result.append(name)
            continue
        stem, number = (name, seen[name]) if name.strip() else ("column", place)
        while f"{stem}_{number}" in taken:
            number += 1
        taken.add(f"{stem}_{number}")
        result.append(f"{stem}_{number}")
    return result


def check_once(names: Sequence[str], source: str) -> None:
    """Refuse names that are empty or stand twice, each with its count or place."""
    numbering = "or set `ingest.duplicate_names: number`"
    empty = [place for place, name in enumerate(names, 1) if not name.strip()]
    if empty:
        places = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
        raise ProjectError(
            f"ingest.source: {source}: expected a name for each column, found none for "
            f"{'column' if len(empty) == 1 else 'columns'} {places}",
            hint=f"name them at the source, {numbering}, which calls them column_{empty[0]}, …",
        )
    twice = [(name, count) for name, count in Counter(names).items() if count > 1]
    if twice:
        name, count = twice[0]
        raise ProjectError(
            f"ingest.source: {source}: expected each column once, found {name!r} {count} times",
            findings=[f"{name!r} stands {count} times" for name, count in twice[1:]],
            hint=f"rename or leave out the other one at its source, {numbering}, which calls the "
            f"second one {name + '_2'!r}",
        )
