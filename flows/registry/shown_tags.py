"""What MLflow shows of a version, as tags. Nothing is decided by them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.verdict.override_records import in_words


def as_tags(version_fields: dict[str, Any]) -> dict[str, str]:
    """What MLflow shows of a version."""
    shown = ("bento_tag", "bento_digest", "model_digest", "verdict", "rehearsal", "commit", "build")
    tags = {name: str(version_fields[name]) for name in shown}
    return {
        **tags,
        "dirty": str(version_fields["dirty"]).lower(),
        **override_tags(version_fields["overrides"]),
    }


def override_tags(overrides: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What MLflow shows of overrides; nothing where there are none."""
    if not overrides:
        return {}
    return {
        "override": "; ".join(map(in_words, overrides)),
        "override_until": min(str(record["until"]) for record in overrides),
        "override_by": ", ".join(dict.fromkeys(str(record["name"]) for record in overrides)),
    }
