"""Measures of groups and gaps between them in words, for readers who are no statisticians."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """How a measure is called and explained."""

    title: str
    explanation: str


GROUP_MEASURES = {
    "selection_rate": Measure("Selection rate", "The share of the group that is decided positive."),
    "true_positive_rate": Measure(
        "True positive rate", "Of those who have the outcome, the share decided positive."
    ),
    "false_positive_rate": Measure(
        "False positive rate",
        "Of those who do not have it, the share decided positive all the same.",
    ),
    "false_negative_rate": Measure(
        "False negative rate", "Of those who have the outcome, the share that is missed."
    ),
    "precision": Measure("Precision", "Of those decided positive, the share that has the outcome."),
    "calibration": Measure(
        "Calibration",
        "The average probability that the model states, minus how often the outcome happened. "
        "Above 0 the model says too much for this group, below 0 too little.",
    ),
    "mean_prediction": Measure("Mean prediction", "The average of what is predicted."),
    "mean_residual": Measure(
        "Mean error",
        "The average of the prediction minus the truth. Above 0 the group is predicted too high, "
        "below 0 too low.",
    ),
    "mean_absolute_error": Measure(
        "Mean absolute error", "How far predictions are from the truth, on average."
    ),
    "demographic_parity_difference": Measure(
        "Difference in selection rates",
        "A group’s selection rate is the share of it that is decided positive. This is the "
        "highest rate minus the lowest one; 0 means that all groups are selected alike often.",
    ),
    "demographic_parity_ratio": Measure(
        "Ratio of selection rates",
        "The lowest selection rate divided by the highest one; 1 means alike.",
    ),
    "equalized_odds_difference": Measure(
        "Difference in error rates",
        "The larger of two gaps between groups: in the share of true outcomes that is found, and "
        "in the share of false alarms. 0 means that errors fall on all groups alike often.",
    ),
    "equalized_odds_ratio": Measure(
        "Ratio of error rates",
        "The smaller of two ratios between groups, lowest by highest: of outcomes found, and of "
        "false alarms. 1 means alike.",
    ),
    "equal_opportunity_difference": Measure(
        "Difference in outcomes found",
        "Of those who have the outcome, the share decided positive: the group where it is highest "
        "minus the one where it is lowest. 0 means that all groups are found alike often.",
    ),
    "equal_opportunity_ratio": Measure(
        "Ratio of outcomes found",
        "The lowest share of true outcomes found, divided by the highest one; 1 means alike.",
    ),
    "false_positive_rate_difference": Measure(
        "Difference in false alarms",
        "Of those who do not have the outcome, the share decided positive: highest minus lowest.",
    ),
    "false_negative_rate_difference": Measure(
        "Difference in outcomes missed",
        "Of those who have the outcome, the share that is missed: highest minus lowest.",
    ),
    "precision_difference": Measure(
        "Difference in precision",
        "Of those decided positive, the share that has the outcome: highest minus lowest. 0 means "
        "that a positive decision is right alike often in all groups.",
    ),
    "accuracy_difference": Measure(
        "Difference in accuracy",
        "The share of right decisions: highest minus lowest. Which kind of error it was is not "
        "told apart.",
    ),
    "calibration_difference": Measure(
        "Difference in calibration",
        "How much the stated probability exceeds what happens, in the group where it does so most, "
        "minus that in the group where it does so least. 0 means that a probability means the "
        "same in all groups.",
    ),
    "mean_prediction_difference": Measure(
        "Difference in mean predictions",
        "The average prediction of the group with the highest one, minus that of the lowest.",
    ),
    "mean_residual_difference": Measure(
        "Difference in mean errors",
        "How far one group is predicted too high on average, minus how far another one is (too low "
        "counts below 0): the largest such difference. 0 means that all are off alike.",
    ),
    "mean_absolute_error_difference": Measure(
        "Difference in absolute errors",
        "How far predictions miss the truth on average, in the group where they miss it most, "
        "minus that in the group where they miss it least.",
    ),
}

_HARM = {
    "selection_rate": "Were {group} selected as often as {reference}, about {people} more of its "
    "{out_of} people would be selected",
    "true_positive_rate": "Were outcomes found in {group} as often as in {reference}, about "
    "{people} more of its {out_of} people with the outcome would be found",
    "false_positive_rate": "Of the {out_of} people in {group} without the outcome, about {people} "
    "are selected who would not be at the false positive rate of {reference}",
    "false_negative_rate": "Of the {out_of} people in {group} with the outcome, about {people} are "
    "missed who would not be at the rate of {reference}",
    "precision": "Of the {out_of} people in {group} who are selected, about {people} do not have "
    "the outcome who would have it at the precision of {reference}",
    "accuracy": "Of the {out_of} people in {group}, about {people} are decided wrongly who would "
    "not be at the accuracy of {reference}",
}
_AMOUNT = {
    "mean_prediction": "The {out_of} people in {group} are predicted {amount} lower than those in "
    "{reference}, on average",
    "mean_residual": "Measured by the truth, the {out_of} people in {group} are predicted {amount} "
    "lower than those in {reference}, on average",
    "mean_absolute_error": "Predictions for the {out_of} people in {group} miss the truth by "
    "{amount} more than those for {reference}, on average",
}


def harm(gap: Mapping[str, Any]) -> str | None:
    """How many people of the test rows a gap concerns, in words; None where it concerns none."""
    found = gap.get("harm")
    if not found:
        return None
    who = {"group": f"“{found['group']}”", "reference": f"“{found['reference']}”"}
    out_of = f"{found['out_of']:,}"
    if gap["of"] in _AMOUNT:
        text = _AMOUNT[gap["of"]].format(**who, out_of=out_of, amount=f"{found['per_person']:.4g}")
    else:
        text = _HARM[gap["of"]].format(**who, out_of=out_of, people=f"{found['num_people']:,.0f}")
        text += f"; {found['per_10000']:,.0f} in every 10,000 decisions about these groups"
    of_class = f" (class “{gap['class']}”)" if gap.get("class") else ""
    chance = " These rows do not show that the gap is more than chance." if gap["low"] == 0 else ""
    return f"{text}{of_class}.{chance}"
