"""Which Prefect a build talks to, and the environment that Prefect's processes get.

Imports no prefect: Prefect reads its settings when it is imported, so they are set here before.
"""

import base64
import os
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from flows.server.hosts import around_proxies, opener
from flows.server.own_server import home, is_our_server, secret
from pipeline.core.files import write_text

API_URL = "PREFECT_API_URL"
AUTH = "PREFECT_API_AUTH_STRING"
"""What a client says to a server, and `SERVER_AUTH` what the server compares it with."""
SERVER_AUTH = "PREFECT_SERVER_API_AUTH_STRING"
API_KEY = "PREFECT_API_KEY"
"""What a client says to Prefect Cloud."""
STARTUP_TIMEOUT_S = 90
HEALTH_TIMEOUT_S = 1.0
PROFILES = "profiles.toml"
QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
}
"""Prefect's logs go to its server alone; the console shows a view of ours."""


def environment(root: Path) -> dict[str, str]:
    """What every process of ours that imports prefect has in its environment."""
    return {
        **around_proxies(),
        "PREFECT_HOME": str(home(root)),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(STARTUP_TIMEOUT_S),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }


def lasting_server(root: Path) -> dict[str, str]:
    """The settings of the server that was set up here; empty when none was.

    The environment's PREFECT_API_URL counts first, then the active profile in `.local/prefect`
    (`make up` writes it), then the one in PREFECT_HOME or `~/.prefect`. Our own server's secret
    is among them; no other server is sent it.
    """
    settings = _named_server(root)
    if settings and AUTH not in settings and is_our_server(root, settings[API_URL]):
        return {**settings, AUTH: secret(root)}
    return settings


def _named_server(root: Path) -> dict[str, str]:
    if os.environ.get(API_URL):
        keys = (API_URL, AUTH, API_KEY)
        return {key: os.environ[key] for key in keys if os.environ.get(key)}
    others = os.environ.get("PREFECT_HOME") or "~/.prefect"
    for folder in (home(root), Path(others).expanduser()):
        if settings := _active_profile(folder / PROFILES):
            return settings
    return {}


def cross_origin(url: str) -> dict[str, str]:
    """Let a server's own pages ask it, and those of no other site."""
    port = url.removesuffix("/api").rpartition(":")[2]
    origins = f"http://127.0.0.1:{port},http://localhost:{port}"
    return {"PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins}


def authorization(settings: Mapping[str, str]) -> dict[str, str]:
    """The header that a server with these settings, or this environment, asks for."""
    if settings.get(AUTH):
        token = base64.b64encode(settings[AUTH].encode()).decode("ascii")
        return {"Authorization": f"Basic {token}"}
    if settings.get(API_KEY):
        return {"Authorization": f"Bearer {settings[API_KEY]}"}
    return {}


Answer = Literal["answers", "does not answer", "refuses us"]


def answer(settings: Mapping[str, str]) -> Answer:
    """How a Prefect server takes us, asked with its settings; a second at most for each question.

    It is asked for its health, which it says to everybody, then for what it says only to us.
    """
    url = settings.get(API_URL, "").rstrip("/")
    if not url.startswith(("http://", "https://")):
        return "does not answer"
    if _status(f"{url}/health", {}) != 200:
        return "does not answer"
    asked = _status(f"{url}/admin/version", authorization(settings))
    return "refuses us" if asked in (401, 403) else "answers"


def _status(url: str, headers: dict[str, str]) -> int:
    """The status of an answer; 0 without one."""
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 -- the caller checks it
    try:
        with opener(url).open(request, timeout=HEALTH_TIMEOUT_S) as found:
            return int(found.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0


def write_profile(root: Path, url: str) -> None:
    """Name a lasting server, so that builds find it: the active profile in `.local/prefect`."""
    text = f'active = "hallmark"\n\n[profiles.hallmark]\n{API_URL} = "{url}"\n'
    write_text(home(root) / PROFILES, text)


def apply(root: Path, server: Mapping[str, str]) -> None:
    """Set this process up for a server, console quiet. Before prefect is imported."""
    os.environ.update({**environment(root), **QUIET, **server})


def ui_link(url: str, flow_run_id: str) -> str:
    """Where a lasting server's pages show a run."""
    return f"{url.rstrip('/').removesuffix('/api')}/runs/flow-run/{flow_run_id}"


def _active_profile(source: Path) -> dict[str, str]:
    """The settings of the active profile, if it names a server; a broken file counts as none."""
    try:
        content = tomllib.loads(source.read_text(encoding="utf-8"))
        name = os.environ.get("PREFECT_PROFILE") or content["active"]
        settings = {key: str(value) for key, value in content["profiles"][name].items()}
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError):
        return {}
    return settings if settings.get(API_URL) else {}
