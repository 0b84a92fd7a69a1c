"""Counterfactual swaps: how far a model's answer moves when a case is about another group.

A modality writes each case once for each group (`part(…, "evaluation.counterfactuals")`); here the
versions are scored and compared, text by text, so that everything but the group is held fixed.

Source: S. Garg et al., Counterfactual fairness in text classification through robustness, AIES
2019.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.prediction.outcome import Outcome
from pipeline.core.prediction.output_policy import OutputPolicy
from pipeline.core.prediction.policy import Policy
from pipeline.core.prediction.prediction import Predictor
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.typed_settings import Frozen
from pipeline.core.statistics.intervals import CONFIDENCES

Floats = NDArray[np.float64]


class CounterfactualSettings(Frozen):
    max_texts: int = Field(300, ge=10, json_schema_extra={"unit": "texts"})
    """Of each word list, how many test rows that have such a word are scored; beyond it, a sample
    of them. Each is scored once for each group."""
    min_texts: int = Field(50, ge=2, json_schema_extra={"unit": "texts"})
    """With fewer test rows that have such a word there is not enough evidence about a list."""


@dataclass(frozen=True)
class Versions:
    """Cases, each once for each group.

    Attributes:
        by: What a rule of the gate calls them.
        source: Where the swapped words come from.
        groups: The groups' names.
        tables: The cases as each group has them, in one order.
        num_touched: How many have something to swap; more than were taken, perhaps.
        num_rows: Out of how many.
        rows: Positions in the snapshot, of test rows.
        templates: The sentences, where they are ours.
    """

    by: str
    source: str
    groups: tuple[str, ...]
    tables: Sequence[pl.DataFrame]
    num_touched: int
    num_rows: int
    rows: tuple[int, ...] = ()
    templates: tuple[str, ...] = ()


def assessed(
    found: Sequence[Versions],
    answers: Callable[[pl.DataFrame], Floats],
    outputs: Sequence[str],
    settings: CounterfactualSettings,
    how: Mapping[str, Any],
) -> dict[str, Any]:
    """The report: for each list, how far the groups' answers lie apart.

    Args:
        found: From the modality.
        answers: From cases to the model's answers, shape (cases, outputs).
        outputs: What each answer is.
        settings: When there is evidence.
        how: `confidence`, `num_replicates` and `seed` of the bootstrap.
    """
    tables = [table for one in found for table in one.tables]
    whole = pl.concat(tables)
    cases = whole.unique(maintain_order=True)
    scores = answers(cases)
    places = whole.join(
        cases.with_row_index("\0place"), on=whole.columns, how="left", maintain_order="left"
    )["\0place"].to_numpy()
    measured, start = {}, 0
    for one in found:
        size = len(one.tables) * one.tables[0].height
        shape = (len(one.tables), one.tables[0].height, len(outputs))
        of_one = scores[places[start : start + size]].reshape(shape).transpose(1, 0, 2)
        measured[one.by] = compared(one, of_one, outputs, settings, how)
        start += size
    return {"num_scored": cases.height, **settings.model_dump(mode="json"), "by": measured}


def compared(
    one: Versions,
    scores: Floats,
    outputs: Sequence[str],
    settings: CounterfactualSettings,
    how: Mapping[str, Any],
) -> dict[str, Any]:
    """One list's part of the report; `scores` has the shape (cases, groups, outputs)."""
    enough = bool(one.templates) or one.num_touched >= settings.min_texts
    apart = scores.max(axis=1) - scores.min(axis=1) if len(scores) else np.zeros((0, 1))
    return {
        "source": one.source,
        "in_templates": bool(one.templates),
        "groups": list(one.groups),
        "num_touched": one.num_touched,
        "num_rows": one.num_rows,
        "num_scored": len(scores),
        "num_unmoved": int((apart.max(axis=1) == 0).sum()) if len(scores) else 0,
        "changes": changes(scores, one.groups, outputs, how) if len(scores) > 1 else [],
        "gap": gap(scores, how) if enough and len(scores) > 1 else None,
        "largest": _largest(one, scores, outputs) if len(scores) else None,
    }


def changes(
    scores: Floats, groups: Sequence[str], outputs: Sequence[str], how: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """For each group and output, the mean answer minus the mean of all groups' versions of the same
    cases, with one-sided bounds."""
    against = scores - scores.mean(axis=1, keepdims=True)
    value = against.mean(axis=0)
    drawn = _means(against, how)
    low, high = (np.quantile(drawn, q, axis=0) for q in (1 - how["confidence"], how["confidence"]))
    return [
        {
            "group": group,
            "output": output,
            "mean": round(float(scores[:, g, k].mean()), 6),
            "value": round(float(value[g, k]), 6),
            "low": round(float(low[g, k]), 6),
            "high": round(float(high[g, k]), 6),
        }
        for k, output in enumerate(outputs)
        for g, group in enumerate(groups)
    ]


def gap(scores: Floats, how: Mapping[str, Any]) -> dict[str, Any]:
    """The largest difference between two groups' mean answers, with one-sided bounds.

    Paired bootstrap over cases. The upper bound is the largest of the pairs' own: the true largest
    difference is that of one fixed pair, whose bound alone must hold. The lower bound is chosen
    after the fact, so that each pair's is corrected for their number (Bonferroni), with the
    bootstrap's standard error.
    """
    pairs = list(combinations(range(scores.shape[1]), 2))
    apart = np.stack([scores[:, b] - scores[:, a] for a, b in pairs], axis=1)
    size, drawn = np.abs(apart.mean(axis=0)), _means(apart, how)
    error, num = drawn.std(axis=0), size.size

    def bounds(confidence: float) -> tuple[float, float]:
        reach = NormalDist().inv_cdf(1 - (1 - confidence) / (2 * num)) * error
        high = np.maximum(
            np.quantile(drawn, confidence, axis=0), -np.quantile(drawn, 1 - confidence, axis=0)
        )
        return max(float((size - reach).max()), 0.0), float(np.maximum(high, size).max())

    low, high = bounds(how["confidence"])
    known = {level: bounds(level) for level in sorted({*CONFIDENCES, how["confidence"]})}
    return {
        "value": round(float(size.max()), 6),
        "low": round(low, 6),
        "high": round(high, 6),
        "standard_error": round(float(error.flat[int(size.argmax())]), 8),
        "bounds": {f"{level:g}": [round(x, 6) for x in span] for level, span in known.items()},
    }


def _means(values: Floats, how: Mapping[str, Any]) -> Floats:
    """Means over cases of each resample; shape (replicates, …) for values of shape (cases, …)."""
    num = len(values)
    times = np.random.default_rng(how["seed"]).multinomial(
        num, np.full(num, 1 / num), size=how["num_replicates"]
    )
    return np.asarray(np.tensordot(times / num, values, axes=1))


def _largest(one: Versions, scores: Floats, outputs: Sequence[str]) -> dict[str, Any]:
    """The case whose answers lie furthest apart: its position or, of ours, its words."""
    apart = scores.max(axis=1) - scores.min(axis=1)
    case, output = (int(i) for i in np.unravel_index(apart.argmax(), apart.shape))
    of_case = scores[case, :, output]
    return {
        "value": round(float(apart[case, output]), 6),
        "output": outputs[output],
        "from": one.groups[int(of_case.argmin())],
        "to": one.groups[int(of_case.argmax())],
        "row": one.rows[case] if one.rows else None,
        "template": one.templates[case] if one.templates else None,
    }


def answering(
    model: Predictor, policy: dict[str, Any], columns: Columns
) -> tuple[Callable[[pl.DataFrame], Floats], list[str]]:
    """What gives the model's answers to cases, and what they are: probabilities, or a number."""
    outcome: Outcome = model.outcome
    if outcome.task == "regression":
        return lambda table: outcome.in_units(logits(model, table))[:, None], [columns.target]
    if outcome.task == "multiclass":
        several = OutputPolicy.from_dict(policy)
        names = [f"probability of {name}" for name in outcome.classes]
        return lambda table: several.probability(logits(model, table)), names
    decides = Policy.from_dict(policy)
    name = f"probability of {columns.positive}"
    return lambda table: decides.probability(logits(model, table))[:, None], [name]


def logits(model: Predictor, table: pl.DataFrame) -> Floats:
    """The model's outputs; of cases that are read alike one is asked, so that theirs are the same
    to the last digit."""
    encoded = [values.reshape(table.height, -1) for values in model.encoder.encode(table)]
    read = np.concatenate(encoded, axis=1)
    _, first, place = np.unique(read, axis=0, return_index=True, return_inverse=True)
    return model.logits(table[first])[place.reshape(-1)]
