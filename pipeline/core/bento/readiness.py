"""Whether a service that was just started gets ready to answer."""

import contextlib
import time
from collections.abc import Callable

import httpx

_POLL_S = 0.05


def why_not_ready(url: str, timeout_s: float, fault: Callable[[], str]) -> str:
    """Ask the service at `url` for readiness until it is ready; why it is not, or "" once it is.

    Args:
        url: Where it answers, without a path.
        timeout_s: How long it may take.
        fault: Why it will never be ready, or "" while it may still get there.
    """
    deadline = time.monotonic() + timeout_s
    with httpx.Client(base_url=url, trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline:
            if found := fault():
                return found
            with contextlib.suppress(httpx.HTTPError):
                if client.get("/readyz").status_code == httpx.codes.OK:
                    return ""
            time.sleep(_POLL_S)
    return f"it was not within {timeout_s:g} s"
