"""The edit of a contract that would let a delivery's change pass; a person accepts it or not.

An expectation is loosened as far as the delivery needs and no further, with the slack by which a
contract is inferred; `meta.notes` then say what was accepted.
"""

import copy
import math
from typing import Any

import numpy as np
import polars as pl

from pipeline.core.contract.contract import PARTS
from pipeline.core.statistics.intervals import wilson
from pipeline.onboarding.contract.inference import LEAST_SHARE_OF_ROWS
from pipeline.onboarding.contract.inferred_columns import INTEGERS, limits
from pipeline.onboarding.contract.inferred_forms import delivered_form
from pipeline.validate.broken_rows import new_values
from pipeline.validate.cause_words import Cause, Failing
from pipeline.validate.column_changes import COLUMN_SETS
from pipeline.validate.contract_causes import Comparison

BY_HAND = {
    "format": "a `cast` or `replace` under `clean.rules` in project.yaml can read the new form",
    "duplicates": "`drop_duplicates` with this column under `clean.rules` keeps the first of each",
    "column_order": "the order is the contract's to say; ask the sender",
}


def edited(contract: dict[str, Any], cause: Cause, found: Comparison) -> dict[str, Any] | None:
    """The contract as it would be with this cause accepted; None where no edit of it helps."""
    new = copy.deepcopy(contract)
    if cause.kind == "renamed_column":
        old, name = cause.columns
        for part in PARTS:
            for entry in new[part]["expectations"]:
                entry["kwargs"] = _renamed(entry["kwargs"], old, name)
        _note_sets(new, cause)
    elif cause.kind in ("missing_column", "new_column"):
        _change_sets(new, cause)
    else:
        for one in cause.broken:
            entry = new[one.part]["expectations"][one.number]
            kwargs = _loosened(one, found)
            if kwargs is None:
                return None
            entry.update(kwargs)
            _note(entry, cause)
    return new if new != contract else None


def _note(entry: dict[str, Any], cause: Cause) -> None:
    entry["meta"] = {
        **entry["meta"],
        "notes": f"{entry['meta']['notes']} Accepted: {cause.sentence}.",
    }


def _note_sets(contract: dict[str, Any], cause: Cause) -> None:
    for entry in contract["delivered"]["expectations"]:
        if entry["type"] in COLUMN_SETS:
            _note(entry, cause)


def _renamed(content: Any, old: str, new: str) -> Any:
    """The arguments with one column called otherwise, wherever they name a column."""
    renamed = dict(content)
    for key in ("column", "column_A", "column_B"):
        if renamed.get(key) == old:
            renamed[key] = new
    for key in ("column_set", "column_list"):
        if key in renamed:
            renamed[key] = [new if name == old else name for name in renamed[key]]
    condition = renamed.get("row_condition")
    if isinstance(condition, dict) and condition.get("column") == {"name": old}:
        renamed["row_condition"] = {**condition, "column": {"name": new}}
    return renamed


def _change_sets(contract: dict[str, Any], cause: Cause) -> None:
    name, is_new = cause.columns[0], cause.kind == "new_column"
    for part in PARTS:
        kept = []
        for number, entry in enumerate(contract[part]["expectations"]):
            about = any((one.part, one.number) == (part, number) for one in cause.broken)
            if entry["type"] not in COLUMN_SETS:
                if not (about and not is_new):
                    kept.append(entry)
                continue
            key = "column_set" if "column_set" in entry["kwargs"] else "column_list"
            names = [one for one in entry["kwargs"][key] if one != name]
            entry["kwargs"][key] = [*names, name] if is_new else names
            if part == "delivered":
                _note(entry, cause)
            kept.append(entry)
        contract[part]["expectations"] = kept


def _loosened(one: Failing, found: Comparison) -> dict[str, Any] | None:
    """What becomes of an expectation's keys; None where it cannot be loosened."""
    kwargs, table = dict(one.entry["kwargs"]), found.tables[one.part]
    kind = one.kind.removeprefix("expect_column_").removeprefix("expect_")
    values = table[kwargs["column"]] if kwargs.get("column") in table.columns else None
    if kind == "table_row_count_to_be_between":
        return {"kwargs": {**kwargs, **_rows(kwargs, table.height)}}
    if kind == "pair_values_to_be_in_set":
        pairs = table.select(kwargs["column_A"], kwargs["column_B"]).unique(maintain_order=True)
        known = [list(pair) for pair in kwargs["value_pairs_set"]]
        more = sorted((list(pair) for pair in pairs.rows() if list(pair) not in known), key=str)
        return {"kwargs": {**kwargs, "value_pairs_set": known + more}}
    if values is None or kind == "values_to_be_unique":
        share = one.line["share_unexpected"]
        is_pair = values is None and share is not None
        return {"kwargs": {**kwargs, "mostly": _down(1 - share)}} if is_pair else None
    if kind == "values_to_be_in_set" and (new := new_values(values, kwargs["value_set"])).height:
        names = new[values.name].sort().to_list()
        if kwargs.get("mostly", 1) == 1 or len(kwargs["value_set"]) > 1:
            return {"kwargs": {**kwargs, "value_set": [*kwargs["value_set"], *names]}}
    if kind in ("values_to_be_between", "median_to_be_between", "mean_to_be_between"):
        return {"kwargs": {**kwargs, **_wider(kind, kwargs, values)}}
    if kind == "unique_value_count_to_be_between":
        count = values.drop_nulls().n_unique()
        low, high = kwargs.get("min_value"), kwargs.get("max_value")
        wider = {"min_value": low and min(low, count), "max_value": high and max(high, count)}
        return {"kwargs": {**kwargs, **{key: one for key, one in wider.items() if one is not None}}}
    if kind == "values_to_not_be_null":
        return {"kwargs": {**kwargs, "mostly": _known(values)}}
    if kind in ("values_to_match_regex", "values_to_be_of_type"):
        return _otherwise(kind, one, values, found)
    share = one.line["share_unexpected"]
    return None if share is None else {"kwargs": {**kwargs, "mostly": _down(1 - share)}}


def _rows(kwargs: dict[str, Any], height: int) -> dict[str, Any]:
    if kwargs.get("min_value") is not None and height < kwargs["min_value"]:
        return {"min_value": int(height * LEAST_SHARE_OF_ROWS)}
    return {"max_value": math.ceil(height / LEAST_SHARE_OF_ROWS)}


def _wider(kind: str, kwargs: dict[str, Any], values: pl.Series) -> dict[str, Any]:
    """Limits that hold the new values as well."""
    known = values.drop_nulls()
    quartiles = [float(known.quantile(q, "nearest") or 0) for q in (0, 0.25, 0.5, 0.75, 1)]
    if kind == "values_to_be_between":
        low, high = limits(quartiles, known.dtype.is_integer(), known.n_unique())
        least, most = quartiles[0], quartiles[4]
    else:
        middle = float(known.mean() or 0) if kind.startswith("mean") else quartiles[2]  # type: ignore[arg-type]
        least = most = middle
        whole = known.dtype.is_integer()
        low, high = (int(one) if whole else one for one in (quartiles[1], quartiles[3]))
        low, high = min(low, math.floor(middle)), max(high, math.ceil(middle))
    wider = {}
    if kwargs.get("min_value") is not None and least < kwargs["min_value"]:
        wider["min_value"] = low
    if kwargs.get("max_value") is not None and most > kwargs["max_value"]:
        wider["max_value"] = high
    return wider


def _known(values: pl.Series) -> float:
    num_missing, num_rows = float(values.null_count()), float(values.len())
    _, bound = wilson(np.array(num_missing), np.array(num_rows), 0.999)
    return _down(1 - 1.25 * float(bound))


def _otherwise(
    kind: str, one: Failing, values: pl.Series, found: Comparison
) -> dict[str, Any] | None:
    """Another pattern that the delivered values meet, or a type that gaps allow."""
    if kind == "values_to_be_of_type":
        if not (values.dtype.is_integer() and values.null_count()):
            return None
        types = [*INTEGERS, "float32", "float64"]
        about = {"column": values.name, "type_list": types}
        return {"type": "expect_column_values_to_be_in_type_list", "kwargs": about}
    prepared = found.tables["prepared"]
    if one.part != "delivered" or values.name not in prepared.columns:
        return None
    for entry in delivered_form(values, prepared[values.name], "number"):
        if entry["type"] == one.kind and prepared[values.name].null_count() < prepared.height:
            return {"kwargs": {**one.entry["kwargs"], "regex": entry["kwargs"]["regex"]}}
    return None


def _down(share: float) -> float:
    """A share of rows that may be asked of the next delivery, too: rounded down to per mille."""
    return max(math.floor(share * 1000 - 1e-9), 0) / 1000
