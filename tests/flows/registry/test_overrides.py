"""`hallmark override`: what is refused, what git has of it, and the places where it is seen."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from flows.cli.main import cli
from flows.engine.build_record import _exit_code
from flows.engine.checkout import dirty_files
from flows.engine.summary import verdict_lines
from flows.registry import overrides as override_files
from flows.registry import promotion
from flows.registry import versions as registry
from flows.registry.overrides import remove_expired, sign, today
from flows.registry.tracked_build import TrackedBuild, _tags
from flows.serving.serve import Serving, serve
from flows.stack.status_page import _of_build
from flows.tracking.store import Store
from pipeline.core.bento import folder as bento
from pipeline.core.errors import ArtifactMissing, GateRefused, PipelineError, ProjectError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import Paths
from pipeline.core.run.runner import run_stage
from pipeline.service.app import App
from tests.flows.registry.tracked import (
    PROJECT,
    evidence_of,
    git,
    registered,
    rehearsal_of,
    with_tables,
)
from tests.people import set_section
from tests.unit.report.test_stage import reports

TRACKED = True
RULE = "accuracy ≥ 0.999"
FILE = "data/people/overrides.json"
KEPT = {"measure": "roc_auc", "at_least": 0.5}
RULES = {"rules": [KEPT, {"measure": "accuracy", "at_least": 0.999}]}
WORDS = {"rule": RULE, "name": "Ada Lovelace", "reason": "agreed until the new data arrive"}


@pytest.fixture
def root(
    packaged_project: Path,
    tables: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A repository whose model breaks one rule, its verdict and report made anew."""
    copy = shutil.copytree(packaged_project, tmp_path / "repository")
    with_tables(copy, tables)
    monkeypatch.chdir(copy)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    git(copy, "config", "user.name", "Grace Hopper")
    git(copy, "config", "user.email", "grace@example.org")
    set_section(copy, "gate", RULES)
    set_section(copy, "report", {})
    write_earlier_reports(copy / "data/people")
    run_stage(copy, "gate", PROJECT)
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message", "As refused")
    return copy


def write_earlier_reports(home: Path) -> None:
    """What the report's page shows of the stages that did not run here."""
    made = reports()
    for name in ("15_validate/report.json", "20_clean/ledger.json", "30_audit/report.json"):
        write_json(home / name, made[name])
    write_json(home / "35_balance/report.json", made["35_balance/report.json"])
    split = made["25_split/report.json"]
    split["parts"]["test"] = {**split["parts"]["test"], "rows": 120}
    write_json(home / "25_split/report.json", split)
    source = home / "10_ingest/profile.json"
    counts = {"num_missing": 0, "num_distinct": 2}
    columns = [{**counts, **column} for column in read_json(source)["columns"]]
    profile = {**made["10_ingest/profile.json"], **read_json(source), "columns": columns}
    write_json(source, profile)


def verdict_of(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(Paths(root, PROJECT, "gate").output("verdict.json"))
    return found


def later(days: int = 30) -> str:
    return (today() + timedelta(days=days)).isoformat()


def asked(*more: str, **changes: str | None) -> Result:
    """`hallmark override people …` with what is right but for the changes."""
    given = {**WORDS, "until": later(), **changes}
    words = [
        word for key, value in given.items() if value is not None for word in (f"--{key}", value)
    ]
    return CliRunner().invoke(cli, ["override", PROJECT, *words, *more])


def overridden_model(root: Path) -> registry.Version:
    """Sign, and bring everything after the gate up to date."""
    assert asked().exit_code == 0
    for stage in ("gate", "report", "package"):
        run_stage(root, stage, PROJECT)
    rehearsal_of(root)
    return registered(root)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"until": "2020-01-01"}, "expected a date that is not past"),
        ({"until": "2999-01-01"}, "within 366 days"),
        ({"until": "tomorrow"}, "expected a date as 2027-01-31, got 'tomorrow'"),
        ({"rule": "accuracy ≥ 0.99"}, f"did you mean `{RULE}`?"),
        ({"rule": "accurasy"}, "names none"),
        ({"name": None}, "not given: --name"),
        ({"name": "  "}, "--name: expected who answers for it"),
        ({"reason": ""}, "not given: --reason"),
        ({"reason": "\t"}, "--reason: expected why"),
        ({"until": None}, "not given: --until"),
        ({"rule": None}, "not given: --rule"),
    ],
)
def test_an_override_that_nobody_could_answer_for_is_refused(
    root: Path, changes: dict[str, str | None], words: str
) -> None:
    before = git(root, "rev-parse", "HEAD")
    found = asked(**changes)
    assert isinstance(found.exception, ProjectError)
    assert words in str(found.exception)
    assert git(root, "rev-parse", "HEAD") == before
    assert read_json(root / FILE) == {"overrides": []}


def test_that_no_sensitive_column_is_named_is_a_rule_that_can_be_overridden(root: Path) -> None:
    found = asked(rule="sensitive columns named")
    assert found.exit_code == 0, found.output
    (record,) = read_json(root / FILE)["overrides"]
    assert record["rule"] == "sensitive columns named"


def stage_something(root: Path) -> None:
    (root / "notes.txt").write_text("of something else\n")
    git(root, "add", "notes.txt")


def forget_who(root: Path) -> None:
    git(root, "config", "--unset", "user.name")
    git(root, "config", "--unset", "user.email")


def write_by_hand(root: Path) -> None:
    record = {**WORDS, "until": later(), "signed": later(0)}
    write_json(root / FILE, {"overrides": [record]})


def refuse_commits(root: Path) -> None:
    hook = root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no commits on Fridays >&2\nexit 1\n")
    hook.chmod(0o755)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (stage_something, "expected nothing staged, found notes.txt"),
        (forget_who, "expected git to know who you are"),
        (write_by_hand, "expected records that are committed"),
        (refuse_commits, "no commits on Fridays"),
    ],
)
def test_what_git_cannot_vouch_for_is_refused_and_leaves_the_file_as_it_was(
    root: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(root)
    before = (root / FILE).read_text()
    found = asked()
    assert isinstance(found.exception, PipelineError)
    assert words in str(found.exception)
    assert (root / FILE).read_text() == before
    assert git(root, "diff", "--cached", "--name-only") in ("", "notes.txt")


def test_a_signed_override_is_a_commit_of_one_file_by_whoever_is_at_work(root: Path) -> None:
    (root / "notes.txt").write_text("not committed, and not staged\n")
    found = asked(rule="accuracy  >= 0.999")
    assert found.exit_code == 0, found.output
    assert git(root, "show", "--name-only", "--format=%an|%ae", "HEAD").split() == [
        "Grace", "Hopper|grace@example.org", FILE,
    ]  # fmt: skip
    message = git(root, "log", "-1", "--format=%B")
    assert "agreed until the new data arrive" in message
    assert "Signed-off-by: Grace Hopper <grace@example.org>" in message
    record = read_json(root / FILE)["overrides"][0]
    assert (record["rule"], record["name"], record["until"]) == (RULE, "Ada Lovelace", later())
    assert record["signed_by"] == "Grace Hopper <grace@example.org>"
    assert record["found"].startswith("accuracy is")
    listed = asked("--list", rule=None, name=None, reason=None, until=None).output
    assert "accuracy ≥ 0.999: overridden by Ada Lovelace" in listed
    assert "in force" in listed
    assert "nothing to override" not in found.output
    idle = asked(rule="roc_auc ≥ 0.5")
    assert "the last verdict does not refuse by this rule" in idle.output
    assert asked("--remove", rule="roc_auc", name=None, reason=None, until=None).exit_code != 0
    assert (
        asked("--remove", rule="roc_auc ≥ 0.5", name=None, reason=None, until=None).exit_code == 0
    )
    assert asked("--remove", name=None, reason=None, until=None).exit_code == 0
    assert read_json(root / FILE) == {"overrides": []}
    assert git(root, "log", "-1", "--format=%s") == f"Override of people taken back: {RULE}"


@pytest.mark.slow
def test_a_refused_model_is_seen_everywhere_as_passed_with_an_override(root: Path) -> None:
    assert verdict_of(root)["outcome"] == "fail"
    with pytest.raises(GateRefused, match="hallmark override people"):
        run_stage(root, "package", PROJECT)

    version = overridden_model(root)

    verdict = verdict_of(root)
    assert verdict["outcome"] == "pass_with_override"
    broken = next(rule for rule in verdict["rules"] if rule["rule"] == RULE)
    assert (broken["outcome"], broken["overridden"]["name"]) == ("fail", "Ada Lovelace")
    said = f"{RULE}: overridden by Ada Lovelace until {later()}: agreed until the new data arrive"
    assert f"    ! {said}" in verdict_lines(verdict)  # what a build tells at its end

    packed = Paths(root, PROJECT, "package").output("bento") / bento.SOURCE
    app = App()
    app.start(packed, "1", registry=CollectorRegistry(), freeze=False)
    client = TestClient(app)  # type: ignore[arg-type]
    card = client.get("/card")  # the report's page, in the service
    assert "Passed with an override" in card.text
    assert f"Overridden by Ada Lovelace until {later()}" in card.text
    assert card.text == Paths(root, PROJECT, "report").output("report.html").read_text()
    described = client.get("/schema").json()["overrides"]
    assert described == [{**WORDS, "until": later(), "expired": False}]
    answer = client.post("/predict", json={"age": 39, "hours": 40.5, "job": "nurse"})
    assert answer.headers["x-hallmark-override"] == f"until {later()}"

    listed = CliRunner().invoke(cli, ["versions", PROJECT]).output
    assert "verdict pass_with_override" in listed
    assert f"! {said}" in listed
    tags = tags_of(root, version)
    assert (tags["verdict"], tags["override"]) == ("pass_with_override", said)
    assert (tags["override_by"], tags["override_until"]) == ("Ada Lovelace", later())
    tracked = TrackedBuild("b", PROJECT, "pending", "tabular", "", {}, {}, 0, 0.0)
    run_tags = _tags(tracked, full_evidence(root))
    assert run_tags["override"] == said


def tags_of(root: Path, version: registry.Version) -> dict[str, str]:
    store = Store(root, PROJECT)
    return dict(store._client.get_model_version(PROJECT, version.version).tags)


def full_evidence(root: Path) -> Any:
    totals = {"spent": {"wall_s": 1, "cpu_s": 1, "money": None}}
    return evidence_of(
        root, verdict="pass_with_override", totals=totals, currency=None, wall_s=1, exit_code=0
    )


def promote(root: Path) -> Any:
    return promotion.promote(root, PROJECT, None, who="Ada", why="better")


def tomorrow_is_later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    now = today() + timedelta(days=days)
    monkeypatch.setattr(override_files, "today", lambda: now)


@pytest.mark.slow
def test_a_model_with_an_override_is_promoted_until_the_last_day(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overridden_model(root)
    tomorrow_is_later(monkeypatch, 31)
    with pytest.raises(GateRefused) as refusal:
        promote(root)
    assert f"expired after {verdict_of(root)['overrides'][0]['until']}" in str(refusal.value)
    with pytest.raises(GateRefused, match="cannot be put into service"):
        serve(root, PROJECT, "127.0.0.1", 0, None, print)
    monkeypatch.undo()
    tomorrow_is_later(monkeypatch, 30)
    assert promote(root).after == "1"


@pytest.mark.slow
def test_an_override_that_the_commit_does_not_have_is_not_promoted(root: Path) -> None:
    write_by_hand(root)
    assert dirty_files(root) == ()
    for stage in ("gate", "report", "package"):
        run_stage(root, stage, PROJECT)
    rehearsal_of(root)
    registered(root)
    with pytest.raises(GateRefused) as refusal:
        promote(root)
    assert "in the commit that was built, it is not there" in str(refusal.value)


@pytest.mark.slow
def test_a_running_service_says_that_its_override_is_past(root: Path) -> None:
    overridden_model(root)
    packed = Paths(root, PROJECT, "package").output("bento") / bento.SOURCE
    card = packed / bento.VERDICT
    past = {**read_json(card)["overrides"][0], "until": "2020-01-01"}
    write_json(card, {**read_json(card), "overrides": [past]})
    app = App()
    app.start(packed, "1", registry=CollectorRegistry(), freeze=False)
    answer = TestClient(app).get("/schema")  # type: ignore[arg-type]
    assert answer.headers["x-hallmark-override"] == "expired 2020-01-01"
    assert answer.json()["overrides"][0]["expired"] is True


def test_a_build_takes_out_what_has_expired_and_is_refused_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(root, PROJECT, **WORDS, until=later())
    assert remove_expired(root, PROJECT) == []
    tomorrow_is_later(monkeypatch, 31)
    told = remove_expired(root, PROJECT)
    assert told[0].startswith(f"expired and taken out: {RULE}: overridden by Ada Lovelace")
    assert read_json(root / FILE) == {"overrides": []}
    assert dirty_files(root) == ()
    run_stage(root, "gate", PROJECT)
    assert verdict_of(root)["outcome"] == "fail"


def test_the_file_is_never_absent(root: Path) -> None:
    (root / FILE).unlink()
    with pytest.raises(ArtifactMissing, match=r"overrides\.json, found none"):
        run_stage(root, "gate", PROJECT)
    remove_expired(root, PROJECT)
    run_stage(root, "gate", PROJECT)


def test_a_record_without_a_name_is_refused_by_the_gate(root: Path) -> None:
    record = {"rule": RULE, "reason": "because", "until": later(), "signed": later(0)}
    (root / FILE).write_text(json.dumps({"overrides": [record]}))
    with pytest.raises(ProjectError, match=r"found at overrides.0.name: Field required"):
        run_stage(root, "gate", PROJECT)


def test_an_override_of_another_limit_is_without_effect(root: Path) -> None:
    sign(root, PROJECT, **WORDS, until=later())
    rules = [KEPT, {"measure": "accuracy", "at_least": 0.998}]
    set_section(root, "gate", {"rules": rules})
    run_stage(root, "gate", PROJECT)
    assert verdict_of(root)["outcome"] == "fail"
    assert "no such rule now" in CliRunner().invoke(cli, ["override", PROJECT, "--list"]).output


def test_a_running_serve_says_once_that_an_override_is_past_and_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = overridden_model(root)
    said: list[str] = []
    serving = Serving(root, PROJECT, None, None, "127.0.0.1", said.append)  # type: ignore[arg-type]
    serving._tell_of_overrides(version)
    assert said == []
    tomorrow_is_later(monkeypatch, 31)
    for _ in range(3):
        serving._tell_of_overrides(version)
    assert len(said) == 1
    assert f"version 1 goes on, but its override of `{RULE}` by Ada Lovelace expired" in said[0]


@pytest.mark.parametrize(("rehearsal", "code"), [("pass", 0), ("fail", 3)])
def test_a_build_with_an_override_ends_as_passed_and_is_named_on_the_status_page(
    rehearsal: str, code: int
) -> None:
    verdict = {"outcome": "pass_with_override"}
    assert _exit_code((), (verdict, {"outcome": rehearsal}), None) == code
    state = _of_build({"verdict": "pass_with_override", "exit_code": code})
    words = "passed, with an override" if code == 0 else "refused: its rehearsal failed"
    assert state.outcome == words
