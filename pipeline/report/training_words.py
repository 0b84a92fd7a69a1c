"""What training did about gaps between groups, in sentences for the page."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.costs.operations import in_words
from pipeline.core.page.wording import count, listed

RATES = {
    "demographic_parity": "selection rates",
    "equalized_odds": "true and of false positive rates",
    "true_positive_rate_parity": "true positive rates",
    "false_positive_rate_parity": "false positive rates",
}
PENALTIES = {
    "demographic_parity": "selection_rate_penalty",
    "equalized_odds": "equalized_odds_penalty",
    "true_positive_rate_parity": "true_positive_rate_penalty",
    "false_positive_rate_parity": "false_positive_rate_penalty",
}


def fitted(train: Mapping[str, Any]) -> str:
    """How the network was fitted, or the one that the members of a mixture start from."""
    reasons = {
        "patience": "; training stopped when it no longer fell",
        "max_epochs": "; training stopped at the set number of epochs",
        "budget": "; training was cut short when its budget was used up",
    }
    starts = {
        "penalty": "network",
        "adversarial": "network that the training against an adversary starts from",
    }
    what = starts.get(_method(train), "network that the others start from")
    of_which = f"The weights of epoch {train['best_epoch']} are kept, where the loss on the "
    return (
        f"{train.get('num_parameters', 0):,} parameters were fitted on "
        f"{train.get('num_train_rows', 0):,} rows; the {what} took "
        f"{count(train['num_epochs'], 'epoch')}. {of_which}validation rows was lowest"
        f"{reasons.get(train.get('stopped', ''), '')}.{_streamed(train)}"
    )


def _streamed(train: Mapping[str, Any]) -> str:
    """That training rows were not held in memory, and what the encoder then knows of them."""
    found = train.get("stream")
    if not found:
        return ""
    return (
        f" The training rows were read from disk in each pass and shuffled {found['buffer_rows']:,}"
        f" at a time; the encoder was fitted to {found['num_fitted_rows']:,} of them."
    )


def cost(train: Mapping[str, Any], gate: Mapping[str, Any]) -> list[str]:
    """What training took in arithmetic, whether it was cut short, and how a cheap model does."""
    told = [gate["cut_short"]] if gate.get("cut_short") else []
    if counted := (train.get("operations") or {}).get("training"):
        told.append(
            f"Training took {in_words(counted)} multiplications and additions in matrix products, "
            "convolutions and attention, forward and backward."
        )
    if cheap := gate.get("cheap_model"):
        told.append(cheap["sentence"])
        if cheap["is_cheap"] and cheap["as_good"]:
            told.append(
                "So by this measure a model at a hundredth of the cost or less is as good on these "
                "rows, within the interval: this one needs another reason to be used."
            )
    return told or ["What training took was not counted."]


def gap(found: Mapping[str, Any], train: Mapping[str, Any]) -> str:
    """What the model reads where a feature has no value."""
    of = train.get("stream", {}).get("num_fitted_rows", train["num_train_rows"])
    if found["num_missing"] == of:
        return "no training row has a value: the column tells the model nothing"
    if found["median"] is None:
        return "a level of its own"
    return f"the median, {found['median']}, and beside it that the value is missing"


OF_TASK = {
    "binary": "",
    "multiclass": "selection rates of each class against the rest, averaged over the classes,",
    "regression": "mean predictions",
}
"""What the penalty acts on where the target is not of two classes."""


def during_training(
    train: Mapping[str, Any], sensitive: tuple[str, ...], task: str = "binary"
) -> str:
    """The operation against gaps between groups, and what it brought on validation rows."""
    settings = train["settings"].get("mitigation", {})
    method, constraint = (
        settings.get("method", "penalty"),
        settings.get("constraint", "demographic_parity"),
    )
    by, rates = listed(list(settings.get("columns") or sensitive)), RATES[constraint]
    if method == "penalty":
        if not settings.get("strength"):
            return "No penalty on gaps between groups (strength 0)."
        name = "mean_prediction_penalty" if task == "regression" else PENALTIES[constraint]
        return (
            f"A penalty of strength {settings['strength']:g} on the spread of "
            f"{OF_TASK[task] or rates} between groups of {by} ({name})."
        )
    facts = train["mitigation"]
    how = {
        "exponentiated_gradient": _exponentiated_gradient,
        "grid_search": _grid_search,
        "adversarial": _adversarial,
    }
    return f"{how[method](settings, facts, by, rates)} {_measured(facts, rates)}"


def spread_note(train: Mapping[str, Any]) -> str:
    """What the curve of the spread shows."""
    if _method(train) == "adversarial":
        return "First of the network without mitigation, then of the training against an adversary."
    if _method(train) != "penalty":
        return "First of the network that all members start from, then of one member after another."
    if train["settings"].get("mitigation", {}).get("strength"):
        return "The penalty of training acts on it."
    return "No penalty acted on it."


def _method(train: Mapping[str, Any]) -> str:
    method: str = train["settings"].get("mitigation", {}).get("method", "penalty")
    return method


def _exponentiated_gradient(
    settings: Mapping[str, Any], facts: Mapping[str, Any], by: str, rates: str
) -> str:
    bound = settings["reduction"]["difference_bound"]
    fits = count(facts["num_members_fitted"], "network")
    served = (
        "The model is one of them."
        if facts["num_members"] == 1
        else f"The model's probability is the weighted mean of {facts['num_members']} of them."
    )
    return (
        f"{fits} were fitted to rows that were relabelled and weighed anew each time, so that the "
        f"mixture's {rates} in groups of {by} differ from those of all rows by at most {bound:g} "
        f"(exponentiated_gradient, {settings['constraint']}). {served}"
    )


def _grid_search(settings: Mapping[str, Any], facts: Mapping[str, Any], by: str, rates: str) -> str:
    weight = settings["reduction"]["constraint_weight"]
    fits = count(facts["num_members_fitted"], "network")
    return (
        f"{fits} were fitted to rows that were relabelled and weighed, each with other weights of "
        f"the {rates} in groups of {by} beside the error; the model is the one with the least "
        f"{1 - weight:g} · error + {weight:g} · difference on validation rows "
        f"(grid_search, {settings['constraint']})."
    )


def _adversarial(settings: Mapping[str, Any], facts: Mapping[str, Any], by: str, rates: str) -> str:
    guesses = "what the network says of a row" + (
        " and from its label" if settings["constraint"] == "equalized_odds" else ""
    )
    return (
        f"For {count(facts['num_epochs'], 'epoch')} a second network guessed the group by {by} "
        f"from {guesses}, and the network was fitted against its success (adversarial, alpha "
        f"{facts['alpha']:g}), which brings the {rates} together. Epoch {facts['best_epoch']} of "
        "these is kept, the best on validation rows."
    )


def _measured(facts: Mapping[str, Any], rates: str) -> str:
    before, after = (facts["validation"][name] for name in ("without_mitigation", "model"))
    key = "largest_difference_from_all"
    return (
        f"On validation rows the largest difference of a group’s {rates} from those of all rows "
        f"went from {before[key]:.3f} to {after[key]:.3f}, and the share of wrong decisions from "
        f"{before['error']:.1%} to {after['error']:.1%}."
    )
