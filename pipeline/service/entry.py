"""The bento's entry: the service's application ahead of BentoML's own.

`package` puts this file into the bento as `service.py`; the model and its settings lie beside it.
"""

from pathlib import Path

import bentoml

from pipeline.service.app import App, Receive, Scope, Send

HEALTH = ("/healthz", "/livez", "/readyz")

app = App()


@bentoml.service(
    name="hallmark",
    workers=1,
    traffic={"timeout": 10},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
)
class Hallmark:
    """One process, one thread for torch: replicas scale, threads would only wait for each other."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        app.start(Path(__file__).parent, bentoml.server_context.bento_version)


class Ahead:
    """Answers ahead of BentoML's routing, and leaves it what it knows: whether it is ready."""

    def __init__(self, following: object, application: App) -> None:
        self.following, self.application = following, application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] != "lifespan" and scope["path"] not in HEALTH
        await (self.application if ours else self.following)(scope, receive, send)


Hallmark.add_asgi_middleware(Ahead, application=app)
