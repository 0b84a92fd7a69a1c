"""How plain MLflow loads a packaged model: a copy of this file lies beside the model's own code.

Imports nothing of this repository: the code that predicts is the model's, from its own folder,
also where another version of it is imported already.
"""

import contextlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = "pipeline"
SERVICE = "service.json"
TYPES = {"string": "object", "double": "float64", "boolean": "bool"}


class Model:
    """A packaged model as MLflow calls one."""

    def __init__(self, folder: Path) -> None:
        with _own_code(folder):
            loading = importlib.import_module(f"{PACKAGE}.service.predictor")
            answers = importlib.import_module(f"{PACKAGE}.service.answers")
            self._predictor = loading.load(folder)
            state = json.loads((folder / SERVICE).read_text(encoding="utf-8"))
            self._columns = answers.table_columns(state["columns"]["task"], state["labels"])

    def predict(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """What the service answers to rows as they are delivered, without warnings: label,
        probability and decision; label, probability and that of each class; or a number.

        Raises:
            ValueError: a row breaks the model's contract; the message names row and field.
        """
        import pandas as pd

        asked = rows.astype(object).where(rows.notna(), None).to_dict("records")
        answer = self._predictor.answer([asked])[0]
        if answer.findings:
            raise ValueError("; ".join(_in_words(finding) for finding in answer.findings))
        made = [_flat(one) for one in answer.predictions]
        found = pd.DataFrame(made, columns=list(self._columns), index=rows.index)
        return found.astype({name: TYPES[kind] for name, kind in self._columns.items()})


def _flat(prediction: dict[str, Any]) -> dict[str, Any]:
    """An answer with the probability of each class under a name of its own."""
    of_classes = prediction.get("probabilities", {})
    return {**prediction, **{f"probability_{name}": one for name, one in of_classes.items()}}


def _load_pyfunc(path: str) -> Model:
    """What MLflow calls."""
    return Model(Path(path))


def _in_words(finding: dict[str, Any]) -> str:
    return (
        f"row {finding['row']}, {finding['field']}: expected {finding['expected']}, "
        f"found {finding['found']}"
    )


@contextlib.contextmanager
def _own_code(folder: Path) -> Iterator[None]:
    """Import the model's own `pipeline`, then put back what was imported under its name before."""

    def taken_out() -> dict[str, Any]:
        names = [name for name in sys.modules if name.partition(".")[0] == PACKAGE]
        return {name: sys.modules.pop(name) for name in names}

    before = taken_out()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if before:
            taken_out()
            sys.modules.update(before)
