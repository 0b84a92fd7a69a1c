"""The audit's part of the page: its plots, and what it did not look for. Its text is beside it."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.page import plots
from pipeline.core.page.plots import Row
from pipeline.core.page.wording import listed, measure

MAX_ROWS = 15
"""A plot of more groups than these is no longer looked at: they are in the table alone."""
SCALED = ("label_rate_difference", "missing_rate_difference", "total_variation_distance")
"""Measures that are differences of shares, and can stand on one axis."""
SEARCHES = {
    "label_noise": "labels that the other columns speak against",
    "proxies": "features that give groups away",
    "slices": "slices in which labels differ",
    "duplicates": "rows alike in every feature but of different groups",
}


def group_name(group: Mapping[str, Any]) -> str:
    """`Female × Black`, as the assessment writes it; a missing value is named so."""
    return " × ".join("(missing)" if value is None else str(value) for value in group.values())


def gap_title(gap: Mapping[str, Any]) -> str:
    """A gap's measure, and the column or class that it is of."""
    return measure(gap["measure"]).title + (f": {gap['of']}" if gap["of"] else "")


def draw(audit: Mapping[str, Any]) -> dict[str, str]:
    """Every plot of the section as SVG text, by its name."""
    found: dict[str, str] = {}
    for index, (by, groups) in enumerate(audit["by"].items()):
        if len(groups) <= MAX_ROWS:
            found |= _groups(index, by, groups)
        found |= _gaps(index, by, audit.get("gaps", {}).get(by) or [])
        noise = audit.get("label_noise")
        if noise and len(noise["by"][by]["groups"]) <= MAX_ROWS:
            found |= _suspects(index, by, noise["by"][by]["groups"])
    for index, entry in enumerate(audit.get("given") or []):
        found |= _given(index, entry)
    for index, entry in enumerate(audit.get("proxies") or []):
        found |= _proxies(index, entry)
    return found


def _groups(index: int, by: str, groups: list[dict[str, Any]]) -> dict[str, str]:
    names = [group_name(entry["group"]) for entry in groups]
    pairs = list(zip(names, groups, strict=True))
    found = {
        f"share-{index}": plots.bars(
            f"share-{index}",
            f"Share of the training rows by {by}: "
            + "; ".join(f"{name} {entry['share']:.1%}" for name, entry in pairs),
            [(f"{name} · {entry['num_rows']:,} rows", entry["share"]) for name, entry in pairs],
            percent=True,
        )
    }
    spans = [_outcome(entry) for entry in groups]
    if all(span is not None for span in spans):
        percent = "positive_rate" in groups[0]
        found[f"label-{index}"] = plots.intervals(
            f"label-{index}",
            f"{'Rate of the positive outcome' if percent else 'Mean'} in the training rows by "
            f"{by}: "
            + "; ".join(
                f"{name} {span['value']:.1%}" if percent else f"{name} {span['value']:.4g}"
                for name, span in zip(names, spans, strict=True)
                if span
            ),
            [
                Row(
                    name + (" · too few rows" if entry["too_small"] else ""),
                    span,
                    faint=entry["too_small"],
                )
                for (name, entry), span in zip(pairs, spans, strict=True)
            ],
            start=0.0 if percent else None,
            percent=percent,
        )
    return found


def _outcome(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """A group's rate of the positive label or its mean, with the interval; None for classes."""
    if "positive_rate" in entry:
        return {
            "value": entry["positive_rate"],
            "low": entry["positive_rate_low"],
            "high": entry["positive_rate_high"],
        }
    span = entry.get("mean")
    return None if span is None or span["low"] is None else dict(span)


def _span(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in ("value", "low", "high")}


def _gaps(index: int, by: str, gaps: list[dict[str, Any]]) -> dict[str, str]:
    shown = [gap for gap in gaps if gap["measure"] in SCALED][:MAX_ROWS]
    if not shown:
        return {}
    name = f"data-gaps-{index}"
    text = "; ".join(f"{gap_title(gap)} {gap['value']:.1%}" for gap in shown)
    return {
        name: plots.intervals(
            name,
            f"Largest differences between groups by {by}: {text}",
            [Row(gap_title(gap), _span(gap)) for gap in shown],
            start=0.0,
            reference=(0.0, "none"),
            percent=True,
        )
    }


def _suspects(index: int, by: str, groups: list[dict[str, Any]]) -> dict[str, str]:
    name = f"suspects-{index}"
    text = "; ".join(f"{one['group']} {one['value']:.1%}" for one in groups)
    return {
        name: plots.intervals(
            name,
            f"Share of suspect labels by {by}: {text}",
            [
                Row(
                    one["group"] + (" · too few rows" if one["too_small"] else ""),
                    _span(one),
                    faint=one["too_small"],
                )
                for one in groups
            ],
            start=0.0,
            percent=True,
        )
    }


def _given(index: int, entry: Mapping[str, Any]) -> dict[str, str]:
    name, pairs = f"given-{index}", entry["pairs"][:5]
    rows = []
    for pair in pairs:
        between = f"{pair['highest']} over {pair['lowest']}"
        rows.append(Row(between, pair["marginal"]))
        rows.append(Row(f"… alike in {entry['column']}", pair["stratified"], faint=True))
    return {
        name: plots.intervals(
            name,
            " ".join(pair["sentence"] for pair in pairs),
            rows,
            reference=(0.0, "alike"),
            percent=True,
        )
    }


def _proxies(index: int, entry: Mapping[str, Any]) -> dict[str, str]:
    if not entry["together"]:
        return {}
    name, shown = f"proxies-{index}", entry["features"][:MAX_ROWS]
    text = "; ".join(f"{one['feature']} {one['value']:.2f}" for one in shown)
    return {
        name: plots.intervals(
            name,
            f"How well {entry['column']} is told, 0.5 being guessing: all features together "
            f"{entry['together']['value']:.2f}; {text}",
            [
                Row("all features together", entry["together"]),
                *(Row(one["feature"], _span(one), faint=not one["proxy"]) for one in shown),
            ],
            reference=(0.5, "guessing"),
            start=0.5,
        )
    }


def not_looked_for(audit: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a reader of the section could take for looked at: a short name and a sentence each."""
    found = []
    small = {
        by: [group_name(entry["group"]) for entry in groups if entry["too_small"]]
        for by, groups in audit["by"].items()
    }
    if any(small.values()):
        number = sum(map(len, small.values()))
        found.append(
            (
                "Small groups in the data",
                f"{number} of the audit’s groups and crossings have fewer than "
                f"{audit['min_group_size']:,} training rows: shown, and compared with none.",
            )
        )
    left_out = [text for key, text in SEARCHES.items() if key in audit and audit[key] is None]
    if left_out:
        found.append(("In the data", f"Nothing was done to find {listed(left_out)}."))
    if "given" in audit and audit["by"] and not audit["given"]:
        found.append(
            (
                "Like rows",
                "Groups were not compared among rows alike in a named column (`audit.given`, for "
                "yes-or-no outcomes): a difference may be one between occupations or places.",
            )
        )
    if "max_depth" in audit and audit["by"]:
        depth = audit["max_depth"]
        found.append(
            (
                "Deeper crossings in the data",
                f"Training rows were grouped by up to {depth} sensitive columns at once, slices "
                "made of few columns at a time. Bias in a narrower part of the rows would not "
                "have shown.",
            )
        )
    return found
