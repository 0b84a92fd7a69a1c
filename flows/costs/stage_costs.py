"""What stages cost, in seconds, bytes and money, and what the cache saved.

Every figure comes from the records that the stages leave under `.local/runs/`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ValidationError

from pipeline.core.costs.prices import Prices
from pipeline.core.run.energy import COUNTERS, ESTIMATE
from pipeline.core.run.runner import read_record


@dataclass(frozen=True)
class Cost:
    """What one or several runs used.

    Attributes:
        wall_s: Seconds from start to end; of several runs, their sum.
        cpu_s: Seconds of processor time.
        peak_memory_bytes: Of several runs, the largest.
        device: Where it ran; of several runs, all their names.
        peak_gpu_memory_bytes: None where no GPU was used.
        money: In the currency of `prices`; None when a price is missing.
        energy_kwh: None where a run's record has none; of several runs, of those that have one.
        energy_source: `counters` or `estimate`; of several runs, estimate if one is.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0
    device: str = ""
    peak_gpu_memory_bytes: int | None = None
    money: float | None = 0.0
    energy_kwh: float | None = None
    energy_source: str | None = None

    def __add__(self, other: "Cost") -> "Cost":
        known = [
            c.peak_gpu_memory_bytes for c in (self, other) if c.peak_gpu_memory_bytes is not None
        ]
        names = dict.fromkeys(n for c in (self, other) for n in c.device.split(", ") if n)
        return Cost(
            wall_s=round(self.wall_s + other.wall_s, 3),
            cpu_s=round(self.cpu_s + other.cpu_s, 3),
            peak_memory_bytes=max(self.peak_memory_bytes, other.peak_memory_bytes),
            device=", ".join(names),
            peak_gpu_memory_bytes=max(known, default=None),
            money=None if self.money is None or other.money is None else self.money + other.money,
            energy_kwh=_sum(self.energy_kwh, other.energy_kwh),
            energy_source=_worse(self.energy_source, other.energy_source),
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _sum(one: float | None, other: float | None) -> float | None:
    return (one or 0.0) + (other or 0.0) if (one, other) != (None, None) else None


def _worse(one: str | None, other: str | None) -> str | None:
    sources = {one, other} - {None}
    return None if not sources else ESTIMATE if ESTIMATE in sources else COUNTERS


def total(costs: Iterable[Cost]) -> Cost:
    return sum(costs, Cost())


def cost_of(record: Mapping[str, Any], prices: Prices | None) -> Cost | None:
    """The cost in a stage's record; None when the stage left none."""
    used = record.get("cost")
    if not isinstance(used, Mapping) or "wall_s" not in used:
        return None
    device, wall_s = str(used.get("device", "cpu")), float(used["wall_s"])
    energy_kwh, devices_s = used.get("energy_kwh"), wall_s * int(used.get("num_devices", 1))
    return Cost(
        wall_s=wall_s,
        cpu_s=float(used.get("cpu_s", 0)),
        peak_memory_bytes=int(used.get("peak_memory_bytes", 0)),
        device=device,
        peak_gpu_memory_bytes=used.get("peak_gpu_memory_bytes"),
        money=prices.of(device, devices_s, energy_kwh) if prices else None,
        energy_kwh=energy_kwh,
        energy_source=used.get("energy_source"),
    )


def records(runs: Path, project: str, stage: str = "*") -> Iterator[dict[str, Any]]:
    """The records of a project's stages under `runs`, newest build first."""
    for folder in sorted((path for path in runs.glob("*") if path.is_dir()), reverse=True):
        for source in sorted(folder.glob(f"{stage}@{project}.json")):
            if record := read_record(source):
                yield record


def last_success(runs: Path, project: str, stage: str, prices: Prices | None) -> Cost | None:
    """The cost of the newest real run of a stage that ended well; None when none is on record."""
    for record in records(runs, project, stage):
        if record.get("exit_code") == 0 and (cost := cost_of(record, prices)):
            return cost
    return None


def _with_every_figure(value: Any) -> Any:
    """Refuse a written cost that lacks a figure: its default would pass for a measurement. Earlier
    builds wrote no energy, whose default says just that."""
    wanted = {field.name for field in fields(Cost)} - {"energy_kwh", "energy_source"}
    if isinstance(value, Mapping) and (absent := wanted - set(value)):
        raise ValueError(f"expected {', '.join(sorted(absent))}, found none")
    return value


WrittenCost = Annotated[Cost, BeforeValidator(_with_every_figure)]


class WrittenStage(BaseModel):
    """What build.json says of one stage, as far as costs go."""

    name: str
    state: str
    cost: WrittenCost | None
    saved: WrittenCost | None


class WrittenTotals(BaseModel):
    """What build.json says of all its stages together."""

    spent: WrittenCost
    saved: WrittenCost
    num_saved_unknown: int


class WrittenBuild(BaseModel):
    """What a build wrote of itself, as far as costs go; what else it wrote is not read."""

    started: str
    exit_code: int
    stages: tuple[WrittenStage, ...]
    totals: WrittenTotals


def builds(runs: Path, project: str) -> tuple[list[WrittenBuild], int]:
    """What the builds of a project wrote of themselves, newest first.

    Also how many files were skipped: incomplete, or written by another version. One that does
    not even say its project may be of this one and counts.
    """
    found, num_skipped = [], 0
    for source in sorted(runs.glob("*/build.json"), reverse=True):
        content: Any = read_record(source)
        if isinstance(content, Mapping) and content.get("project", project) != project:
            continue
        try:
            found.append(WrittenBuild.model_validate(content))
        except ValidationError:
            num_skipped += 1
    return found, num_skipped
