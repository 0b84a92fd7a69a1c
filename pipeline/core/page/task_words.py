"""What is predicted, in words for the card: two classes, several, or a number.

Each function takes the project's columns first, which say the task.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.page import policy_words
from pipeline.core.page.wording import listed
from pipeline.core.settings.columns import Columns

MAX_NAMED = 8
"""Classes that are named one by one; of more, their number is said."""


def fact(columns: Columns, split: Mapping[str, Any]) -> tuple[str, str]:
    """The name and the text of what is predicted."""
    if columns.task == "binary":
        return "Positive outcome", f"{columns.target} is “{columns.positive}”"
    if columns.task == "regression":
        return "What is predicted", f"{columns.target}, a number"
    return "What is predicted", f"{columns.target}: {_named(classes(split))}"


def classes(split: Mapping[str, Any]) -> list[str]:
    """The classes of a multiclass target, as the training rows have them."""
    return [one["class"] for one in split["parts"]["train"].get("classes", ())]


def _named(names: Sequence[str]) -> str:
    if len(names) > MAX_NAMED:
        return f"one of {len(names)} classes"
    return f"one of {listed([f'“{name}”' for name in names])}"


def role(columns: Columns) -> str:
    """What the target's column is for."""
    what = {
        "binary": f"“{columns.positive}” is the positive outcome",
        "multiclass": "one of several classes",
        "regression": "a number",
    }
    return f"what is predicted; {what[columns.task]}"


def decides(columns: Columns, policy: Mapping[str, Any]) -> str:
    """How the model's answer comes about."""
    if columns.task == "binary":
        return policy_words.threshold(policy)
    if columns.task == "multiclass":
        return (
            "The model gives each class a probability, and decides for the class with the highest "
            "one."
        )
    return "The model predicts the number itself. No threshold is applied to it."


def needs(columns: Columns, policy: Mapping[str, Any]) -> str:
    """What must be known of a case for its decision; empty where nothing must beyond features."""
    return policy_words.needs(policy, columns.features)


def after_training(columns: Columns, policy: Mapping[str, Any]) -> str:
    """What was done between the network's output and the answer."""
    if columns.task == "regression":
        return "Nothing: predictions are taken as they are."
    if columns.task == "binary":
        return policy_words.after_training(policy)
    return (
        f"Logits are divided by {policy['temperature']:.2f} (temperature scaling), so that "
        "probabilities agree with frequencies."
    )


def spread(columns: Columns) -> str:
    """What a penalty in the loss acts on."""
    return {
        "binary": "the spread of selection rates",
        "multiclass": "the spread of selection rates, the mean over the classes,",
        "regression": "the spread of mean predictions",
    }[columns.task]


def spread_caption(columns: Columns) -> str:
    """What the curve of the spread shows."""
    if columns.task == "regression":
        return (
            "The variance of the groups’ mean predictions on validation rows, where the variance "
            "of the target is 1; 0 means that all groups have the same mean prediction."
        )
    return "How much of the variation in decisions lies between groups, on validation rows; 0 " + (
        "means none." if columns.task == "binary" else "means none. The mean over the classes."
    )


def of_parts(columns: Columns) -> str:
    """What the table of the parts says of their targets."""
    return {
        "binary": "Positive outcome",
        "multiclass": "Classes",
        "regression": f"Mean of {columns.target}",
    }[columns.task]


def of_part(columns: Columns, part: Mapping[str, Any]) -> str:
    """A part's targets: rate, shares of the classes, or mean, with intervals where they fit."""
    if columns.task == "binary":
        shown = f"{100 * part['positive_rate']:.1f}%"
        if "positive_rate_low" not in part:
            return shown
        low, high = 100 * part["positive_rate_low"], 100 * part["positive_rate_high"]
        return f"{shown} ({low:.1f}% to {high:.1f}%)"
    if columns.task == "regression":
        found = part["target"]
        return f"{found['mean']:,.4g} ({found['mean_low']:,.4g} to {found['mean_high']:,.4g})"
    shares = sorted(part["classes"], key=lambda one: (-one["num_rows"], one["class"]))
    named = [f"{one['class']} {100 * one['share']:.1f}%" for one in shares[:MAX_NAMED]]
    more = len(shares) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def alike(columns: Columns) -> str:
    """What the test of the parts compares."""
    return {
        "binary": "The parts’ rates of the positive outcome differ",
        "multiclass": "The parts’ shares of the classes differ",
        "regression": "The parts’ shares of low, middling and high targets differ",
    }[columns.task]


def slice_measure(columns: Columns) -> str:
    """What slices are compared by."""
    return "mean_absolute_error" if columns.task == "regression" else "accuracy"


def in_data(columns: Columns) -> str:
    """What is compared between groups before any model."""
    return {
        "binary": "how often each group has the positive outcome",
        "multiclass": "how often each group has each class",
        "regression": f"what {columns.target} is on average in each group",
    }[columns.task]


def of_groups(columns: Columns) -> str:
    """What comparing groups is about."""
    if columns.task == "regression":
        return (
            "What the model predicts for different groups in the test rows, and how far off it is. "
            "Which of these differences matters depends on the use: groups may well differ in what "
            "is predicted, and a model may err more for one of them all the same."
        )
    happens = "they have the outcome" if columns.task == "binary" else "each class is true"
    return (
        "How the model decides for different groups in the test rows. Which of these differences "
        "matters depends on the use: a difference in selection rates can come from the data, and "
        "removing it can cost accuracy. They cannot all be small at once where groups differ in "
        f"how often {happens}."
    )


def gains_by_group(columns: Columns) -> str:
    """How the gains of groups over the model in use are counted."""
    if columns.task == "regression":
        return (
            f"The group’s mean gain in absolute error, in units of {columns.target}, positive "
            "where the new model is less far off. Intervals are by normal approximation of the "
            "paired differences."
        )
    selects = "; for the selection rate, where it selects more" if columns.task == "binary" else ""
    return (
        "Counted in shares of the group’s rows, positive where the new model is better"
        f"{selects}. Tango’s score interval for paired rows."
    )


def unit(columns: Columns) -> str:
    """What a column's part in a prediction is counted in."""
    if columns.task == "regression":
        return f"in units of {columns.target}"
    if columns.task == "multiclass":
        return "in logits (steps on the scale behind the probability) of the decided class"
    return "in logits (steps on the scale behind the probability)"


def cases(columns: Columns) -> str:
    """The order of the single cases."""
    return {
        "binary": "Spread from the lowest probability to the highest.",
        "multiclass": "Spread from the least certain decision to the most certain one.",
        "regression": "Spread from the lowest prediction to the highest.",
    }[columns.task]


def case(columns: Columns, found: Mapping[str, Any]) -> str:
    """What the model said of one case."""
    if columns.task == "regression":
        return f"predicted {found['prediction']:,.4g}"
    probability = min(max(found["probability"], 0.001), 0.999)
    beyond = "" if probability == found["probability"] else "< " if probability < 0.5 else "> "
    shown = f"{beyond}{100 * probability:.1f}%"
    if columns.task == "multiclass":
        return f"{shown}: decided “{found['decision']}”"
    return f"{shown}: decided {'positive' if found['decision'] else 'negative'}"
