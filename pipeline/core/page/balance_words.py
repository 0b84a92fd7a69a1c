"""What `balance` did to the training rows, in one sentence each, for the page and for Prefect's."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.page.wording import count, listed

UNTOUCHED = (
    "The rows that the model is asked about are left as they are; whether this narrowed a gap is "
    "measured on them below."
)

FIRST = "; those that look least like their outcome were repeated and left out first"


def before_training(balance: Mapping[str, Any]) -> str:
    """The operation, what a reader must know of it, and of the rows' own weights."""
    return f"{_operation(balance)} {_own_weights(balance)}".strip()


def _own_weights(balance: Mapping[str, Any]) -> str:
    found = balance.get("weight")
    if not found:
        return ""
    return (
        f"In training a row weighs what {found['column']} says, {found['min']:.2f} to "
        f"{found['max']:.2f} where the mean is 1; so weighted, the rows say as much as "
        f"{found['effective_rows']:,.0f} of equal weight would. All measures on this page count "
        "every row once."
    )


def _operation(balance: Mapping[str, Any]) -> str:
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
            f"{balance['num_rows_after']:,} rows fitted on the outcome does not depend on {by}"
            f"{FIRST if balance.get('drawing') == 'preferential' else ''}."
        )
    if method == "correlation_remover":
        what = count(len(balance["correlations"]), "column")
        return (
            f"In the training rows alone, {what} of numbers lost the correlation with {by} "
            f"(correlation_remover, strength {balance['alpha']:g}); categories kept theirs. "
            + UNTOUCHED
        )
    made, kind = balance["num_made"], GENERATORS[method]
    return (
        f"{count(made, 'row')} made by {kind} ({method}) were added to the "
        f"{balance['num_rows']:,} training rows for groups by {by} that lacked them; the made rows "
        f"kept {count(len(balance['checks']), 'check')}, and no test row is made."
    )


def made_rows(balance: Mapping[str, Any]) -> list[str]:
    """What the checks of made rows measured, a sentence each."""
    return [check(found) for found in balance.get("checks", ())]


def check(found: Mapping[str, Any]) -> str:
    """A check of made rows in one sentence: what was measured, and what it was to keep."""
    measured = CHECKS[found["name"]].format(
        value=found["value"], share=f"{100 * found['value']:.1f}%"
    )
    return f"{measured} (up to {found['high']:.3f}; at most {found['at_most']:g} is accepted)."


GENERATORS = {
    "synthetic_vae": "a variational autoencoder",
    "synthetic_gan": "a generative adversarial network",
}
CHECKS = {
    "column_distance": (
        "In no column do made and real values of the same groups and outcomes lie further apart "
        "than {value:.3f}, where 0 is the same spread and 1 no value in common"
    ),
    "discriminator_auc": (
        "A classifier that has to tell made rows from real ones ranks a pair of them rightly in "
        "{share} of cases, where 50% is guessing"
    ),
    "closer_to_seen": (
        "{share} of made rows lie nearer to a real row that their generator has seen than to one "
        "of as many that it has not, where 50% is chance and more is copying"
    ),
    "copies_beyond_chance": (
        "Made rows that equal a real row that their generator has seen: {share} of them more than "
        "equal one that it has not"
    ),
}
