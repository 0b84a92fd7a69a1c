"""Registration, promotion and rollback of a small real model, with real MLflow, git and BentoML."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.registry import promotion
from flows.registry import versions as registry
from flows.registry.champion_files import write_champion
from flows.registry.history import champion_version, history
from flows.registry.registration import Evidence, why_not_registered
from flows.tracking.store import Store
from pipeline.core.bento import folder as bento
from pipeline.core.errors import ArtifactMissing, GateRefused, ProjectError
from pipeline.core.files import read_json, write_json
from pipeline.evaluate import champion
from tests.flows.registry.tracked import (
    PROJECT,
    another_model,
    evidence_of,
    git,
    packed,
    registered,
    rehearsal_of,
    verdict_of,
    with_tables,
)

TRACKED = True
NOTHING = "nothing depends on it"


@pytest.fixture
def root(packaged_project: Path, tables: Path, tmp_path: Path) -> Path:
    """A repository of the test's own."""
    copy = shutil.copytree(packaged_project, tmp_path / "repository")
    with_tables(copy, tables)
    return copy


def promote(root: Path, version: str | None = None, **given: Any) -> Any:
    return promotion.promote(root, PROJECT, version, **{"who": "Ada", "why": "better", **given})


def two_versions(root: Path) -> None:
    registered(root)
    another_model(root, 1.5)
    registered(root, evidence_of(root, id="20260102T000000000000-1"))


def test_what_passed_is_registered_with_all_that_belongs_to_it(root: Path) -> None:
    version = registered(root)

    assert version.version == "1"
    assert registry.resolve(root, PROJECT, "candidate") == version
    assert registry.aliases(root, version) == ("candidate",)
    assert Store(root, PROJECT).aliases() == {"candidate": "1"}
    assert registry.bento_folder(root, version).is_dir()
    tagged = git(root, "rev-parse", "model/people/1^{commit}")
    assert tagged == git(root, "rev-parse", "HEAD")
    kept = registry.folder_of(root, version)
    parts = [
        root / f"data/people/25_split/{p}.parquet" for p in ("train", "validation", "calibration")
    ]
    fitted = set(pl.concat([pl.read_parquet(p, columns=["_key"]) for p in parts])["_key"])
    assert set(pl.read_parquet(kept / "seen.parquet")["_key"]) == fitted
    assert read_json(kept / "rehearsal.json")["outcome"] == "pass"


def test_bentoml_lists_a_registered_bento(root: Path) -> None:
    version = registered(root)

    listed = subprocess.run(
        [sys.executable, "-m", "bentoml", "list", "--output", "json"],
        env={**os.environ, "BENTOML_HOME": str(registry.bentoml_home(root))},
        capture_output=True,
        text=True,
        check=True,
    )

    assert [entry["tag"] for entry in json.loads(listed.stdout)] == [version.bento_tag]


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda root: verdict_of(root, "fail"), "its verdict did not pass"),
        (lambda root: rehearsal_of(root, "fail"), "its rehearsal failed: same predictions"),
        (lambda root: rehearsal_of(root, bento_digest="0"), "the rehearsal was of another bento"),
    ],
)
def test_what_did_not_pass_is_not_registered(
    root: Path, prepare: Callable[[Path], None], reason: str
) -> None:
    prepare(root)

    assert why_not_registered(root, evidence_of(root)) == reason


def test_a_build_that_did_not_reach_the_rehearsal_registers_nothing(root: Path) -> None:
    found = why_not_registered(root, evidence_of(root, without=("rehearse",)))
    assert found == "the build did not reach `rehearse`"
    verdict_of(root, "fail")
    refused = evidence_of(root, without=("package", "rehearse"))
    assert why_not_registered(root, refused) == "the gate refused it"


def test_9_a_build_that_restored_everything_is_registered_and_the_version_says_so(
    root: Path,
) -> None:
    restored = evidence_of(root, state="restored")
    assert why_not_registered(root, restored) is None

    version = registered(root, restored)

    assert {"train", "gate", "rehearse"} <= set(version.restored)
    assert version.origin == "restored: train, gate, rehearse"
    assert registry.resolve(root, PROJECT, "candidate") == version
    assert promote(root).after == "1"
    assert why_not_registered(root, restored) == "its model is the champion's, version 1"


def test_the_same_bento_is_not_registered_twice_nor_the_champions_model(root: Path) -> None:
    registered(root)
    assert why_not_registered(root, evidence_of(root)) == "it is registered already, as version 1"

    promote(root)
    another_model(root, 1.5)
    registered(root)
    found = read_json(root / "data/people/75_package/report.json")
    live = registry.resolve(root, PROJECT, "1")
    write_json(
        root / "data/people/75_package/report.json", {**found, "model_digest": live.model_digest}
    )
    assert why_not_registered(root, evidence_of(root)) == "its model is the champion's, version 1"


def test_the_same_bento_built_anew_from_a_clean_tree_is_a_version_that_can_be_promoted(
    root: Path,
) -> None:
    registered(root, evidence_of(root, dirty=True, dirty_files=["params.yaml"]))
    dirty = evidence_of(root, dirty=True, dirty_files=["params.yaml"])
    assert why_not_registered(root, dirty) == "it is registered already, as version 1"
    with pytest.raises(GateRefused):
        promote(root)

    clean = evidence_of(root, id="20260102T000000000000-1")
    assert why_not_registered(root, clean) is None
    registered(root, clean)

    assert promote(root).after == "2"


def test_promote_makes_the_candidate_the_champion_and_says_so_everywhere(root: Path) -> None:
    two_versions(root)

    move = promote(root, "1", why="first", who="Ada <ada@example.org>")

    assert (move.kind, move.before, move.after) == ("promote", None, "1")
    assert registry.served(root, PROJECT).version == "1"
    assert Store(root, PROJECT).aliases() == {"candidate": "2", "champion": "1"}
    pointed = read_json(promotion.pointer(root, PROJECT))
    assert pointed["version"] == "1"
    assert Path(pointed["bento"]).is_dir()
    promote(root)
    assert [(m.before, m.after, m.who) for m in history(root, PROJECT)] == [
        (None, "1", "Ada <ada@example.org>"),
        ("1", "2", "Ada"),
    ]


def change(version: Any, **fields: Any) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        source = registry.home(root, PROJECT) / version / "version.json"
        write_json(source, {**read_json(source), **fields})

    return apply


def touch_bento(root: Path) -> None:
    version = registry.resolve(root, PROJECT, "1")
    card = registry.bento_place(root, version.bento_tag) / bento.SOURCE / bento.CARD
    card.write_text("another card")


def swap_rehearsal(root: Path) -> None:
    source = registry.home(root, PROJECT) / "1" / "rehearsal.json"
    write_json(source, {**read_json(source), "bento_digest": "0"})


def lose_bento(root: Path) -> None:
    shutil.rmtree(registry.bentoml_home(root))


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (change("1", verdict="insufficient"), "expected a passing verdict"),
        (change("1", rehearsal="fail"), "expected a passing rehearsal"),
        (change("1", dirty=True, dirty_files=["params.yaml"]), "not committed: params.yaml"),
        (change("1", commit=None), "outside git"),
        (change("1", model_digest="0" * 64), "expected the model 000000000000"),
        (change("1", verdict_digest="0" * 64), "the bento carries another one"),
        (touch_bento, "as it was registered"),
        (swap_rehearsal, "rehearsal to be of this very bento"),
        (lose_bento, "found none"),
    ],
)
def test_promote_refuses(root: Path, spoil: Callable[[Path], None], finding: str) -> None:
    registered(root)
    spoil(root)

    with pytest.raises(GateRefused) as refusal:
        promote(root)

    assert any(finding in one for one in refusal.value.findings), refusal.value.findings
    assert champion_version(root, PROJECT) is None


def test_promote_refuses_without_a_reason_a_version_or_a_change(root: Path) -> None:
    with pytest.raises(ProjectError, match="expected a registered version of people, found none"):
        promote(root)
    registered(root)
    with pytest.raises(ProjectError, match="expected a reason"):
        promote(root, why="  ")
    with pytest.raises(ProjectError, match="got '7'"):
        promote(root, "7")
    promote(root)
    with pytest.raises(ProjectError, match="1 is the champion already"):
        promote(root)
    assert len(history(root, PROJECT)) == 1


@pytest.mark.slow
def test_rollback_rehearses_the_earlier_champion_and_makes_it_live(root: Path) -> None:
    """With the real rehearsal: its service is started and asked."""
    two_versions(root)
    promote(root, "1")
    promote(root, "2")

    move = promotion.rollback(root, PROJECT, who="Ada", why="too slow")

    assert (move.kind, move.before, move.after) == ("rollback", "2", "1")
    assert registry.served(root, PROJECT).version == "1"
    with pytest.raises(ProjectError, match="expected an earlier champion"):
        promotion.rollback(root, PROJECT, who="Ada", why="again")


def test_rollback_refuses_a_target_whose_service_answers_otherwise(root: Path) -> None:
    two_versions(root)
    promote(root, "1")
    promote(root, "2")
    rows = registry.home(root, PROJECT) / "1" / "rows.parquet"
    table = pl.read_parquet(rows)
    table.with_columns((1 - pl.col("_probability")).alias("_probability")).write_parquet(rows)

    with pytest.raises(GateRefused, match="version 1 cannot be live again") as refusal:
        promotion.rollback(root, PROJECT, who="Ada", why="too slow")

    assert any("rehearsal" in finding for finding in refusal.value.findings)
    assert champion_version(root, PROJECT) == "2"


def test_a_crash_after_the_line_is_set_right_by_whoever_looks_next(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_versions(root)
    promote(root, "1")
    with monkeypatch.context() as patch:
        patch.setattr(promotion, "settle", _crash)
        with pytest.raises(KeyboardInterrupt):
            promote(root, "2")
    assert read_json(promotion.pointer(root, PROJECT))["version"] == "1"

    live = promotion.point(root, PROJECT)

    assert live is not None
    assert live.version == read_json(promotion.pointer(root, PROJECT))["version"] == "2"
    notes: list[str] = []
    promotion.settle(root, PROJECT, notes.append)
    assert Store(root, PROJECT).aliases()["champion"] == "2"
    assert notes == []


def _crash(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_promotion_needs_no_mlflow(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registered(root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("HALLMARK_TRACKING_PATIENCE_S", "0")
    notes: list[str] = []

    promote(root, tell=notes.append)

    assert champion_version(root, PROJECT) == "1"
    assert "lags behind" in notes[0]


def test_2_aliases_and_tags_in_mlflow_decide_nothing_and_are_set_right(root: Path) -> None:
    """Whoever reaches MLflow can move an alias and edit a version; nothing here goes by it."""
    two_versions(root)
    promote(root, "1")
    store = Store(root, PROJECT)
    store.set_alias("champion", "2")
    store.set_alias("candidate", "1")
    for key, value in {"bento_digest": "0" * 64, "verdict": "fail", "dirty": "true"}.items():
        store._client.set_model_version_tag(PROJECT, "2", key, value)
    notes: list[str] = []

    assert registry.served(root, PROJECT).version == "1"
    assert registry.resolve(root, PROJECT, "champion").version == "1"
    assert registry.resolve(root, PROJECT, "candidate").version == "2"
    write_champion(root, PROJECT)
    assert read_json(root / "data/people/champion/champion.json")["version"] == "1"
    with pytest.raises(ProjectError, match="1 is the champion already"):
        promote(root, "champion", tell=notes.append)

    assert store.aliases() == {"champion": "1", "candidate": "2"}
    assert [line.split(":")[0] for line in notes] == [
        "MLflow's alias `champion` named version 2, here it is version 1",
        "MLflow's alias `candidate` named version 1, here it is version 2",
    ]
    notes.clear()
    assert promote(root, tell=notes.append).after == "2"
    assert notes == []


def test_2_an_alias_of_nobodys_promotion_makes_no_champion(root: Path) -> None:
    registered(root)
    Store(root, PROJECT).set_alias("champion", "1")
    notes: list[str] = []

    assert registry.champion(root, PROJECT) is None
    promotion.settle(root, PROJECT, notes.append)

    assert Store(root, PROJECT).aliases() == {"candidate": "1"}
    assert "named version 1, here it is none" in notes[0]


@pytest.mark.parametrize("name", ["seen.parquet", "rows.parquet", "rehearsal.json", "bento.yaml"])
def test_7_promotion_compares_every_file_that_is_kept(root: Path, name: str) -> None:
    version = registered(root)
    folder = registry.folder_of(root, version)
    if name == "bento.yaml":
        folder = registry.bento_place(root, version.bento_tag)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + b" ")

    with pytest.raises(GateRefused) as refusal:
        promote(root)

    assert any(f"{name} as it was registered" in one for one in refusal.value.findings)
    assert why_not_registered(root, evidence_of(root)) is None  # so the next build mends it


def test_7_a_champion_whose_record_was_changed_is_not_served(root: Path) -> None:
    two_versions(root)
    promote(root, "1")
    other = registry.resolve(root, PROJECT, "2")
    change("1", bento_digest=other.bento_digest, bento_tag=other.bento_tag)(root)

    with pytest.raises(ArtifactMissing, match="as it was promoted"):
        registry.served(root, PROJECT)


def test_7_a_damaged_object_of_the_cache_reaches_no_reader(root: Path) -> None:
    evidence = evidence_of(root)
    source = root / "data/people/65_gate/verdict.json"
    digest = evidence.outputs.digest("gate", "verdict.json")
    kept = evidence.outputs.cache / digest[:2] / digest[2:]
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text('{"outcome": "pass"}')
    kept.chmod(0o444)

    assert evidence.verdict == read_json(source)  # the workspace still has it
    source.write_text("{}")
    with pytest.raises(ArtifactMissing, match="found it damaged there") as error:
        _ = evidence.verdict
    assert f"rm -f {kept}" in error.value.hint


def test_9_numbers_go_on_when_mlflows_database_is_new(
    root: Path, tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_versions(root)
    promote(root, "2")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shutil.copy(tables, tmp_path)}")
    notes: list[str] = []
    promotion.settle(root, PROJECT, notes.append)
    assert (
        notes
        == [f"MLflow does not know version 2: it was registered in another database; {NOTHING}"] * 2
    )
    another_model(root, 1.7)

    version = registered(root, evidence_of(root, id="20260103T000000000000-1"))

    assert version.version == "3"
    assert registry.resolve(root, PROJECT, "champion").version == "2"
    assert promote(root).after == "3"


def test_the_champions_files_are_what_evaluate_reads(root: Path) -> None:
    target = root / "data/people/champion"
    version = registered(root)
    promote(root)

    write_champion(root, PROJECT)

    live = champion.load(target, "tabular")
    assert live is not None
    assert live.version == version.version
    assert len(live.seen) > 0
    before = {path: path.stat().st_mtime_ns for path in target.iterdir()}
    write_champion(root, PROJECT)
    assert {path: path.stat().st_mtime_ns for path in target.iterdir()} == before
    touch_bento(root)
    told = write_champion(root, PROJECT)
    assert "as it was registered" in told[0]
    assert "compared with what the last build kept of it" in told[-1]
    assert {path: path.stat().st_mtime_ns for path in target.iterdir()} == before
    (target / "policy.json").write_text("{}")
    assert "nothing is compared" in write_champion(root, PROJECT)[-1]
    assert champion.load(target, "tabular") is None


def test_without_a_champion_its_folder_says_so(root: Path) -> None:
    (root / "data/people/champion/weights.safetensors").write_text("of an earlier one")

    write_champion(root, PROJECT)

    assert champion.load(root / "data/people/champion", "tabular") is None
    assert [path.name for path in (root / "data/people/champion").iterdir()] == ["champion.json"]


@pytest.mark.slow
def test_plain_mlflow_predicts_as_we_do(root: Path, tmp_path: Path) -> None:
    """In a process without this repository on its path."""
    from flows.registry.registration import rows_to_rehearse
    from flows.tracking.logged_model import model_files

    store = Store(root, PROJECT)
    run = store.run("b", "b", 0, {"build": "b"})
    requirements = read_json(root / "data/people/75_package/report.json")["requirements"]
    address = store.log_model(run, model_files(packed(root), requirements))
    rows = rows_to_rehearse(evidence_of(root).outputs, packed(root))
    rows.write_parquet(tmp_path / "rows.parquet")
    program = (
        "import sys, mlflow, pandas as pd\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model(sys.argv[2])\n"
        "rows = pd.read_parquet(sys.argv[3])\n"
        "expected = rows.pop('_probability')\n"
        "found = model.predict(rows)\n"
        "assert model.metadata.signature is not None\n"
        "assert len(model.input_example) == 1 and len(model.predict(model.input_example)) == 1\n"
        "assert sorted(found.columns) == ['decision', 'label', 'probability']\n"
        "print(len(rows), (found.probability - expected).abs().max())\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, store.address, address, str(tmp_path / "rows.parquet")],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    num_rows, difference = done.stdout.split()[-2:]
    assert int(num_rows) == rows.height == 120
    assert float(difference) < 1e-6
    assert list((root / ".local/mlflow/artifacts").rglob("MLmodel"))


def test_evidence_is_read_by_digest_when_the_workspace_moved_on(root: Path) -> None:
    evidence: Evidence = evidence_of(root)
    assert evidence.verdict is not None
    verdict_of(root, "fail")

    with pytest.raises(ArtifactMissing, match="in DVC's cache, found none"):
        _ = evidence.verdict
