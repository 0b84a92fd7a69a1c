"""The data contract: Great Expectations suites kept as JSON, checked on a polars table.

A contract has two parts, `delivered` and `prepared`, each a suite. Great Expectations knows no
polars, so each group of expectations that reads the same columns is handed a pandas copy of just
these, one group after the other: no more than one group's copy is alive.

A report holds counts, never a value of a row: results ask for no lists, and of aggregates only
those are kept that are no single row's value (a mean, not a maximum). It has no ids and no times.
"""

import functools
import json
import logging
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.core.contract.contract import PARTS
from pipeline.core.errors import ProjectError
from pipeline.core.settings.problems import nearest, shown

if TYPE_CHECKING:
    import pandas as pd

COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}
# The aggregates that no single row's value can be read off.
SHOWN = (
    "expect_column_mean_to_be_between",
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_stdev_to_be_between",
    "expect_column_unique_value_count_to_be_between",
    "expect_column_values_to_be_in_type_list",
    "expect_column_values_to_be_of_type",
    "expect_table_column_count_to_be_between",
    "expect_table_column_count_to_equal",
    "expect_table_columns_to_match_ordered_list",
    "expect_table_columns_to_match_set",
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
)


def check(
    table: pl.DataFrame, contract: dict[str, Any], part: str, name: str = "contract.json"
) -> dict[str, Any]:
    """Check one part of a contract on a table.

    Args:
        table: The rows as delivered, or as prepared.
        contract: What `load_contract` returned.
        part: `delivered` or `prepared`.
        name: What messages call the contract's file.

    Returns:
        part, rows, success (of the critical ones), num_expectations, and for each expectation in
        the contract's order: expectation, column or columns, severity, success, expected,
        observed, num_unexpected, share_unexpected, meaning.

    Raises:
        ProjectError: Great Expectations does not know an expectation or its arguments.
    """
    entries = contract[part]["expectations"]
    expectations = [
        _built(entry, f"{name}: {part}.expectations[{number}]")
        for number, entry in enumerate(entries)
    ]
    results: dict[int, dict[str, Any]] = {}
    for columns, numbers in _groups(entries, table.columns):
        absent = sorted(set(columns) - set(table.columns))
        if absent:
            results.update((number, {"absent": absent}) for number in numbers)
            continue
        frame = _frame(table, columns)
        results.update(_evaluated(frame, {number: expectations[number] for number in numbers}))
    lines = [_line(entry, results[number]) for number, entry in enumerate(entries)]
    return summed_up(part, table.height, lines)


def refuse_unknown(contract: dict[str, Any], name: str) -> None:
    """Raise ProjectError where Great Expectations does not know an expectation or its arguments."""
    for part in PARTS:
        for number, entry in enumerate(contract[part]["expectations"]):
            _built(entry, f"{name}: {part}.expectations[{number}]")


def summed_up(part: str, rows: int, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """A part's report from its expectations' lines."""
    failed = [line["severity"] for line in lines if not line["success"]]
    return {
        "part": part,
        "rows": rows,
        "success": "critical" not in failed,
        "num_expectations": len(lines),
        "num_failed_critical": failed.count("critical"),
        "num_failed_warning": failed.count("warning"),
        "expectations": lines,
    }


def _groups(
    entries: list[dict[str, Any]], known: list[str]
) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """The entries' numbers by the columns that they read, in order of first mention."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, entry in enumerate(entries):
        groups.setdefault(_columns_read(entry["kwargs"], known), []).append(number)
    yield from groups.items()


def _columns_read(kwargs: dict[str, Any], known: list[str]) -> tuple[str, ...]:
    named = _columns(kwargs)
    condition = json.dumps(kwargs.get("row_condition") or "", ensure_ascii=False)
    return tuple(dict.fromkeys([*named, *(name for name in known if name in condition)]))


def _columns(kwargs: dict[str, Any]) -> list[str]:
    """The columns that an expectation names; none for an expectation on the table."""
    single = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    return [*single, *kwargs.get("column_list", ())]


def _frame(table: pl.DataFrame, columns: tuple[str, ...]) -> "pd.DataFrame":
    """A pandas copy of `columns`; for expectations on the table, its shape alone, at no memory."""
    import numpy as np
    import pandas as pd

    if columns:
        return table.select(columns).to_pandas()
    shape = np.broadcast_to(np.zeros((), np.int8), (table.height, table.width))
    return pd.DataFrame(shape, columns=table.columns, copy=False)


def _evaluated(frame: "pd.DataFrame", expectations: dict[int, Any]) -> dict[int, dict[str, Any]]:
    """Great Expectations' results by the expectation's number."""
    import great_expectations as gx

    for number, expectation in expectations.items():
        expectation.meta = {"number": number}
    suite = gx.ExpectationSuite(name="group", expectations=list(expectations.values()))
    batch = _batch_definition().get_batch({"dataframe": frame})
    answer = batch.validate(suite, result_format=COUNTS_ONLY)
    return {
        result.expectation_config.meta["number"]: {
            "success": bool(result.success),
            "result": result.to_json_dict()["result"],
            "raised": "raised_exception" not in result.exception_info
            or bool(result.exception_info["raised_exception"]),
        }
        for result in answer.results
    }


def _line(entry: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    kwargs = entry["kwargs"]
    columns = _columns(kwargs)
    subject: dict[str, Any] = {"column": columns[0]} if "column" in kwargs else {}
    if len(columns) > 1 or (columns and not subject):
        subject = {"columns": columns}
    found = result.get("result", {})
    observed: Any = found.get("observed_value") if entry["type"] in SHOWN else None
    if result.get("absent"):
        observed = f"no column {', '.join(map(repr, result['absent']))}"
    elif result["raised"]:
        observed = "values that it cannot be evaluated on"
    percent = found.get("unexpected_percent")
    return {
        "expectation": entry["type"],
        **subject,
        "severity": entry["severity"],
        "success": bool(result.get("success", False)),
        "expected": {key: kwargs[key] for key in kwargs if key not in subject},
        "observed": round(observed, 8) if isinstance(observed, float) else observed,
        "num_unexpected": found.get("unexpected_count"),
        "share_unexpected": None if percent is None else round(percent / 100, 8),
        "meaning": entry["meta"]["notes"],
    }


def _built(entry: dict[str, Any], where: str) -> Any:
    """The expectation that a contract's entry describes, its arguments checked."""
    _batch_definition()  # imports Great Expectations as we want it
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    known = list_registered_expectation_implementations()
    if entry["type"] not in known:
        raise ProjectError(
            f"{where}.type: expected an expectation of Great Expectations, got {entry['type']!r}",
            hint=nearest(entry["type"], tuple(known)),
        )
    if not isinstance(entry.get("kwargs"), dict):
        raise ProjectError(
            f"{where}.kwargs: expected the arguments of {entry['type']}, "
            f"got {shown(entry.get('kwargs'))}",
            hint='for instance "kwargs": {"column": "NAME"}',
        )
    expectation = get_expectation_impl(entry["type"])
    _check_pattern(entry["kwargs"].get("regex"), where)
    try:
        return expectation(**entry["kwargs"], severity=entry["severity"])
    except (ValueError, TypeError) as error:  # pydantic's errors are ValueErrors
        raise _wrong_arguments(entry, where, tuple(expectation.__fields__), error) from None


def _check_pattern(pattern: Any, where: str) -> None:
    try:
        re.compile(pattern or "")
    except (re.error, TypeError) as error:
        raise ProjectError(
            f"{where}.kwargs.regex: expected a regular expression, got {pattern!r}: {error}",
            hint=r"signs with a meaning of their own, such as [ ( . +, stand for themselves "
            r"after two backslashes: \\[",
        ) from None


def _wrong_arguments(
    entry: dict[str, Any], where: str, known: tuple[str, ...], error: Exception
) -> ProjectError:
    """What is wrong with an expectation's arguments, one finding for each of them."""
    problems = error.errors() if hasattr(error, "errors") else []
    findings = {str(one["loc"][0]): str(one["msg"]) for one in reversed(problems)}
    unknown = [key for key in entry["kwargs"] if key not in known]
    message = f"{where}.kwargs: {entry['type']} does not take these arguments"
    if unknown:
        message = f"{where}.kwargs: {entry['type']} knows no argument `{unknown[0]}`"
    return ProjectError(
        message,
        findings=[
            f"{name}: {text}"
            for name, text in findings.items()
            if name not in (*unknown, "__root__")
        ]
        if problems
        else [str(error)],
        hint=nearest(unknown[0], tuple(set(known) - set(entry["kwargs"])))
        if unknown
        else "https://greatexpectations.io/expectations lists each one's arguments",
    )


@functools.cache
def _batch_definition() -> Any:
    """One ephemeral context per process, silent and without telemetry, that takes data frames."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.execution_engine import pandas_execution_engine

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    pandas_execution_engine.HASH_THRESHOLD = 0  # a fingerprint of all cells, which nothing reads
    _register_pairs_in_set()
    _register_unique()
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("table")


def _register_pairs_in_set() -> None:
    """Replace the metric under `expect_column_pair_values_to_be_in_set`: the library's own walks
    the rows one by one (30 µs each). Same meaning: a missing value equals None."""
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.expectations.metrics import map_metric_provider as library

    provider: Any = library.ColumnPairMapMetricProvider  # type: ignore[attr-defined]
    condition: Any = library.column_pair_condition_partial  # type: ignore[attr-defined]

    class PairsInSet(provider):  # type: ignore[misc] # no class that mypy could know
        condition_metric_name = "column_pair_values.in_set"
        condition_value_keys = ("value_pairs_set",)
        condition_domain_keys = ("batch_id", "table", "column_A", "column_B", "ignore_row_if")

        @condition(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
        def _pandas(cls, column_A: Any, column_B: Any, **kwargs: Any) -> Any:  # noqa: N803, N805
            return _pairs_in_set(column_A, column_B, kwargs["value_pairs_set"])


def _register_unique() -> None:
    """Replace the metric under `expect_column_values_to_be_unique`: the library's own takes
    0.8 GB for five million texts, three times as much."""
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.expectations.metrics import map_metric_provider as library

    provider: Any = library.ColumnMapMetricProvider  # type: ignore[attr-defined]
    condition: Any = library.column_condition_partial  # type: ignore[attr-defined]

    class Unique(provider):  # type: ignore[misc] # no class that mypy could know
        condition_metric_name = "column_values.unique"

        @condition(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
        def _pandas(cls, column: Any, **_kwargs: Any) -> Any:  # noqa: N805
            return _unique(column)


def _unique(values: "pd.Series[Any]") -> Any:
    """Whether each value is met once, shape (rows,)."""
    import pandas as pd

    try:
        found = pl.from_pandas(values).is_unique().to_numpy()
    except (TypeError, ValueError, pl.exceptions.PolarsError):  # objects of several types
        return ~values.duplicated(keep=False)
    return pd.Series(found, index=values.index)


def _pairs_in_set(first: "pd.Series[Any]", second: "pd.Series[Any]", pairs: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    codes_a, values_a = pd.factorize(first, use_na_sentinel=False)
    codes_b, values_b = pd.factorize(second, use_na_sentinel=False)
    met, place = np.unique(codes_a * np.int64(len(values_b)) + codes_b, return_inverse=True)
    allowed = {(a, b) for a, b in pairs}
    verdicts = [
        (_plain(values_a[code // len(values_b)]), _plain(values_b[code % len(values_b)])) in allowed
        for code in met.tolist()
    ]
    return pd.Series(np.array(verdicts, dtype=bool)[place], index=first.index)


def _plain(value: Any) -> Any:
    import pandas as pd

    return None if pd.isna(value) else value
