"""package: a passing model as a bento that holds what it needs, and nothing else."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.core.bento import folder as bento
from pipeline.core.errors import ArtifactMissing, GateRefused, PipelineError, ProjectError
from pipeline.core.run.runner import run_stage
from tests.bento_inputs import CONTRACT, DELIVERED, FIELDS, ROOT, write_inputs
from tests.people import set_section


@pytest.fixture(scope="module")
def packaged(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stage, on a copy of the finished project."""
    root = shutil.copytree(finished, tmp_path_factory.mktemp("packaged") / "root")
    home = write_inputs(root)
    set_section(root, "package", {"fields": FIELDS})
    run_stage(root, "package", "people")
    return home / "75_package"


@pytest.fixture
def ready(built: Path) -> Path:
    """A project that could be packaged, to be changed."""
    write_inputs(built)
    set_section(built, "package", {"fields": FIELDS})
    return built


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_the_source_holds_what_the_service_needs_and_nothing_else(packaged: Path) -> None:
    names = set(contents(packaged / "bento/src"))
    assert {name for name in names if not name.startswith("pipeline/")} == {
        "service.py",
        "service.json",
        "contract.json",
        "proof.json",
        "card/report.html",
        "card/verdict.json",
        *(f"model/{name}" for name in bento.MODEL_FILES),
    }
    ours = {name for name in names if name.startswith("pipeline/")}
    assert {"pipeline/core/prediction/prediction.py", "pipeline/tabular/data/cleaning.py"} <= ours
    assert {"pipeline/service/page.html", "pipeline/service/app.py"} <= ours
    for name in ("package", "train", "service/build", "service/imports", "core/expectations"):
        assert f"pipeline/{name}.py" not in ours
    for name in ours:
        assert (packaged / "bento/src" / name).read_bytes() == (ROOT / name).read_bytes()


def test_packaging_again_gives_the_same_bytes(packaged: Path) -> None:
    before = contents(packaged)
    run_stage(packaged.parents[2], "package", "people")
    assert contents(packaged) == before


def test_the_tag_is_made_from_the_digest(packaged: Path) -> None:
    report = json.loads((packaged / "report.json").read_text())
    manifest = YAML(typ="safe").load(packaged / "bento/bento.yaml")
    assert report["digest"] == bento.digest(packaged / "bento")
    assert report["tag"] == f"people:{report['digest'][:16]}"
    assert (manifest["name"], manifest["version"]) == ("people", report["digest"][:16])
    files = contents(packaged / "bento")
    assert report["num_files"] == len(files)
    assert report["num_bytes"] == sum(map(len, files.values()))


def test_the_requirements_are_a_small_part_of_the_lock(packaged: Path) -> None:
    report = json.loads((packaged / "report.json").read_text())
    lock = [line.split()[0] for line in (ROOT / "requirements.lock").read_text().splitlines()]
    assert set(report["requirements"]) < set(lock)
    assert len(report["requirements"]) < len(lock) / 10
    names = {line.split("==")[0] for line in report["requirements"]}
    assert {"bentoml", "polars", "torch", "safetensors"} <= names
    assert not names & {"prefect", "dvc", "great-expectations", "pandas", "mlflow"}
    installed = (packaged / "bento/env/python/requirements.txt").read_text().split()
    assert sorted(installed) == sorted(report["requirements"])
    assert report["installed_bytes"] > 10**8


def test_the_proof_names_what_the_bento_is_made_from(packaged: Path) -> None:
    root = packaged.parents[2]
    proof = bento.read_proof(packaged / "bento")
    assert (proof["project"], proof["modality"]) == ("people", "tabular")
    for name in ("40_train/weights.safetensors", "contract.json", "65_gate/verdict.json"):
        assert f"data/people/{name}" in proof["made_from"]
    for name, digest in proof["made_from"].items():
        assert hashlib.sha256((root / name).read_bytes()).hexdigest() == digest


def test_the_models_digest_is_over_the_names_and_contents_of_its_files(packaged: Path) -> None:
    folder = packaged / "bento/src/model"
    names = ("encoder.json", "model.json", "policy.json", "weights.safetensors")
    lines = [f"{one}\0{hashlib.sha256((folder / one).read_bytes()).hexdigest()}" for one in names]
    expected = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert bento.read_proof(packaged / "bento")["model_digest"] == expected


def test_a_changed_model_does_not_match_its_proof(packaged: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(packaged / "bento", tmp_path / "bento")
    assert bento.digest(changed) == bento.digest(packaged / "bento")
    policy = changed / "src/model/policy.json"
    policy.write_text(policy.read_text().replace("{", "{ "))
    with pytest.raises(ArtifactMissing, match="expected the model that"):
        bento.read_proof(changed)
    assert bento.digest(changed) != bento.digest(packaged / "bento")


def test_what_is_enforced_and_what_cannot_be_is_listed(packaged: Path) -> None:
    report = json.loads((packaged / "report.json").read_text())
    assert len(report["enforced"]) + len(report["not_enforced"]) == len(
        CONTRACT["prepared"]["expectations"]  # type: ignore[arg-type]
    )
    refusing = {
        (one["expectation"], *one["columns"]) for one in report["enforced"] if one["refuses"]
    }
    assert ("expect_column_values_to_be_between", "age") in refusing
    assert ("expect_column_values_to_be_in_set", "job") not in refusing
    reasons = {tuple(one["columns"]): one["reason"] for one in report["not_enforced"]}
    assert reasons[()] == "it is about the whole table"
    assert reasons[("sex",)] == "requests do not carry sex"
    assert "many rows" in reasons[("age",)]


@pytest.mark.parametrize("outcome", ["fail", "insufficient"])
def test_without_a_passing_verdict_nothing_is_written(ready: Path, outcome: str) -> None:
    source = ready / "data/people/65_gate/verdict.json"
    verdict = json.loads(source.read_text())
    verdict["outcome"] = outcome
    verdict["rules"][0] |= {"outcome": outcome, "refuses": True}
    source.write_text(json.dumps(verdict))
    with pytest.raises(GateRefused, match=f"expected the verdict pass, got {outcome}") as refusal:
        run_stage(ready, "package", "people")
    assert refusal.value.exit_code == 3
    assert verdict["rules"][0]["sentence"] in str(refusal.value)
    assert not (ready / "data/people/75_package").exists()


Change = Callable[[Path], object]


def text(fields: dict[str, Any]) -> Change:
    return lambda root: set_section(root, "package", {"fields": fields})


def delivered(name: str, dtype: str) -> Change:
    columns = [{"name": one, "dtype": kind} for one, kind in {**DELIVERED, name: dtype}.items()]
    return lambda root: (root / "data/people/10_ingest/profile.json").write_text(
        json.dumps({"columns": columns})
    )


def without_torch(root: Path) -> None:
    lines = (root / "requirements.lock").read_text().splitlines()
    kept = [line for line in lines if not line.startswith("torch==")]
    (root / "requirements.lock").write_text("\n".join(kept))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (text({"sex": {"unit": "none"}}), ProjectError, "expected a feature, got 'sex'"),
        (text({"agee": {}}), ProjectError, "did you mean `age`"),
        (text({"age": {"example": 5}}), PipelineError, "age: expected a number from 16 to 90"),
        (delivered("age", "Time"), ProjectError, "text, number, boolean or date, got Time"),
        (without_torch, ProjectError, "found no line for torch"),
        (
            lambda root: (root / "data/people/70_report/report.html").unlink(),
            ArtifactMissing,
            "report.html",
        ),
        (
            lambda root: (root / "data/people/20_clean/rules.json").write_text('[{"rule": "x"}]'),
            ArtifactMissing,
            "whole rules file",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_and_nothing_is_written(
    ready: Path, change: Change, error: type[Exception], words: str
) -> None:
    change(ready)
    with pytest.raises(error, match=words):
        run_stage(ready, "package", "people")
    assert not (ready / "data/people/75_package").exists()


def test_the_other_class_has_its_name_from_the_contract(packaged: Path) -> None:
    settings = json.loads((packaged / "bento/src/service.json").read_text())
    assert settings["labels"] == ["low", "high"]
