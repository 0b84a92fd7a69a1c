"""Measures, expectations and outcomes in words, for readers who are no statisticians."""

from collections.abc import Mapping
from typing import Any

from pipeline.core import measure_words, sensitive_named
from pipeline.core.group_words import GROUP_MEASURES, Measure

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
    if rule.get("against"):
        where = f"in each group by {rule['by']}" if rule["by"] else "overall"
        title = measure(rule["measure"]).title
        return f"{title} against the model in use, {where}: a loss of less than {rule['margin']:g}"
    by = f" by {rule['by']}" if rule["by"] else ""
    side = "at most" if rule["direction"] == "at_most" else "at least"
    return f"{measure(rule['measure']).title}{by}: {side} {rule['bound']:g}"


def reason(rule: Mapping[str, Any]) -> str:
    """Why a rule came out as it did, for somebody who does not know the measure's name."""
    if rule.get("against") or rule["rule"] == sensitive_named.TITLE:
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
