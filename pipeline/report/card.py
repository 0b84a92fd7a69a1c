"""The card as one HTML page: a template, its style, and the plots, in one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any

from pipeline.core.page import explanation_words, task_words, wording
from pipeline.core.page.balance_words import before_training, made_rows
from pipeline.core.page.formats import interval, number, percent
from pipeline.core.page.style import style_sheet
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.sections import About
from pipeline.report import (
    audit_page,
    confusion_page,
    counterfactuals_page,
    figures,
    groups_page,
    training_words,
)


@dataclass(frozen=True)
class Card:
    """Everything that the page is made from: the stages' reports by stage, and the settings."""

    project: str
    title: str
    num_slices: int
    about: About
    columns: Columns
    ingest: dict[str, Any]
    validate: dict[str, Any]
    clean: dict[str, Any]
    split: dict[str, Any]
    audit: dict[str, Any]
    balance: dict[str, Any]
    train: dict[str, Any]
    calibrate: dict[str, Any]
    evaluate: dict[str, Any]
    assess: dict[str, Any]
    explain: dict[str, Any]
    gate: dict[str, Any]
    curves: list[dict[str, float]]
    roc: dict[str, list[float]]
    reliability: dict[str, list[float]]
    digests: list[tuple[str, str]]


def render(card: Card) -> str:
    """The page's text. Values from data are escaped; the plots and the style are ours."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(_beside),
    )
    environment.filters |= {
        "whole": lambda number: f"{number:,}",
        "percent": percent,
        "number": number,
        "interval": interval,
        "listed": wording.listed,
    }
    template = environment.get_template("page.html.j2")
    style = style_sheet()
    plots = {name: Markup(svg) for name, svg in figures.draw(card).items()}  # noqa: S704 -- our SVG
    return template.render(
        **{name: getattr(card, name) for name in card.__dataclass_fields__},
        style=Markup(style),  # noqa: S704 -- ours
        plots=plots,
        words=wording,
        before_training=before_training(card.balance),
        made_rows=made_rows(card.balance),
        task=task_words,
        trains=training_words,
        measure=partial(wording.measure, task=card.columns.task),
        rules=decided_first(card.gate["rules"]),
        verdict=headline(card.gate),
        roles=roles(card.columns, (card.calibrate.get("by_group") or {}).get("columns", ())),
        cases=explanation_words.cases(
            card.explain["kind"], card.explain["cases"], card.columns.sensitive
        ),
        explains=explanation_words,
        mistakes=confusion_page.worst(card.evaluate),
        settings=flattened(card.train["settings"]),
        not_measured=not_measured(card),
        groups=groups_page,
        swaps=counterfactuals_page,
        group_name=audit_page.group_name,
        gap_title=audit_page.gap_title,
    )


def _beside(name: str) -> str:
    return resources.files("pipeline.report").joinpath(name).read_text(encoding="utf-8")


def decided_first(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rules with their number in the verdict; those that refuse the model first."""
    order = {"fail": 0, "insufficient": 1, "pass": 2, "not_applicable": 3}
    numbered = [
        {"refuses": rule["outcome"] in ("fail", "insufficient"), **rule, "number": i}
        for i, rule in enumerate(rules)
    ]
    return sorted(numbered, key=lambda rule: (not rule["refuses"], order[rule["outcome"]]))


def headline(gate: dict[str, Any]) -> dict[str, str]:
    """The verdict in a word and in one sentence."""
    outcomes = [rule["outcome"] for rule in gate["rules"]]
    waived = [rule for rule in gate["rules"] if rule.get("overridden")]
    failed = outcomes.count("fail")
    unclear = sum(
        rule["outcome"] == "insufficient" and rule.get("refuses", True) for rule in gate["rules"]
    )
    if not outcomes:
        text = "No rule is set, so nothing speaks for this model or against it."
    elif gate["outcome"] == "pass_with_override":
        names = list(dict.fromkeys(rule["overridden"]["name"] for rule in waived))
        broken = wording.count(len(waived), "rule")
        text = (
            f"The model does not keep {broken} of {len(outcomes)}. It may be used all the same, on "
            f"the word of {wording.listed(names)}, for the reason and until the date below."
        )
    elif gate["outcome"] == "pass":
        text = f"The model keeps {'its one rule' if len(outcomes) == 1 else 'every rule'}."
        if num_warned := outcomes.count("insufficient"):
            text += f" On {num_warned} there is too little evidence, which only warns."
        if num_idle := outcomes.count("not_applicable"):
            text += f" Not applicable: {num_idle}."
    else:
        parts = [f"breaks {failed} of {wording.count(len(outcomes), 'rule')}"] if failed else []
        if unclear:
            what = f"{unclear} more" if failed else f"{unclear} of {len(outcomes)}"
            parts.append(f"there is not enough evidence on {what}")
        text = f"The model {parts[0]}" if failed else parts[0][0].upper() + parts[0][1:]
        text += f", and {parts[1]}." if len(parts) == 2 else "."
    words = {
        "pass": "Passed",
        "pass_with_override": "Passed with an override",
        "fail": "Refused",
        "insufficient": "Not enough evidence",
    }
    return {"word": words[gate["outcome"]], "text": text, **_sign(gate["outcome"])}


def _sign(outcome: str) -> dict[str, str]:
    return {"sign": wording.OUTCOMES[outcome]["sign"]}


def roles(columns: Columns, deciding: Sequence[str] = ()) -> dict[str, str]:
    """What each delivered column is for, in words; the policy decides by `deciding`."""
    found = dict.fromkeys(columns.numeric, "feature, a number")
    found |= dict.fromkeys(columns.categorical, "feature, a category")
    found |= dict.fromkeys(columns.dates, "feature, a date")
    for name in columns.sensitive:
        also = f"{found[name]}; " if name in found else "not a feature; "
        decides = ", and decisions use it" if name in deciding else ""
        found[name] = f"{also}groups are compared by it{decides}"
    found |= {name: f"not used: {reason}" for name, reason in columns.drop.items()}
    if columns.identifier:
        found[columns.identifier] = "names whom a row is about; not a feature, and never shown"
    if columns.weight:
        found[columns.weight] = "weighs the rows in training; not a feature"
    found[columns.target] = task_words.role(columns)
    return found


def flattened(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Settings as `mitigation.strength` and their values."""
    found: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, dict):
            found += flattened(value, f"{prefix}{key}.")
        else:
            listed = isinstance(value, list)
            shown = ", ".join(map(str, value)) if listed else "–" if value is None else str(value)
            found.append((prefix + key, shown))
    return found


def not_measured(card: Card) -> list[tuple[str, str]]:
    """What a reader could take for shown and is not: a short name and a sentence each."""
    small = {by: entry["too_small"] for by, entry in card.assess["model"].items()}
    found = [
        (
            f"Groups by {by}",
            f"Too few test rows to compare: {wording.listed(names)}. "
            f"A group needs {card.assess['min_group_size']:,}.",
        )
        for by, names in small.items()
        if names
    ]
    if not card.columns.sensitive:
        why = card.columns.no_sensitive
        said = f" The reason given: {why}" if why else " No reason was given."
        found.append(
            ("Groups", f"No column is named as sensitive, so no groups were compared.{said}")
        )
    else:
        found.append(
            (
                "Other groups",
                f"Only {wording.listed(list(card.columns.sensitive))} were "
                "looked at. Nothing is known of groups by anything else, or by three "
                "columns crossed.",
            )
        )
    ruled = {
        rule["measure"]
        for rule in card.gate["rules"]
        if rule["by"] is None and not rule.get("against")
    }
    idle = [name for name in card.evaluate["model"]["metrics"] if name not in ruled]
    if idle:
        titles = wording.listed([wording.measure(name).title for name in idle])
        found.append(("Measures without a rule", f"Shown, but no rule decides on them: {titles}."))
    if card.evaluate["champion"]["outcome"] != "compared":
        found.append(("A model in use", "No comparison with one was made."))
    found += explanation_words.not_looked_for(card.explain["kind"])
    swapped = bool(card.assess.get("counterfactuals"))
    always = [one for one in ALWAYS if one[0] != "Like cases" or not swapped]
    return [*found, *audit_page.not_looked_for(card.audit), *always]


ALWAYS = (
    (
        "Other times and places",
        "The test rows are from the same delivery as the training rows. How "
        "the model does on later data, or on other people, is not known from this page.",
    ),
    (
        "The labels",
        "They were taken as delivered. Where they are wrong, or carry past decisions, "
        "so do all measures here.",
    ),
    (
        "Causes",
        "The explanations say what the model used, not why the world is as it is, nor what "
        "would happen if a case changed.",
    ),
    (
        "Like cases",
        "Whether two cases that differ in a sensitive column alone are decided alike "
        "was not tested; the comparisons are of groups.",
    ),
    (
        "Consequences",
        "What happens to people because of the decisions, and which error costs them "
        "more, was not looked at.",
    ),
    (
        "The running service",
        "Its speed, its answers to bad requests and whether it predicts as "
        "measured here are rehearsed later, and not part of this page.",
    ),
)
