"""Which names requests may call our servers by: the Host header, against DNS rebinding.

A web page cannot read another site's answers, but it can have a host name of its own resolve to
127.0.0.1. Its requests then carry that name.
"""

import os
from typing import Any

from pipeline.core.bento.folder import ALLOWED_HOSTS
from pipeline.core.errors import ProjectError

OWN_HOSTS = ("127.0.0.1", "localhost", "[::1]")


def allowed_hosts() -> list[str]:
    """This machine's own names, and those that HALLMARK_ALLOWED_HOSTS adds, separated by commas.

    `*` stands for every name.

    Raises:
        ProjectError: an entry that is no host name.
    """
    added = [word.strip() for word in os.environ.get(ALLOWED_HOSTS, "").split(",") if word.strip()]
    for word in added:
        if "/" in word or ("*" in word and word != "*"):
            raise ProjectError(
                f"{ALLOWED_HOSTS}: expected host names without scheme and path, got {word!r}",
                hint="for instance hallmark.example.org; `*` stands for every name",
            )
    return [*OWN_HOSTS, *added]


def for_named_hosts(application: Any) -> Any:
    """The ASGI application, its requests with any other Host refused with 400."""
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    return TrustedHostMiddleware(application, allowed_hosts=allowed_hosts(), www_redirect=False)
