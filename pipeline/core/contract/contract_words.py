"""What the contract's expectations ask for and what was found, in words; counts, never a value."""

from collections.abc import Mapping
from typing import Any


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def count(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def expectation(entry: Mapping[str, Any]) -> str:
    """What an expectation of the contract asks for."""
    wanted = entry["expected"]
    text = str(_ASKED.get(entry["expectation"], _by_name)(entry, wanted))
    if "mostly" in wanted:
        text += f", in at least {100 * wanted['mostly']:.4g}% of rows"
    if condition := wanted.get("row_condition"):
        text += f", among rows {_condition(condition)}"
    return text


def observation(entry: Mapping[str, Any]) -> str:
    """What was found where an expectation looked: counts, never a row's value."""
    unexpected, found = entry["num_unexpected"], entry["observed"]
    if unexpected is not None:
        if unexpected == 0:
            return "no exception"
        share = entry["share_unexpected"]
        rate = "" if share is None else f" ({100 * share:.2g}% of rows)"
        return count(unexpected, "exception") + rate
    if isinstance(found, list):
        return f"{len(found)} columns"
    if isinstance(found, int | float) and not isinstance(found, bool):
        return f"{found:,}" if isinstance(found, int) else f"{found:,.4g}"
    return "" if found is None else str(found)


def _range(wanted: Mapping[str, Any], what: str = "") -> str:
    low, high = wanted.get("min_value"), wanted.get("max_value")
    if low is not None and low == high:
        return f"exactly {low:,}{what}"
    if low is not None and high is not None:
        return f"from {low:,} to {high:,}{what}"
    return f"at least {low:,}{what}" if high is None else f"at most {high:,}{what}"


def _set(wanted: Mapping[str, Any]) -> str:
    values = [str(value).strip() for value in wanted.get("value_set", ())]
    return " or ".join(f"“{value}”" for value in values) if len(values) <= 4 else ""


def _in_set(_entry: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    shown = _set(wanted)
    return f"is {shown}" if shown else f"is one of {len(wanted.get('value_set', ()))} known values"


def _not_in_set(_entry: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    return f"is not {_set(wanted) or 'one of the excluded values'}"


def _columns(_entry: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    return f"has exactly the {len(wanted.get('column_set', ()))} columns of the contract"


def _type(_entry: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    kinds = {"int64": "whole numbers", "float64": "numbers", "str": "text", "bool": "yes or no"}
    kind = str(wanted.get("type_", ""))
    return f"holds {kinds.get(kind, kind)} alone"


def _types(_entry: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    kinds = [str(kind) for kind in wanted.get("type_list", ())]
    return f"holds {'' if any('float' in kind for kind in kinds) else 'whole '}numbers alone"


def _by_name(entry: Mapping[str, Any], _wanted: Mapping[str, Any]) -> str:
    return str(entry["expectation"]).removeprefix("expect_").replace("_", " ")


def _condition(condition: Any) -> str:
    if isinstance(condition, Mapping) and "operator" in condition:
        column = condition.get("column")
        name = column.get("name") if isinstance(column, Mapping) else column
        operator = {"==": "is", "!=": "is not"}.get(
            str(condition["operator"]), str(condition["operator"])
        )
        return f"whose {name} {operator} “{condition.get('parameter')}”"
    return "that meet a condition"


_ASKED: dict[str, Any] = {
    "expect_table_columns_to_match_set": _columns,
    "expect_table_row_count_to_be_between": lambda _e, w: f"has {_range(w, ' rows')}",
    "expect_column_values_to_match_regex": lambda _e, w: f"matches the pattern “{w.get('regex')}”",
    "expect_column_values_to_not_match_regex": lambda _e, w: (
        f"does not match the pattern “{w.get('regex')}”"
    ),
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _not_in_set,
    "expect_column_values_to_not_be_null": lambda _e, _w: "is known",
    "expect_column_values_to_be_unique": lambda _e, _w: "never repeats",
    "expect_compound_columns_to_be_unique": lambda _e, _w: "never repeat together",
    "expect_column_values_to_be_of_type": _type,
    "expect_column_values_to_be_between": lambda _e, w: f"lies {_range(w)}",
    "expect_column_values_to_be_in_type_list": _types,
    "expect_column_median_to_be_between": lambda _e, w: f"has its middle {_range(w)}",
    "expect_column_pair_values_a_to_be_greater_than_b": lambda _e, _w: "come in this order",
    "expect_column_pair_values_to_be_equal": lambda _e, _w: "say the same",
    "expect_column_mean_to_be_between": lambda _e, w: f"has a mean {_range(w)}",
    "expect_column_unique_value_count_to_be_between": lambda _e, w: (
        f"has {_range(w, ' different values')}"
    ),
    "expect_column_pair_values_to_be_in_set": lambda _e, w: (
        f"pair up in {len(w.get('value_pairs_set', ()))} known ways"
    ),
}


def subject(entry: Mapping[str, Any]) -> str:
    """The column or columns that an expectation looks at, or the table."""
    columns = list(entry.get("columns", ()))
    if len(columns) > 4:
        return f"{len(columns)} columns"
    return str(entry.get("column") or listed(columns) or "the table")
