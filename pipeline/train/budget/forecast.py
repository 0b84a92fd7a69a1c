"""What a training will cost: some real steps are timed, and the rest is arithmetic.

    time = start + passes · (steps · step + validation + saving)

Start-up is measured until the forecast is made, a step as the mean of timed ones at the real sizes
(the first ones, which warm up, are left out), validation on as many rows as fit into one pass of
the network, saving by writing a state of the real size. The range takes every step to be as fast as
the fastest tenth of those timed, and as slow as the slowest tenth: a machine that is busy slows all
steps alike, so their standard error would promise too much. Energy is the mean power of this
process so far, times the time. Memory is the most that was held while all this was done once.
"""

import math
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.train.budget.budget import Ledger, Spent, memory_gb
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import Checkpoint, changed_at
from pipeline.train.loop.objective import evaluate
from pipeline.train.loop.parallel import is_worker
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.training import timed_steps

if TYPE_CHECKING:
    from torch import nn

NUM_WARM_UP = 3
NUM_STEPS = (8, 40)
"""How many steps are timed at the least, and at the most."""
TIMED_S = 4.0
"""How long they may take together, beyond the least."""
ROWS_AT_ONCE = 8192
"""Rows of one pass without gradients, of a network that does not say how many it takes."""
SHARES = (0.1, 0.9)
TIMED, LEFT_S = "timed-", 3600.0
"""The folders in .local that a state is written to, and the age at which nobody uses one."""
MEMORY_MARGIN = 1.15
"""Allocators keep some of what was freed: the range's upper end of memory."""


@dataclass(frozen=True)
class Span:
    """A forecast figure with its range."""

    low: float
    value: float
    high: float

    def __mul__(self, factor: float) -> "Span":
        return Span(self.low * factor, self.value * factor, self.high * factor)

    def __add__(self, other: float) -> "Span":
        return Span(self.low + other, self.value + other, self.high + other)

    def as_dict(self) -> dict[str, float]:
        return {name: float(f"{getattr(self, name):.4g}") for name in ("low", "value", "high")}


def span_of(seconds: list[float]) -> Span:
    """Mean, and the tenth and the nine tenths of what was timed."""
    ordered = sorted(seconds)
    low, high = (ordered[round(share * (len(ordered) - 1))] for share in SHARES)
    mean = sum(ordered) / len(ordered)
    return Span(min(low, mean), mean, max(high, mean))


@dataclass(frozen=True)
class Forecast:
    """What was timed, and what it comes to.

    Attributes:
        start_s: From the stage's start to the first step, this forecast included.
        step_s: One step.
        num_steps: Steps of a pass over the training rows.
        validation_s: One pass over the validation rows.
        save_s: Writing one checkpoint.
        max_passes: Passes at the most, by the settings.
        power_w: Watts of this process and its children.
        energy_source: `counters` or `estimate`.
        memory_before_gb: The most held before the first step.
        memory_gb: The most held while all this was done once.
        num_timed: How many steps were timed.
        device: As torch names it.
    """

    start_s: float
    step_s: Span
    num_steps: int
    validation_s: float
    save_s: float
    max_passes: int
    power_w: float
    energy_source: str
    memory_before_gb: float
    memory_gb: float
    num_timed: int
    device: str

    @property
    def pass_s(self) -> Span:
        return self.step_s * self.num_steps + (self.validation_s + self.save_s)

    def time_s(self, num_passes: float) -> Span:
        return self.pass_s * num_passes + self.start_s

    def energy_kwh(self, num_passes: float) -> Span:
        return self.time_s(num_passes) * (self.power_w / 3.6e6)

    def memory(self) -> Span:
        return Span(self.memory_gb, self.memory_gb, self.memory_gb * MEMORY_MARGIN)

    def money(self, num_passes: float, ledger: Ledger) -> Span | None:
        """By the prices for the device; None where one is missing."""
        if ledger.price(0.0, 0.0) is None:
            return None
        time_s, energy = self.time_s(num_passes), self.energy_kwh(num_passes)
        low, value, high = (
            ledger.price(getattr(time_s, end), getattr(energy, end)) or 0.0
            for end in ("low", "value", "high")
        )
        return Span(low, value, high)

    def spent(self, num_passes: float, ledger: Ledger) -> Spent:
        """The forecast's middle, as what a budget limits."""
        money = self.money(num_passes, ledger)
        return Spent(
            self.time_s(num_passes).value,
            self.energy_kwh(num_passes).value,
            self.memory_gb,
            None if money is None else money.value,
        )

    def as_dict(self, num_passes: float, ledger: Ledger) -> dict[str, Any]:
        """Time, energy, money and memory of so many passes, each with its range."""
        money = self.money(num_passes, ledger)
        return {
            "num_passes": round(num_passes, 2),
            "time_s": self.time_s(num_passes).as_dict(),
            "energy_kwh": self.energy_kwh(num_passes).as_dict(),
            "energy_source": self.energy_source,
            "money": money and money.as_dict(),
            "memory_gb": self.memory().as_dict(),
        }


def forecast(
    network: "nn.Module",
    train: Part,
    validation: Part,
    settings: LoopSettings,
    checkpoint: Checkpoint,
    ledger: Ledger,
    augment: Any = None,
) -> Forecast:
    """Time real steps, a validation pass and a checkpoint; neither network nor random numbers
    change."""
    memory_before_gb = memory_gb(ledger.device)
    steps = step_seconds(network, train, settings, augment)
    validation_s = _validation(network, validation, settings, ledger.device)
    save_s = _saving(network, checkpoint)
    power_w, source = ledger.meter.power_w()
    here = ledger.here()
    return Forecast(
        start_s=here.time_s,
        step_s=span_of(steps),
        num_steps=math.ceil(train.num_rows / (settings.batch_size * settings.accumulate)),
        validation_s=validation_s,
        save_s=save_s,
        max_passes=settings.max_passes,
        power_w=power_w,
        energy_source=source,
        memory_before_gb=memory_before_gb,
        memory_gb=here.memory_gb,
        num_timed=len(steps),
        device=ledger.device,
    )


def step_seconds(
    network: "nn.Module", train: Part, settings: LoopSettings, augment: Any = None
) -> list[float]:
    """Seconds of some real steps, those left out that warm up."""
    least, most = NUM_STEPS
    first = timed_steps(network, train, settings, NUM_WARM_UP + least, augment)[NUM_WARM_UP:]
    more = min(most - least, int((TIMED_S - sum(first)) / max(first)))
    if more <= NUM_WARM_UP or is_worker():  # all processes must make as many
        return first
    return first + timed_steps(network, train, settings, more, augment)[NUM_WARM_UP:]


def _validation(network: Any, part: Part, settings: LoopSettings, device: str) -> float:
    """Seconds of a pass over the validation rows, from as many as the network takes at once."""
    at_once = getattr(network, "rows_at_once", None) or ROWS_AT_ONCE
    rows = part.take(slice(0, min(at_once, len(part.labels))))
    was_training, home = network.training, next(network.parameters()).device
    if device != "cpu":
        network.to("cuda")
        rows = rows.to("cuda")
    seconds = min(_seconds(lambda: evaluate(network, rows, settings.mitigation)) for _ in range(2))
    network.to(home).train(was_training)
    return seconds * len(part.labels) / len(rows.labels)


def _saving(network: Any, checkpoint: Checkpoint) -> float:
    """Seconds of writing weights, best weights and the two moments of each parameter."""
    from safetensors.torch import save_file

    weights = network.state_dict()
    state = {
        f"{copy}/{name}": value.detach().cpu().clone()
        for copy in range(4)
        for name, value in weights.items()
    }
    local = checkpoint.folder.parents[1]  # not among the checkpoints, of which a few are kept
    local.mkdir(parents=True, exist_ok=True)
    for left in local.glob(f"{TIMED}*"):  # by a process that was killed
        if time.time() - changed_at(left) > LEFT_S:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=TIMED, dir=local) as folder:  # of each process
        return _seconds(lambda: save_file(state, f"{folder}/state.safetensors"))


def _seconds(act: Callable[[], Any]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
