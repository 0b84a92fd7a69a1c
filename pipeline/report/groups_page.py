"""The groups' part of the page: its plots, and what its text needs. The text is beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.metrics.measures import CALIBRATION, MEANS, RATES
from pipeline.core.page import group_words, plots
from pipeline.core.page.plots import Row
from pipeline.core.page.wording import listed, measure

MAX_ROWS = 15
"""A plot of more groups than these is no longer looked at: they are in the table alone."""
PLOTTED = ("selection_rate", "true_positive_rate", "false_positive_rate", *MEANS)
Entry = Mapping[str, Any]


def measures_of(entry: Entry, of_class: str | None = None) -> list[str]:
    """The measures that the groups of a grouping have, of one class where there are several."""
    if not entry["groups"]:
        return []
    first = entry["groups"][0]
    source = first if of_class is None else first["classes"][of_class]
    return [name for name in (*RATES, CALIBRATION, *MEANS) if name in source]


def classes(entry: Entry) -> list[str]:
    """The classes that are taken against the rest; none where there is one positive decision."""
    return list(entry["groups"][0].get("classes", ())) if entry["groups"] else []


def is_share(name: str) -> bool:
    """Whether a measure is shown in percent."""
    return name in RATES


def plotted(entry: Entry) -> list[str]:
    """The measures with a plot by group."""
    found = measures_of(entry)
    return [name for name in PLOTTED if name in found] or found


def explained(assess: Mapping[str, Any]) -> list[str]:
    """Every measure that the section shows: of groups, then gaps."""
    names: list[str] = []
    for entry in assess["model"].values():
        names += measures_of(entry)
        for of_class in classes(entry):
            names += measures_of(entry, of_class)
        names += entry["gaps"]
    return list(dict.fromkeys(names))


def between(gap: Mapping[str, Any]) -> str:
    """Which group has the highest, and which the lowest."""
    return f"{gap['highest']}, {gap['lowest']}" if gap.get("highest") else ""


TOLD_BY_ANOTHER = ("equalized_odds_difference", "false_negative_rate_difference")
"""Gaps that concern the same people as another one."""


def harms(gaps: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What each gap comes to in people; a ratio concerns those of its difference."""
    texts = [
        group_words.harm(gap)
        for name, gap in gaps.items()
        if not name.endswith("_ratio") and name not in TOLD_BY_ANOTHER
    ]
    return [text for text in texts if text]


def open_gaps(gaps: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which gaps cannot be bounded, and for lack of whom."""
    return [
        f"{measure(name).title}: {listed(gap['unknown'])} "
        f"{'has' if len(gap['unknown']) == 1 else 'have'} no row that it could be taken of, so the "
        "gap may be of any size."
        for name, gap in gaps.items()
        if gap.get("unknown")
    ]


def draw(assess: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Every plot of the section as SVG text, by its name."""
    found: dict[str, str] = {}
    limits = {(rule["by"], rule["measure"]): rule.get("bound") for rule in rules}
    for index, (by, entry) in enumerate(assess["model"].items()):
        other = assess["baseline"].get(by, {"groups": [], "gaps": {}})
        if len(entry["groups"]) <= MAX_ROWS:
            for name in plotted(entry):
                key = f"{name.replace('_', '-')}-{index}"
                found[key] = _by_group(key, by, name, entry, other)
        gaps = [
            name
            for name in entry["gaps"]
            if not name.endswith("_ratio")
            and (name != "false_negative_rate_difference" or (by, name) in limits)
        ]
        if gaps:
            key = f"gaps-{index}"
            found[key] = plots.intervals(
                key,
                f"Largest gaps by {by}: "
                + "; ".join(
                    f"{measure(name).title} {entry['gaps'][name]['value']:.3f}" for name in gaps
                ),
                [_gap_row(name, by, entry["gaps"], other["gaps"], limits) for name in gaps],
                start=0.0,
            )
    return found


def _by_group(key: str, by: str, name: str, entry: Entry, other: Entry) -> str:
    theirs = {group["group"]: group for group in other["groups"]}
    share = is_share(name)
    shown = "; ".join(
        f"{group['group']} " + (f"{value:.1%}" if share else f"{value:.4g}")
        for group in entry["groups"]
        if (value := group[name]["value"]) is not None
    )
    rows = [_group_row(group, theirs.get(group["group"], {}), name) for group in entry["groups"]]
    return plots.intervals(
        key,
        f"{measure(name).title} by {by}: {shown}",
        rows,
        start=0.0 if share else None,
        percent=share,
    )


def _group_row(group: Entry, theirs: Entry, name: str) -> Row:
    few = " · too few" if group["too_small"] else ""
    return Row(
        f"{group['group']}{few}",
        _span(group[name]),
        _span(theirs.get(name)),
        faint=group["too_small"],
    )


def _gap_row(
    name: str,
    by: str,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    limits: Mapping[tuple[str | None, str], float | None],
) -> Row:
    limit = limits.get((by, name))
    label = measure(name).title + (f" · limit {limit:g}" if limit is not None else "")
    return Row(label, _span(ours[name]), _span(theirs.get(name)), limit=limit)


def _span(found: Mapping[str, Any] | None) -> dict[str, float | None] | None:
    return {key: found[key] for key in ("value", "low", "high")} if found else None
