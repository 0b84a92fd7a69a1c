"""What `balance` did to the training rows, in one sentence each, for the page and for Prefect's."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.wording import count, listed

UNTOUCHED = (
    "The rows that the model is asked about are left as they are; whether this narrowed a gap is "
    "measured on them below."
)


def before_training(balance: Mapping[str, Any]) -> str:
    """The operation, and what a reader must know of it."""
    method, by = balance["method"], listed(list(balance.get("columns", ())))
    if method == "none":
        return "The training rows were neither weighted nor resampled."
    if method == "reweigh":
        return (
            f"The training rows were weighed (reweigh), so that in their weighted counts the "
            f"outcome does not depend on {by}."
        )
    if method == "resample":
        return (
            f"Of the {balance['num_rows']:,} training rows some were repeated and "
            f"{balance['num_left_out']:,} left out (resample), so that in the "
            f"{balance['num_rows_after']:,} rows fitted on the outcome does not depend on {by}."
        )
    if method == "correlation_remover":
        what = count(len(balance["correlations"]), "column")
        return (
            f"In the training rows alone, {what} of numbers lost the correlation with {by} "
            f"(correlation_remover, strength {balance['alpha']:g}); categories kept theirs. "
            + UNTOUCHED
        )
    return f"The training rows went through {method} by {by}."
