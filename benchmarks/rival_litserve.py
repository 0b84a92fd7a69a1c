"""LitServe, which collects requests that arrive within a millisecond into one batch.

PYTHONPATH=. python benchmarks/rival_litserve.py PORT
"""

import sys
from typing import Any

import litserve

from benchmarks.rivals import Plain


class Api(litserve.LitAPI):
    """Its worker is a process of its own, so the class stands at the top of a module."""

    def setup(self, device: str) -> None:  # noqa: ARG002 -- LitServe hands it over
        self.plain = Plain()

    # Without a type hint: LitServe would take it for the request's model.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        return request if isinstance(request, list) else [request]

    def batch(self, inputs: list[Any]) -> Any:
        return inputs

    def predict(self, batch: list[Any]) -> Any:
        answers = iter(self.plain.answers([row for rows in batch for row in rows]))
        return [[next(answers) for _ in rows] for rows in batch]

    def unbatch(self, output: Any) -> Any:
        return output

    def encode_response(self, output: Any) -> Any:
        return {"predictions": output}


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(max_batch_size=64, batch_timeout=0.001), accelerator="cpu", healthcheck_path="/readyz"
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning"
    )
