"""What Prefect's pages show of a build: a table or a text for each report, and training's way.

Keys are per project and lowercase, `adult-evaluate`, so that a page shows how a report changed
from run to run. Telling Prefect never ends a build: what it does not take is logged.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import prefect.artifacts

from flows.orchestration.report_sheets import Sheet
from pipeline.core.paths import Paths
from pipeline.core.settings.yaml_files import read_yaml

CURVES = "curves.jsonl"
NOW: dict[str, Any] = {"_sync": True}  # else Prefect returns a coroutine where a loop runs


def key(project: str, name: str) -> str:
    """An artifact's key: lowercase letters, digits and dashes are all that Prefect takes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{project}-{name}".lower()).strip("-")


def publish(project: str, sheet: Sheet) -> None:
    """Show a sheet. Call it inside the task or flow run that it belongs to."""
    named: dict[str, Any] = {"key": key(project, sheet.name), "description": sheet.description}
    if isinstance(sheet.content, str):
        prefect.artifacts.create_markdown_artifact(markdown=sheet.content, **named, **NOW)
    else:
        prefect.artifacts.create_table_artifact(table=sheet.content, **named, **NOW)


def publish_link(root: Path, project: str) -> None:
    """Link the report's page, for a browser on the machine that built it."""
    page = Paths(root, project, "report").output("report.html")
    publish_page(project, "report", page, "model card and data card")


def publish_page(project: str, name: str, page: Path, what: str) -> None:
    """Link a page that lies as a file on the machine that made it."""
    prefect.artifacts.create_link_artifact(
        link=page.as_uri(),
        link_text=f"{name} of {project}",
        key=key(project, f"{name}-link"),
        description=f"{project}: {what}; a file on the machine that built it",
        **NOW,
    )


class TrainingProgress:
    """Epochs done, of those that training may take, from the curve that it writes.

    Early stopping ends before the maximum: the last state is then 100 %.

    Args:
        root: The checkout.
        project: The project's name.
        max_epochs: Passes at the most.
        show: Shows percentage and description; returns nothing.
    """

    def __init__(
        self, root: Path, project: str, max_epochs: int, show: Callable[[float, str], None]
    ) -> None:
        self.curve = Paths(root, project, "train").output(CURVES)
        self.project = project
        self.max_epochs = max_epochs
        self.show = show
        self._before = _stamp(self.curve)
        self._shown = 0

    def look(self, has_ended: bool) -> None:
        """Show what is new since the last look. A curve of an earlier training does not count."""
        if _stamp(self.curve) == self._before:
            return
        lines = self.curve.read_text(encoding="utf-8").splitlines()
        if lines and (len(lines) != self._shown or has_ended):
            self._shown = len(lines)
            share = 100.0 if has_ended else 100 * len(lines) / max(self.max_epochs, len(lines))
            self.show(share, self._words(lines[-1]))

    def _words(self, line: str) -> str:
        text = f"{self.project}: epoch {self._shown} of at most {self.max_epochs}"
        try:
            return f"{text}, validation loss {json.loads(line)['validation_loss']:.4f}"
        except (ValueError, KeyError, TypeError):  # a line that is being written
            return text


class ProgressArtifact:
    """A progress bar on Prefect's pages."""

    def __init__(self, project: str) -> None:
        self.project = project
        self._id: UUID | None = None

    def show(self, percentage: float, description: str) -> None:
        if self._id is None:
            create: Any = prefect.artifacts.create_progress_artifact
            name = key(self.project, "train-progress")
            self._id = create(progress=percentage, key=name, description=description, **NOW)
        else:
            prefect.artifacts.update_progress_artifact(
                artifact_id=self._id, progress=percentage, description=description, **NOW
            )


def max_epochs(root: Path, project: str) -> int:
    """How many epochs training may take, those of a mixture's members included."""
    from pipeline.train.stage import LoopSettings

    content = read_yaml(root, Path("data") / project / "project.yaml").get("train") or {}
    known = {key: content[key] for key in ("max_epochs", "mitigation") if key in content}
    return LoopSettings.model_validate(known).max_passes


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
