"""Measures, expectations and outcomes in words, for readers who are no statisticians."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.contract.contract_words import count as count
from pipeline.core.contract.contract_words import expectation as expectation
from pipeline.core.contract.contract_words import listed as listed
from pipeline.core.contract.contract_words import observation as observation
from pipeline.core.contract.contract_words import subject as subject
from pipeline.core.page import measure_words
from pipeline.core.page.group_words import GROUP_MEASURES, Measure
from pipeline.core.page.profile_words import of_whole as of_whole
from pipeline.core.verdict import sensitive_named, whole_training

MEASURES = {
    "roc_auc": Measure(
        "Ranking quality (ROC AUC)",
        "Take one case with the outcome and one without it: how often the first gets the higher "
        "probability. 0.5 is guessing, 1 is perfect.",
    ),
    "average_precision": Measure(
        "Average precision",
        "Going down the cases from the highest probability: the share of true outcomes among "
        "those seen so far, averaged over the outcomes found. Guessing gives their overall rate.",
    ),
    "accuracy": Measure("Accuracy", "The share of decisions that are right."),
    "balanced_accuracy": Measure(
        "Balanced accuracy",
        "The share of right decisions among cases with the outcome and among those without it, "
        "averaged, so that the larger class does not outvote the smaller one. 0.5 is guessing.",
    ),
    "log_loss": Measure(
        "Log loss",
        "The penalty for probabilities that miss what happened; being sure and wrong costs most.",
    ),
    "brier_score": Measure(
        "Brier score",
        "The mean squared distance between the probability and what happened (0 or 1).",
    ),
    "expected_calibration_error": Measure(
        "Calibration error",
        "How far stated probabilities are from observed frequencies, on average: of cases given "
        "30%, about 30% should have the outcome.",
    ),
    "counterfactual_change": Measure(
        "Change by swapped words",
        "The same texts are answered once for each group of a word list, with that group’s words: "
        "the largest difference between two groups’ mean answers. 0 means that it makes no "
        "difference, on average, whose words they are.",
    ),
    "class_imbalance": Measure(
        "Imbalance of sizes",
        "How much larger the largest group is than the smallest: their difference divided by their "
        "sum. 0 means equally many rows; near 1, a model hardly sees the smaller one.",
    ),
    "label_rate_difference": Measure(
        "Difference in label rates",
        "The share of a group that has the outcome, in the group where it is highest, minus that "
        "in the group where it is lowest. 0 means alike often.",
    ),
    "mean_difference": Measure(
        "Difference in means",
        "The group with the highest average of what is predicted, minus the one with the lowest.",
    ),
    "jensen_shannon_divergence": Measure(
        "Jensen–Shannon divergence of labels",
        "How easily one label tells which of two groups a row is from: 0 means not at all, 0.693 "
        "means always.",
    ),
    "kl_divergence": Measure(
        "Kullback–Leibler divergence of labels",
        "How wrong one would be, on average, to expect the second group’s labels in the first. 0 "
        "means not at all; it has no upper end.",
    ),
    "total_variation_distance": Measure(
        "Share of labels apart",
        "The share of one group’s labels that would have to change for both groups to have the "
        "same mix.",
    ),
    "missing_rate_difference": Measure(
        "Difference in missing values",
        "The share of rows without a value, in the group where it is highest, minus the lowest. A "
        "model knows less of those of whom more is missing.",
    ),
    "suspect_rate_difference": Measure(
        "Difference in suspect labels",
        "The share of labels that the other columns speak against, highest minus lowest.",
    ),
    "demographic_disparity": Measure(
        "Disparity",
        "A group’s share of all rows without the outcome, minus its share of those with it. Above "
        "0, the group has more of the first.",
    ),
    "conditional_demographic_disparity": Measure(
        "Disparity among like rows",
        "The same within each level of a named column, averaged over the levels.",
    ),
    "proxy_auc": Measure(
        "How well the group is told (AUC)",
        "Take one row of the group and one of another: how often a model of the features gives the "
        "first the higher score for this group. 0.5 is guessing, 1 tells every row.",
    ),
    **GROUP_MEASURES,
    **measure_words.MEASURES,
}

OUTCOMES = {
    "pass": {"sign": "✓", "word": "passed"},
    "pass_with_override": {"sign": "!", "word": "passed with an override"},
    "fail": {"sign": "✕", "word": "failed"},
    "insufficient": {"sign": "?", "word": "not enough evidence"},
    "not_applicable": {"sign": "–", "word": "not applicable"},
}

CLEANING = {
    "strip_whitespace": "blanks at both ends of a text are removed",
    "missing_codes": "codes that stand for “unknown” become missing values",
    "replace": "spellings are replaced by others",
    "cast": "texts become numbers or other types",
    "outside_range": "numbers that cannot be become missing, or their rows are dropped",
    "drop_duplicates": "rows that repeat another row are dropped",
    "drop_missing": "rows that lack a needed value are dropped",
    "drop_undecodable": "rows whose image cannot be decoded, or is too large to be, are dropped",
    "resize": "images of another size get one size",
    "convert_mode": "images with other channels get the same ones",
    "drop_near_duplicates": "rows whose image looks like that of a row before are dropped",
}


def measure(name: str, task: str = "binary") -> Measure:
    """The words for a measure of a task; for one that is new here, its name."""
    if task == "multiclass" and name in measure_words.OF_CLASSES:
        return measure_words.OF_CLASSES[name]
    return MEASURES.get(name, Measure(name.replace("_", " "), ""))


def rule_title(rule: Mapping[str, Any]) -> str:
    """A gate's rule as a person would say it."""
    if rule["rule"] == sensitive_named.TITLE:
        return "Sensitive columns are named, or the reason why not"
    if rule["rule"] == whole_training.TITLE:
        return "Training came to its own end, not to that of its budget"
    if rule.get("against") == "baseline":
        return f"{measure(rule['measure']).title}: no model at a hundredth of the cost is as good"
    if rule.get("against"):
        where = f"in each group by {rule['by']}" if rule["by"] else "overall"
        title = measure(rule["measure"]).title
        return f"{title} against the model in use, {where}: a loss of less than {rule['margin']:g}"
    by = f" by {rule['by']}" if rule["by"] else ""
    side = "at most" if rule["direction"] == "at_most" else "at least"
    return f"{measure(rule['measure']).title}{by}: {side} {rule['bound']:g}"


def reason(rule: Mapping[str, Any]) -> str:
    """Why a rule came out as it did, for somebody who does not know the measure's name."""
    if rule.get("against") or rule["rule"] in (sensitive_named.TITLE, whole_training.TITLE):
        return str(rule["sentence"])
    if rule["value"] is None:
        why = str(rule["sentence"]).partition("could not be measured: ")[2]
        return f"It could not be measured: {why or 'fewer than two groups have enough rows.'}"
    value, low, high = (f"{rule[key]:.3f}" for key in ("value", "low", "high"))
    most = rule["direction"] == "at_most"
    if rule["outcome"] == "fail":
        side, end = ("above", low) if most else ("below", high)
        return (
            f"Measured {value}; even the better end of its interval, {end}, lies {side} the limit."
        )
    side, end = ("above", high) if most else ("below", low)
    if rule["outcome"] == "pass":
        return f"Measured {value}; the worse end of its interval, {end}, keeps the limit."
    if rule["high"] > rule["bound"] if most else rule["low"] < rule["bound"]:
        return (
            f"Measured {value}, but its interval reaches to {end}, {side} the limit: these rows "
            "cannot show that the limit is kept."
        )
    return f"Measured {value}, but these groups have too few rows: {listed(rule['too_small'])}."


def override(record: Mapping[str, Any]) -> str:
    """Who lets a rule be broken, until when and why."""
    return (
        f"Overridden by {record['name']} until {record['until']} (signed {record['signed']}): "
        f"{record['reason']}"
    )
