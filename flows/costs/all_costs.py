"""What everything on record cost together, over all projects and time, and what the cache saved.

Summed from the records under `.local/runs/`: what `hallmark prune` has taken away is not in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flows.costs.stage_costs import Cost, WrittenBuild, cost_of
from flows.costs.trainings import TRAIN, Training, training_of
from pipeline.core.costs.prices import Prices, load_prices
from pipeline.core.paths import READING_ORDER, local_state
from pipeline.core.run.runner import read_record


@dataclass
class Sum:
    """Of one project, or of one stage of all projects.

    Attributes:
        num_builds: That reached it or made it; of a stage, those that the cache spared it in.
        num_runs: Runs of stages, those outside builds too.
        spent: What these used.
        saved: What the cache saved, of what is known.
        num_saved_unknown: Spared stages of which no earlier cost was on record.
    """

    num_builds: int = 0
    num_runs: int = 0
    spent: Cost = field(default_factory=Cost)
    saved: Cost = field(default_factory=Cost)
    num_saved_unknown: int = 0


@dataclass
class AllCosts:
    """Everything on record.

    Attributes:
        currency: Of all money.
        since: When the oldest record began; None when there is none.
        projects: By name.
        stages: By name, in reading order.
        trainings: Newest first.
        carbon_kg_per_kwh: Of the country's electricity; None when params.yaml names no country.
    """

    currency: str | None = None
    since: str | None = None
    projects: dict[str, Sum] = field(default_factory=dict)
    stages: dict[str, Sum] = field(default_factory=dict)
    trainings: list[Training] = field(default_factory=list)
    carbon_kg_per_kwh: float | None = None

    @property
    def total(self) -> Sum:
        found = Sum()
        for one in self.projects.values():
            found.num_builds += one.num_builds
            found.num_runs += one.num_runs
            found.num_saved_unknown += one.num_saved_unknown
            found.spent, found.saved = found.spent + one.spent, found.saved + one.saved
        return found

    def carbon_kg(self) -> float | None:
        """Carbon dioxide of the electricity spent; None where something is unknown."""
        kwh = self.total.spent.energy_kwh
        return None if None in (kwh, self.carbon_kg_per_kwh) else kwh * self.carbon_kg_per_kwh  # type: ignore[operator]

    def as_json(self) -> dict[str, Any]:
        return {
            "since": self.since,
            "currency": self.currency,
            "total": asdict(self.total),
            "carbon_kg": self.carbon_kg(),
            "projects": {name: asdict(one) for name, one in self.projects.items()},
            "stages": {name: asdict(one) for name, one in self.stages.items()},
            "trainings": [asdict(one) for one in self.trainings],
        }


def all_costs(root: Path) -> AllCosts:
    """Read every record once."""
    prices = load_prices(root)
    found = AllCosts(currency=prices.currency if prices else None)
    for folder in sorted((path for path in _runs(root).glob("*") if path.is_dir()), reverse=True):
        _add_build(found, read_record(folder / "build.json"))
        for record in _records(folder):
            _add_run(found, record, prices)
    order = {name: number for number, name in enumerate(READING_ORDER)}
    found.stages = dict(sorted(found.stages.items(), key=lambda one: order.get(one[0], 99)))
    found.projects = dict(sorted(found.projects.items()))
    if prices and prices.country:
        found.carbon_kg_per_kwh = carbon_kg_per_kwh(prices.country)
    return found


def _runs(root: Path) -> Path:
    return local_state(root) / "runs"


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    for source in sorted(folder.glob("*@*.json")):
        record = read_record(source)
        if {"stage", "project", "cost"} <= set(record):
            yield record


def _add_build(found: AllCosts, content: Mapping[str, Any]) -> None:
    try:
        build = WrittenBuild.model_validate(content)
    except ValidationError:
        return  # none, incomplete, or of another version
    project = found.projects.setdefault(str(content.get("project")), Sum())
    project.num_builds += 1
    project.saved += build.totals.saved
    project.num_saved_unknown += build.totals.num_saved_unknown
    for one in build.stages:
        if one.state in ("cached", "restored"):
            stage = found.stages.setdefault(one.name, Sum())
            stage.num_builds += 1
            stage.saved += one.saved or Cost()
            stage.num_saved_unknown += one.saved is None


def _add_run(found: AllCosts, record: Mapping[str, Any], prices: Prices | None) -> None:
    cost = cost_of(record, prices)
    if cost is None:
        return
    found.since = min(found.since or "9", str(record.get("started", "9")))
    for sums, name in ((found.projects, record["project"]), (found.stages, record["stage"])):
        one = sums.setdefault(str(name), Sum())
        one.num_runs += 1
        one.spent += cost
    if record["stage"] == TRAIN and (training := training_of(record)):
        found.trainings.append(training)


def carbon_kg_per_kwh(country: str) -> float:
    """Of a country's electricity, by codecarbon's table; the world's of one that it lacks."""
    import logging

    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    place = GeoMetadata(country_iso_code=country)
    table: Any = Emissions(DataSource())  # type: ignore[no-untyped-call]
    return float(table.get_private_infra_emissions(Energy.from_energy(kWh=1), place))
