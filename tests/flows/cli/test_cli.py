"""The command line as people meet it."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.main import main
from flows.settings import project_file
from pipeline.core.settings.typed_settings import Frozen
from tests.flows.conftest import SOURCE, Tiny

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


class Optimiser(Frozen):
    rate: float = 0.1
    """The step."""


class Settings(Frozen):
    value: int = 10
    """What the stage writes, divided by ten."""
    optimiser: Optimiser = Optimiser()
    """Nested."""


@pytest.fixture(autouse=True)
def _tiny_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = ("ingest", "clean", "audit", "train", "gate")
    monkeypatch.setattr(
        project_file,
        "settings_of",
        lambda name: Settings if name in stages else None,
    )


@pytest.fixture
def here(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    monkeypatch.chdir(tiny.root)
    return tiny


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    code = ended.value.code
    assert isinstance(code, int)
    return code


def hallmark(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli.main", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom flows.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'polars', 'dvc', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=SOURCE, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert "hallmark build adult --set train.max_epochs=40" in ended.stdout
    assert "Single stages" in ended.stdout


def test_the_engine_needs_no_data_library_and_no_prefect() -> None:
    program = (
        "import sys, flows.engine.build, flows.graph.plan, flows.graph.why, dvc.repo\n"
        "heavy = {'torch', 'pandas', 'polars', 'prefect'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=SOURCE, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr


def test_a_stages_help_is_its_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ingest", "--help") == 0

    shown = capsys.readouterr().out
    assert "Writes: snapshot.parquet, profile.json." in shown
    assert "hallmark ingest adult" in shown


def test_a_single_stage_runs_here_and_its_error_is_text(tiny: Tiny) -> None:
    ended = hallmark(tiny.root, "ingest", "nobody")

    assert ended.returncode == 2
    assert "expected a project that params.yaml names (tiny), got 'nobody'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_build_from_a_subfolder_says_that_all_is_fresh(
    here: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here.root / "data" / "tiny")

    assert run("build", "tiny") == 0

    shown = capsys.readouterr().out
    assert "tiny: all 5 stages are fresh, nothing to run" in shown
    assert "verdict: passed" in shown
    assert "✓ accuracy is 0.9" in shown
    assert "the cache saved: 180.0 s (processor 360.0 s)" in shown
    assert "0.0250 EUR" in shown  # five times 36 s at 0.50 an hour


def test_a_forced_stage_is_not_called_fresh(here: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", "tiny", "--from", "train") == 0

    shown = capsys.readouterr().out
    assert "nothing to run" not in shown
    assert "tiny: 3 of 5 stages are fresh" in shown
    assert "train      ran          36.0 s  asked for by --from" in shown
    assert "gate       starts" not in shown  # the same bytes


def test_outside_a_repository_there_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run("build", "tiny") == 2

    assert "expected a folder of a Hallmark repository" in capsys.readouterr().err


def test_set_changes_one_value_keeps_comments_and_builds(
    here: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    text = here.settings.read_text() + "# the end\n"
    here.settings.write_text(text)

    assert run("build", "tiny", "train", "--set", "train.value=20") == 0

    assert here.settings.read_text() == text.replace("train:\n  value: 10", "train:\n  value: 20")
    shown = capsys.readouterr().out
    assert "data/tiny/project.yaml: train.value 10 → 20" in shown
    assert "`git checkout data/tiny/project.yaml` undoes it" in shown
    assert "train      ran          36.0 s  train.value 10 → 20" in shown
    assert "cost: 36.0 s (processor 72.0 s), 0.00 GB at most, 0.0050 EUR" in shown


def test_set_of_a_key_that_is_not_in_the_file_names_the_default(
    here: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = project_file.apply(here.root, "tiny", ("train.optimiser.rate=0.5",))

    assert [str(change) for change in changes] == ["train.optimiser.rate 0.1 (the default) → 0.5"]
    assert "train:\n  value: 10\n  optimiser:\n    rate: 0.5\n" in here.settings.read_text()


@pytest.mark.parametrize(
    ("assignment", "found", "hint"),
    [
        ("train.valeu=20", "unknown key `train.valeu`", "did you mean `value`?"),
        ("train.value=many", "train.value: expected a whole number", "got 'many'"),
        ("trian.value=20", "expected a section of project.yaml, got 'trian'", "`train`"),
        ("train=20", "expected STAGE.KEY=VALUE, got 'train=20'", "--set train.max_epochs=40"),
        ("train.value.deep=1", "expected keys below `train.value`", "found 10"),
    ],
)
def test_set_refuses_what_the_settings_do_not_know(
    here: Tiny,
    capsys: pytest.CaptureFixture[str],
    assignment: str,
    found: str,
    hint: str,
) -> None:
    before = here.settings.read_text()

    assert run("build", "tiny", "--set", assignment) == 2

    error = capsys.readouterr().err
    assert found in error
    assert hint in error
    assert here.settings.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("trian",), "expected a stage of dvc.yaml, got 'trian'"),
        (("--from", "trian"), "--from: expected a stage that this build has"),
        (("train", "--from", "gate"), "(ingest, clean, train), got 'gate'"),
    ],
)
def test_set_writes_nothing_when_a_name_is_no_stage(
    here: Tiny, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], found: str
) -> None:
    before = here.settings.read_text()

    assert run("build", "tiny", *arguments, "--set", "train.value=20") == 2

    assert found in capsys.readouterr().err
    assert here.settings.read_text() == before


def test_a_build_refuses_an_unknown_key_anywhere_in_the_file(
    here: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    here.settings.write_text(here.settings.read_text().replace("gate:\n", "gate:\n  vlaue: 1\n"))

    assert run("build", "tiny", "ingest") == 2

    assert "unknown key `gate.vlaue`" in capsys.readouterr().err


def test_a_refused_build_says_so_and_ends_with_3(
    here: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("build", "tiny", "--set", "gate.value=100") == 3

    shown = capsys.readouterr().out
    assert "verdict: refused" in shown
    assert "✗ accuracy is 0.9" in shown


def test_on_a_terminal_the_stages_are_shown_live(tiny: Tiny) -> None:
    tiny.set_value("gate", 20)
    ours, theirs = pty.openpty()
    process = tiny.start("build", "tiny", stdout=theirs)
    os.close(theirs)

    shown = b""
    with contextlib.suppress(OSError):  # the terminal is closed when the process ends
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)

    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"gate +running +\d+ s", text)
    assert re.search(r"gate +ran +36.0 s +gate.value 10 → 20", text)
    assert "verdict: passed" in text


def test_a_failed_build_shows_the_stages_own_words(
    here: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    here.order("train", "fail column age is empty")

    assert run("build", "tiny", "--set", "train.value=20") == 2

    shown = capsys.readouterr().out
    assert "train@tiny failed: ContractBreach: column age is empty" in shown
    assert "whole log:" in shown
    assert "verdict" not in shown


def why(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    assert run("why", "tiny", *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line.split()[0]: line.partition(" ")[2].strip() for line in lines}


def test_why_names_each_cause(here: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    root = here.root
    (root / "code" / "ingest.py").write_text((root / "code" / "ingest.py").read_text() + "#\n")
    here.settings.write_text(
        here.settings.read_text()
        .replace("clean:\n  value: 10", "clean:\n  value: 10\n  optimiser:\n    rate: 0.2")
        .replace("train:\n  value: 10", "train:\n  value: 30")
    )
    here.output("audit").unlink()

    assert why(capsys) == {
        "ingest": "stale: code code/ingest.py changed",
        "clean": "waits for ingest; besides: clean.optimiser added: {'rate': 0.2}",
        "audit": "waits for clean; besides: output data/tiny/30_audit/out.txt is missing",
        "train": "waits for clean; besides: train.value 10 → 30",
        "gate": "waits for audit, train",
    }


def test_why_refuses_an_unknown_key_as_a_build_does(
    here: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    here.settings.write_text(here.settings.read_text().replace("gate:\n", "gate:\n  vlaue: 1\n"))

    assert run("why", "tiny") == 2

    assert "unknown key `gate.vlaue`" in capsys.readouterr().err


def test_why_without_a_project_file_names_it(
    here: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    here.settings.unlink()

    assert run("why", "tiny") == 2

    assert "expected the file data/tiny/project.yaml, found none" in capsys.readouterr().err


def test_why_of_one_stage_is_one_line(here: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert why(capsys, "train") == {
        "train": "fresh: code, data, parameters and packages are those of its last run"
    }


def test_why_names_packages_data_outputs_and_the_command(
    here: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    (here.root / "packages.lock").write_text("nothing==2\n")
    (here.root / "raw.txt").write_text("other")
    here.output("ingest").write_text("edited")
    graph = here.root / "dvc.yaml"
    graph.write_text(graph.read_text().replace("python code/ingest.py", "python -B code/ingest.py"))

    line = why(capsys, "ingest")["ingest"]

    assert "packages.lock changed, so packages may differ" in line
    assert "raw.txt changed" in line
    assert "output data/tiny/10_ingest/out.txt was changed by hand" in line
    assert "its command in dvc.yaml changed" in line


def test_why_of_what_never_ran(
    fresh_clone: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(fresh_clone.root)

    lines = why(capsys)

    assert lines["ingest"] == "stale: never run"
    assert lines["train"] == "waits for clean; besides: never run"


def test_a_damaged_lock_file_says_how_to_restore_it(
    here: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    (here.root / "dvc.lock").write_text("stages: {a: [")

    assert run("why", "tiny") == 2

    assert "`git checkout` of the file restores" in capsys.readouterr().err


def test_cost_shows_the_last_build_and_the_sum_of_all(
    here: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    here.set_value("gate", 20)
    here.build()

    assert run("cost", "tiny") == 0

    shown = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line}
    assert " ".join(rows["gate"]) == "ran 36.0 s 72.0 s 0.00 GB cpu 0.0050 EUR"
    assert " ".join(rows["train"]) == "cached 36.0 s"
    assert "spent: 36.0 s (processor 72.0 s), 0.00 GB at most, 0.0050 EUR" in shown
    assert "the cache saved: 144.0 s (processor 288.0 s)" in shown
    # Five stages of the first build and one of the second, 36 s each, 0.005 EUR each.
    assert (
        "(2 builds; 6 stage runs, with those outside builds): 216.0 s (processor 432.0 s)" in shown
    )
    assert "0.0300 EUR" in shown


def test_cost_of_what_never_ran_says_what_to_do(
    fresh_clone: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(fresh_clone.root)

    assert run("cost", "tiny") == 2

    assert "hint: hallmark build tiny" in capsys.readouterr().err


def test_cost_skips_incomplete_builds_and_counts_them(
    here: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = here.last_build()
    without = {key: value for key, value in whole.items() if key != "totals"}
    older = {**whole, "stages": [{**whole["stages"][0], "cost": {"wall_s": 1.0}}]}
    for number, content in enumerate([json.dumps(without), json.dumps(older), "[]", '{"proj']):
        folder = here.runs / f"9999010{number}T000000-1"
        folder.mkdir()
        (folder / "build.json").write_text(content)

    assert run("cost", "tiny") == 0

    shown = capsys.readouterr().out
    assert f"last build, {whole['started']}, exit code 0:" in shown
    assert "(1 builds; 5 stage runs" in shown
    assert "skipped 4 build.json: incomplete or of another version" in shown


def test_unknown_prices_are_refused_by_name(here: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    params = here.root / "params.yaml"
    params.write_text(params.read_text().replace("currency", "curency"))

    assert run("build", "tiny") == 2

    error = capsys.readouterr().err
    assert "prices.curency" in error
    assert "Traceback" not in error


def test_debug_shows_the_traceback(here: Tiny) -> None:
    ended = hallmark(here.root, "--debug", "why", "nobody")

    assert "Traceback" in ended.stderr
