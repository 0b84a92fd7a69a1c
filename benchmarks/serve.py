"""Our service beside others with the same network, in turn in one run.

    PYTHONPATH=. python benchmarks/serve.py adult                  all points, two rounds
    PYTHONPATH=. python benchmarks/serve.py adult --rounds 1 --seconds 2 --only hallmark fastapi
    PYTHONPATH=. python benchmarks/serve.py adult --soak           ours alone, five minutes

Each round starts every server anew, loads it at 1, 32 and 64 connections with 1 and with 100 rows
a request, and ends it. A point is the median of the rounds. Needs a built project. LitServe is none
of our packages; it takes part with `--litserve FOLDER`, where this has put it before:

    uv pip install --no-deps --target FOLDER litserve uvloop httptools

The soak holds 64 connections; one request in a hundred has a bad row. Memory must stay flat and no
answer may be 5xx.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import polars as pl

from pipeline.core.bento import folder as packaged
from pipeline.core.bento import watcher
from pipeline.core.bento.ports import HOST, free_port
from pipeline.core.paths import Paths
from pipeline.rehearse.served import resident_bytes

ROOT = Path(__file__).parents[1]
POINTS = [(connections, rows) for rows in (1, 100) for connections in (1, 32, 64)]
NUM_BODIES = {1: 2000, 100: 50}
STARTUP_S, GRACE_S = 120, 15
BAD_EVERY = 100
SAMPLE_S = 5


@dataclass(frozen=True)
class Server:
    """One who takes part.

    Attributes:
        name: What the table calls it.
        command: Its words; `{port}` is filled in.
        environment: More variables.
        folder: Where it is started.
        path: Where rows go.
        ready: What answers 200 once it is ready.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    path: str = "/predict"
    ready: str = "/readyz"


@dataclass
class Running:
    url: str
    mark: str
    startup_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4, help="of each point")
    parser.add_argument("--only", nargs="*", help="names of servers")
    parser.add_argument("--litserve", type=Path, metavar="FOLDER", help="where LitServe lies")
    parser.add_argument("--soak", action="store_true")
    parser.add_argument("--soak-seconds", type=float, default=300)
    parser.add_argument("--json", type=Path, help="write all figures there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        only = ["hallmark"] if given.soak else given.only
        servers = servers_of(Path(scratch), given.project, only, given.litserve)
        if given.soak:
            found: Any = soak(servers[0], Path(scratch), given.project, given.soak_seconds)
        else:
            found = compare(servers, Path(scratch), given)
            print(table(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


def servers_of(
    scratch: Path, project: str, only: list[str] | None, litserve: Path | None
) -> list[Server]:
    """Who takes part, ours first."""
    bento = Paths(ROOT, project, "package").output("bento")
    model = bento / packaged.SOURCE / packaged.MODEL
    plain = {
        **os.environ,
        "BENCHMARK_MODEL": str(model),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{scratch}/mlflow.db",
    }
    python = sys.executable
    uvicorn = [python, "-m", "uvicorn", "--factory", "benchmarks.rivals:fastapi_app"]
    quiet = ["--no-access-log", "--log-level", "warning"]
    served = [python, "-m", "mlflow", "models", "serve", "-m", str(scratch / "mlflow")]
    ours = {**packaged.serve_environment(scratch / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    found = [
        Server(
            "hallmark",
            [one.replace("-1", "{port}") for one in packaged.serve_command(bento, HOST, -1)],
            ours,
            packaged.working_folder(bento),
        ),
        Server("fastapi", [*uvicorn, "--host", HOST, "--port", "{port}", *quiet], plain, ROOT),
        Server(
            "mlflow",
            [*served, "--env-manager", "local", "-h", HOST, "-p", "{port}"],
            plain,
            ROOT,
            path="/invocations",
            ready="/ping",
        ),
    ]
    if litserve:
        words = [python, "benchmarks/rival_litserve.py", "{port}"]
        path = os.pathsep.join([plain["PYTHONPATH"], str(litserve.resolve())])
        found.append(Server("litserve", words, {**plain, "PYTHONPATH": path}, ROOT))
    if only:
        found = [one for one in found if one.name in only]
    if any(one.name == "mlflow" for one in found):
        from benchmarks.rivals import write_mlflow_model

        write_mlflow_model(scratch / "mlflow")
    return found


def compare(servers: list[Server], scratch: Path, given: argparse.Namespace) -> dict[str, Any]:
    """All servers at all points, in turn; every round's figures by server."""
    found: dict[str, Any] = {server.name: [] for server in servers}
    rows = clean_rows(given.project)
    for number in range(1, given.rounds + 1):
        for server in servers:
            with running(server, scratch / f"{server.name}-{number}.log") as service:
                points = []
                for connections, num_rows in POINTS:
                    bodies = bodies_of(rows, num_rows, server)
                    url = service.url + server.path
                    point = load(scratch, url, bodies, connections, given.seconds)
                    points.append({"connections": connections, "rows": num_rows, **point})
                    print(f"round {number}, {server.name}: {points[-1]}", flush=True)
                memory = resident_bytes(service.mark)
            found[server.name].append(
                {"startup_s": service.startup_s, "memory_bytes": memory, "points": points}
            )
    return found


@contextlib.contextmanager
def running(server: Server, log: Path) -> Iterator[Running]:
    """A server until the block ends."""
    port, mark = free_port(), str(log)
    words = [word.replace("{port}", str(port)) for word in server.command]
    started = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            words,
            cwd=server.folder,
            env={**server.environment, watcher.MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://{HOST}:{port}"
        while not is_ready(url + server.ready):
            if process.poll() is not None or time.monotonic() > started + STARTUP_S:
                raise SystemExit(f"{server.name} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)
        yield Running(url, mark, round(time.monotonic() - started, 2))
    finally:
        watcher.end(mark, GRACE_S)
        process.wait()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def load(
    scratch: Path, url: str, bodies: list[str], connections: int, seconds: float
) -> dict[str, Any]:
    """One run of the load generator, a process of its own."""
    source = scratch / "bodies.json"
    source.write_text(json.dumps(bodies))
    words = [sys.executable, str(ROOT / "benchmarks/load.py"), url, str(source)]
    words += ["--connections", str(connections), "--seconds", str(seconds)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def clean_rows(project: str) -> list[dict[str, Any]]:
    """Test rows, the model's features alone, as clean values: the others take no warts."""
    service = Paths(ROOT, project, "package").output("bento") / packaged.SOURCE / packaged.SERVICE
    columns = json.loads(service.read_text())["columns"]
    test = pl.read_parquet(Paths(ROOT, project, "split").output("test.parquet"))
    return test.select([*columns["numeric"], *columns["categorical"]]).head(5000).to_dicts()


def bodies_of(rows: list[dict[str, Any]], num_rows: int, server: Server) -> list[str]:
    bodies = []
    for i in range(NUM_BODIES[num_rows]):
        start = i * num_rows % (len(rows) - num_rows)
        part: Any = rows[start : start + num_rows]
        if server.name == "mlflow":
            part = {"dataframe_records": part}
        elif num_rows == 1:
            part = part[0]
        bodies.append(json.dumps(part))
    return bodies


def table(found: dict[str, Any]) -> str:
    """Markdown: a line a point, a column a server; then start-up and memory."""
    names = list(found)
    lines = [
        "requests/s, p50 and p99 in ms, answers that were not 2xx",
        "",
        f"| connections × rows | {' | '.join(names)} |",
        "|---|" + "---|" * len(names),
    ]
    for place, (connections, rows) in enumerate(POINTS):
        cells = [cell([one["points"][place] for one in found[name]]) for name in names]
        lines.append(f"| {connections} × {rows} | {' | '.join(cells)} |")
    for title, key, unit in (("start-up", "startup_s", 1.0), ("memory", "memory_bytes", 1e6)):
        cells = [f"{median(one[key] for one in found[name]) / unit:,.1f}" for name in names]
        lines.append(f"| {title}, {'s' if unit == 1 else 'MB'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(points: list[dict[str, Any]]) -> str:
    bad = sum(n for one in points for status, n in one["statuses"].items() if status != "200")
    figures = [median(one[key] for one in points) for key in ("requests_per_s", "p50_ms", "p99_ms")]
    return f"{figures[0]:,.0f}, {figures[1]:.1f}, {figures[2]:.1f}, {bad}"


def soak(server: Server, scratch: Path, project: str, seconds: float) -> dict[str, Any]:
    """Many connections for long, with bad rows: memory over time and what was answered."""
    rows = clean_rows(project)
    bodies = bodies_of(rows, 1, server)
    name = next(key for key, value in rows[0].items() if isinstance(value, int))
    bodies = [
        json.dumps({**rows[i], name: -i - 1}) if i % BAD_EVERY == BAD_EVERY - 1 else body
        for i, body in enumerate(bodies)
    ]
    source = scratch / "bodies.json"
    source.write_text(json.dumps(bodies))
    with running(server, scratch / "soak.log") as service:
        words = [sys.executable, str(ROOT / "benchmarks/load.py"), service.url + server.path]
        words += [str(source), "--connections", "64", "--seconds", str(seconds)]
        loading = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        memory = []
        while loading.poll() is None:
            memory.append(resident_bytes(service.mark))
            time.sleep(SAMPLE_S)
        answers = json.loads(loading.communicate()[0])
    fifth = max(1, len(memory) // 5)
    early, late = median(memory[fifth : 2 * fifth] or memory), median(memory[-fifth:])
    num_5xx = sum(n for status, n in answers["statuses"].items() if status.startswith("5"))
    print(f"answers: {answers['statuses']}, 5xx: {num_5xx}")
    print(f"{answers['requests_per_s']:,.0f} requests/s, p99 {answers['p99_ms']:.1f} ms")
    print(
        f"memory, median of the second and of the last fifth: {early / 1e6:,.1f} and "
        f"{late / 1e6:,.1f} MB ({late / early - 1:+.2%})"
    )
    return {"answers": answers, "memory_bytes": memory}


if __name__ == "__main__":
    main()
