"""What a training was forecast to cost, beside what it did, from the record of its run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.costs.training_record import FIGURES, RECORD
from pipeline.core.run.runner import read_record

TRAIN = "train"


@dataclass(frozen=True)
class Figure:
    """One figure of a training.

    Attributes:
        name: time, energy, money or memory.
        unit: Of the numbers.
        low: The forecast for the passes that were made, its range's lower end.
        value: The forecast.
        high: The upper end.
        actual: What it was.
    """

    name: str
    unit: str
    low: float
    value: float
    high: float
    actual: float

    @property
    def ratio(self) -> float:
        """The actual over the forecast."""
        return self.actual / self.value if self.value else float("nan")

    def __str__(self) -> str:
        return (
            f"{self.actual:.3g} {self.unit} of {self.value:.3g} forecast "
            f"({self.low:.3g} to {self.high:.3g})"
        )


@dataclass(frozen=True)
class Training:
    """A training that ended well.

    Attributes:
        project: Whose.
        started: When.
        num_passes: Over the training rows, in that process.
        max_passes: The most that the settings allowed.
        stopped: Why it ended.
        figures: Those that are known of both.
        is_estimate: Whether the energy is an estimate.
    """

    project: str
    started: str
    num_passes: float
    max_passes: float
    stopped: str
    figures: tuple[Figure, ...]
    is_estimate: bool

    @property
    def line(self) -> str:
        """The last line of a build about it."""
        shown = "; ".join(map(str, self.figures))
        cut = ", cut short by its budget" if self.stopped == "budget" else ""
        source = " (energy is an estimate)" if self.is_estimate else ""
        passes = f"{self.num_passes:g} of at most {self.max_passes:g} passes"
        return f"training: {passes}{cut}: {shown}{source}"


def training_of(record: Mapping[str, Any]) -> Training | None:
    """The training in a stage's record; None when the record has none that ended."""
    found = record.get(RECORD) or {}
    if "actual" not in found:
        return None
    expected, actual = found["forecast_of_these"], found["actual"]
    figures = tuple(
        Figure(name, unit or str(found.get("currency")), **expected[key], actual=actual[key])
        for key, (name, unit) in FIGURES.items()
        if expected.get(key) is not None and actual.get(key) is not None
    )
    return Training(
        project=str(record.get("project")),
        started=str(record.get("started")),
        num_passes=found["num_passes"],
        max_passes=found["forecast"]["num_passes"],
        stopped=found["stopped"],
        figures=figures,
        is_estimate=expected["energy_source"] == "estimate",
    )


def trainings(runs: Path, project: str = "*") -> Iterator[Training]:
    """Those on record, newest first."""
    for folder in sorted((path for path in runs.glob("*") if path.is_dir()), reverse=True):
        for source in sorted(folder.glob(f"{TRAIN}@{project}.json")):
            if found := training_of(read_record(source)):
                yield found


def training_lines(folder: Path, project: str) -> list[str]:
    """What a build says of its training; nothing when it made none."""
    found = training_of(read_record(folder / f"{TRAIN}@{project}.json"))
    return [found.line] if found else []
