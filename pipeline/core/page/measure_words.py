"""Measures of several classes and of numbers in words, for readers who are no statisticians."""

from pipeline.core.page.group_words import Measure

MEASURES = {
    "f1_macro": Measure(
        "F1, mean over classes",
        "For each class, how many of its cases are found and how many of those named so are of it, "
        "in one number (their harmonic mean); then averaged over the classes. 1 is perfect.",
    ),
    "root_mean_squared_error": Measure(
        "Root mean squared error",
        "As the mean absolute error, but large misses count more: the root of the mean square.",
    ),
    "r2": Measure(
        "Explained variation (R²)",
        "The share of the target’s variation that the predictions explain. 0 is no better than "
        "always saying the mean, 1 is perfect; below 0 the mean is better.",
    ),
}
OF_CLASSES = {
    "accuracy": Measure("Accuracy", "The share of decisions that name the right class."),
    "balanced_accuracy": Measure(
        "Balanced accuracy",
        "Of each class’s cases, the share that is decided so, averaged over the classes, so that "
        "large classes do not outvote small ones. Guessing gives one divided by their number.",
    ),
    "log_loss": Measure(
        "Log loss",
        "The penalty for a low probability of the class that was true; being sure and wrong costs "
        "most.",
    ),
    "selection_rate": Measure("Selection rate", "The share of the group that is decided so."),
    "true_positive_rate": Measure(
        "True positive rate",
        "Of those in the group who are of the class, the share decided so.",
    ),
    "false_positive_rate": Measure(
        "False positive rate",
        "Of those in the group who are of another class, the share decided so all the same.",
    ),
    "false_negative_rate": Measure(
        "False negative rate",
        "Of those in the group who are of the class, the share that is not decided so.",
    ),
    "precision": Measure(
        "Precision", "Of those in the group decided so, the share that is of the class."
    ),
    "demographic_parity_difference": Measure(
        "Difference in selection rates",
        "For each class, the highest share of a group that is decided so minus the lowest one; the "
        "class with the largest difference counts. 0 means that each class is decided alike often "
        "in all groups.",
    ),
    "demographic_parity_ratio": Measure(
        "Ratio of selection rates",
        "For each class, the lowest share of a group that is decided so divided by the highest "
        "one; the class with the smallest ratio counts. 1 means alike.",
    ),
    "equalized_odds_difference": Measure(
        "Difference in error rates",
        "For each class against the rest, the larger of two gaps between groups: in the share of "
        "its cases found, and in the share of false alarms; the worst class counts.",
    ),
    "equalized_odds_ratio": Measure(
        "Ratio of error rates",
        "For each class against the rest, the smaller of two ratios between groups, of its cases "
        "found and of false alarms; the worst class counts. 1 means alike.",
    ),
    "equal_opportunity_difference": Measure(
        "Difference in outcomes found",
        "For each class, the share of its cases that is found: the highest such share of a group "
        "minus the lowest one; the worst class counts.",
    ),
    "equal_opportunity_ratio": Measure(
        "Ratio of outcomes found",
        "For each class, the lowest share of its cases found in a group divided by the highest "
        "one; the worst class counts. 1 means alike.",
    ),
    "false_positive_rate_difference": Measure(
        "Difference in false alarms",
        "For each class, the share of others that is decided so: the highest such share of a group "
        "minus the lowest one; the worst class counts.",
    ),
    "false_negative_rate_difference": Measure(
        "Difference in outcomes missed",
        "For each class, the share of its cases that is not found: the highest such share of a "
        "group minus the lowest one; the worst class counts.",
    ),
    "precision_difference": Measure(
        "Difference in precision",
        "For each class, of those decided so, the share that is of it: the highest such share of a "
        "group minus the lowest one; the worst class counts.",
    ),
}
"""What is said otherwise where the target has several classes."""
