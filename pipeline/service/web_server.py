"""What the service needs of BentoML and uvicorn that they have no settings for."""

from typing import Any

CHECK_S = 0.5


def look_after_workers() -> None:
    """Have BentoML's first process look twice a second whether a worker died; it does so every ten
    seconds."""
    from bentoml._internal.utils import circus

    class Arbiter(circus.Arbiter):  # type: ignore[misc,unused-ignore]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "check_delay": CHECK_S})

    circus.Arbiter = Arbiter  # type: ignore[misc,unused-ignore]


def answer_after_half_close() -> None:
    """Have uvicorn answer a client that sent a whole request and then closed its sending side; it
    closes the connection."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    def eof_received(self: Any) -> bool:
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False  # the loop closes the connection
        cycle.keep_alive = False
        return True

    HttpToolsProtocol.eof_received = eof_received  # type: ignore[method-assign,assignment,unused-ignore]
