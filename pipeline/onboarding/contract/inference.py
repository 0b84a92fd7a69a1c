"""The data contract that a table suggests: what holds of its rows, with slack, as two suites.

Great Expectations had profilers until 1.0; this takes their place. An expectation says, beside its
severity, what a breach would mean (`meta.notes`) and what was seen (`meta.evidence`), so that a
person can tighten or loosen it. The table that it is inferred from always meets it.

Of one column speak `inferred_forms` and `inferred_columns`, of several `inferred_relations`. The
rules of severity:

- a column that is gone or new, fewer than half the rows, a value in another form, a number outside
  its range, a new level of the target, of a sensitive column or of a list that looks closed, a gap
  where none was, a label rate of another order: critical;
- a new level of a list that looks open, more gaps than chance explains, a relation that broke,
  anything about a column that is dropped: a warning.
"""

from typing import Any

import polars as pl

from pipeline.core.settings.columns import Columns
from pipeline.onboarding.contract.inferred_columns import Role, entry, prepared_values
from pipeline.onboarding.contract.inferred_forms import delivered_form
from pipeline.onboarding.contract.inferred_relations import relations

LEAST_SHARE_OF_ROWS = 0.5
"""A delivery with fewer rows than this share of what was seen was cut short."""


def inferred(
    delivered: pl.DataFrame, prepared: pl.DataFrame, columns: Columns, name: str
) -> dict[str, Any]:
    """The whole content of contract.json, for a table that has none yet.

    Args:
        delivered: The rows as they were delivered; every column of a csv is text.
        prepared: The same after the cleaning rules.
        columns: What each column is for.
        name: The project's name; the suites are named by it.
    """
    names = [column for column in delivered.columns if column in prepared.columns]
    roles = {column: role_of(column, columns) for column in names}
    forms = _of_table(delivered)
    values: list[dict[str, Any]] = []
    for column in names:
        forms += delivered_form(delivered[column], prepared[column], roles[column])
        values += prepared_values(prepared[column], roles[column])
    values += _positive_share(prepared, columns)
    values += relations(prepared.select(names), roles)
    return {
        "delivered": {"name": f"{name}, delivered", "expectations": forms},
        "prepared": {"name": f"{name}, prepared", "expectations": values or [_some_row(prepared)]},
    }


def role_of(column: str, columns: Columns) -> Role:
    """What a column is for, as far as its values matter to a contract.

    A sensitive number that is cut at edges is a number; another sensitive column has levels.
    """
    if column == columns.target:
        return "target_number" if columns.task == "regression" else "target"
    if column == columns.identifier:
        return "identifier"
    if column == columns.weight:
        return "weight"
    if column in columns.sensitive:
        return "sensitive_number" if column in columns.sensitive_edges else "sensitive"
    if column in columns.numeric:
        return "number"
    if column in columns.categorical:
        return "levels"
    return "date" if column in columns.dates else "drop"


def _of_table(delivered: pl.DataFrame) -> list[dict[str, Any]]:
    least = int(delivered.height * LEAST_SHARE_OF_ROWS)
    return [
        entry(
            "expect_table_columns_to_match_set",
            {"column_set": delivered.columns, "exact_match": True},
            "critical",
            "A column that is gone or new changes what the model may know; somebody must give it "
            "a role first.",
            {"num_columns": delivered.width},
        ),
        entry(
            "expect_table_row_count_to_be_between",
            {"min_value": max(least, 1)},
            "critical",
            "Fewer than half the rows that were seen: the delivery was cut short or filtered.",
            {"rows": delivered.height},
        ),
    ]


def _some_row(prepared: pl.DataFrame) -> dict[str, Any]:
    return entry(
        "expect_table_row_count_to_be_between",
        {"min_value": 1},
        "critical",
        "Cleaning must leave rows.",
        {"rows": prepared.height},
    )


def _positive_share(prepared: pl.DataFrame, columns: Columns) -> list[dict[str, Any]]:
    """Limits of the share of positive labels: a third of its odds, and three times them."""
    if columns.task != "binary" or columns.target not in prepared.columns:
        return []
    labels = prepared[columns.target].drop_nulls()
    classes = labels.unique().to_list()
    positive = next((one for one in classes if _as_text(one) == columns.positive), None)
    if positive is None or labels.len() < 50:
        return []
    num_positive = int((labels == positive).sum())
    odds = num_positive / max(labels.len() - num_positive, 1)
    low, high = (odds * factor / (1 + odds * factor) for factor in (1 / 3, 3))
    evidence = {"positive": num_positive, "rows": labels.len()}
    words = "Another label rate is another population, or a label turned round"
    about = {"column": columns.target, "value_set": [positive]}
    return [
        entry(
            "expect_column_values_to_be_in_set",
            {**about, "mostly": int(low * 1000) / 1000},
            "critical",
            f"{num_positive / labels.len():.1%} of the labels were positive. {words}.",
            evidence,
        ),
        entry(
            "expect_column_values_to_not_be_in_set",
            {**about, "mostly": int((1 - high) * 1000) / 1000},
            "critical",
            f"{1 - num_positive / labels.len():.1%} of the labels were not positive. {words}.",
            evidence,
        ),
    ]


def _as_text(value: Any) -> str:
    return str(pl.Series([value]).cast(pl.String)[0])
