"""The live champion as files, `data/<project>/champion/`, written before a build plans.

champion.json says which version is live, or that none is. A live one lies beside it: the model's
three files, policy.json, and seen.parquet with the `_key` of every row that it was fitted on.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.core.files import damaged, read_json, read_parquet
from pipeline.core.prediction import prediction
from pipeline.core.prediction.output_policy import OutputPolicy, policy_of
from pipeline.core.prediction.policy import Policy


@dataclass(frozen=True)
class Champion:
    """A live model: what it predicts with, and the keys of the rows that it has seen."""

    version: str
    model: prediction.Predictor
    policy: Policy | OutputPolicy
    seen: pl.Series


def version(folder: Path) -> str | None:
    """The live champion's version, or None when the note says that there is none.

    Raises:
        ArtifactMissing: the note is absent or damaged.
    """
    note = folder / "champion.json"
    try:
        found = read_json(note)["version"]
    except (KeyError, TypeError) as error:
        raise damaged(note, "champion", error) from None
    return None if found is None else str(found)


def load(folder: Path, modality: str) -> Champion | None:
    """The live champion, or None when the note says that there is none.

    Raises:
        ArtifactMissing: the note is absent, or the model that it names cannot be read.
    """
    live, policy = version(folder), folder / "policy.json"
    if live is None:
        return None
    model = prediction.load(folder, modality)
    try:
        decides = policy_of(read_json(policy))
    except (AttributeError, KeyError, TypeError) as error:
        raise damaged(policy, "policy", error) from None
    return Champion(
        version=live,
        model=model,
        policy=decides,
        seen=read_parquet(folder / "seen.parquet", ["_key"])["_key"],
    )
