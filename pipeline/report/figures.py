"""Which plots the page has, and from which part of which report each is drawn."""

from typing import TYPE_CHECKING, Any

from pipeline.core.metrics.measures import METRICS_OF
from pipeline.core.page import plots
from pipeline.core.page.explanation_words import NAME_OF
from pipeline.core.page.plots import Row
from pipeline.core.page.task_words import slice_measure, spread
from pipeline.core.page.wording import measure, rule_title
from pipeline.report import audit_page, confusion_page, groups_page

if TYPE_CHECKING:
    from pipeline.report.card import Card


def draw(card: "Card") -> dict[str, str]:
    """Every plot as SVG text, by its name."""
    found: dict[str, str] = {}
    for part in (
        _rules,
        _audit,
        _training,
        _cost,
        _quality,
        _slices,
        _groups,
        _explanations,
        _champion,
    ):
        found |= part(card)
    return found


def _rules(card: "Card") -> dict[str, str]:
    return {
        f"rule-{number}": plots.intervals(
            f"rule-{number}",
            f"{rule_title(rule)}. {rule['sentence']}",
            _rule_rows(rule),
            limit=rule["bound"],
            refused_above=rule["direction"] == "at_most",
            floor=rule["noise_floor"],
            start=0.0 if rule["direction"] == "at_most" else None,
        )
        for number, rule in enumerate(card.gate["rules"])
        if rule["value"] is not None
    }


def _rule_rows(rule: dict[str, Any]) -> list[Row]:
    """One line; of a comparison with the champion by group, one for each group."""
    if not rule.get("groups"):
        return [Row("", _span(rule), _span(rule["baseline"]))]
    return [
        Row(
            f"{group['group']} · {group['num_rows']:,} rows",
            _span(group),
            faint=group["outcome"] == "insufficient",
        )
        for group in rule["groups"]
    ]


def _audit(card: "Card") -> dict[str, str]:
    return audit_page.draw(card.audit)


def _training(card: "Card") -> dict[str, str]:
    if not card.curves:
        return {}
    epochs = [point["epoch"] for point in card.curves]
    best = card.train["best_epoch"]
    one = card.train.get("mitigation", {}).get("method", "penalty") == "penalty"
    kept = "kept" if one else "start"

    def values(name: str) -> list[float]:
        return [point[name] for point in card.curves]

    found = {
        "loss": plots.lines(
            "loss",
            f"Loss by epoch on training and validation rows; lowest on validation at epoch {best}.",
            [
                ("training rows", epochs, values("train_loss")),
                ("validation rows", epochs, values("validation_loss")),
            ],
            x_label="epoch (one pass over the training rows)",
            y_label="loss: lower is better",
            at=(best, f"{kept}: epoch {best}"),
        )
    }
    if card.columns.sensitive and all("validation_spread" in point for point in card.curves):
        found["spread"] = plots.lines(
            "spread",
            f"By epoch, on validation rows: {spread(card.columns)} between groups.",
            [("validation rows", epochs, values("validation_spread"))],
            x_label="epoch",
            y_label="spread between groups",
            at=(best, f"{kept}: epoch {best}"),
        )
    return found


def _cost(card: "Card") -> dict[str, str]:
    if not (cheap := card.gate.get("cheap_model")):
        return {}
    counts = {"this model": cheap["operations"], "the baseline": cheap["baseline_operations"]}
    rows = [(name, count / 1e9) for name, count in counts.items()]
    label = "Billions of operations that training the model and the baseline took."
    return {"operations": plots.bars("operations", label, rows)}


def _quality(card: "Card") -> dict[str, str]:
    model, baseline = card.evaluate["model"]["metrics"], card.evaluate["baseline"]["metrics"]
    larger = METRICS_OF[card.columns.task]
    found = {}
    for name, chosen in (
        ("larger", [one for one in model if larger[one]]),
        ("smaller", [one for one in model if not larger[one]]),
    ):
        if chosen:
            found[name] = plots.intervals(
                name,
                "; ".join(
                    f"{measure(one, card.columns.task).title}: model {model[one]['value']:.3f}, "
                    f"baseline {baseline[one]['value']:.3f}"
                    for one in chosen
                ),
                [
                    Row(measure(one, card.columns.task).title, model[one], baseline.get(one))
                    for one in chosen
                ],
                start=0.0 if name == "smaller" else None,
            )
    return found | _curves(card) | confusion_page.draw(card.evaluate)


def _curves(card: "Card") -> dict[str, str]:
    """ROC and reliability; a target that is a number has neither."""
    found: dict[str, str] = {}
    rates, bins = card.roc, card.reliability
    if not rates["true_positive_rate"] or not bins["positive_rate"]:
        return found
    found["roc"] = plots.lines(
        "roc",
        "ROC curve: true positive rate by false positive rate, above the diagonal of guessing.",
        [("model", rates["false_positive_rate"], rates["true_positive_rate"])],
        x_label="false positive rate",
        y_label="true positive rate",
        diagonal=True,
    )
    found["reliability"] = plots.lines(
        "reliability",
        "Observed frequency by stated probability: "
        + "; ".join(
            f"{said:.0%} stated, {seen:.0%} observed"
            for said, seen in zip(bins["mean_probability"], bins["positive_rate"], strict=True)
        ),
        [("model", bins["mean_probability"], bins["positive_rate"])],
        x_label="probability that the model states",
        y_label="how often it happened",
        diagonal=True,
        markers=True,
    )
    return found


def _slices(card: "Card") -> dict[str, str]:
    worst = card.evaluate.get("slices", [])[: card.num_slices]
    if not worst:
        return {}
    name = slice_measure(card.columns)
    rate = name == "accuracy"
    overall = card.evaluate["model"]["metrics"][name]["value"]

    def shown(value: float) -> str:
        return f"{value:.1%}" if rate else f"{value:.3g}"

    return {
        "slices": plots.intervals(
            "slices",
            f"{measure(name).title} of the slices with the {'lowest' if rate else 'largest'} one: "
            + "; ".join(f"{one['column']} {one['slice']} {shown(one[name])}" for one in worst),
            [
                Row(
                    f"{one['column']}: {one['slice']} · {one['num_rows']:,}",
                    {"value": one[name], "low": one["low"], "high": one["high"]},
                )
                for one in worst
            ],
            reference=(overall, f"all rows {shown(overall)}"),
            percent=rate,
        )
    }


def _groups(card: "Card") -> dict[str, str]:
    return groups_page.draw(card.assess, card.gate["rules"])


def _span(found: dict[str, Any] | None) -> dict[str, float] | None:
    return found and {key: found[key] for key in ("value", "low", "high")}


def _explanations(card: "Card") -> dict[str, str]:
    ranking, kind = card.explain["ranking"], card.explain["kind"]
    if not ranking:
        return {}
    what = NAME_OF[kind]
    return {
        "ranking": plots.bars(
            "ranking",
            f"Mean strength of each {what}’s part in the predictions: "
            + "; ".join(f"{one[what]} {one['mean_absolute']:.2f}" for one in ranking),
            [(one[what], one["mean_absolute"]) for one in ranking],
        )
    }


def _champion(card: "Card") -> dict[str, str]:
    champion = card.evaluate["champion"]
    if champion["outcome"] != "compared":
        return {}
    gains = champion["gains"]
    return {
        "champion": plots.intervals(
            "champion",
            "The new model minus the model in use, positive where the new one is better: "
            + "; ".join(
                f"{measure(name).title} {gain['value']:+.3f}" for name, gain in gains.items()
            ),
            [Row(measure(name).title, gain) for name, gain in gains.items()],
            reference=(0.0, "no difference"),
        )
    }
