"""The parts of a modality: the same module names in every folder `pipeline/<modality>/`.

Stages ask for a part by name, `part(project.modality, "encoding")`, so that adding a modality
touches no stage; `optional_part` for one that not every modality has. A contract test reads these
calls to know what a stage depends on.
"""

import importlib
from pathlib import Path
from typing import Any

from pipeline.core.errors import ProjectError
from pipeline.core.problems import nearest


def part(modality: str, name: str) -> Any:
    """The module `pipeline.<modality>.<name>`.

    Raises:
        ProjectError: there is no such modality.
    """
    try:
        return importlib.import_module(f"pipeline.{modality}.{name}")
    except ModuleNotFoundError as error:
        if error.name not in (f"pipeline.{modality}", f"pipeline.{modality}.{name}"):
            raise
        beside = Path(__file__).parents[1]
        known = tuple(sorted(file.parent.name for file in beside.glob(f"*/{name}.py")))
        raise ProjectError(
            f"params.yaml: expected a modality with a folder pipeline/<modality>/ that has "
            f"{name}.py, got {modality!r}",
            hint=nearest(modality, known),
        ) from None


def optional_part(modality: str, name: str) -> Any | None:
    """The module `pipeline.<modality>.<name>`, or None where this modality has no such part."""
    return part(modality, name) if has_part(modality, name) else None


def has_part(modality: str, name: str) -> bool:
    """Whether this modality has such a part, without loading it."""
    return (Path(__file__).parents[1] / modality / f"{name}.py").is_file()
