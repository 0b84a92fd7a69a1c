"""`hallmark cost`: the last build by stage, and the sum of all."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.costs import Cost, WrittenBuild, builds, cost_of, records, total
from flows.summary import cost_text, memory, money, saving_text
from pipeline.core.errors import ArtifactMissing
from pipeline.core.paths import local_state
from pipeline.core.prices import load_prices


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
    console.print(
        f"all on record ({len(found)} builds; {len(costs)} stage runs, with those outside builds): "
        f"{cost_text(total(costs), currency)}{_skipped(num_skipped)}"
    )


def _skipped(num: int) -> str:
    """What to add when build.json files were skipped."""
    return f" (skipped {num} build.json: incomplete or of another version)" if num else ""


def stage_table(build: WrittenBuild, currency: str | None) -> Table:
    """The stages of one build with what each used."""
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("wall", "processor", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("device")  # the one that may wrap: names of GPUs are long
    for name in ("price", "saved"):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in build.stages:
        spared = stage.state in ("cached", "restored")
        table.add_row(
            stage.name,
            stage.state,
            *(_cells(stage.cost, currency) if stage.cost else [""] * 5),
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
    ]
