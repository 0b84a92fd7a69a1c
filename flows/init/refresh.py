"""Put a new delivery in the place of a project's raw file, and under DVC.

What was there stays in DVC's cache, so that `git checkout` and `dvc checkout` bring it back.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from flows.graph.dvc_add import add_to_dvc, opened
from pipeline.core.errors import ProjectError
from pipeline.core.files import replacing
from pipeline.core.settings.project import known_project, load_project


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did.

    Attributes:
        source: The raw file or folder, relative to the root.
        pointer: DVC's file beside the raw folder, relative to the root.
        num_rows: Of the new delivery.
        num_bytes: Of the new delivery.
        is_same: Whether its bytes are those that were there.
    """

    source: str
    pointer: str
    num_rows: int
    num_bytes: int
    is_same: bool


def refresh(root: Path, project: str, delivered: str | None, query: str | None) -> Refreshed:
    """Take a delivery as the project's raw data, if it can be read as `ingest` is set.

    Args:
        root: The repository.
        project: The project's name.
        delivered: A file, a URL, or with `query` a database's URL; None takes the raw file or
            folder as it lies there.
        query: What to ask the database.

    Raises:
        ProjectError: the delivery cannot be read, or what lies there is not what DVC knows and
            would be lost. Nothing was changed then.
    """
    from pipeline.ingest.stage import Settings
    from pipeline.onboarding.reading.deliveries import digest_of, local_delivery, measured

    known_project(root, project)
    home = root / "data" / project
    known = load_project(root, project, "ingest", Settings, ("columns",))
    settings, images = known.settings, known.columns.images
    raw = home / "raw"
    target = _target(home, settings.source, project)
    if delivered is None and query:
        raise ProjectError("expected a database's URL before `--query`, got none")
    if delivered is not None and query is None and "://" not in delivered:
        delivered = str(Path(delivered).absolute())
        if Path(delivered).resolve() == target.resolve():
            delivered = None
    is_known = _is_known(root, raw)
    if delivered is None:
        num_rows, num_bytes = measured(settings, target, home, images)
        is_same = is_known
    else:
        _check_place(target, raw, project, is_known)
        with local_delivery(delivered, query, target, home, settings) as file:
            num_rows, num_bytes = measured(settings, file, home, images, like=target)
            is_same = target.exists() and digest_of(file) == digest_of(target)
            if not is_same:
                with replacing(target) as temporary:
                    shutil.copyfile(file, temporary)
    if not (is_same and is_known):
        add_to_dvc(root, raw)
    pointer = raw.with_name("raw.dvc").relative_to(root)
    return Refreshed(str(target.relative_to(root)), str(pointer), num_rows, num_bytes, is_same)


def _target(home: Path, source: str, project: str) -> Path:
    """The raw file or folder that `ingest.source` names."""
    if "://" in source:
        raise ProjectError(
            f"data/{project}/project.yaml: expected `ingest.source` to be a file below raw/, "
            f"got the URL {source}",
            hint=f"`hallmark build {project} --from ingest` reads a URL anew",
        )
    target = (home / source).resolve()
    if home.resolve() / "raw" not in (target, *target.parents):
        raise ProjectError(
            f"data/{project}/project.yaml: expected `ingest.source` below raw/, which DVC keeps, "
            f"got {source}",
            hint=f"put the file into data/{project}/raw and name it there",
        )
    return home / source


def _check_place(target: Path, raw: Path, project: str, is_known: bool) -> None:
    """Refuse to replace several files by one, and what could not be brought back."""
    if target.is_dir():
        raise ProjectError(
            f"expected a raw file to replace, `ingest.source` of {project} is the folder {target}",
            hint=f"put the files there, then `hallmark refresh {project}`",
        )
    if is_known or not (raw.exists() or raw.with_name("raw.dvc").exists()):
        return
    if raw.exists():
        raise ProjectError(
            f"data/{project}/raw: expected what raw.dvc names, found other files: they would be "
            "lost",
            hint=f"`hallmark refresh {project}` takes them as they are; `dvc checkout --force "
            f"data/{project}/raw.dvc` brings back what DVC knows",
        )
    raise ProjectError(
        f"data/{project}/raw: expected the raw data that raw.dvc names, found none",
        hint=f"`dvc pull data/{project}/raw.dvc` fetches them",
    )


def _is_known(root: Path, raw: Path) -> bool:
    """Whether the raw folder holds just what DVC knows of it."""
    pointer = raw.with_name("raw.dvc")
    if not pointer.exists():
        return False
    with opened(root) as repo:
        return not repo.status(targets=[str(pointer)])
