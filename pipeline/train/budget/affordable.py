"""What a budget can pay of a training: refused before it starts, with what would fit."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.core.costs.training_record import FIGURES
from pipeline.core.errors import GateRefused
from pipeline.train.budget.budget import Ledger
from pipeline.train.budget.forecast import Forecast, Span, span_of, step_seconds
from pipeline.train.loop.batches import Part
from pipeline.train.loop.parallel import is_worker
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.steps import precision_of

if TYPE_CHECKING:
    from torch import nn


def check(
    expected: Forecast,
    ledger: Ledger,
    network: "nn.Module",
    train: Part,
    settings: LoopSettings,
    augment: Any = None,
) -> None:
    """Refuse a training whose forecast at the most that its settings allow is beyond its budget.

    One that was begun goes on: it stops when the budget is used up.

    Raises:
        GateRefused: with what would fit.
    """
    beyond = expected.spent(expected.max_passes, ledger).beyond(ledger.budget)
    if not beyond or ledger.is_resumed:
        return
    limits, told = ledger.budget.model_dump(), figures(expected, expected.max_passes, ledger)
    found = [
        f"{FIGURES[name][0]}: at most {_amount(name, limits[name], ledger)}, forecast {told[name]}"
        for name in beyond
    ]
    fitting = list(_fitting(expected, ledger, beyond, network, train, settings, augment))
    raise GateRefused(
        f"train.budget: expected a training that it can pay, found one that takes more for "
        f"{expected.max_passes} passes over the training rows, the most that its settings allow",
        findings=[*found, *fitting],
        hint="change one of these, or raise `train.budget`",
    )


def figures(expected: Forecast, num_passes: float, ledger: Ledger) -> dict[str, str]:
    """The forecast of so many passes in words, by what a budget limits."""
    spans: dict[str, Span | None] = {
        "time_s": expected.time_s(num_passes),
        "energy_kwh": expected.energy_kwh(num_passes),
        "money": expected.money(num_passes, ledger),
        "memory_gb": expected.memory(),
    }
    return {
        name: f"{_amount(name, span.value, ledger)} ({span.low:.3g} to {span.high:.3g})"
        for name, span in spans.items()
        if span is not None
    }


def in_one_line(expected: Forecast, num_passes: float, ledger: Ledger) -> str:
    """`forecast: 80 passes at the most: 41 s (37 to 50), …`."""
    told = ", ".join(figures(expected, num_passes, ledger).values())
    source = "" if expected.energy_source == "counters" else "; energy is an estimate"
    return f"forecast of {num_passes} passes, the most that are allowed: {told}{source}"


def _amount(name: str, value: float, ledger: Ledger) -> str:
    unit = FIGURES[name][1] or (ledger.prices.currency if ledger.prices else "")
    return f"{value:.3g} {unit}"


def _fitting(
    expected: Forecast,
    ledger: Ledger,
    beyond: list[str],
    network: "nn.Module",
    train: Part,
    settings: LoopSettings,
    augment: Any,
) -> Iterator[str]:
    """What would bring the forecast below the budget, each by itself; where memory is beyond and
    something else too, what would bring either below it."""
    limits = ledger.budget.model_copy(update={"memory_gb": None})

    def fits(one: Forecast, num_passes: float) -> bool:
        return one.spent(num_passes, ledger).within(limits)

    if "memory_gb" in beyond:
        yield from _smaller_batch(expected, ledger, settings, fits)
    others = [FIGURES[name][0] for name in beyond if name != "memory_gb"]
    if not others:
        return
    fit = f"would fit for {' and '.join(others)} alone" if "memory_gb" in beyond else "would fit"
    num_others = expected.max_passes - settings.max_epochs  # those of members
    epochs = _largest(settings.max_epochs, lambda n: fits(expected, n + num_others))
    if epochs:
        yield f"{fit}: `train.max_epochs: {epochs}` instead of {settings.max_epochs}"
    if (other := _other_precision(expected, network, train, settings, augment)) is not None:
        name, faster = other
        times = expected.step_s.value / faster.step_s.value
        if times > 1 and fits(faster, expected.max_passes):
            yield (
                f"{fit}: `train.precision: {name}`, whose steps were {times:.1f} times as fast here"
            )
    percent = _largest(99, lambda n: fits(_faster(expected, n / 100), expected.max_passes))
    if percent:
        yield (
            f"{fit}: a smaller network (`train.network`) or fewer rows, with steps that take "
            f"at most {percent}% of these {1000 * expected.step_s.value:.3g} ms"
        )
    else:
        yield (
            f"no smaller network would fit by itself: the start took {expected.start_s:.3g} s, and "
            f"each pass validates and saves for {expected.validation_s + expected.save_s:.3g} s"
        )


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `most` that fits, where every smaller one does; 0 when none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _faster(expected: Forecast, share: float) -> Forecast:
    return replace(expected, step_s=expected.step_s * share)


def _smaller_batch(
    expected: Forecast,
    ledger: Ledger,
    settings: LoopSettings,
    fits: Callable[[Forecast, int], bool],
) -> Iterator[str]:
    """Memory of a step grows with its rows; what is held before the first step stays. More steps
    make a pass, taken to be as slow as the larger ones."""
    limit, before = ledger.budget.memory_gb or math.inf, expected.memory_before_gb
    grown = expected.memory_gb - before
    if before < limit and grown > 0:
        size = math.ceil(settings.batch_size * (limit - before) / grown) - 1  # below the limit
        if size >= 2:
            num_steps = math.ceil(expected.num_steps * settings.batch_size / size)
            in_all = fits(replace(expected, num_steps=num_steps), expected.max_passes)
            fit = "would fit" if in_all else "would fit for memory alone"
            yield f"{fit}: `train.batch_size: {size}` instead of {settings.batch_size}"
            return
    yield f"no smaller batch would fit: {before:.3g} GB are held before the first step"


def _other_precision(
    expected: Forecast, network: "nn.Module", train: Part, settings: LoopSettings, augment: Any
) -> tuple[str, Forecast] | None:
    """bf16 where training has fp32, its steps timed; None where it has it already, and in one of
    several processes, as the others may not be here."""
    if precision_of(settings) == "bf16" or is_worker():
        return None
    lower = settings.model_copy(update={"precision": "bf16"})
    steps = span_of(step_seconds(network, train, lower, augment))
    return "bf16", replace(expected, step_s=steps)
