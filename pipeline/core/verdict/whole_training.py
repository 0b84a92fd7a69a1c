"""That a training came to its own end: what the verdict says where a budget ended it early.

A gate whose setting `whole_training` asks for it refuses such a model, by a rule of its own.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.core.verdict.standing_rule import decided

TITLE = "training not cut short"
"""The rule's title, by which it is overridden."""
STOPPED = "budget"


class WholeTraining:
    """The rule as `hallmark override` finds it among those of project.yaml."""

    title = subject = TITLE


def cut_short(training: Mapping[str, Any]) -> str | None:
    """The sentence for a training that its budget ended; None for any other."""
    if training.get("stopped") != STOPPED:
        return None
    return f"Training was cut short: its budget was used up {_until(training)}"


def _until(training: Mapping[str, Any]) -> str:
    """How far it came, in the words of its method of mitigation, and what is kept of it."""
    found, kept = training.get("mitigation") or {}, "the best until then, are kept."
    if (fitted := found.get("num_members_fitted")) is not None:
        return f"with {fitted} networks of {found['method']}; the model is made of these."
    if (epoch := found.get("num_epochs")) is not None:
        best = f"its epoch {found['best_epoch']}"
        return f"by epoch {epoch} against the adversary; the weights of {best}, {kept}"
    most = (training.get("settings") or {}).get("max_epochs", "…")
    best = f"epoch {training['best_epoch']}"
    return f"in epoch {training['num_epochs']} of at most {most}; the weights of {best}, {kept}"


def decide_whole(training: Mapping[str, Any]) -> dict[str, Any]:
    """The rule's outcome by train's report."""
    broken = cut_short(training)
    words = broken or "Training came to its own end: no budget cut it short."
    return decided(TITLE, "fail" if broken else "pass", words, float(bool(broken)))
