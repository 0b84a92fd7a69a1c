"""Which names requests may call our servers by: the Host header, against DNS rebinding.

A web page cannot read another site's answers, but it can have a host name of its own resolve to
127.0.0.1. Its requests then carry that name.
"""

import os
import re
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from pipeline.core.bento.folder import ALLOWED_HOSTS
from pipeline.core.bento.ports import HOST
from pipeline.core.errors import ProjectError

OWN_NAMES = (HOST, "localhost")
OWN_HOSTS = (*OWN_NAMES, "[::1]")
_HOST = re.compile(r"[\w.-]+|\[?[0-9a-f:]+\]?")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def allowed_hosts() -> list[str]:
    """This machine's own names, and those that HALLMARK_ALLOWED_HOSTS adds, separated by commas.

    `*` stands for every name.

    Raises:
        ProjectError: an entry that is no host name.
    """
    listed = os.environ.get(ALLOWED_HOSTS, "").lower().split(",")
    added = [word.strip().removesuffix(".") for word in listed if word.strip()]
    for word in added:
        if not (word == "*" or _HOST.fullmatch(word)):
            raise ProjectError(
                f"{ALLOWED_HOSTS}: expected host names without scheme, port and path, got {word!r}",
                hint="for instance hallmark.example.org; `*` stands for every name",
            )
    return [*OWN_HOSTS, *added]


def for_named_hosts(application: Any) -> Any:
    """The ASGI application, its requests with any other Host refused with 400."""
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    return TrustedHostMiddleware(application, allowed_hosts=allowed_hosts(), www_redirect=False)


def opener(url: str) -> urllib.request.OpenerDirector:
    """What opens an address: this machine's own ones without the proxy of the environment."""
    is_own = urlsplit(url).hostname in (*OWN_NAMES, "::1")
    return _DIRECT if is_own else urllib.request.build_opener()


def around_proxies() -> dict[str, str]:
    """Let every client reach this machine's own servers without a proxy: they send secrets."""
    named = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    added = [host for host in OWN_NAMES if host not in named.split(",")]
    found = ",".join(filter(None, (named, *added)))
    return {"NO_PROXY": found, "no_proxy": found}
