"""What a stage tells the record of its run, `.local/runs/…/STAGE@PROJECT.json`.

Seconds, energy and money may stand in no output of a stage; they stand here.
"""

from typing import Any

GPU = "gpu"
"""Under this name a worker tells of the GPU that it used, which the record has among its cost."""
_told: dict[str, Any] = {}


def tell(name: str, content: dict[str, Any]) -> None:
    """Put something into the record of this process's stage, which is written at its end."""
    _told[name] = content


def told() -> dict[str, Any]:
    """All that was told so far; it is told once."""
    found = dict(_told)
    _told.clear()
    return found
