"""A packaged project that is served: in this process, and as `bentoml serve` does it."""

import shutil
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from pipeline.core.run.runner import run_stage
from pipeline.service.app import App
from tests.bento_inputs import FIELDS, write_inputs
from tests.conftest import made_once
from tests.people import set_section
from tests.unit.conftest import finished

__all__ = ["finished"]


@pytest.fixture(scope="session")
def home(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a packaged project. Read only."""

    def make(folder: Path) -> None:
        root = shutil.copytree(finished, folder / "root")
        write_inputs(root)
        limits = {"max_rows": 200, "max_body_bytes": 20_000, "body_timeout_s": 0.3}
        set_section(root, "package", {"fields": FIELDS, **limits})
        run_stage(root, "package", "people")

    return made_once(tmp_path_factory, "served", make) / "root" / "data" / "people"


@pytest.fixture(scope="session")
def bento_folder(home: Path) -> Path:
    return home / "75_package/bento"


def started(bento_folder: Path, token: str = "") -> App:
    app = App()
    registry = CollectorRegistry()
    app.start(bento_folder / "src", "7", token, registry=registry, freeze=False)
    return app


@pytest.fixture
def app(bento_folder: Path) -> App:
    return started(bento_folder)


@pytest.fixture
def client(app: App) -> TestClient:
    return TestClient(app)  # type: ignore[arg-type]


@pytest.fixture
def guarded(bento_folder: Path) -> TestClient:
    """A service that asks for the token `secret`."""
    return TestClient(started(bento_folder, "secret"))  # type: ignore[arg-type]
