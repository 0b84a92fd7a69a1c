"""`hallmark cost`: the last build by stage, its training's forecast, and the sum of all."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.costs.all_costs import AllCosts, Sum
from flows.costs.amounts import cost_text, memory, money, saving_text, watt_hours
from flows.costs.stage_costs import Cost, WrittenBuild, builds, cost_of, records, total
from flows.costs.trainings import Training, trainings
from pipeline.core.costs.prices import load_prices
from pipeline.core.errors import ArtifactMissing
from pipeline.core.paths import local_state


def print_costs(root: Path, project: str) -> None:
    """Print both; raise ArtifactMissing when nothing ran yet."""
    runs = local_state(root) / "runs"
    prices = load_prices(root)
    currency = prices.currency if prices else None
    found, num_skipped = builds(runs, project)
    costs = [cost for record in records(runs, project) if (cost := cost_of(record, prices))]
    if not found and not costs:
        raise ArtifactMissing(
            f"expected a run of {project} on record, found none{_skipped(num_skipped)}",
            hint=f"hallmark build {project}",
        )
    console = Console(highlight=False, soft_wrap=True)
    if found:
        last, totals = found[0], found[0].totals
        console.print(f"last build, {last.started}, exit code {last.exit_code}:")
        console.print(stage_table(last, currency))
        console.print(f"spent: {cost_text(totals.spent, currency)}")
        unknown = f", {totals.num_saved_unknown} unknown" if totals.num_saved_unknown else ""
        console.print(f"the cache saved: {saving_text(totals.saved, currency)}{unknown}")
    if newest := next(trainings(runs, project), None):
        console.print(f"newest training, {newest.started}, {newest.num_passes:g} passes:")
        console.print(forecast_table(newest))
    console.print(
        f"all on record ({len(found)} builds; {len(costs)} stage runs, with those outside builds): "
        f"{cost_text(total(costs), currency)}{_skipped(num_skipped)}"
    )


def _skipped(num: int) -> str:
    """What to add when build.json files were skipped."""
    return f" (skipped {num} build.json: incomplete or of another version)" if num else ""


def forecast_table(training: Training) -> Table:
    """Forecast and actual of one training side by side, at the passes that it made."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("forecast", "range", "actual", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in training.figures:
        note = " (estimate)" if one.name == "energy" and training.is_estimate else ""
        table.add_row(
            one.name + note,
            f"{one.value:.3g} {one.unit}",
            f"{one.low:.3g} to {one.high:.3g}",
            f"{one.actual:.3g} {one.unit}",
            f"{one.ratio:.2f}",
        )
    return table


def print_all(found: AllCosts) -> None:
    """All projects and all stages, summed."""
    console = Console(highlight=False, soft_wrap=True)
    total = found.total
    console.print(
        f"on record since {found.since or 'never'}: {total.num_builds} builds, "
        f"{total.num_runs} runs of stages, {len(found.trainings)} trainings"
    )
    for what, sums in (("project", found.projects), ("stage", found.stages)):
        console.print(sum_table(what, sums, found.currency))
    console.print(f"spent: {cost_text(total.spent, found.currency)}{_carbon(found)}")
    unknown = f", {total.num_saved_unknown} unknown" if total.num_saved_unknown else ""
    console.print(f"the cache saved: {saving_text(total.saved, found.currency)}{unknown}")


def _carbon(found: AllCosts) -> str:
    carbon = found.carbon_kg()
    return "" if carbon is None else f", {1000 * carbon:.3g} g of carbon dioxide"


def sum_table(what: str, sums: Mapping[str, Sum], currency: str | None) -> Table:
    """What each used and what the cache saved of it."""
    table = Table(box=None, pad_edge=False)
    table.add_column(what, no_wrap=True)
    for name in ("runs", "wall", "price", "energy", "saved", "price of that"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in sums.items():
        table.add_row(
            name,
            str(one.num_runs),
            f"{one.spent.wall_s:.1f} s",
            money(one.spent, currency),
            watt_hours(one.spent),
            f"{one.saved.wall_s:.1f} s",
            money(one.saved, currency),
        )
    return table


def stage_table(build: WrittenBuild, currency: str | None) -> Table:
    """The stages of one build with what each used."""
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("wall", "processor", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("device")  # the one that may wrap: names of GPUs are long
    for name in ("price", "energy", "saved"):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in build.stages:
        spared = stage.state in ("cached", "restored")
        table.add_row(
            stage.name,
            stage.state,
            *(_cells(stage.cost, currency) if stage.cost else [""] * 6),
            f"{stage.saved.wall_s:.1f} s" if stage.saved else "unknown" if spared else "",
        )
    return table


def _cells(cost: Cost, currency: str | None) -> list[str]:
    gpu = cost.peak_gpu_memory_bytes
    device = cost.device if gpu is None else f"{cost.device} ({gpu / 1e9:.2f} GB)"
    return [
        f"{cost.wall_s:.1f} s",
        f"{cost.cpu_s:.1f} s",
        memory(cost.peak_memory_bytes).removesuffix(" at most"),
        device,
        money(cost, currency),
        watt_hours(cost),
    ]
