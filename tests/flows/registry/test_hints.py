"""What a message tells people to do changes what it complains of: each hint is followed."""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from flows.cli.main import cli
from flows.registry import versions as registry
from flows.tracking.store import Store
from pipeline.core.bento import folder as bento
from pipeline.core.errors import PipelineError
from pipeline.core.files import read_json, write_json
from tests.flows.registry.tracked import PROJECT, git, with_tables

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning"),
]

TRACKED = True
MAX_STEPS = 4


@pytest.fixture
def shop(built_shop: Path, tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with all results, as after `dvc pull`: nothing is registered."""
    monkeypatch.setattr("flows.settings.project_file.settings_of", lambda _: None)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site"))
    root = shutil.copytree(built_shop, tmp_path / "shop")
    with_tables(root, tables)
    return root


def hallmark(root: Path, *words: str) -> str:
    """What a command complains of; nothing when it does not."""
    with contextlib.chdir(root):
        done = CliRunner().invoke(cli, words)
    if isinstance(done.exception, PipelineError):
        return str(done.exception)
    return done.output if done.exit_code else ""


def promote(root: Path) -> str:
    said = hallmark(root, "promote", PROJECT, "--why", "better")
    return "" if "is the champion already" in said else said


def served(root: Path) -> str:
    """What speaks against serving the champion."""
    try:
        registry.bento_folder(root, registry.served(root, PROJECT))
        registry.resolve(root, PROJECT, registry.CHAMPION)
    except PipelineError as error:
        return str(error)
    return ""


def follow(root: Path, text: str) -> list[str]:
    """Run the commands that a text names, but for those that only show something."""
    commands = [
        c for c in re.findall(r"`([^`]+)`", text) if c.split()[0] in ("hallmark", "git", "rm")
    ]
    done = []
    for command in commands:
        words = command.split()
        if words[1] in ("versions", "history") or "VERSION" in words:
            continue
        done.append(command)
        if words[:2] == ["git", "commit"]:
            git(root, "commit", "--all", "--quiet", "--message", "What was edited")
        elif words[0] == "hallmark":
            extra = ("--why", "better") if words[1] == "promote" else ()
            hallmark(root, *words[1:], *extra)
        else:
            subprocess.run(words, cwd=root, check=True, capture_output=True)
    return done


def build(root: Path) -> None:
    with contextlib.chdir(root):
        done = CliRunner().invoke(cli, ["build", PROJECT])
    assert done.exit_code == 0, (done.output, done.exception)


def build_and_promote(root: Path) -> None:
    build(root)
    assert promote(root) == ""


def version_folder(root: Path) -> Path:
    return registry.home(root, PROJECT) / "1"


def place_of_bento(root: Path) -> Path:
    return registry.bento_place(root, registry.resolve(root, PROJECT, "1").bento_tag)


def nothing(_: Path) -> None:
    """A fresh clone."""


def no_champion(root: Path) -> None:
    build(root)


def bento_gone(root: Path) -> None:
    build(root)
    shutil.rmtree(registry.bentoml_home(root))


def bento_changed(root: Path) -> None:
    build(root)
    (place_of_bento(root) / bento.SOURCE / bento.CARD).write_text("another card")


def manifest_changed(root: Path) -> None:
    build(root)
    manifest = place_of_bento(root) / bento.MANIFEST
    manifest.write_text(manifest.read_text() + "# edited\n")


def rows_changed(root: Path) -> None:
    build(root)
    (version_folder(root) / registry.ROWS).write_bytes(b"nothing")


def record_damaged(root: Path) -> None:
    build(root)
    (version_folder(root) / registry.RECORD).write_text("{")


def champions_folder_gone(root: Path) -> None:
    build_and_promote(root)
    shutil.rmtree(version_folder(root))


def champions_bento_gone(root: Path) -> None:
    build_and_promote(root)
    shutil.rmtree(place_of_bento(root))


def champions_record_changed(root: Path) -> None:
    build_and_promote(root)
    source = version_folder(root) / registry.RECORD
    write_json(source, {**read_json(source), "bento_digest": "0" * 64})


def local_lost(root: Path) -> None:
    """All but MLflow, which may lie elsewhere; this process would not see its new database."""
    build_and_promote(root)
    for folder in (root / ".local").iterdir():
        if folder.name != "mlflow":
            shutil.rmtree(folder)


def mlflow_lost(root: Path) -> None:
    build(root)
    shutil.rmtree(root / ".local" / "mlflow")


def cache_lost(root: Path) -> None:
    shutil.rmtree(root / ".dvc" / "cache")


def built_dirty(root: Path) -> None:
    (root / "params.yaml").write_text((root / "params.yaml").read_text() + "# edited\n")
    build(root)


STATES = [
    (nothing, promote),
    (nothing, served),
    (no_champion, served),
    (bento_gone, promote),
    (bento_changed, promote),
    (manifest_changed, promote),
    (rows_changed, promote),
    (record_damaged, promote),
    (champions_folder_gone, served),
    (champions_bento_gone, served),
    (champions_record_changed, served),
    (local_lost, promote),
    (mlflow_lost, promote),
    (cache_lost, promote),
    (built_dirty, promote),
]


@pytest.mark.parametrize(("spoil", "complains"), STATES)
def test_9_the_command_that_a_message_names_mends_what_it_complains_of(
    shop: Path, spoil: Callable[[Path], None], complains: Callable[[Path], str]
) -> None:
    spoil(shop)
    told: list[str] = []
    while text := complains(shop):
        assert text not in told, "the same complaint again after its hint was followed"
        told.append(text)
        assert len(told) <= MAX_STEPS, told
        assert follow(shop, text), f"a complaint that names no command: {text}"
    assert registry.is_whole(shop, registry.served(shop, PROJECT))


def test_9_a_fresh_clone_registers_what_was_pulled_and_says_that_it_was_restored(
    shop: Path,
) -> None:
    with contextlib.chdir(shop):
        done = CliRunner().invoke(cli, ["build", PROJECT])

    said = done.output
    assert done.exit_code == 0, (said, done.exception)
    assert "registered: " in said, said
    version = registry.resolve(shop, PROJECT, registry.CANDIDATE)
    assert version.origin == "restored: train, gate, rehearse"
    assert not version.dirty
    assert f"registered: {PROJECT} version 1, the candidate (restored" in said
    assert "its model was trained by no run that is known here" in said
    tags = Store(shop, PROJECT).tags(version.run_id)
    assert (tags["trained"], tags["original_run"]) == ("false", "no run that is known here")
    assert git(shop, "status", "--porcelain") == ""
    with contextlib.chdir(shop):
        assert "restored" in CliRunner().invoke(cli, ["versions", PROJECT]).output
    again = hallmark(shop, "build", PROJECT)
    assert again == ""
    assert [v.version for v in registry.versions(shop, PROJECT)] == ["1"]
    assert promote(shop) == ""
    assert served(shop) == ""


def test_9_a_build_that_finds_its_version_registered_does_not_ask_mlflow(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(shop)

    def never(*_: object) -> None:
        pytest.fail("MLflow was asked")

    monkeypatch.setattr("flows.tracking.store.Store._client", property(never))
    build(shop)
