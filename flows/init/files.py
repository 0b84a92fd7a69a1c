"""The files of a new project: made beside their places, then moved there, all or none."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flows.graph.dvc_add import add_to_dvc
from flows.init.record import RECORD, record_text
from flows.init.request import Wanted
from flows.registry.champion_files import NOBODY, NOTE
from pipeline.core.settings.graph_file import DVC_FILE, GRAPH, graph_text, is_reference

KEPT = ("overrides.json", f"champion/{NOTE}", ".gitignore")
"""What stays as it is where it stands already."""


def new_files(
    wanted: Wanted, file_name: str, sha256: str, texts: Mapping[str, str]
) -> dict[str, str]:
    """All files of the project but the raw data, by path below its folder.

    Args:
        wanted: What was asked for.
        file_name: Of the raw file.
        sha256: Of its bytes.
        texts: project.yaml and contract.json.
    """
    return {
        **texts,
        "overrides.json": '{\n  "overrides": []\n}\n',
        f"champion/{NOTE}": json.dumps(NOBODY, indent=2) + "\n",
        GRAPH: graph_text(wanted.name, "tabular", "../.."),
        RECORD: record_text(wanted, file_name, sha256, texts),
    }


@contextlib.contextmanager
def beside(root: Path, name: str) -> Iterator[Path]:
    """A folder below data/ for what is being made; it is gone afterwards."""
    (root / "data").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root / "data"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_project(
    root: Path,
    name: str,
    raw: Path,
    file_name: str,
    files: Mapping[str, str],
    params: str,
) -> None:
    """Put the project into the repository, all of it or nothing.

    Args:
        root: The repository.
        name: Of the project.
        raw: The raw file; it is copied.
        file_name: The name of its copy.
        files: Texts by path below the project's folder.
        params: The content of params.yaml with the project in it.
    """
    home = root / "data" / name
    with beside(root, name) as folder:
        made, old = folder / "made", folder / "old"
        (made / "raw").mkdir(parents=True)
        shutil.copyfile(raw, made / "raw" / file_name)
        for path, text in files.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_text(text, encoding="utf-8")
        add_to_dvc(root, made / "raw")
        keep_in_embedded(made / "raw")
        if is_reference(root, name):
            (made / GRAPH).unlink()  # the root's own dvc.yaml builds it
        else:
            shutil.copyfile(root / DVC_FILE, made / DVC_FILE)
        (folder / "params.yaml").write_text(params, encoding="utf-8")
        if not home.exists():
            moves = [(made, home)]
        else:
            places = [path for path in _places(made) if not _stays(home, path)]
            moves = [(made / path, home / path) for path in places]
        _moved([*moves, (folder / "params.yaml", root / "params.yaml")], old)


def _places(made: Path) -> list[str]:
    """What is put into a folder that is there already: raw/ as a whole, everything else by file."""
    files = [
        path for path in made.rglob("*") if path.is_file() and made / "raw" not in path.parents
    ]
    return ["raw", *sorted(str(path.relative_to(made)) for path in files)]


def _stays(home: Path, path: str) -> bool:
    return path in KEPT and (home / path).is_file()


def _moved(moves: Sequence[tuple[Path, Path]], old: Path) -> None:
    """Move all, or put back what was moved."""
    old.mkdir()
    done: list[tuple[Path, Path, Path | None]] = []
    try:
        for number, (source, target) in enumerate(moves):
            kept = None
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                kept = old / str(number)
                target.rename(kept)
            done.append((source, target, kept))
            source.rename(target)
    except BaseException:
        for source, target, kept in reversed(done):
            with contextlib.suppress(OSError):
                if target.exists() and not source.exists():
                    target.rename(source)
                if kept is not None:
                    kept.rename(target)
        raise


def keep_in_embedded(raw: Path) -> None:
    """As all data of this repository the raw folder belongs to the remote `embedded`, to which
    nothing is pushed unless a person says so."""
    from ruamel.yaml import YAML

    source = raw.with_name("raw.dvc")
    yaml = YAML()
    content = yaml.load(source)
    content["outs"][0].update({"remote": "embedded", "push": False})
    with source.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
