"""What the local stack is made of: the processes of infra/Procfile, their ports, their health.

Its state lies in `.local/stack/`: `stack.json` (who supervises, what runs), a log each.
"""

import contextlib
import http.client
import os
import re
import sys
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.engine.processes import is_same_process
from flows.engine.stage_run import PREFECT_SECRETS, TELEMETRY_OFF
from flows.server import own_server, prefect_settings
from flows.server.hosts import allowed_hosts, opener
from pipeline.core.bento.ports import HOST
from pipeline.core.errors import ArtifactMissing, PipelineError
from pipeline.core.files import read_json
from pipeline.core.paths import local_state
from pipeline.core.settings.project import projects

HEALTHY, WAITS, NOT_RUNNING = "healthy", "waits: ", "does not run"
PROCFILE = Path("infra") / "Procfile"
TOKEN = "HALLMARK_TOKEN"  # noqa: S105 -- its name
"""What requests to the services must carry; only they are told."""
STACK = "HALLMARK_STACK"
"""In the environment of every process of a stack: the folder of its state."""
DEFAULT_PORTS = {"prefect": 4200, "worker": 4201, "page": 4300, "mlflow": 5001, "service": 3000}
"""Of `service`, the port of the first project; the others follow."""
HEALTH = {
    "prefect": "/api/health",
    "worker": "/health",
    "mlflow": "/health",
    "service": "/readyz",
    "page": "/healthz",
}
LINKS = {
    "page": "overview",
    "prefect": "Prefect: runs, schedules, start a build",
    "mlflow": "MLflow: metrics, curves, versions",
    "service": "predictions",
}


class StackError(PipelineError):
    """The stack cannot be started, or part of it does not get well."""


@dataclass(frozen=True)
class Part:
    """One process of the stack.

    Attributes:
        name: `prefect`, or `service-adult` of what runs once a project.
        kind: The line of the Procfile that it is, `service`.
        command: What the shell runs.
        port: Where it listens; None when it is not known to listen anywhere.
        environment: What it has in its environment besides what all have.
    """

    name: str
    kind: str
    command: str
    port: int | None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str | None:
        return f"http://{HOST}:{self.port}" if self.port else None

    @property
    def link(self) -> tuple[str, str] | None:
        """What people open: words and address; None for what has no page."""
        words = LINKS.get(self.kind)
        if not words or not self.url:
            return None
        project = self.name.removeprefix(self.kind).lstrip("-")
        return (f"{project}: {words}" if project else words), self.url


_LINE = re.compile(r"^([\w-]+):\s*(\S.*)$", re.MULTILINE)


def folder(root: Path) -> Path:
    return local_state(root) / "stack"


def log_file(root: Path, name: str) -> Path:
    return folder(root) / f"{name}.log"


def parts(root: Path) -> tuple[Part, ...]:
    """The processes of the Procfile, in its order, the ports from the environment.

    Raises:
        StackError: no Procfile, or a port that is no port or is given twice.
    """
    try:
        lines = dict(_LINE.findall((root / PROCFILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise StackError(f"expected the file {PROCFILE}, found none") from None
    known = ports()
    secret = own_server.secret(root)
    secrets = {"prefect": {prefect_settings.SERVER_AUTH: secret}}
    token = {TOKEN: os.environ[TOKEN]} if os.environ.get(TOKEN) else {}
    secrets["worker"] = {prefect_settings.AUTH: secret}
    found = []
    for kind, command in lines.items():
        if kind == "service":
            for position, project in enumerate(projects(root)):
                port = known[kind] + position
                own = {"HALLMARK_PROJECT": project, "PORT": str(port), **token}
                found.append(Part(f"{kind}-{project}", kind, command, port, own))
        else:
            found.append(Part(kind, kind, command, known.get(kind), secrets.get(kind, {})))
    by_port: dict[int, str] = {}
    for part in found:
        if part.port and by_port.setdefault(part.port, part.name) != part.name:
            raise StackError(
                f"expected a port of its own for each process, got {part.port} for "
                f"{by_port[part.port]} and {part.name}",
                hint=f"set {port_key(part.kind)} to another one",
            )
    return tuple(found)


def port_key(kind: str) -> str:
    """The environment's key for a port: HALLMARK_PREFECT_PORT."""
    return f"HALLMARK_{kind.upper()}_PORT"


def ports() -> dict[str, int]:
    """The port of each kind of process."""
    found = {}
    for kind, default in DEFAULT_PORTS.items():
        text = os.environ.get(port_key(kind), "") or str(default)
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise StackError(f"{port_key(kind)}: expected a port from 1 to 65535, got {text!r}")
        found[kind] = int(text)
    return found


def environment(root: Path) -> dict[str, str]:
    """What every process of the stack has in its environment."""
    known = ports()
    mlflow = local_state(root) / "mlflow"
    api = f"http://{HOST}:{known['prefect']}/api"
    inherited = {k: v for k, v in os.environ.items() if k not in (*PREFECT_SECRETS, TOKEN)}
    return {
        **inherited,
        **TELEMETRY_OFF,
        **prefect_settings.environment(root),
        **prefect_settings.cross_origin(api),
        **{port_key(kind): str(port) for kind, port in known.items()},
        STACK: str(folder(root)),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
        "PYTHONUNBUFFERED": "1",
        "HALLMARK_MLFLOW_DATABASE": f"sqlite:///{mlflow / 'mlflow.db'}",
        "HALLMARK_MLFLOW_ARTIFACTS": str(mlflow / "artifacts"),
        **_mlflow_doors(known["mlflow"]),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PREFECT_API_URL": api,
    }


def _mlflow_doors(port: int) -> dict[str, str]:
    """By which names MLflow may be called, and whose pages may ask it: its own alone."""
    hosts = [f"{host}{end}" for host in allowed_hosts() for end in ("", f":{port}")]
    named = [host for host in allowed_hosts() if host != "*"]
    origins = [origin for host in named for origin in (f"http://{host}:{port}", f"https://{host}")]
    return {
        "HALLMARK_MLFLOW_HOSTS": ",".join(hosts),
        "HALLMARK_MLFLOW_ORIGINS": ",".join(origins),
    }


def state(root: Path) -> dict[str, Any] | None:
    """What the supervisor wrote last; None when there is nothing that can be read."""
    try:
        content = read_json(folder(root) / "stack.json")
    except ArtifactMissing:
        return None
    keys = {"supervisor", "processes"}
    return content if isinstance(content, dict) and keys <= content.keys() else None


def is_supervised(content: Mapping[str, Any] | None) -> bool:
    """Whether the supervisor that wrote this state lives."""
    if content is None:
        return False
    supervisor = content["supervisor"]
    return is_same_process(supervisor["pid"], supervisor["create_time"])


def running_parts(content: Mapping[str, Any]) -> tuple[Part, ...]:
    """The parts of a stack that runs, as its supervisor wrote them."""
    return tuple(
        Part(name, entry["kind"], entry["command"], entry["port"])
        for name, entry in content["processes"].items()
    )


def waiting_note(root: Path, name: str) -> Path:
    """Where a process says in one line what it waits for; not there when it waits for nothing."""
    return folder(root) / f"{name}.waits"


def how_it_is(root: Path, content: Mapping[str, Any], part: Part) -> str:
    """How a part of a stack is that its supervisor wrote of, whether that lives or not; of each
    part for itself. `does not run`, else as `health` says it."""
    entry = content["processes"][part.name]
    pid = entry["pid"]
    return health(root, part) if pid and is_same_process(pid, entry["create_time"]) else NOT_RUNNING


def is_well(found: str) -> bool:
    """Whether that is how a part should be."""
    return found == HEALTHY or found.startswith(WAITS)


def health(root: Path, part: Part) -> str:
    """`healthy`, `waits: …` for what has nothing to do yet, else why it is not healthy."""
    with contextlib.suppress(FileNotFoundError):  # it waits no more
        note = waiting_note(root, part.name)
        return f"{WAITS}{note.read_text(encoding='utf-8').strip()}"
    if part.url is None or part.kind not in HEALTH:
        return HEALTHY
    try:
        address = part.url + HEALTH[part.kind]
        with opener(address).open(address, timeout=2) as answer:
            return HEALTHY if answer.status == 200 else f"answers {answer.status}"
    except urllib.error.HTTPError as error:
        return f"answers {error.code}"
    except http.client.HTTPException:
        return "answers, and not as a server does"
    except OSError:
        return "does not answer"
