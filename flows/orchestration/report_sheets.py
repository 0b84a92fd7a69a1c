"""What each stage's report says, as short tables and texts for Prefect's pages.

Pure: files in, rows and words out. A report that is not there, or is of another shape than our
stages write, gives nothing to show. Those of the stages before training stand in `data_sheets`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.costs.amounts import energy, money
from flows.costs.trainings import training_lines
from flows.engine.build_record import Outcome
from flows.engine.summary import cost_lines, verdict_lines
from flows.orchestration import data_sheets
from flows.orchestration.sheet_cells import Row, interval, number
from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_json
from pipeline.core.page import explanation_words, group_words, wording
from pipeline.core.paths import Paths


@dataclass(frozen=True)
class Sheet:
    """One thing to show: a table, or a text in Markdown.

    Attributes:
        name: What it is about, the stage's name or `cost`.
        description: One line above it.
        content: Rows of equal keys, or Markdown.
    """

    name: str
    description: str
    content: list[Row] | str


def sheet_of(root: Path, project: str, stage: str) -> Sheet | None:
    """What a stage wrote for people; None for a stage that has nothing of this kind."""
    if stage == "report":
        return _page(root, project)
    if stage not in REPORTS:
        return None
    name, write = REPORTS[stage]
    try:
        content = read_json(Paths(root, project, stage).output(name))
        description, shown = write(content)
    except (ArtifactMissing, KeyError, TypeError, AttributeError, ValueError):
        return None
    return Sheet(stage, f"{project}: {description}", shown)


def cost_sheet(project: str, outcome: Outcome) -> Sheet:
    """What the build cost by stage, and what the cache saved."""
    rows: list[Row] = []
    for result in outcome.stages:
        cost, saved = result.cost, result.saved
        rows.append(
            {
                "stage": result.name,
                "state": result.state,
                "wall": f"{cost.wall_s:.1f} s" if cost else "",
                "processor": f"{cost.cpu_s:.1f} s" if cost else "",
                "memory": f"{cost.peak_memory_bytes / 1e9:.2f} GB" if cost else "",
                "device": cost.device if cost else "",
                "price": money(cost, outcome.currency) if cost else "",
                "energy": energy(cost) if cost else "",
                "saved": f"{saved.wall_s:.1f} s" if saved else "",
            }
        )
    said = [*cost_lines(outcome), *training_lines(outcome.folder, project)] or ["cost: nothing"]
    return Sheet("cost", f"{project}: " + "; ".join(said), rows)


def _page(root: Path, project: str) -> Sheet | None:
    page = Paths(root, project, "report").output("report.html")
    if not page.is_file():
        return None
    text = (
        f"**The report of {project}**, model card and data card in one page, lies at\n\n"
        f"    {page}\n\non the machine that built it. It opens from the file, without a network."
    )
    return Sheet("report", f"{project}: where the report is", text)


def _calibrate(content: Any) -> tuple[str, list[Row]]:
    """The threshold, and what mitigation after training changed on the calibration rows; of several
    classes the temperature of their probabilities."""
    on = f"the {content['num_rows']:,} calibration rows"
    if content.get("task") == "multiclass":
        rows = [{"temperature": f"{content['temperature']:g}"}]
        return f"the temperature of the probabilities, fitted on {on}", rows
    threshold, made = content["threshold"], content.get("mitigation")
    if not made:
        return f"the threshold, chosen on {on}", [{"threshold": f"{threshold:g}"}]
    rows = [
        {
            "mitigation": when,
            "threshold": "by group"
            if when == "after" and "by_group" in content
            else f"{made[when]['threshold']:g}",
            "accuracy": number(made[when]["accuracy"]),
            "selection rate": number(made[when]["selection_rate"]),
            **{f"gap by {by}": number(gap["value"]) for by, gap in made[when]["gaps"].items()},
        }
        for when in ("before", "after")
    ]
    limit = made["constraint"].replace("_", " ")
    return f"{made['method']}, {limit}, on {on}", rows


def _evaluate(content: Any) -> tuple[str, list[Row]]:
    baseline = content["baseline"]["metrics"]
    rows = [
        {
            "metric": wording.measure(name).title,
            "value": number(found["value"]),
            "interval": interval(number(found["low"]), number(found["high"])),
            "baseline": number(baseline[name]["value"]) if name in baseline else "",
        }
        for name, found in content["model"]["metrics"].items()
    ]
    return (
        f"metrics on {content['num_rows']:,} test rows with {content['confidence']:.0%} "
        f"intervals; the baseline is {content['baseline']['name']}",
        rows,
    )


def _assess(content: Any) -> tuple[str, list[Row]]:
    rows = [
        {
            "by": by,
            "gap": wording.measure(name).title,
            "value": number(gap["value"]),
            "interval": interval(number(gap["low"]), number(gap["high"])),
            "smallest gap shown": number(gap.get("detectable")),
            "in people": group_words.harm(gap) or "",
            "groups left out": ", ".join(found["too_small"]),
        }
        for by, found in content["model"].items()
        for name, gap in found["gaps"].items()
    ]
    return f"gaps between groups, {content['confidence']:.0%} intervals", rows


def _explain(content: Any) -> tuple[str, list[Row]]:
    what = explanation_words.NAME_OF[content["kind"]]
    rows = [
        {what: entry[what], "mean contribution": number(entry["mean_absolute"])}
        for entry in content["ranking"]
    ]
    return f"what the model used: {content['method']}, in {content['unit']}", rows


def _verdict(content: Any) -> tuple[str, str]:
    first, *others = verdict_lines(content)
    lines = [f"**{first}**", "", *(f"- {line.strip()}" for line in others)]
    return first, "\n".join(lines)


def _rehearse(content: Any) -> tuple[str, str]:
    word = wording.OUTCOMES[content["outcome"]]["word"]
    lines = [
        f"**rehearsal: {word}**",
        "",
        "| check | outcome | expected | found |",
        "|" + "---|" * 4,
    ]
    for check in content["checks"]:
        cells = (check[key] for key in ("name", "outcome", "expected", "found"))
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return f"rehearsal of the packaged service: {word}", "\n".join(lines)


def _package(content: Any) -> tuple[str, list[Row]]:
    shown = ("tag", "digest", "model_digest", "num_files", "num_bytes", "installed_bytes")
    rows = [{"what": name, "value": str(content[name])} for name in shown if name in content]
    return f"the packaged service {content['tag']}", rows


REPORTS: Mapping[str, tuple[str, Callable[[Any], tuple[str, list[Row] | str]]]] = {
    "validate": ("report.json", data_sheets.contract),
    "clean": ("ledger.json", data_sheets.ledger),
    "audit": ("report.json", data_sheets.audit),
    "balance": ("report.json", data_sheets.balance),
    "calibrate": ("policy.json", _calibrate),
    "evaluate": ("report.json", _evaluate),
    "assess": ("report.json", _assess),
    "explain": ("report.json", _explain),
    "gate": ("verdict.json", _verdict),
    "package": ("report.json", _package),
    "rehearse": ("report.json", _rehearse),
}
