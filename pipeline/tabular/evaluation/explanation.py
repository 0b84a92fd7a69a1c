"""Attributions of tabular predictions: Captum's integrated gradients, one number per column."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.prediction.prediction import Predictor
from pipeline.tabular.model.encoding import Inputs

Floats = NDArray[np.float64]
KIND = "columns"
METHOD = "integrated gradients"
ROWS_AT_ONCE = 256
REFERENCE = "median of each number, mean embedding of each category, over the explained rows"


@dataclass(frozen=True)
class Attributions:
    """Attributes:
    columns: The encoded columns.
    values: In the network's outputs, logits or numbers, shape (rows, columns); of several classes,
        for the logit of the decided class.
    logits: The network's outputs, shape (rows,) or (rows, classes).
    errors: Sum of a row's attributions minus (its output - the reference's output), shape (rows,).
    reference: What the rows are compared with, in words.
    """

    columns: list[str]
    values: Floats
    logits: Floats
    errors: Floats
    reference: str


def attributions(model: Predictor, rows: pl.DataFrame, num_steps: int) -> Attributions:
    """Explain each row against one reference: median numbers and mean embeddings of these rows."""
    return explained(model, model.encoder.encode(rows), reference_of(model, rows), num_steps)


def reference_of(model: Predictor, rows: pl.DataFrame) -> list[list[float]]:
    """What rows are compared with, as plain data: median positions, then each mean embedding."""
    import torch

    positions, levels = (torch.from_numpy(values) for values in model.encoder.encode(rows))
    with torch.no_grad():
        embedded = model.network.embed(levels)
    means = [one.mean(dim=0).tolist() for one in embedded]
    return [positions.median(dim=0).values.tolist(), *means]


def explained(
    model: Predictor, encoded: Inputs, reference_values: list[list[float]], num_steps: int
) -> Attributions:
    """Explain encoded rows against a reference that `reference_of` made."""
    import torch
    from captum.attr import IntegratedGradients

    positions, levels = (torch.from_numpy(values) for values in encoded)
    with torch.no_grad():
        embedded = model.network.embed(levels)
        logits = model.network(positions, levels).double().numpy()
    decided = torch.from_numpy(logits.argmax(axis=1)) if logits.ndim == 2 else None
    reference = tuple(torch.tensor([values], dtype=torch.float32) for values in reference_values)
    method = IntegratedGradients(model.network.from_embedded)
    found, errors = [], []
    for start in range(0, len(positions), ROWS_AT_ONCE):
        inputs = tuple(one[start : start + ROWS_AT_ONCE] for one in (positions, *embedded))
        parts, delta = method.attribute(
            inputs,
            reference,
            target=None if decided is None else decided[start : start + ROWS_AT_ONCE],
            n_steps=num_steps,
            method="riemann_middle",
            return_convergence_delta=True,
        )
        numbers = parts[0].split(model.encoder.widths, dim=1)  # a date has several
        by_column = [one.sum(dim=1, keepdim=True) for one in (*numbers, *parts[1:])]
        found.append(torch.cat(by_column, dim=1).detach().double().numpy())
        errors.append(delta.detach().double().numpy())
    return Attributions(
        columns=model.encoder.columns,
        values=np.concatenate(found),
        logits=logits,
        errors=np.concatenate(errors),
        reference=REFERENCE,
    )


def ranking(found: Attributions, scale: float = 1.0) -> list[dict[str, Any]]:
    """Columns by their mean absolute attribution, the largest first."""
    values = found.values * scale
    strength, direction = np.abs(values).mean(axis=0), values.mean(axis=0)
    return [
        {
            "column": found.columns[i],
            "mean_absolute": round(float(strength[i]), 6),
            "mean": round(float(direction[i]), 6),
        }
        for i in np.argsort(-strength, kind="stable")
    ]


def case(
    model: Predictor,  # noqa: ARG001 -- other modalities ask it again
    found: Attributions,
    index: int,
    row: Mapping[str, Any],
    scale: float = 1.0,
    decimals: int = 6,
) -> dict[str, Any]:
    """One row's columns with their values and attributions, the largest first.

    Args:
        model: What was explained.
        found: Attributions of several rows.
        index: The row's place among them.
        row: Its values by column.
        scale: Units in one step of the network's output.
        decimals: Of an attribution.
    """
    attributions = [
        {"column": name, "value": plain(row.get(name)), "attribution": round(value, decimals)}
        for name, value in zip(found.columns, (found.values[index] * scale).tolist(), strict=True)
    ]
    return {"attributions": sorted(attributions, key=lambda one: -abs(one["attribution"]))}


def plain(value: Any) -> Any:
    """A value as JSON and people have it: dates, booleans and numbers without end are text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)
