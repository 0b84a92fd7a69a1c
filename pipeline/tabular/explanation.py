"""Attributions of tabular predictions: Captum's integrated gradients, one number per column."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.prediction import Predictor

Floats = NDArray[np.float64]
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Attributions:
    """Attributes:
    columns: The encoded columns.
    values: In logits, shape (rows, columns).
    logits: The model's, shape (rows,).
    errors: Sum of a row's attributions minus (its logit - the reference's logit), shape (rows,).
    reference: What the rows are compared with, in words.
    """

    columns: list[str]
    values: Floats
    logits: Floats
    errors: Floats
    reference: str


def attributions(model: Predictor, rows: pl.DataFrame, num_steps: int) -> Attributions:
    """Explain each row against one reference: median numbers and mean embeddings of these rows."""
    import torch
    from captum.attr import IntegratedGradients

    positions, levels = (torch.from_numpy(values) for values in model.encoder.encode(rows))
    with torch.no_grad():
        embedded = model.network.embed(levels)
        logits = model.network(positions, levels).double().numpy()
    reference = (
        positions.median(dim=0, keepdim=True).values,
        *(one.mean(dim=0, keepdim=True) for one in embedded),
    )
    method = IntegratedGradients(model.network.from_embedded)
    found, errors = [], []
    for start in range(0, len(positions), ROWS_AT_ONCE):
        inputs = tuple(one[start : start + ROWS_AT_ONCE] for one in (positions, *embedded))
        parts, delta = method.attribute(
            inputs,
            reference,
            n_steps=num_steps,
            method="riemann_middle",
            return_convergence_delta=True,
        )
        by_column = [parts[0], *(one.sum(dim=1, keepdim=True) for one in parts[1:])]
        found.append(torch.cat(by_column, dim=1).detach().double().numpy())
        errors.append(delta.detach().double().numpy())
    return Attributions(
        columns=model.encoder.columns,
        values=np.concatenate(found),
        logits=logits,
        errors=np.concatenate(errors),
        reference="median of each number, mean embedding of each category, over the explained rows",
    )
