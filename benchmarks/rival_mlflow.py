"""The code of the model that `mlflow models serve` serves; MLflow runs this file to load it."""

from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from benchmarks.rivals import Plain


class Model(PythonModel):
    """Rows as a data frame to probabilities."""

    def load_context(self, context: Any) -> None:  # noqa: ARG002 -- MLflow hands it over
        self.plain = Plain()

    # Without type hints: MLflow would take them for the model's signature.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def] # noqa: ARG002
        frame = model_input.astype(object).where(model_input.notna(), None)
        return self.plain.probabilities(frame.to_dict("records"))


set_model(Model())
