"""Frontiers of the tiny repository: its `train` is the model, what it wrote the measurement."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flows.frontier.choice import Gap, Measured, Span
from flows.frontier.points import Candidate, Point, Refused
from flows.frontier.records import Ended
from flows.frontier.tracing import Request
from pipeline.core.settings.typed_settings import Frozen
from tests.flows.conftest import SOURCE, UPSTREAM, Tiny

WORKER = """
import sys
from collections.abc import Sequence
from pathlib import Path
import flows.frontier.measure, flows.settings.project_file
from tests.flows.frontier.frontiers import measure, tiny_settings
flows.settings.project_file.settings_of = tiny_settings
flows.frontier.measure.measure = measure
Path("orders").symlink_to({orders!r})
from flows.frontier.worker import main
main(sys.argv[1])
"""


class TinyStage(Frozen):
    value: int = 10
    """What the stage writes, divided by ten."""


def tiny_settings(name: str) -> type[Frozen] | None:
    return TinyStage if name in UPSTREAM else None


def measure(root: Path, project: str) -> dict[str, Any]:
    """Accuracy and gap fall as train's value grows: 0.90 - 0.01 n, and 0.30 - 0.05 n."""
    text = (root / "data" / project / "40_train" / "out.txt").read_text()
    return content(int(text.split()[1]))


def content(number: int, limit: float = 0.1) -> dict[str, Any]:
    """What is measured of a point."""
    accuracy, gap = round(0.9 - 0.01 * number, 4), round(max(0.3 - 0.05 * number, 0.0), 4)
    outcome = "pass" if gap + 0.02 <= limit else "fail" if gap - 0.02 > limit else "insufficient"
    rule = {
        "rule": f"demographic_parity_difference by sex ≤ {limit:g}",
        "measure": "demographic_parity_difference",
        "by": "sex",
        "direction": "at_most",
        "bound": limit,
        "outcome": outcome,
        "refuses": outcome != "pass",
        "value": gap,
        "low": max(gap - 0.02, 0.0),
        "high": gap + 0.02,
        "sentence": f"the gap is {gap:g}",
    }
    span = {"value": accuracy, "low": accuracy - 0.01, "high": accuracy + 0.01}
    return {
        "num_rows": 500,
        "min_group_size": 30,
        "metrics": {"accuracy": span},
        "replicates": {"accuracy": [accuracy + 0.01 * n for n in (-1, 0, 1)]},
        "gaps": {"sex": {"demographic_parity_difference": {"value": gap, "low": 0, "high": 1}}},
        "rules": [rule],
        "outcome": outcome,
    }


def candidate(value: int, **more: Any) -> Candidate:
    return Candidate(name=f"value {value}", family="value", set={"train.value": value}, **more)


def request(tiny: Tiny, *values: int, **more: Any) -> Request:
    worker = WORKER.format(orders=str(tiny.root / "orders"))
    return Request(
        root=tiny.root,
        project="tiny",
        candidates=tuple(candidate(value) for value in values),
        common="clean",
        target="train",
        counted=("train",),
        program=("-c", worker),
        **{"as_it_is": False, **more},
    )


def point(name: str, accuracy: float, share: float, **more: Any) -> Measured:
    """A hand-made point: ±0.01 of accuracy, ±0.2 of the limit's share, whose bound decides."""
    high = share + 0.2
    outcome = "pass" if high <= 1 else "fail" if share - 0.2 > 1 else "insufficient"
    rule = {
        "rule": "a gap",
        "outcome": outcome,
        "refuses": outcome != "pass",
        "sentence": f"{name} has a gap of {share:g}.",
    }
    made: dict[str, Any] = {
        "quality": Span(accuracy, accuracy - 0.01, accuracy + 0.01),
        "gap": Gap(Span(share, share - 0.2, high), "a gap", share / 10, True),
        "rules": (rule,),
        "outcome": outcome,
        "replicates": (accuracy, accuracy),  # no noise: every difference is shown
    }
    return Measured(name=name, family=name, **{**made, **more})


class Notebook:
    """An observer of a frontier that remembers."""

    def __init__(self) -> None:
        self.points: list[str] = []
        self.refused: list[Refused] = []
        self.stages: list[tuple[str, str]] = []
        self.ends: dict[str, Ended] = {}
        self.notes: list[str] = []

    def planned(self, points: Sequence[Point], refused: Sequence[Refused]) -> None:
        self.points = [one.name for one in points]
        self.refused = list(refused)

    def started(self, name: str) -> None:
        self.stages.append((name, "starts"))

    def at(self, name: str, stage: str) -> None:
        self.stages.append((name, stage))

    def ended(self, ended: Ended) -> None:
        self.ends[ended.point.name] = ended

    def noted(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny repository's stages have typed settings, here and in the workers."""
    monkeypatch.setattr("flows.settings.project_file.settings_of", tiny_settings)
    monkeypatch.setattr("flows.frontier.points.settings_of", tiny_settings)
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
