"""Amounts of time, memory, energy and money as people read them."""

from flows.costs.stage_costs import Cost
from pipeline.core.run.energy import ESTIMATE


def cost_text(cost: Cost, currency: str | None) -> str:
    """`12.3 s (processor 20.1 s), 0.42 GB at most, 0.0003 EUR, 0.05 Wh (estimate)`."""
    told = (time_text(cost), memory(cost.peak_memory_bytes), money(cost, currency), energy(cost))
    return ", ".join(filter(None, told))


def saving_text(cost: Cost, currency: str | None) -> str:
    """`12.3 s (processor 20.1 s), 0.0003 EUR, 0.05 Wh (estimate)`: memory is not saved up."""
    return ", ".join(filter(None, (time_text(cost), money(cost, currency), energy(cost))))


def energy(cost: Cost) -> str:
    """`0.05 Wh (estimate)`; nothing where no record has it."""
    note = " (estimate)" if cost.energy_source == ESTIMATE else ""
    return f"{watt_hours(cost)}{note}" if watt_hours(cost) else ""


def watt_hours(cost: Cost) -> str:
    return "" if cost.energy_kwh is None else f"{1000 * cost.energy_kwh:.3g} Wh"


def time_text(cost: Cost) -> str:
    return f"{cost.wall_s:.1f} s (processor {cost.cpu_s:.1f} s)"


def memory(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB at most"


def money(cost: Cost, currency: str | None) -> str:
    if cost.money is None:
        return "price unknown"
    amount = "<0.0001" if 0 < cost.money < 0.0001 else f"{cost.money:.4f}"
    return f"{amount} {currency or ''}".rstrip()
