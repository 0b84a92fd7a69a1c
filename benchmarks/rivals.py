"""What `benchmarks/serve.py` measures our service against: the same network behind other servers.

None of them checks a contract or cleans a row: they answer faster than they might. Each takes the
model from the folder that BENCHMARK_MODEL names, the four files of a bento's `src/model`.

    uvicorn --factory benchmarks.rivals:fastapi_app     a bare FastAPI service, one by one
    python benchmarks/rival_litserve.py PORT            LitServe, with batches of up to 64
    write_mlflow_model(folder)                          for `mlflow models serve`
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.files import read_json
from pipeline.core.prediction import prediction
from pipeline.core.prediction.policy import Policy
from pipeline.tabular.model.encoding import (
    MISSING_LEVEL,
    MISSING_POSITION,
    NUM_SPECIAL_LEVELS,
    UNKNOWN_LEVEL,
)

MODEL = "BENCHMARK_MODEL"


class Plain:
    """The network with the leanest encoding of clean rows that we could write."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        folder = Path(os.environ[MODEL])
        self.predictor = prediction.load(folder, "tabular")
        self.policy = Policy.from_dict(read_json(folder / "policy.json"))
        encoder = self.predictor.encoder
        self.edges = {
            name: (np.array(edges), np.arange(len(edges), dtype=float))
            for name, edges in encoder.edges.items()
        }
        self.levels = {
            name: {None: MISSING_LEVEL, **{x: i + NUM_SPECIAL_LEVELS for i, x in enumerate(known)}}
            for name, known in encoder.levels.items()
        }

    def probabilities(self, rows: list[dict[str, Any]]) -> list[float]:
        import torch

        numbers = [
            [
                MISSING_POSITION if row[name] is None else np.interp(row[name], edges, places)
                for name, (edges, places) in self.edges.items()
            ]
            for row in rows
        ]
        levels = [
            [known.get(row[name], UNKNOWN_LEVEL) for name, known in self.levels.items()]
            for row in rows
        ]
        with torch.inference_mode():
            logits = self.predictor.network(
                torch.tensor(numbers, dtype=torch.float32), torch.tensor(levels)
            )
        return self.policy.probability(logits.double().numpy()).tolist()

    def answers(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"probability": p, "decision": p >= self.policy.threshold}
            for p in self.probabilities(rows)
        ]


def fastapi_app() -> Any:
    """A FastAPI service by the book: a pydantic model of a row, one prediction a request."""
    from fastapi import FastAPI
    from pydantic import Field, create_model

    plain = Plain()
    fields: dict[str, Any] = {
        f"f{i}": (kind | None, Field(alias=name))
        for i, (name, kind) in enumerate(
            [*((one, float) for one in plain.edges), *((one, str) for one in plain.levels)]
        )
    }
    row_type: Any = create_model("Row", **fields)
    app = FastAPI()

    @app.get("/readyz")
    async def ready() -> str:
        return "ready"

    async def predict(content: Any) -> Any:
        if isinstance(content, list):
            return plain.answers([one.model_dump(by_alias=True) for one in content])
        return plain.answers([content.model_dump(by_alias=True)])[0]

    predict.__annotations__ = {"content": row_type | list[row_type]}
    app.post("/predict")(predict)
    return app


def write_mlflow_model(folder: Path) -> None:
    """A model that `mlflow models serve` loads: this file is its code, so nothing is pickled."""
    import mlflow

    code = Path(__file__).with_name("rival_mlflow.py")
    mlflow.pyfunc.save_model(folder, python_model=str(code), pip_requirements=["mlflow"])
