"""Make a bento of a source folder with BentoML, in processes of its own, the same bytes each time.

What the service imports is found by letting it work once (`imports`), so neither its modules nor
its requirements are listed anywhere.
"""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.core.bento import folder as bento
from pipeline.core.errors import PipelineError, ProjectError
from pipeline.core.files import write_json
from pipeline.service import imports

ROOT = Path(__file__).parents[2]
ENTRY_MODULE = "pipeline.service.entry"
SERVICE = "service:service"
DRAFT = "draft"
TAKEN_BY_UVICORN = ("httptools", "uvloop")
"""Nobody imports them: the web server takes them where they are installed, and is faster."""
CREATED = "1970-01-01T00:00:00+00:00"
"""Stands for the time of building, which is none of the inputs."""


def built(source: Path, name: str, locks: Sequence[Path]) -> tuple[Path, dict[str, Any]]:
    """Make the bento of what `source` holds; the service's code is added.

    Args:
        source: The files that the service reads, as they will lie in the bento's source folder.
        name: The bento's name.
        locks: The lock files that pin its requirements; the first that has one counts.

    Returns:
        The bento's folder, beside `source`, and what the report says of it.

    Raises:
        PipelineError: the service does not start on these files, or BentoML does not build.
    """
    found = json.loads(ran([sys.executable, "-m", imports.__name__, str(source)], ROOT, source))
    distributions = [*found["distributions"], *TAKEN_BY_UVICORN]
    requirements = pinned(distributions, locks)
    for module in found["modules"]:
        place(module, source)
    shutil.move(source / (ENTRY_MODULE.replace(".", "/") + ".py"), source / bento.ENTRY)
    options = {
        "service": SERVICE,
        "name": name,
        "description": f"The model of the project {name}; card/report.html is its card.",
        "include": ["*"],
        "python": {
            "packages": [one for one in requirements if not one.startswith("bentoml==")],
            "lock_packages": False,  # they are pinned; BentoML adds itself, as it is here
        },
    }
    write_json(source.parent / "bentofile.json", options)
    words = ["-m", "bentoml", "build", "-f", "../bentofile.json", "--version", DRAFT]
    ran([sys.executable, *words], source, source)
    made = source.parent / "home" / "bentos" / name / DRAFT
    digest = normalised(made)
    files = [file for file in made.rglob("*") if file.is_file()]
    return made, {
        "tag": f"{name}:{digest[: bento.VERSION_LENGTH]}",
        "digest": digest,
        "num_bytes": sum(file.stat().st_size for file in files),
        "num_files": len(files),
        "requirements": requirements,
        "installed_bytes": installed_bytes(distributions),
    }


def ran(words: list[str], folder: Path, source: Path) -> str:
    """The output of a process that must end well; BentoML's own files go beside `source`.

    Raises:
        PipelineError: it failed; the message ends with its last lines.
    """
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("BENTOML")},
        "BENTOML_HOME": str(source.parent / "home"),
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(folder),
    }
    for name in ("HALLMARK_TOKEN", bento.WORKERS, bento.ALLOWED_HOSTS):
        environment.pop(name, None)
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise PipelineError(
            f"package: expected `{' '.join(words[1:4])} …` to end well, it ended with "
            f"{done.returncode}",
            findings=[line.rstrip() for line in lines[-8:]],
        )
    return done.stdout


def place(module: str, source: Path) -> None:
    """Copy a module, and what lies beside it under its name, to the bento's source folder."""
    file = ROOT / (module.replace(".", "/") + ".py")
    beside = [one for one in file.parent.glob(f"{file.stem}.*") if one.is_file()]
    for one in beside or [ROOT / module.replace(".", "/") / "__init__.py"]:
        target = source / one.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one, target)


def pinned(distributions: list[str], locks: Sequence[Path]) -> list[str]:
    """`name==version` of these distributions, as the first lock has it that has one.

    Raises:
        ProjectError: no lock pins one of them.
    """
    lines = {
        canonicalize_name(line.split("==")[0]): line.split()[0]
        for lock in reversed(locks)
        for line in lock.read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    names = sorted({canonicalize_name(name) for name in distributions})
    if absent := [name for name in names if name not in lines]:
        raise ProjectError(
            f"expected {' or '.join(lock.name for lock in locks)} to pin what the service imports, "
            f"found no line for {', '.join(absent)}",
            hint="name it under `dependencies` in pyproject.toml and run `make lock`",
        )
    return [lines[name] for name in names]


def normalised(made: Path) -> str:
    """Take BentoML's stamps out of a bento and name it by its digest, which is returned."""
    (made / bento.SOURCE / "bentofile.yaml").unlink(missing_ok=True)  # bento.yaml says it all
    digest = bento.digest(made)
    manifest = made / bento.MANIFEST
    text = manifest.read_text(encoding="utf-8")
    text, num_versions = re.subn(
        rf"^version: {DRAFT}$", f"version: {digest[: bento.VERSION_LENGTH]}", text, flags=re.M
    )
    text, num_times = re.subn(
        r"^creation_time: .*$", f"creation_time: '{CREATED}'", text, flags=re.M
    )
    if (num_versions, num_times) != (1, 1):
        raise PipelineError(f"package: expected one version and one time in {manifest.name}")
    manifest.write_text(text, encoding="utf-8")
    return digest


def installed_bytes(distributions: list[str]) -> int:
    """What these distributions and all that they require weigh here, without compiled caches."""
    waiting, seen, size = list(distributions), set(), 0
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform or an extra that is not installed
        for file in distribution.files or ():
            if file.suffix != ".pyc":
                path = Path(str(distribution.locate_file(file)))
                size += path.stat().st_size if path.is_file() else 0
        for line in distribution.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return size
