"""Whatever goes wrong below the command line, a person reads words and an exit code."""

import errno
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import main
from flows.engine import checkout
from flows.engine.stage_run import environment
from flows.settings import project_file
from pipeline.core.settings.graph_file import graph_text
from tests.flows.conftest import SOURCE
from tests.people import make_project

Fails = Callable[[BaseException], None]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_project(tmp_path)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Fails:
    """Have `hallmark why` fail as a command might, deep inside."""

    def plant(error: BaseException) -> None:
        def check_project(*_: Any) -> None:
            raise error

        monkeypatch.setattr(project_file, "check_project", check_project)

    return plant


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err


def test_a_bug_is_one_paragraph_and_its_traceback_lies_in_a_file(
    root: Path, fails: Fails, capsys: pytest.CaptureFixture[str]
) -> None:
    fails(KeyError("a row's value"))

    code, shown = run(capsys, "why", "people")

    assert code == 1
    told = re.fullmatch(
        r"KeyError: in flows/cli/main\.py, line \d+, in why: this is a bug of ours\n"
        r"  the full traceback is in (\.local/errors/\d+T\d+\.txt)\n"
        r"  hint: HALLMARK_DEBUG=1 shows it here as well; .*\n",
        shown,
    )
    assert told
    assert (root / told[1]).read_text().endswith('KeyError: "a row\'s value"\n')


@pytest.mark.parametrize("arguments", [("--debug", "why", "people"), ("why", "people", "--debug")])
def test_debug_shows_it_at_any_place_and_keeps_the_exit_code(
    root: Path,
    fails: Fails,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setenv("HALLMARK_DEBUG", "")  # undone afterwards
    fails(KeyError("a"))

    code, shown = run(capsys, *arguments)

    assert code == 1
    assert "Traceback (most recent call last)" in shown
    assert environment(root)["HALLMARK_DEBUG"] == "1"  # stages of a build show theirs as well


def test_what_the_machine_refuses_is_no_bug(
    root: Path, fails: Fails, capsys: pytest.CaptureFixture[str]
) -> None:
    fails(PermissionError(errno.EACCES, "Permission denied", "data/people"))

    assert run(capsys, "why", "people") == (
        2,
        "MachineError: expected to be allowed to use data/people, found: Permission denied\n"
        "  hint: `ls -ld data/people` shows whose it is and who may write to it\n",
    )


def test_without_git_the_program_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(project_file, "check_project", lambda where, _: checkout.commit(where))

    code, shown = run(capsys, "why", "people")

    assert code == 2
    assert shown.splitlines()[0] == ("MachineError: expected the program `git`, found none on PATH")


def test_outside_git_a_person_is_told_so(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(project_file, "check_project", lambda *_: None)
    (root / "params.yaml").write_text("projects: {people: {modality: tabular}}\n")
    (root / "graph.yaml").write_text(graph_text("people", "tabular", "."))

    code, shown = run(capsys, "why", "people")

    assert code == 2
    assert shown.splitlines() == [
        f"ProjectError: expected a git repository: {root} is not a git repository",
        "  hint: `git init` and a first commit make one of this folder; better, work in a clone "
        "made by `git clone`",
    ]


def test_a_copied_tree_without_dvc_is_told_so(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / ".dvc").rmdir()

    code, shown = run(capsys, "why", "people")

    assert code == 2
    assert shown.splitlines() == [
        f"ProjectError: expected a DVC repository at {root}, found its dvc.yaml and no folder .dvc",
        "  hint: work in a clone made by `git clone`; a copied tree becomes one by "
        "`git init && dvc init`",
    ]


def test_ctrl_c_is_one_word(root: Path, fails: Fails, capsys: pytest.CaptureFixture[str]) -> None:
    fails(KeyboardInterrupt())

    assert run(capsys, "why", "people") == (130, "\ninterrupted\n")


def test_a_reader_that_ends_first_is_no_error() -> None:
    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m flows.cli.main settings | head -1"],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stdout.startswith("about: ")
    assert ended.stderr == ""


def hallmark(where: Path, command: str) -> "subprocess.CompletedProcess[str]":
    """`hallmark` in a shell, as `$H`, in a pipe or with its output somewhere."""
    line = f'H="{sys.executable} -m flows.cli.main"; {command}'
    return subprocess.run(
        ["bash", "-c", line], cwd=where, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", ["why wine", "--help", "build --help"])
def test_6_a_closed_pipe_is_no_error_of_any_command(words: str) -> None:
    ended = hallmark(SOURCE, f"$H {words} | head -0; echo ${{PIPESTATUS[0]}}")

    assert ended.stdout == "0\n"
    assert ended.stderr == ""


def test_6_output_that_finds_no_room_is_said_and_ends_with_2() -> None:
    ended = hallmark(SOURCE, "$H settings > /dev/full")

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0] == "MachineError: expected room on the disk, found it full"
    assert "Exception ignored" not in ended.stderr


def test_6_closed_streams_are_no_error() -> None:
    assert hallmark(SOURCE, "$H settings >&- 2>&-").returncode == 0


def test_6_build_says_its_exit_codes() -> None:
    shown = hallmark(SOURCE, "$H build --help").stdout

    for code in ("0 ", "1 ", "2 ", "3 ", "124 ", "130 ", "143 ", "128+N ", "137 ", "139 "):
        assert f" {code}" in shown
