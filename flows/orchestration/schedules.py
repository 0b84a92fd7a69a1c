"""When each project is built without anybody: `schedule` beside its modality in params.yaml."""

from pathlib import Path

from pipeline.core.errors import ProjectError
from pipeline.core.settings.project import projects
from pipeline.core.settings.yaml_files import read_yaml

WEEKLY = "0 3 * * 1"
"""Without a `schedule`: Mondays at three, UTC."""
NEVER = "never"


def schedules(root: Path) -> dict[str, str | None]:
    """Each project's cron line, in UTC; None for one that is built by hand alone.

    Raises:
        ProjectError: a schedule that is no cron line.
    """
    entries = read_yaml(root, Path("params.yaml"))["projects"] if projects(root) else {}
    return {name: _checked(name, entry.get("schedule", WEEKLY)) for name, entry in entries.items()}


def _checked(project: str, line: object) -> str | None:
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    if line == NEVER:
        return None
    try:
        return CronSchedule(cron=str(line), timezone="UTC").cron
    except ValidationError:
        raise ProjectError(
            f"params.yaml: projects.{project}.schedule: expected a cron line, got {line!r}",
            hint=f'for instance `schedule: "{WEEKLY}"` (UTC), or `schedule: {NEVER}`',
        ) from None
