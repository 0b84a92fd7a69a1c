"""What a training costs in arithmetic: a count that is the same on every machine and in every run.

Seconds depend on the machine and may stand in no verdict; operations do not. Of a network they are
the multiplications and additions of its matrix products, convolutions and attentions, forward and
backward, as torch's counter has them (torch.utils.flop_counter; parameters that are frozen need no
gradient of their own). Look-ups, sums and activations are left out: they are few beside these. Of
the baseline each modality says what it counts. Weights that somebody else trained before cost
nothing here.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

NUM_ROWS = 2
"""Rows that are counted, where the count of each is the same; a network that does more for a longer
row says of how many its attribute `rows_counted` takes the mean."""
SIZES = ((1e15, "quadrillion"), (1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


def per_row(network: "nn.Module", inputs: "tuple[Tensor, ...]") -> tuple[float, float]:
    """Operations of one row: of the forward pass, and of forward and backward together.

    Args:
        network: On the CPU; a copy of it is run.
        inputs: Of some rows; the first ones are taken.
    """
    import torch

    num = getattr(network, "rows_counted", NUM_ROWS)
    copy, rows = deepcopy(network).train(), tuple(one[:num] for one in inputs)
    num_rows = len(rows[0])
    with torch.random.fork_rng([]), _counting() as forward:
        outputs = copy(*rows)
    ahead = forward.get_total_flops()
    with _counting() as backward:
        outputs.sum().backward()
    return ahead / num_rows, (ahead + backward.get_total_flops()) / num_rows


@contextmanager
def _counting() -> Iterator[Any]:
    """torch's counter, with kernels that it cannot see into switched off."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            torch.backends.mkldnn.flags(enabled=False),
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
        ):
            yield counter


def of_training(
    each: tuple[float, float], num_train: int, num_validation: int, num_passes: int
) -> dict[str, float]:
    """What a training took in all: each pass trains on the training rows and predicts the others.

    Args:
        each: From `per_row`.
        num_train: Training rows.
        num_validation: Validation rows.
        num_passes: Passes that were made, those of members included.
    """
    forward, both = each
    return {
        "forward_per_row": forward,
        "training_per_row": both,
        "training": num_passes * (num_train * both + num_validation * forward),
    }


def in_words(count: float) -> str:
    """`1.2e+10` as `12 billion`."""
    for size, name in SIZES:
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count:,.0f}"
