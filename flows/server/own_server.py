"""Our own lasting Prefect server: its home, its secret, and whether it is the one that answers.

It answers only requests that carry the secret, `.local/prefect/secret`. Our processes get the
secret in their environment; it stands in no URL, command line or log, and no other server is sent
it. Imports no prefect.
"""

import secrets
from pathlib import Path

import psutil
from filelock import FileLock

from flows.engine.processes import is_same_process
from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_json, replacing, write_json
from pipeline.core.paths import local_state

_NOTE = "server.json"
_OWNER_ALONE = 0o600


def home(root: Path) -> Path:
    """Where Prefect keeps its database and settings: `.local/prefect`."""
    return local_state(root) / "prefect"


def private_home(root: Path) -> Path:
    """The home, which nobody but its owner may enter: logs and parameters of runs are in it."""
    folder = home(root)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def secret_file(root: Path) -> Path:
    """Where the secret of our own lasting server is: only its owner may read it."""
    return home(root) / "secret"


def secret(root: Path) -> str:
    """The secret of our own lasting server, made when there is none."""
    private_home(root)
    source = secret_file(root)
    with FileLock(source.with_suffix(".lock")):
        if source.is_file() and (found := source.read_text(encoding="ascii").strip()):
            source.chmod(_OWNER_ALONE)
            return found
        made = secrets.token_urlsafe(32)
        with replacing(source) as temporary:
            temporary.chmod(_OWNER_ALONE)  # before there is a secret in it
            temporary.write_text(made + "\n", encoding="ascii")
        return made


def note_server(root: Path, url: str) -> None:
    """Say that this process is our own lasting server. It has bound its port already, so nobody
    else can answer there while it lives."""
    own = psutil.Process()
    note = {"url": url, "pid": own.pid, "create_time": own.create_time()}
    write_json(home(root) / _NOTE, note)


def is_our_server(root: Path, url: str) -> bool:
    """Whether our own lasting server, and nobody in its place, listens at this API address."""
    try:
        note = read_json(home(root) / _NOTE)
        is_same = note["url"] == url.rstrip("/").replace("//localhost:", "//127.0.0.1:")
        return bool(is_same and is_same_process(note["pid"], note["create_time"]))
    except (ArtifactMissing, KeyError, TypeError):
        return False
