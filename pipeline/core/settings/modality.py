"""The parts of a modality: the same areas and modules in every folder `pipeline/<modality>/`.

Stages ask for a part by name, `part(project.modality, "model.encoding")`, so that adding a modality
touches no stage; `optional_part` for one that not every modality has. A contract test reads these
calls to know what a stage depends on.
"""

import importlib
from pathlib import Path
from typing import Any

from pipeline.core.errors import ProjectError
from pipeline.core.settings.problems import nearest

HERE = Path(__file__).parents[2]


def part(modality: str, name: str) -> Any:
    """The module `pipeline.<modality>.<name>`.

    Raises:
        ProjectError: there is no such modality.
    """
    if not has_part(modality, name):
        file = _file(name)
        known = tuple(sorted(one.relative_to(HERE).parts[0] for one in HERE.glob(f"*/{file}")))
        raise ProjectError(
            f"params.yaml: expected a modality with a folder pipeline/<modality>/ that has "
            f"{file}, got {modality!r}",
            hint=nearest(modality, known),
        )
    return importlib.import_module(f"pipeline.{modality}.{name}")


def optional_part(modality: str, name: str) -> Any | None:
    """The module `pipeline.<modality>.<name>`, or None where this modality has no such part."""
    return part(modality, name) if has_part(modality, name) else None


def has_part(modality: str, name: str) -> bool:
    """Whether this modality has such a part, without loading it."""
    return bool(modality) and (HERE / modality / _file(name)).is_file()


def _file(name: str) -> str:
    """`model.encoding` → `model/encoding.py`."""
    return name.replace(".", "/") + ".py"
