"""A tiny git and DVC repository with five stages, real processes, and nothing heavy in them.

    ingest → clean → audit ─┐
                  └→ train ─┴→ gate

A stage writes its `value` divided by ten and what it read: 10 and 11 give the same bytes. A file
`orders/<stage>` tells it to misbehave; it is no dependency, as weather is none.
"""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.engine.build import Request, build
from flows.engine.build_record import Outcome
from flows.engine.stage_run import RunContext, StageResult
from flows.graph.plan import Plan, Planner
from pipeline.core.settings.graph_file import graph_text
from tests.conftest import made_once

if TYPE_CHECKING:
    from tests.flows.prefect_api import Api

SOURCE = Path(__file__).parents[2]
UPSTREAM = {
    "ingest": (),
    "clean": ("ingest",),
    "audit": ("clean",),
    "train": ("clean",),
    "gate": ("audit", "train"),
}
FOLDERS = {
    "ingest": "10_ingest",
    "clean": "20_clean",
    "audit": "30_audit",
    "train": "40_train",
    "gate": "65_gate",
}
OUTPUTS = {stage: "verdict.json" if stage == "gate" else "out.txt" for stage in UPSTREAM}

STAGE_CODE = '''
"""What every stage of the tiny repository does."""
import json, os, re, signal, sys, time
from pathlib import Path

def main(stage, output, inputs):
    started = time.time()
    order = Path("orders", stage)
    words = order.read_text().split() if order.exists() else ["work"]
    code, error = 0, None
    Path("orders", stage + ".pid").write_text(str(os.getpid()))
    print(stage, "at work", flush=True)
    if words[0] == "sleep":
        time.sleep(float(words[1]))
    if words[0] == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path("orders", stage + ".pid").write_text(str(os.getpid()) + " ready")
        time.sleep(60)
    if words[0] == "meet":  # ends only when the other stage has begun as well
        until = time.time() + 200
        while not Path("orders", words[1] + ".pid").exists() and time.time() < until:
            time.sleep(0.05)
    if words[0] == "restore":
        Path(words[1]).write_text(Path("orders", stage + ".old").read_text())
    if words[0] == "curve":  # a training that tells of so many epochs
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        lines = ['{"epoch": %d, "validation_loss": 0.5}\\n' % n for n in range(int(words[1]))]
        Path(output).with_name("curves.jsonl").write_text("".join(lines))
    if words[0] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if words[0] == "vanish":
        sys.exit("vanished without a record")
    if words[0] in ("refuse", "fail", "crash"):
        code, name = {"refuse": (3, "GateRefused"), "fail": (2, "ContractBreach"),
                      "crash": (1, "ValueError")}[words[0]]
        error = {"class": name, "message": " ".join(words[1:])}
    if code == 0 and words[0] != "forget":
        settings = Path("data/tiny/project.yaml").read_text()
        section = re.search(rf"^{stage}:\\n((?:  .*\\n)*)", settings, re.M)
        value = int(re.search(r"value: (\\d+)", section[1])[1])
        made = f"{stage} {value // 10} [{' '.join(Path(p).read_text() for p in inputs)}]"
        if words[0] == "vary":
            made += words[1]
        if stage == "gate":
            outcome = "fail" if value >= 100 else "pass"
            made = json.dumps({"outcome": outcome, "made_from": made, "rules": [
                {"rule": "accuracy >= 0.8", "outcome": outcome, "sentence": "accuracy is 0.9"}]})
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(made)
    folder = Path(os.environ["HALLMARK_RUN_DIR"])
    (folder / f"{stage}@tiny.json").write_text(json.dumps({
        "stage": stage, "project": "tiny", "exit_code": code, "error": error, "started": "then",
        "cost": {"wall_s": 36.0, "cpu_s": 72.0, "peak_memory_bytes": 1000, "device": "cpu"}}))
    sys.exit(code)
'''
PARAMS = """
projects:
  tiny:
    modality: tabular
prices:
  currency: EUR
  per_hour:
    cpu: 0.5
    gpu: 2.5
"""


def _dvc_yaml() -> str:
    blocks = []
    for stage, ups in UPSTREAM.items():
        output = f"data/${{name}}/{FOLDERS[stage]}/{OUTPUTS[stage]}"
        deps = [f"data/${{name}}/{FOLDERS[up]}/{OUTPUTS[up]}" for up in ups]
        deps += [f"code/{stage}.py", "packages.lock"] + (["raw.txt"] if stage == "ingest" else [])
        blocks.append(
            f"  {stage}:\n    wdir: ${{root}}\n"
            f"    cmd: python code/{stage}.py\n    deps:\n"
            + "".join(f"      - {dep}\n" for dep in deps)
            + f"    params:\n      - data/${{name}}/project.yaml: [{stage}]\n"
            f"    outs:\n      - {output}\n"
        )
    return "vars:\n  - graph.yaml\nstages:\n" + "".join(blocks)


def _code(stage: str) -> str:
    output = f"data/tiny/{FOLDERS[stage]}/{OUTPUTS[stage]}"
    inputs = [f"data/tiny/{FOLDERS[up]}/{OUTPUTS[up]}" for up in UPSTREAM[stage]]
    if stage == "ingest":
        inputs = ["raw.txt"]
    return f"from common import main\nmain({stage!r}, {output!r}, {inputs!r})\n"


@dataclass
class Watcher:
    """An observer that remembers."""

    events: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def planned(self, plan: Plan, _context: RunContext) -> None:
        self.events.append(("planned", " ".join(plan.names)))

    def started(self, stage: str) -> None:
        self.events.append(("started", stage))

    def ended(self, result: StageResult) -> None:
        self.events.append((result.state, result.name))

    def noted(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Tiny:
    """The tiny repository and what tests do with it."""

    root: Path
    watcher: Watcher = field(default_factory=Watcher)

    @property
    def runs(self) -> Path:
        return self.root / ".local" / "runs"

    @property
    def settings(self) -> Path:
        return self.root / "data" / "tiny" / "project.yaml"

    def build(self, **request: Any) -> Outcome:
        self.watcher = Watcher()
        return build(Request(root=self.root, project="tiny", **request), self.watcher)

    def states(self, outcome: Outcome) -> dict[str, str]:
        return {result.name: result.state for result in outcome.stages}

    def plan(self, target: str | None = None) -> Plan:
        with Planner(self.root, "tiny") as planner:
            return planner.plan(target)

    def set_value(self, stage: str, value: int) -> None:
        lines = self.settings.read_text().splitlines()
        lines[lines.index(f"{stage}:") + 1] = f"  value: {value}"
        self.settings.write_text("\n".join(lines) + "\n")

    def order(self, stage: str, words: str) -> None:
        (self.root / "orders" / stage).write_text(words)

    def output(self, stage: str) -> Path:
        return self.root / "data" / "tiny" / FOLDERS[stage] / OUTPUTS[stage]

    def has_begun(self, stage: str, marker: str = "") -> bool:
        source = self.root / "orders" / f"{stage}.pid"
        text = source.read_text() if source.exists() else ""
        return bool(text) and text.endswith(marker)

    def pid(self, stage: str) -> int:
        """The process of a stage, once it is at work."""
        wait_until(lambda: self.has_begun(stage))
        return int((self.root / "orders" / f"{stage}.pid").read_text().split()[0])

    def start(
        self, *arguments: str, stdout: int = subprocess.PIPE, in_a_session: bool = False
    ) -> subprocess.Popen[str]:
        """`hallmark ARGUMENTS` in a process of its own; in a session, as a terminal starts it."""
        program = (
            "import flows.settings.project_file as s; s.settings_of = lambda name: None; "
            "from flows.cli.main import main; main()"
        )
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm", "COLUMNS": "100"},
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=in_a_session,
        )

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True
        )

    def last_build_pid(self) -> int:
        """The process of the build that began last."""
        return int(max(path.name for path in self.runs.iterdir()).rpartition("-")[2])

    def last_build(self) -> dict[str, Any]:
        source = max(self.runs.glob("*/build.json"))
        content: dict[str, Any] = json.loads(source.read_text())
        return content


def wait_until(condition: Callable[[], bool], timeout_s: float = 150) -> None:
    """Wait for something that will happen; the limit only ends a test that has failed."""
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            pytest.fail("what the test waits for did not happen")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def unbuilt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tiny repository before anything ran."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("dvc-site")))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        yield made_once(tmp_path_factory, "tiny-unbuilt", make_tiny) / "tiny"


def make_tiny(folder: Path) -> None:
    from dvc.repo import Repo

    root = folder / "tiny"
    for name in ("code", "orders", "data/tiny/champion"):
        (root / name).mkdir(parents=True)
    tiny = Tiny(root)
    tiny.git("init", "--quiet")
    Repo.init(str(root)).close()
    (root / "dvc.yaml").write_text(_dvc_yaml())
    (root / "graph.yaml").write_text(graph_text("tiny", "tabular", "."))
    (root / "params.yaml").write_text(PARAMS)
    (root / "code" / "common.py").write_text(textwrap.dedent(STAGE_CODE))
    for stage in UPSTREAM:
        (root / "code" / f"{stage}.py").write_text(_code(stage))
    (root / "packages.lock").write_text("nothing==1\n")
    (root / "raw.txt").write_text("raw")
    (root / ".gitignore").write_text("/.local/\n/orders/\n__pycache__/\n")
    tiny.settings.write_text(
        "# What the tiny project does.\n"
        + "".join(f"{stage}:\n  value: 10\n" for stage in UPSTREAM)
    )
    tiny.git("add", "--all")
    tiny.git("commit", "--quiet", "--message", "The tiny repository")


@pytest.fixture(scope="session")
def built(unbuilt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny repository after one whole build, committed."""

    def make(folder: Path) -> None:
        root = folder / "tiny"
        shutil.copytree(unbuilt, root)
        tiny = Tiny(root)
        outcome = tiny.build()
        assert outcome.exit_code == 0, outcome
        assert set(tiny.states(outcome).values()) == {"ran"}
        tiny.git("add", "--all")
        tiny.git("commit", "--quiet", "--message", "Built")
        for source in (root / "orders").iterdir():
            source.unlink()

    return made_once(tmp_path_factory, "tiny-built", make) / "tiny"


@pytest.fixture
def tiny(built: Path, tmp_path: Path) -> Tiny:
    """A built tiny repository of the test's own."""
    shutil.copytree(built, tmp_path / "tiny")
    return Tiny(tmp_path / "tiny")


@pytest.fixture
def fresh_clone(unbuilt: Path, tmp_path: Path) -> Tiny:
    """A tiny repository of the test's own in which nothing ran yet."""
    shutil.copytree(unbuilt, tmp_path / "tiny")
    return Tiny(tmp_path / "tiny")


@pytest.fixture(autouse=True)
def _no_lasting_server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Prefect server of whoever runs the tests is found, and nothing of theirs is touched."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_PROFILE", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path_factory.getbasetemp() / "no-prefect"))


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Api"]:
    """One Prefect server for all tests: its start takes twenty seconds."""
    from tests.flows.prefect_api import serving

    root = tmp_path_factory.mktemp("prefect")
    (root / ".git").mkdir()
    with serving(root) as api:
        yield api


@pytest.fixture
def api(prefect_server: "Api", _no_lasting_server: None) -> Iterator["Api"]:
    """The server, and this process talks to it."""
    from tests.flows.prefect_api import talking

    with talking(prefect_server):
        yield prefect_server


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables with nothing in them: making them takes seconds."""
    root = made_once(tmp_path_factory, "mlflow", make_tables)
    return root / ".local" / "mlflow" / "mlflow.db"


def make_tables(root: Path) -> None:
    from flows.tracking.store import Store

    Store(root, "nobody")._client.search_experiments()


@pytest.fixture(autouse=True)
def _untracked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds of these tests go untracked, but for those of a module that says `TRACKED = True`."""
    if not getattr(request.module, "TRACKED", False):
        monkeypatch.setenv("HALLMARK_TRACKING", "off")
