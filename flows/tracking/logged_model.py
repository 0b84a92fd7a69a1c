"""A packaged model as MLflow logs it: its own code and files, what it takes and what it answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.tracking.store import ModelFiles
from pipeline.core.bento import folder as bento
from pipeline.core.files import read_json
from pipeline.service.answers import table_columns

TYPES = {
    "text": "string",
    "image": "string",
    "integer": "float64",
    "float": "float64",
    "boolean": "boolean",
}
"""From how a column is delivered to the type of its example: a number may be missing, an image is
text in base64."""


def model_files(packed: Path, requirements: Sequence[str]) -> ModelFiles:
    """A bento as what MLflow logs. The example is made from the contract: no person's row is shown.

    Args:
        packed: The bento's folder.
        requirements: What its code needs, `polars==…`.
    """
    source = packed / bento.SOURCE
    service = read_json(source / bento.SERVICE)
    return ModelFiles(
        loader=Path(__file__).with_name("hallmark_model.py"),
        data=source,
        requirements=requirements,
        example=_example(service["fields"]),
        answers=table_columns(service["columns"]["task"], service["labels"]),
    )


def _example(fields: Sequence[dict[str, Any]]) -> Any:
    """One valid row, a pandas table with the types of the columns as delivered."""
    import pandas as pd

    columns = {}
    for field in fields:
        kind, value = TYPES[field["delivered"]], field["example"]
        value = str(value) if kind == "string" and value is not None else value
        columns[field["name"]] = pd.Series([value], dtype="object" if kind == "string" else kind)
    return pd.DataFrame(columns)
