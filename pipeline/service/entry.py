"""The bento's entry: the service's application, mounted in BentoML.

`package` puts this file into the bento as `service.py`; the model and its settings lie beside it.
"""

from pathlib import Path

import bentoml

from pipeline.service.app import App

app = App()


@bentoml.service(
    name="hallmark",
    workers=1,
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
@bentoml.asgi_app(app)
class Hallmark:
    """One process, one thread for torch: replicas scale, threads would only wait for each other."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        app.start(Path(__file__).parent, own_version())


def own_version() -> str:
    """What whoever serves a registered version calls it, else the bento's own version."""
    import os

    from bentoml import server_context

    return os.environ.get("HALLMARK_MODEL_VERSION") or server_context.bento_version
