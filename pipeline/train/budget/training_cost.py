"""The cost of one training, told to its run's record: forecast first, what it was afterwards.

Nothing of this stands in what the stage writes.
"""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.core.costs.training_record import RECORD
from pipeline.core.run.told import tell
from pipeline.train.budget import affordable
from pipeline.train.budget.budget import Ledger
from pipeline.train.budget.forecast import Forecast, forecast
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.state import Trained

if TYPE_CHECKING:
    from torch import nn


def foreseen(
    network: "nn.Module",
    train: Part,
    validation: Part,
    settings: LoopSettings,
    checkpoint: Checkpoint,
    ledger: Ledger,
    augment: Any = None,
) -> Forecast:
    """The forecast, said and recorded.

    Raises:
        GateRefused: the budget cannot pay it.
    """
    found = forecast(network, train, validation, settings, checkpoint, ledger, augment)
    print(affordable.in_one_line(found, found.max_passes, ledger), file=sys.stderr)
    if found.num_steps == 1:
        print(one_step(settings, train.num_rows), file=sys.stderr)
    tell(RECORD, _before(found, ledger))
    affordable.check(found, ledger, network, train, settings, augment)
    return found


def one_step(settings: LoopSettings, num_rows: int) -> str:
    """That all rows make one step together, which few mean to ask for."""
    return (
        f"train.accumulate × train.batch_size is {settings.accumulate * settings.batch_size:,} and "
        f"there are {num_rows:,} training rows: one optimizer step an epoch"
    )


def tell_actual(found: Forecast, ledger: Ledger, trained: Trained) -> None:
    """Record what it was, beside the forecast for the passes that were really made here."""
    num_passes = trained.progress.passes_here
    tell(
        RECORD,
        {
            **_before(found, ledger),
            "stopped": trained.progress.stopped,
            "num_passes": round(num_passes, 2),
            "forecast_of_these": found.as_dict(num_passes, ledger),
            "actual": _rounded(asdict(ledger.here())),
            "earlier": _rounded(ledger.earlier),
        },
    )


def _before(found: Forecast, ledger: Ledger) -> dict[str, Any]:
    prices = ledger.prices
    return {
        "budget": ledger.budget.model_dump(exclude_none=True),
        "currency": prices.currency if prices else None,
        "forecast": found.as_dict(found.max_passes, ledger),
        "timed": {
            "num_steps": found.num_timed,
            "step_s": found.step_s.as_dict(),
            "steps_of_a_pass": found.num_steps,
            "validation_s": round(found.validation_s, 4),
            "save_s": round(found.save_s, 4),
            "start_s": round(found.start_s, 3),
            "power_w": round(found.power_w, 2),
        },
    }


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: None if x is None else float(f"{x:.4g}") for name, x in figures.items()}
