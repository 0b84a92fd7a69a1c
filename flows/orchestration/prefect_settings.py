"""Which Prefect a build talks to, and the environment that Prefect's processes get.

Imports no prefect: Prefect reads its settings when it is imported, so they are set here before.
"""

import os
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from pipeline.core.files import write_text
from pipeline.core.paths import local_state

API_URL = "PREFECT_API_URL"
STARTUP_TIMEOUT_S = 90
HEALTH_TIMEOUT_S = 1.0
PROFILES = "profiles.toml"
QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
}
"""Prefect's logs go to its server alone; the console shows a view of ours."""


def home(root: Path) -> Path:
    """Where Prefect keeps its database and settings: `.local/prefect`."""
    return local_state(root) / "prefect"


def environment(root: Path) -> dict[str, str]:
    """What every process of ours that imports prefect has in its environment."""
    return {
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
    (`make up` writes it), then the one in PREFECT_HOME or `~/.prefect`.
    """
    if os.environ.get(API_URL):
        return {API_URL: os.environ[API_URL]}
    others = os.environ.get("PREFECT_HOME") or "~/.prefect"
    for folder in (home(root), Path(others).expanduser()):
        if settings := _active_profile(folder / PROFILES):
            return settings
    return {}


def answers(url: str) -> bool:
    """Whether a Prefect server answers at this API address, within a second."""
    if not url.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=HEALTH_TIMEOUT_S) as found:  # noqa: S310 -- the scheme is checked above
            return bool(found.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


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
