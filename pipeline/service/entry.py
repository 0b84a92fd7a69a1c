"""The bento's entry: the service's application ahead of BentoML's own.

`package` puts this file into the bento as `service.py`; the model and its settings lie beside it.
"""

import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import bentoml

from pipeline.core.bento import folder as bento
from pipeline.core.files import read_json
from pipeline.service.app import App
from pipeline.service.hosts import Hosts
from pipeline.service.http import Receive, Refusal, Scope, Send, answer
from pipeline.service.web_server import answer_after_half_close, look_after_workers

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
HEALTH = ("/healthz", "/livez", "/readyz")

app = App()


def timeout_s() -> float:
    """After how many seconds a request is ended, as the settings beside this file say."""
    settings = Path(__file__).with_name(bento.SERVICE)
    limits = read_json(settings)["limits"] if settings.is_file() else {}  # here it is no bento yet
    return float(limits.get("request_timeout_s", 10))


def num_workers() -> int:
    """How many processes answer: one where replicas scale, two where one must stand in for another
    that died."""
    given = os.environ.get(bento.WORKERS, "")
    return int(given) if given.isdecimal() and int(given) else 1


@bentoml.service(
    name="hallmark",
    workers=num_workers(),
    traffic={"timeout": timeout_s()},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
)
class Hallmark:
    """One thread for torch: processes scale, threads would only wait for each other."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        app.start(Path(__file__).parent, bentoml.server_context.bento_version)


class Ahead:
    """Answers ahead of BentoML's routing, and leaves it what it knows: whether it is ready.

    Whoever asks for another host is refused here, whatever he asks for.
    """

    def __init__(self, following: Application, application: App) -> None:
        self.following, self.application = following, application
        self.hosts = Hosts()
        logging.getLogger("bentoml.service").info(self.hosts.described())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self.hosts.check(scope)
            except Refusal as refusal:
                self.application.metrics.refused.labels(refusal.reason).inc()
                await answer(scope, send, refusal.response)
                return
        ours = scope["type"] != "lifespan" and scope["path"] not in HEALTH
        await (self.application if ours else self.following)(scope, receive, send)


look_after_workers()
answer_after_half_close()
service: Any = Hallmark  # the decorator made a BentoML service of the class
service.add_asgi_middleware(Ahead, application=app)
