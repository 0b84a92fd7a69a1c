"""A trained model as its three files: encoder.json, model.json, weights.safetensors.

The stages and the service predict with this code, so that they cannot drift apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.files import damaged, missing, read_json, replacing, write_json
from pipeline.core.prediction.outcome import BINARY, Outcome
from pipeline.core.settings.modality import part

ROWS_AT_ONCE = 65_536
DEVICE, PRECISION = "cpu", "fp32"
"""What stages and service predict on, whatever the model was trained on, and in which precision."""
ENCODER, ARCHITECTURE, WEIGHTS = "encoder.json", "model.json", "weights.safetensors"


@dataclass(frozen=True)
class Predictor:
    """An encoder and its network, on the CPU, ready to predict, and what its outputs mean."""

    encoder: Any
    network: Any
    outcome: Outcome = BINARY

    def logits(self, table: pl.DataFrame) -> NDArray[np.float64]:
        """The network's outputs: one per row, shape (rows,); of several classes one logit each,
        shape (rows, classes)."""
        num_outputs = self.outcome.num_outputs
        found = [np.zeros(0 if num_outputs == 1 else (0, num_outputs))]
        for rows in table.iter_slices(ROWS_AT_ONCE):
            found.append(self.logits_of(self.encoder.encode(rows)))
        return np.concatenate(found)

    def logits_of(self, encoded: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """The outputs for each row that the encoder encoded, of the same shape.

        They go through the network at once, or as many at a time as its attribute `rows_at_once`
        says.
        """
        import torch

        num_rows = len(encoded[0])
        size = getattr(self.network, "rows_at_once", num_rows) or 1
        found = []
        with torch.inference_mode():
            for start in range(0, max(num_rows, 1), size):
                rows = (torch.from_numpy(values[start : start + size]) for values in encoded)
                found.append(self.network(*rows).double().numpy())
        return np.concatenate(found)


def save(
    folder: Path,
    encoder: Any,
    architecture: dict[str, Any],
    weights: dict[str, Any],
    outcome: Outcome = BINARY,
) -> None:
    """Write a model's three files."""
    from safetensors.torch import save_file

    write_json(folder / ENCODER, encoder.as_dict())
    write_json(folder / ARCHITECTURE, {**architecture, **outcome.as_dict()})
    with replacing(folder / WEIGHTS) as temporary:
        save_file({name: value.contiguous() for name, value in weights.items()}, temporary)


def load(folder: Path, modality: str) -> Predictor:
    """Read a model back, to predict on one thread of the CPU: where rows are divided among several,
    the last digits of a row depend on how many there are.

    Raises:
        ArtifactMissing: a file is absent or damaged, or they do not belong together.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    encoder = _made(part(modality, "model.encoding").Encoder.from_dict, folder / ENCODER)
    build = part(modality, "model.architecture").build
    outcome, network = _made(lambda state: _network(build, state), folder / ARCHITECTURE)
    source = folder / WEIGHTS
    if not source.is_file():
        raise missing(source)
    try:
        network.load_state_dict(load_file(source))
    except (SafetensorError, RuntimeError) as error:
        raise damaged(source, "safetensors", error) from None
    return Predictor(encoder, network.eval(), outcome)


def _network(build: Callable[[dict[str, Any]], Any], state: dict[str, Any]) -> tuple[Outcome, Any]:
    """What model.json describes: the meaning of the outputs, and the network with fresh weights."""
    architecture = {name: value for name, value in state.items() if name != "outcome"}
    return Outcome.from_dict(state), build(architecture)


def _made(make: Callable[[Any], Any], source: Path) -> Any:
    """What `make` makes of a JSON file, which may be whole and still not what it takes."""
    state = read_json(source)
    try:
        return make(state)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise damaged(source, "model", error) from None
