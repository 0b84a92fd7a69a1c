"""What stages report of the data, before any model, as short tables and texts."""

from typing import Any

from flows.orchestration.sheet_cells import Row, interval, number, rate
from pipeline.core.page import wording
from pipeline.core.page.balance_words import before_training


def contract(content: Any) -> tuple[str, list[Row]]:
    rows = [
        {
            "looks at": wording.subject(entry),
            "expected": wording.expectation(entry),
            "found": wording.observation(entry),
            "outcome": "kept" if entry["success"] else "broken",
            "severity": entry["severity"],
        }
        for entry in content["expectations"]
    ]
    rows.sort(key=lambda row: row["outcome"] == "kept")
    return (
        f"{wording.count(content['num_expectations'], 'expectation')} of the contract on "
        f"{wording.count(content['rows'], 'row')}: {content['num_failed_critical']} critical and "
        f"{content['num_failed_warning']} others broken",
        rows,
    )


def ledger(content: Any) -> tuple[str, list[Row]]:
    rows = [
        {
            "rule": rule["name"],
            "does": wording.CLEANING.get(rule["rule"], rule["rule"]),
            "cells changed": sum(rule["cells"].values()),
            "rows dropped": rule["rows_dropped"],
        }
        for rule in content["rules"]
    ]
    return f"cleaning, {content['rows_in']:,} rows in and {content['rows_out']:,} out", rows


def audit(content: Any) -> tuple[str, str]:
    """What was found, in sentences, and the groups as a table below."""
    said = [entry["sentence"].replace("`", "") for entry in content.get("proxies") or []]
    said += [
        pair["sentence"]
        for entry in content.get("given") or []
        for pair in entry["pairs"]
        if pair["reversal"] != "none"
    ]
    for search in content.get("slices") or []:
        said.append(
            f"{search['num_found']:,} of {wording.count(search['num_tested'], 'slice')} stand out "
            f"({wording.listed(search['outcomes'])}; Holm-corrected)"
            + (f"; most: {_slice(_largest(search['found']))}" if search["found"] else "")
        )
    header = ["by", "group", "rows", "share", "outcome", "note"]
    lines = [*(f"- {sentence}" for sentence in said), "", _line(header), "|" + "---|" * 6]
    for by, groups in content["by"].items():
        for group in groups:
            note = "too few rows to measure" if group["too_small"] else ""
            name = " × ".join(map(str, group["group"].values()))
            share = rate(group["share"])
            lines.append(_line([by, name, f"{group['num_rows']:,}", share, _outcome(group), note]))
    return (
        f"who is in the {content['rows']:,} training rows, before any model",
        "\n".join(lines).strip(),
    )


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _largest(found: Any) -> Any:
    return max(found, key=lambda one: abs(one["value"]))


def _slice(found: Any) -> str:
    where = ", ".join(f"{name} {level}" for name, level in found["slice"].items())
    return f"{where}, {rate(found['rate'])} against {rate(found['rest'])} elsewhere"


def _outcome(group: Any) -> str:
    """A group's rate of positive labels, its mean, or its classes."""
    if "positive_rate" in group:
        span = interval(rate(group["positive_rate_low"]), rate(group["positive_rate_high"]))
        return f"{rate(group['positive_rate'])} ({span})"
    if "mean" in group:
        mean = group["mean"]
        return f"{number(mean['value'])} ({interval(number(mean['low']), number(mean['high']))})"
    return ", ".join(f"{name} {rate(found['value'])}" for name, found in group["rates"].items())


def balance(content: Any) -> tuple[str, list[Row]]:
    rows: list[Row] = [
        {
            "group": " × ".join(cell["group"].values()),
            "outcome": cell["label"],
            "rows before": cell["num_rows"],
            "rows after": cell["num_rows_after"],
            "weight": number(cell["weight"]),
        }
        for cell in content.get("cells", ())
    ]
    numbers: list[Row] = [
        {
            "number": entry["column"],
            "largest correlation before": number(entry["before"]),
            "after": number(entry["after"]),
        }
        for entry in content.get("correlations", ())
    ]
    checks = [
        f"{check['name']} {number(check['value'])} (at most {check['at_most']:g})"
        for check in content.get("checks", ())
    ]
    return "; ".join([before_training(content).rstrip("."), *checks]), rows or numbers
