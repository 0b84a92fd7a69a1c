"""Whether a text model serves elsewhere: pretrained weights come from a package, which the bento's
requirements pin; a folder of this machine or a hub does not travel with it."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.errors import ProjectError
from pipeline.text.model.weights import PACKAGES, WANTED


def check(architecture: Mapping[str, Any], name: str) -> None:
    """Refuse pretrained weights that no package carries.

    Args:
        architecture: The content of model.json.
        name: The project's.
    """
    source = architecture.get("source")
    if architecture.get("architecture") == "pretrained" and source not in PACKAGES:
        raise ProjectError(
            f"{WANTED}.source: expected a package that carries the weights "
            f"({', '.join(PACKAGES)}), got {source!r}: a bento has no other place for them",
            hint=f"train {name} from a package's weights, or put yours into a package of their own "
            "and name it in pipeline/text/model/weights.py",
        )
