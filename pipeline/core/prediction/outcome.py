"""What a model predicts, by its task: one of two classes, one of several, or a number.

It is fitted on training rows and kept in model.json, so that whoever reads the model's outputs
knows which column is which class, and what one step of a number is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.dataset.labels import class_names, joining, numbers, positives
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns, Task

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """Attributes:
    task: `binary`, `multiclass` or `regression`.
    classes: Of a multiclass target, sorted: output i of the network is the logit of class i.
    mean: Of a regression's target; its network is fitted to (target - mean) / scale.
    scale: The target's standard deviation.
    """

    task: Task = "binary"
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def num_outputs(self) -> int:
        """Of the network: one logit per class, or one number."""
        return len(self.classes) or 1

    def truth(self, table: pl.DataFrame, columns: Columns) -> NDArray[Any]:
        """Each row's target, shape (rows,): 0.0 or 1.0, a class's index, or the number itself.

        Raises:
            ProjectError: a class that the training rows do not have, or a target that is no number.
        """
        if self.task == "binary":
            return positives(table, columns).to_numpy().astype(float)
        if self.task == "regression":
            return numbers(table, columns)
        names = class_names(table, columns)
        known = pl.Series(self.classes, dtype=pl.String)
        strange = names.filter(~names.is_in(known.implode()))
        if strange.len():
            raise ProjectError(
                f"columns.target: expected the {known.len()} classes of {columns.target!r} that "
                f"the training rows have, found {strange.n_unique()} more in {strange.len()} rows",
                hint=joining(columns),
            )
        return names.cast(pl.Enum(self.classes)).to_physical().cast(pl.Int64).to_numpy()

    def encoded(self, table: pl.DataFrame, columns: Columns) -> NDArray[Any]:
        """What the network is fitted to, shape (rows,): float32, or int64 indices of classes."""
        truth = self.truth(table, columns)
        if self.task == "multiclass":
            return truth.copy()
        return np.asarray((truth - self.mean) / self.scale, dtype=np.float32)

    def outputs_of(self, model: Any, features: Any) -> Floats:
        """What a fitted model of scikit-learn gives in the form of a network's outputs: logits, of
        several classes one each also where it gives those of two as one; or numbers."""
        found: Floats
        if self.task == "regression":
            found = model.predict(features)
        else:
            found = model.decision_function(features)
        if self.num_outputs > 1 and found.ndim == 1:
            found = np.column_stack([np.zeros(len(found)), found])
        return found

    def in_units(self, outputs: Floats) -> Floats:
        """A regression network's outputs as numbers like the target's."""
        return outputs * self.scale + self.mean

    def as_dict(self) -> dict[str, Any]:
        """Its part of model.json; nothing for two classes, which need no more said."""
        if self.task == "multiclass":
            return {"outcome": {"task": self.task, "classes": list(self.classes)}}
        if self.task == "regression":
            return {"outcome": {"task": self.task, "mean": self.mean, "scale": self.scale}}
        return {}

    @staticmethod
    def from_dict(model: Mapping[str, Any]) -> "Outcome":
        """The outcome that the content of model.json names."""
        state = model.get("outcome")
        if state is None:
            return BINARY
        if state["task"] == "multiclass":
            return Outcome("multiclass", tuple(state["classes"]))
        return Outcome("regression", mean=float(state["mean"]), scale=float(state["scale"]))


BINARY = Outcome()


def fit(train: pl.DataFrame, columns: Columns) -> Outcome:
    """Fit on training rows: a multiclass target's classes, a number's mean and deviation.

    Raises:
        ProjectError: a target is missing, of one class alone, or no number.
    """
    if columns.task == "multiclass":
        names = class_names(train, columns).unique().sort().to_list()
        if len(names) < 2:
            raise ProjectError(
                f"columns.target: expected at least two classes of {columns.target!r} in the "
                f"training rows, found {len(names)}"
            )
        return Outcome("multiclass", tuple(names))
    if columns.task == "regression":
        values = numbers(train, columns)
        return Outcome("regression", mean=float(values.mean()), scale=float(values.std()) or 1.0)
    return BINARY
