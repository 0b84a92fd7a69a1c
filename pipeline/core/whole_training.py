"""That a training came to its own end: what the verdict says where a budget ended it early.

A gate whose setting `whole_training` asks for it refuses such a model, by a rule of its own.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.core.standing_rule import decided

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
    most = (training.get("settings") or {}).get("max_epochs", "…")
    return (
        f"Training was cut short: its budget was used up in epoch {training['num_epochs']} of at "
        f"most {most}; the weights of epoch {training['best_epoch']}, the best until then, are "
        "kept."
    )


def decide_whole(training: Mapping[str, Any]) -> dict[str, Any]:
    """The rule's outcome by train's report."""
    broken = cut_short(training)
    words = broken or "Training came to its own end: no budget cut it short."
    return decided(TITLE, "fail" if broken else "pass", words, float(bool(broken)))
