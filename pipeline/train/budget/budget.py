"""What a training may cost, and the watch that ends it there.

A training that reaches its budget keeps its best weights and says `stopped: budget` in its report:
the one place where time may decide what a stage writes (docs/decisions/0031).
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import Field

from pipeline.core.costs.prices import Prices, load_prices
from pipeline.core.errors import ProjectError
from pipeline.core.files import write_json
from pipeline.core.run.energy import Meter, meter
from pipeline.core.run.processor import num_workers, of_other_workers, peak_memory_bytes
from pipeline.core.run.runner import read_record
from pipeline.core.settings.typed_settings import Frozen
from pipeline.train.loop.parallel import rank
from pipeline.train.loop.state import Progress

STOPPED = "budget"
KEPT_EVERY_S = 5.0
LOOKED_EVERY_S = 0.05


class Budget(Frozen):
    """What a training may use at the most, from its start to its end; what is not named is free."""

    time_s: float | None = Field(None, gt=0)
    """Seconds; of a training that was killed and resumed, all of them together."""
    money: float | None = Field(None, gt=0, json_schema_extra={"unit": "of prices.currency"})
    """Money, by the prices of params.yaml for the device and its energy."""
    energy_kwh: float | None = Field(None, gt=0, json_schema_extra={"unit": "kWh"})
    """Kilowatt-hours; an estimate where the machine has no counters."""
    memory_gb: float | None = Field(None, gt=0)
    """The most memory at once: of the GPU, where the training runs on one, of several the first
    one's; else of all its processes together."""

    @property
    def is_set(self) -> bool:
        return any(value is not None for value in self.model_dump().values())


@dataclass(frozen=True)
class Spent:
    """What a training has used; None for money where a price is missing."""

    time_s: float = 0.0
    energy_kwh: float = 0.0
    memory_gb: float = 0.0
    money: float | None = 0.0

    def within(self, budget: Budget) -> bool:
        return not self.beyond(budget)

    def beyond(self, budget: Budget) -> list[str]:
        """The limits that this reaches, by name."""
        limits = budget.model_dump()
        return [
            name
            for name, value in asdict(self).items()
            if limits[name] is not None and value is not None and value >= limits[name]
        ]


class Ledger:
    """What a training has spent so far, those parts of it included that were killed.

    Of several processes each counts for all (money has an hour of each one's GPU), and the first
    one's word holds; but a GPU's memory is each one's own.

    Args:
        folder: The training's checkpoint: what was spent is kept in it, and deleted with it.
        budget: Its limits.
        prices: Of params.yaml.
        device: As torch names it; `cpu` for none.
        meter: Counts time and energy, from the stage's start.
    """

    def __init__(
        self, folder: Path, budget: Budget, prices: Prices | None, device: str, meter: Meter
    ) -> None:
        self.file = folder / "spent.json"
        self.budget, self.prices, self.device, self.meter = budget, prices, device, meter
        self.earlier = read_record(self.file)
        self.num_devices = 1 if device == "cpu" else num_workers()
        self._reached = False
        self._kept_at = self._looked_at = meter.started

    @property
    def is_resumed(self) -> bool:
        return bool(self.earlier)

    def here(self) -> Spent:
        """What this process has spent since its stage began."""
        return self._priced(time.perf_counter() - self.meter.started, self.meter.read()[0])

    def spent(self) -> Spent:
        """What the training has spent in all."""
        here = self.here()
        return self._priced(
            here.time_s + self.earlier.get("time_s", 0.0),
            here.energy_kwh + self.earlier.get("energy_kwh", 0.0),
        )

    def _priced(self, time_s: float, energy_kwh: float) -> Spent:
        money = self.price(time_s, energy_kwh)
        return Spent(time_s, energy_kwh, memory_gb(self.device), money)

    def price(self, time_s: float, energy_kwh: float) -> float | None:
        """Of so much on all devices; None where a price is missing."""
        if self.prices is None:
            return None
        return self.prices.of(self.device, time_s * self.num_devices, energy_kwh)

    def watch(self, progress: Progress) -> str | None:  # noqa: ARG002 -- a Watch's signature
        """Called after each step: the reason to stop, once a limit is reached.

        Keeps what was spent every few seconds, so that a resumed training knows it. The reason
        stays: of several processes' steps only every few listen.
        """
        if self._reached:
            return STOPPED
        now = time.perf_counter()
        if now - self._looked_at < LOOKED_EVERY_S:
            return None
        self._looked_at = now
        spent = self.spent()
        if now - self._kept_at > KEPT_EVERY_S:
            self._kept_at = now
            if rank() == 0:
                write_json(self.file, asdict(spent))
        self._reached = not spent.within(self.budget)
        return STOPPED if self._reached else None


def memory_gb(device: str) -> float:
    """The most memory held so far, in 10⁹ bytes: of this process's GPU, or of all workers."""
    if device == "cpu":
        return (peak_memory_bytes() + of_other_workers()[1]) / 1e9
    import torch

    return float(torch.cuda.max_memory_allocated()) / 1e9


def opened(folder: Path, budget: Budget, root: Path) -> Ledger:
    """The ledger of the training that begins now, on this machine's device.

    Raises:
        ProjectError: the budget is in money, and the device has no price.
    """
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    prices = load_prices(root)
    if budget.money is not None and (prices is None or prices.of(device, 0.0) is None):
        raise ProjectError(
            "train.budget.money: expected a price of the device in params.yaml, found no "
            f"`prices.per_hour.{device}`",
            hint=f"add `prices.per_hour.{device}` to params.yaml, or leave out "
            "`train.budget.money`",
        )
    return Ledger(folder, budget, prices, device, meter())
