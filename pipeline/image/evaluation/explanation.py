"""Attributions of image predictions: Captum's integrated gradients, and occlusion as a check that
asks the network alone for outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from polars import DataFrame

from pipeline.core.prediction.prediction import Predictor
from pipeline.image.evaluation import pictures
from pipeline.image.model.encoding import Inputs, Pixels

KIND = "picture"
METHOD = "integrated gradients"
REFERENCE = "the mean of the explained images"
ROWS_AT_ONCE = 16
WINDOWS = 7
"""Windows of occlusion side by side; they overlap by half."""
REGIONS = (
    ("top left", "top", "top right"),
    ("left", "middle", "right"),
    ("bottom left", "bottom", "bottom right"),
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Attributions:
    """Attributes:
    pixels: What was explained, shape (rows, channels, size, size).
    values: In the network's outputs, logits or numbers, summed over channels, shape (rows, size,
        size); of several classes, for the logit of the decided class.
    logits: The network's outputs, shape (rows,) or (rows, classes).
    errors: Sum of a row's attributions minus (its output - the reference's output), shape (rows,).
    reference: What the rows are compared with, in words.
    against: The same as an image, shape (1, channels, size, size).
    """

    pixels: Pixels
    values: NDArray[np.float32]
    logits: Floats
    errors: Floats
    reference: str
    against: Pixels


def attributions(model: Predictor, rows: DataFrame, num_steps: int) -> Attributions:
    """Explain each row against one reference: the mean of these rows' images."""
    return explained(model, model.encoder.encode(rows), reference_of(model, rows), num_steps)


def reference_of(model: Predictor, rows: DataFrame) -> str:
    """What rows are compared with: their mean image, a PNG in base64."""
    (pixels,) = model.encoder.encode(rows)
    return pictures.as_base64(np.rint(pixels.mean(axis=0)).astype(np.uint8))


def explained(
    model: Predictor, encoded: Inputs, reference_values: str, num_steps: int
) -> Attributions:
    """Explain encoded rows against a reference that `reference_of` made."""
    import torch
    from captum.attr import IntegratedGradients

    (pixels,) = encoded
    against = pictures.from_base64(reference_values)[None]
    logits = model.logits_of(encoded)
    decided = torch.from_numpy(logits.argmax(axis=1)) if logits.ndim == 2 else None
    method = IntegratedGradients(model.network)
    at_once = model.network.rows_at_once
    num_rows = min(ROWS_AT_ONCE, at_once)
    found, errors = [], []
    for start in range(0, len(pixels), num_rows):
        chosen = slice(start, start + num_rows)
        values, delta = method.attribute(
            torch.from_numpy(pixels[chosen]).float(),
            torch.from_numpy(against).float(),
            target=None if decided is None else decided[chosen],
            n_steps=num_steps,
            method="riemann_middle",
            internal_batch_size=at_once,
            return_convergence_delta=True,
        )
        found.append(values.detach().sum(dim=1).float().numpy())
        errors.append(delta.detach().double().numpy())
    return Attributions(
        pixels, np.concatenate(found), logits, np.concatenate(errors), REFERENCE, against
    )


def occlusion(model: Predictor, found: Attributions, index: int) -> Floats:
    """By how much the output falls where a window is replaced by the reference's, the mean over the
    windows that a pixel lies in; shape (size, size).

    Source: M. Zeiler, R. Fergus, Visualizing and understanding convolutional networks, ECCV 2014.
    """
    import torch
    from captum.attr import Occlusion

    channels, size, _ = found.pixels[index].shape
    window = max(size // WINDOWS, 1)
    step = max(window // 2, 1)
    with torch.inference_mode():
        values = Occlusion(model.network).attribute(
            torch.from_numpy(found.pixels[index : index + 1]).float(),
            sliding_window_shapes=(channels, window, window),
            strides=(channels, step, step),
            baselines=torch.from_numpy(found.against).float(),
            target=int(found.logits[index].argmax()) if found.logits.ndim == 2 else None,
            perturbations_per_eval=min(64, model.network.rows_at_once),
        )
    return np.asarray(values[0, 0].double().numpy())


def agreement(attributed: NDArray[Any], occluded: Floats) -> float | None:
    """Rank correlation of attributions, summed over windows as large as those of occlusion, with
    the fall of the output; None where one of them is the same everywhere."""
    from scipy.ndimage import uniform_filter
    from scipy.stats import rankdata

    window = max(len(occluded) // WINDOWS, 1)
    smooth = uniform_filter(np.asarray(attributed, dtype=float), window, mode="constant")
    ranks = np.stack([rankdata(values.round(9)) for values in (smooth, occluded)])
    if (ranks.std(axis=1) == 0).any():
        return None
    return float(np.corrcoef(ranks)[0, 1])


def by_region(values: NDArray[Any]) -> Floats:
    """Sums over a grid of three by three regions, row by row, shape (rows, 9)."""
    edges = np.linspace(0, values.shape[-1], len(REGIONS) + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.asarray(values, dtype=float), edges, axis=-2)
    return np.add.reduceat(sums, edges, axis=-1).reshape(-1, len(REGIONS) ** 2)


def ranking(found: Attributions, scale: float = 1.0) -> list[dict[str, Any]]:
    """Regions by their mean absolute attribution, the largest first; `share` is that of all."""
    values = by_region(found.values) * scale
    strength, direction = np.abs(values).mean(axis=0), values.mean(axis=0)
    whole = float(strength.sum()) or 1.0
    names = [name for line in REGIONS for name in line]
    return [
        {
            "region": names[i],
            "mean_absolute": round(float(strength[i]), 6),
            "mean": round(float(direction[i]), 6),
            "share": round(float(strength[i]) / whole, 6),
        }
        for i in np.argsort(-strength, kind="stable")
    ]


def case(
    model: Predictor,
    found: Attributions,
    index: int,
    row: Mapping[str, Any],  # noqa: ARG001 -- other modalities show its values
    scale: float = 1.0,
    decimals: int = 6,
) -> dict[str, Any]:
    """One image beside the maps of both methods, and what the maps give each region.

    Args:
        model: What was explained.
        found: Attributions of several rows.
        index: The row's place among them.
        row: Its values by column.
        scale: Units in one step of the network's output.
        decimals: Of an attribution.
    """
    image, attributed = found.pixels[index], found.values[index]
    occluded = occlusion(model, found, index)
    agrees = agreement(attributed, occluded)
    said = "cannot be compared" if agrees is None else f"agree by {agrees:.2f}"
    regions = [
        {"region": name, "attribution": round(value, decimals)}
        for name, value in zip(
            (name for line in REGIONS for name in line),
            (by_region(attributed[None])[0] * scale).tolist(),
            strict=True,
        )
    ]
    return {
        "pictures": [
            {"name": "image", "png": pictures.shown(image)},
            {"name": "integrated gradients", "png": pictures.mapped(image, attributed)},
            {"name": "occlusion", "png": pictures.mapped(image, occluded)},
        ],
        "attributions": sorted(regions, key=lambda one: -abs(one["attribution"])),
        "notes": [f"The two maps {said} (rank correlation, 1 at most)."],
    }
