"""Which dvc.yaml builds a project: that of the root, or its copy in the project's folder.

The `graph.yaml` beside it names the project, its modality (which params.yaml has, too), and the way
to the repository's root.
"""

from pathlib import Path

from pipeline.core.errors import ProjectError
from pipeline.core.settings.yaml_files import read_yaml

GRAPH, DVC_FILE, LOCK = "graph.yaml", "dvc.yaml", "dvc.lock"


def is_reference(root: Path, project: str) -> bool:
    """Whether the dvc.yaml of the root builds this project."""
    return (root / GRAPH).is_file() and read_yaml(root, Path(GRAPH)).get("name") == project


def graph_folder(root: Path, project: str) -> Path:
    """The folder of the project's dvc.yaml and dvc.lock, relative to `root`.

    Raises:
        ProjectError: no dvc.yaml is for this project.
    """
    home = Path("data") / project
    if (root / home / GRAPH).is_file():
        return home
    if is_reference(root, project):
        return Path()
    raise ProjectError(
        f"expected the file {home / GRAPH}, found none",
        hint=f"write `name: {project}`, `modality: …` and `root: ../..` into it, and copy "
        f"the graph: `cp dvc.yaml {home / DVC_FILE}`",
    )


def stage_address(root: Path, project: str, stage: str) -> str:
    """What `dvc repro` calls a stage: `train`, or `data/wine/dvc.yaml:train`."""
    folder = graph_folder(root, project)
    return stage if folder == Path() else f"{(folder / DVC_FILE).as_posix()}:{stage}"


def graph_text(project: str, modality: str, root: str) -> str:
    """The text of a graph.yaml."""
    return f"""\
# Which project the dvc.yaml beside this file builds; paths in it are relative to `root`.
name: {project}
modality: {modality} # as in params.yaml
root: {root}
"""


def check_graph(root: Path, project: str, modality: str) -> None:
    """Refuse a graph.yaml that is not about this project as params.yaml has it, since its stages
    would depend on another modality's code, and a graph that is not the repository's.

    Raises:
        ProjectError: graph.yaml is absent, or name, modality or root is another one; or the
            project's dvc.yaml is no copy of the root's.
    """
    folder = graph_folder(root, project)
    source = folder / GRAPH
    content = read_yaml(root, source)
    wanted = {"name": project, "modality": modality, "root": "." if folder == Path() else "../.."}
    for key, value in wanted.items():
        if content.get(key) != value:
            raise ProjectError(
                f"{source}: expected `{key}: {value}`, got {content.get(key)!r}",
                hint="params.yaml says which projects there are, and of which modality; "
                f"write `{key}: {value}` into {source}",
            )
    copy = folder / DVC_FILE
    if folder != Path() and _bytes(root / copy) != _bytes(root / DVC_FILE):
        raise ProjectError(
            f"expected {copy} to be a copy of {DVC_FILE}, the graph of all projects, it differs",
            hint=f"edit {DVC_FILE}, then `cp {DVC_FILE} {copy}`, or `make deps` for all projects",
        )


def is_of_a_project(folder: Path) -> bool:
    """Whether a folder's dvc.yaml is a project's copy: its graph.yaml says that the root is
    elsewhere."""
    return (folder / GRAPH).is_file() and read_yaml(folder, Path(GRAPH)).get("root") != "."


def _bytes(source: Path) -> bytes:
    return source.read_bytes() if source.is_file() else b""
