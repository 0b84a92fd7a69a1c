"""What a user of `hallmark build` and of `dvc` meets, on the whole of Adult."""

import hashlib
import json
import subprocess

import pytest

from flows.orchestration.report_sheets import REPORTS, sheet_of
from tests.e2e.conftest import Clone
from tools.code_dependencies import declared


def test_adult_passes_and_the_summary_says_why(first_build: tuple[Clone, str]) -> None:
    clone, printed = first_build
    verdict = json.loads(clone.file("65_gate/verdict.json").read_text())
    assert verdict["outcome"] == "pass"
    measured = [rule for rule in verdict["rules"] if rule["outcome"] == "pass"]
    assert len(measured) == 5
    assert all(rule["sentence"] in printed for rule in measured)
    assert "roc_auc against champion, margin 0.005: not applicable: no model of this" in printed
    assert "data/adult/70_report/report.html" in printed
    assert "registered: adult version 1" in printed
    assert set(clone.states().values()) == {"ran"}


def test_a_second_build_and_dvc_find_nothing_to_do(clone: Clone) -> None:
    again = clone.hallmark("build", "adult")
    assert again.returncode == 0
    assert "nothing" in again.stdout
    assert set(clone.states().values()) == {"cached"}
    assert "up to date" in clone.dvc("repro", "report").stdout


def test_dvc_users_find_graph_metrics_and_plots(clone: Clone) -> None:
    assert "train" in clone.dvc("dag").stdout
    assert "roc_auc" in clone.dvc("metrics", "show").stdout
    plots = clone.dvc("plots", "show")
    assert plots.returncode == 0, plots.stderr  # of projects that nobody has built it says so
    page = (clone.root / "dvc_plots" / "index.html").read_text()
    assert "Loss by epoch" in page


def test_an_experiment_runs_just_what_its_parameter_touches(clone: Clone) -> None:
    before = clone.digests()
    setting = "data/adult/project.yaml:+explain.num_cases=3"
    run = clone.dvc("exp", "run", "-S", setting, "rehearse")
    assert run.returncode == 0, run.stderr
    after = clone.digests()
    changed = {path.split("/")[2] for path in after if after[path] != before[path]}
    assert changed == {"60_explain", "70_report", "75_package", "80_rehearse"}
    assert len(json.loads(clone.file("60_explain/report.json").read_text())["cases"]) == 3


def test_metrics_of_two_commits_are_compared(clone: Clone) -> None:
    subprocess.run(["git", "add", "-A"], cwd=clone.root, check=True)
    subprocess.run(["git", "commit", "-qm", "built"], cwd=clone.root, check=True)
    clone.edit("data/adult/project.yaml", "calibrate: {}", "calibrate:\n  threshold: 0.9")
    built = clone.hallmark("build", "adult", "evaluate")
    assert built.returncode == 0, built.stdout + built.stderr
    shown = json.loads(clone.dvc("metrics", "diff", "--json").stdout)
    accuracy = shown["data/adult/50_evaluate/metrics.json"]["accuracy"]
    assert accuracy["new"] < accuracy["old"]


def test_a_changed_rule_runs_the_gate_and_what_carries_its_verdict(clone: Clone) -> None:
    clone.edit("data/adult/project.yaml", "at_most: 0.10}", "at_most: 0.11}")
    assert clone.hallmark("build", "adult").returncode == 0
    ran = {name for name, state in clone.states().items() if state == "ran"}
    assert ran == {"gate", "report", "package", "rehearse"}


@pytest.mark.slow
def test_one_line_in_a_module_makes_stale_just_what_declares_its_room(clone: Clone) -> None:
    with (clone.root / "pipeline/core/prediction/calibration.py").open("a") as module:
        module.write("# a line\n")
    with (clone.root / "README.md").open("a") as readme:
        readme.write("<!-- a comment -->\n")
    lines = clone.hallmark("why", "adult").stdout.splitlines()
    named = {line.split()[0] for line in lines if "pipeline/core/prediction/calibration.py" in line}
    stages = declared(clone.root)
    room = "pipeline/core/prediction"
    assert named == {name for name, deps in stages.items() if room in deps}
    assert {"calibrate", "evaluate"} < named
    assert not any("README" in line for line in lines)
    fresh = {line.split()[0] for line in lines if "fresh" in line}
    assert {"ingest", "validate", "clean", "split", "audit", "balance", "train"} <= fresh


@pytest.mark.slow
def test_without_mitigation_the_model_is_refused_and_the_report_says_why(clone: Clone) -> None:
    few = ("--set", "train.max_epochs=12")  # enough: the other rules pass
    refused = clone.hallmark("build", "adult", "--set", "train.mitigation.strength=0", *few)
    assert refused.returncode == 3, refused.stdout + refused.stderr
    verdict = json.loads(clone.file("65_gate/verdict.json").read_text())
    failed = [rule for rule in verdict["rules"] if rule["outcome"] == "fail"]
    assert [(rule["measure"], rule["by"]) for rule in failed] == [
        ("demographic_parity_difference", "sex")
    ]
    assert failed[0]["low"] > 0.10
    page = clone.file("70_report/report.html").read_text()
    assert failed[0]["sentence"].split(",")[0] in page
    states = clone.states()
    assert (states["package"], states["rehearse"]) == ("refused", "skipped")
    assert not clone.file("75_package/bento").exists()


@pytest.mark.parametrize("name", ["raw/adult.csv"])
def test_a_missing_raw_file_is_named_with_the_command_that_brings_it(
    clone: Clone, name: str
) -> None:
    clone.file(name).unlink()
    failed = clone.hallmark("build", "adult")
    assert failed.returncode == 2
    assert "data/adult/raw" in failed.stdout + failed.stderr
    assert "dvc" in failed.stdout + failed.stderr


@pytest.mark.slow
def test_7_a_corrupted_cache_file_is_named_and_made_again(clone: Clone) -> None:
    digest = clone.digests()["data/adult/25_split/test.parquet"]
    cached = clone.root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    cached.chmod(0o644)
    cached.write_bytes(cached.read_bytes()[:1000])
    cached.chmod(0o444)  # DVC trusts a read-only file; another it hashes, drops and makes anew
    clone.file("25_split/test.parquet").unlink()
    clone.edit("data/adult/project.yaml", "explain: {}", "explain:\n  num_cases: 3")
    mended = clone.hallmark("build", "adult", "explain")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "a damaged result is made again: data/adult/25_split/test.parquet" in mended.stdout
    assert hashlib.md5(cached.read_bytes()).hexdigest() == digest  # noqa: S324 -- DVC's digest
    assert clone.digests()["data/adult/25_split/test.parquet"] == digest


def test_prefects_pages_can_show_each_report(clone: Clone) -> None:
    folders = (clone.root / "data" / "adult").glob("[0-9][0-9]_*")
    stages = {folder.name[3:] for folder in folders}

    shown = {stage for stage in stages if sheet_of(clone.root, "adult", stage)}

    assert shown == {*REPORTS, "report"} & stages
