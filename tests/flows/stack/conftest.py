"""The real stack on the tiny repository, for the tests of this package."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest

from flows.server.own_server import secret
from flows.server.prefect_settings import API_URL, AUTH
from flows.stack.processes import environment
from tests.flows.conftest import SOURCE, Tiny, wait_until
from tests.flows.stack.test_stack import free_ports

KINDS = ("prefect", "mlflow", "page", "service", "worker")
# The tiny stages have no settings of ours; every process of the stack is told so. What begins a run
# in a worktree ends at once when the file orders/isolated is there.
SITE = """
import os, sys
if "flows.orchestration.isolated" in sys.orig_argv and os.path.exists("orders/isolated"):
    os._exit(0)
from flows.settings import project_file
project_file.settings_of = lambda name: None
"""


class Whole:
    """The tiny repository with the whole stack up, and its Prefect API."""

    def __init__(self, tiny: Tiny, site: Path) -> None:
        self.tiny = tiny
        self.root = tiny.root
        os.environ.update(
            {
                f"HALLMARK_{kind.upper()}_PORT": str(port)
                for kind, port in zip(KINDS, free_ports(len(KINDS)), strict=True)
            }
        )
        self.secret = secret(self.root)
        self.environment = {
            **environment(self.root),
            AUTH: self.secret,
            "PYTHONPATH": os.pathsep.join(
                (str(site), str(SOURCE), os.environ.get("PYTHONPATH", ""))
            ),
            "HALLMARK_TRACKING": "off",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
        }

    def command(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        return done.returncode, done.stdout

    def hallmark(self, *words: str) -> tuple[int, str]:
        return self.command("flows.cli.main", *words)

    @property
    def client(self) -> Any:
        from prefect.client.orchestration import SyncPrefectClient

        return SyncPrefectClient(self.environment[API_URL], auth_string=self.secret)

    def deployments(self) -> dict[str, Any]:
        return {
            f"{self.client.read_flow(one.flow_id).name}/{one.name}": one
            for one in self.client.read_deployments()
        }

    def start(self, name: str = "build/tiny", **parameters: Any) -> UUID:
        """Start a run as the pages do."""
        deployment = self.deployments()[name]
        run = self.client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        return UUID(str(run.id))

    def run(self, run_id: UUID) -> Any:
        return self.client.read_flow_run(run_id)

    def begun(self) -> set[UUID]:
        """The runs on record; those that a schedule only plans come and go with it."""
        runs = self.client.read_flow_runs(limit=200)
        return {run.id for run in runs if run.state and not run.state.is_scheduled()}

    def ended(self, run_id: UUID, timeout_s: float = 180) -> str:
        """The name of the state that a run ends in."""
        wait_until(lambda: self.run(run_id).state.is_final(), timeout_s)
        return str(self.run(run_id).state.name)

    def training(self) -> psutil.Process:
        """A training at work, started by a run that is told to begin with it."""
        return psutil.Process(self.tiny.pid("train"))

    def pid_of(self, name: str) -> int:
        content = json.loads((self.root / ".local" / "stack" / "stack.json").read_text())
        pid = content["processes"][name]["pid"]
        assert isinstance(pid, int), f"{name} does not run"
        return pid

    def engine(self, run_id: UUID) -> psutil.Process:
        """The process of a run: Prefect's engine in the run's worktree."""
        for process in psutil.process_iter():
            try:
                if process.cwd().endswith(str(run_id)) and "prefect.engine" in process.cmdline():
                    return process
            except (psutil.Error, OSError):
                continue
        raise AssertionError("the run has no process")

    def at_work(self, **parameters: Any) -> tuple[UUID, psutil.Process]:
        """A run whose training sleeps."""
        self.tiny.order("train", "sleep 600")
        (self.root / "orders" / "train.pid").unlink(missing_ok=True)
        run_id = self.start(from_stage="train", **parameters)
        wait_until(lambda: self.tiny.has_begun("train"), timeout_s=120)
        return run_id, self.training()

    def passes(self, **parameters: Any) -> UUID:
        """A run that goes to its end: no lock is left, nothing is in its way."""
        self.tiny.order("train", "work")
        run_id = self.start(from_stage="train", **parameters)
        state = self.ended(run_id)
        assert self.run(run_id).state.is_completed(), (state, self.run(run_id).state.message)
        return run_id


@pytest.fixture(scope="package")
def whole(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("whole")
    root = folder / "tiny"
    shutil.copytree(built, root)
    (root / "infra").mkdir()
    shutil.copyfile(SOURCE / "infra" / "Procfile", root / "infra" / "Procfile")
    shutil.rmtree(root / "orders")
    (folder / "orders").mkdir()
    (root / "orders").symlink_to(folder / "orders")  # in every worktree as well
    tiny = Tiny(root)
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("tabular", "tabular\n    schedule: never"))
    tiny.git("add", "--all")
    tiny.git("commit", "--quiet", "--message", "For the stack")
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE)
    with pytest.MonkeyPatch.context() as patch:
        for kind in KINDS:
            patch.setenv(f"HALLMARK_{kind.upper()}_PORT", "1")  # set anew, put back at the end
        made = Whole(tiny, site)
        code, output = made.hallmark("up")
        try:
            assert code == 0, output
            yield made
        finally:
            made.hallmark("down")
