"""How a training is sized for the rows that there are; what differs from the defaults alone."""

import math
from typing import Any

FEW_ROWS = 10_000
"""Training rows below which one pass has few steps: more passes then, and smaller batches."""
VERY_FEW_ROWS = 2_000
"""Below this a number has too few values for many bins, and a level may be seen more rarely."""


def proposed_training(num_train_rows: int) -> dict[str, Any]:
    """Keys of the section `train`; none where the defaults suit so many rows."""
    if num_train_rows >= FEW_ROWS:
        return {}
    batch_size = 2 ** int(math.log2(max(num_train_rows / 10, 1)))
    training: dict[str, Any] = {
        "batch_size": min(max(batch_size, 64), 1024),
        "max_epochs": 200,
        "patience": 15,
    }
    if num_train_rows < VERY_FEW_ROWS:
        training["encoder"] = {"num_bins": 16, "min_level_count": 10}
    return training
