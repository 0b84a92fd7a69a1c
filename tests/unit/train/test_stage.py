"""train: its files, the same bytes again, and resuming."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from pipeline.core.errors import ArtifactMissing, ProjectError
from pipeline.core.prediction import prediction
from pipeline.core.run.runner import run_stage
from pipeline.tabular.model.encoding import fit
from pipeline.tabular.settings import EncoderSettings
from pipeline.train import stage as train
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.learner import Learner
from pipeline.train.loop.penalty import Mitigation
from tests.people import (
    COLUMNS,
    SETTINGS,
    columns_of,
    make_project,
    people,
    set_section,
    write_parts,
)

pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # Fairlearn's own
FILES = [
    "curves.csv",
    "curves.jsonl",
    "encoder.json",
    "model.json",
    "report.json",
    "weights.safetensors",
]


def contents(root: Path) -> dict[str, bytes]:
    folder = root / "data/people/40_train"
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_it_writes_what_dvc_expects_and_leaves_no_checkpoint(finished: Path) -> None:
    assert list(contents(finished)) == FILES
    assert list((finished / ".local").glob("checkpoints/*")) == []
    curve = pl.read_csv(finished / "data/people/40_train/curves.csv")
    assert curve["epoch"].to_list() == [1, 2, 3, 4]


def test_the_report_says_what_was_trained(finished: Path) -> None:
    report = json.loads(contents(finished)["report.json"])
    weights = load_file(finished / "data/people/40_train/weights.safetensors")
    assert (report["num_train_rows"], report["num_validation_rows"]) == (300, 60)
    assert report["num_parameters"] == sum(one.numel() for one in weights.values())
    assert report["num_epochs"] == 4
    assert report["stopped"] == "max_epochs"
    assert report["settings"]["encoder"] == {"num_bins": 4, "min_level_count": 5}
    losses = [
        json.loads(x)["validation_loss"]
        for x in contents(finished)["curves.jsonl"].split(b"\n")
        if x
    ]
    assert report["best_validation_loss"] == min(losses)
    assert report["best_epoch"] == 1 + losses.index(min(losses))


def test_training_again_gives_the_same_bytes(built: Path) -> None:
    before = contents(built)
    run_stage(built, "train", "people")
    assert contents(built) == before


def test_only_training_rows_are_fitted(finished: Path) -> None:
    state = json.loads(contents(finished)["encoder.json"])
    rows = people()[:300]
    known = fit(rows, columns_of(), EncoderSettings(num_bins=4, min_level_count=5))
    assert state == known.as_dict()


def test_a_killed_training_ends_in_the_same_bytes(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = contents(built), Checkpoint.save

    def save(self: Checkpoint, tensors: Any, progress: dict[str, Any]) -> None:
        real(self, tensors, progress)
        if progress["epoch"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save)
        with pytest.raises(KeyboardInterrupt):
            run_stage(built, "train", "people")
    assert len(list((built / ".local/checkpoints").iterdir())) == 1
    run_stage(built, "train", "people")
    assert contents(built) == before
    assert list((built / ".local/checkpoints").iterdir()) == []


def test_a_killed_training_of_other_settings_is_not_resumed(
    built: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    real = Checkpoint.save

    def save(*arguments: Any) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save)
        with pytest.raises(KeyboardInterrupt):
            run_stage(built, "train", "people")
    set_section(built, "train", {**SETTINGS["train"], "seed": 9})
    run_stage(built, "train", "people")
    assert "resuming" not in capfd.readouterr().err


def test_weights_of_balance_are_used_and_default_to_one() -> None:
    table = people(50)
    encoder = fit(table, columns_of(), EncoderSettings())
    plain = train.tensors(table, encoder, columns_of(), ("sex",))
    assert plain.weights.tolist() == [1] * 50
    heavy = table.with_columns(_weight=pl.Series([2.5] * 50))
    found = train.tensors(heavy, encoder, columns_of(), ("sex",))
    assert found.weights.tolist() == [2.5] * 50
    assert found.labels.tolist() == (table["income"] == "high").cast(pl.Float64).to_list()
    assert found.members.shape == (50, 2)
    assert found.labels.dtype == found.weights.dtype == torch.float32


@pytest.mark.parametrize(
    ("values", "positive"), [([1, 0, 1, None], "1"), ([True, False, True, None], "true")]
)
def test_a_target_of_another_type_is_compared_as_text(values: list[Any], positive: str) -> None:
    columns = columns_of(positive=positive, numeric=["n"], categorical=[], sensitive=[], drop={})
    table = pl.DataFrame({"n": [1, 2, 3, 4], "income": values})
    encoder = fit(table, columns, EncoderSettings())
    assert train.tensors(table, encoder, columns, ()).labels.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(("named", "mitigated"), [(None, ("sex", "region")), (["sex"], ("sex",))])
def test_mitigated_columns(named: list[str] | None, mitigated: tuple[str, ...]) -> None:
    settings = train.Settings.model_validate(
        {"mitigation": {"columns": named}}, context={"modality": "tabular"}
    )
    assert train.mitigated_columns(settings.mitigation, columns_of()) == mitigated


def test_a_penalty_on_another_column_is_refused(tmp_path: Path) -> None:
    write_parts(make_project(tmp_path, train={"mitigation": {"columns": ["sexx"]}}))
    with pytest.raises(ProjectError) as caught:
        run_stage(tmp_path, "train", "people")
    assert "expected sensitive columns (sex, region), got 'sexx'" in str(caught.value)
    assert "did you mean `sex`?" in str(caught.value)


@pytest.mark.parametrize(
    ("sensitive", "named"), [([], None), (["sex"], [])], ids=["none sensitive", "none named"]
)
def test_a_penalty_on_nothing_is_refused(
    tmp_path: Path, sensitive: list[str], named: list[str] | None
) -> None:
    mitigation = {"strength": 0.5, "columns": named}
    columns = {**COLUMNS, "sensitive": sensitive}
    write_parts(make_project(tmp_path, columns=columns, train={"mitigation": mitigation}))
    with pytest.raises(ProjectError, match=r"train\.mitigation\.strength is 0\.5: expected"):
        run_stage(tmp_path, "train", "people")


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    make_project(tmp_path)
    with pytest.raises(ArtifactMissing, match=r"35_balance/train\.parquet, found none"):
        run_stage(tmp_path, "train", "people")


@pytest.mark.parametrize("role", ["numeric", "categorical"])
def test_features_of_one_kind_alone(tmp_path: Path, role: str) -> None:
    other = {"numeric": "categorical", "categorical": "numeric"}[role]
    write_parts(make_project(tmp_path, columns={**COLUMNS, other: []}))
    for stage in ("train", "calibrate", "explain"):
        run_stage(tmp_path, stage, "people")
    report = json.loads((tmp_path / "data/people/60_explain/report.json").read_text())
    assert [one["column"] for one in report["ranking"]] != []


REDUCTION = {"max_members": 6, "epochs": 2}
GRADIENT = {
    "method": "exponentiated_gradient",
    "columns": ["sex"],
    "min_group_rows": 50,
    "reduction": REDUCTION,
}


@pytest.fixture(scope="module")
def reduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was trained with exponentiated gradient. Read only."""
    root = tmp_path_factory.mktemp("reduced")
    write_parts(make_project(root, train={**SETTINGS["train"], "mitigation": GRADIENT}))
    run_stage(root, "train", "people")
    return root


def test_exponentiated_gradient_writes_one_model_that_the_stages_know(reduced: Path) -> None:
    assert list(contents(reduced)) == FILES
    assert list((reduced / ".local").glob("checkpoints/*")) == []
    report = json.loads(contents(reduced)["report.json"])["mitigation"]
    mixture = json.loads(contents(reduced)["model.json"]).get("mixture", [1.0])
    assert report["method"] == "exponentiated_gradient"
    assert report["mixture"] == pytest.approx(mixture)
    assert [one["group"] for one in report["groups"]] == ["female", "male"]
    model = prediction.load(reduced / "data/people/40_train", "tabular")
    assert model.logits(people(30).drop("sex", "region")).shape == (30,)
    for stage in ("calibrate", "explain"):
        run_stage(reduced, stage, "people")


@pytest.mark.parametrize("method", ["grid_search", "adversarial"])
def test_other_methods_write_one_network(tmp_path: Path, method: str) -> None:
    own = {"grid_search": {"reduction": REDUCTION}, "adversarial": {"adversary": {"epochs": 2}}}
    mitigation = {"method": method, "columns": ["sex"], "min_group_rows": 50, **own[method]}
    write_parts(make_project(tmp_path, train={**SETTINGS["train"], "mitigation": mitigation}))
    for stage in ("train", "calibrate", "explain"):
        run_stage(tmp_path, stage, "people")
    assert list(contents(tmp_path)) == FILES
    assert list((tmp_path / ".local").glob("checkpoints/*")) == []
    assert "mixture" not in json.loads(contents(tmp_path)["model.json"])
    report = json.loads(contents(tmp_path)["report.json"])
    assert report["mitigation"]["method"] == method
    assert set(report["mitigation"]["validation"]) == {"without_mitigation", "model"}
    curve = pl.read_csv(tmp_path / "data/people/40_train/curves.csv")
    passes = {"grid_search": 12, "adversarial": 2}[method]
    assert curve["epoch"].to_list() == list(range(1, 5 + passes))


def test_settings_in_force_are_told(reduced: Path, finished: Path) -> None:
    told = json.loads(contents(reduced)["report.json"])["settings"]["mitigation"]
    assert told["reduction"]["max_members"] == 6
    assert "sharpness" not in told
    told = json.loads(contents(finished)["report.json"])["settings"]["mitigation"]
    assert "reduction" not in told


def test_a_killed_reduction_ends_in_the_same_bytes(
    reduced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, real = shutil.copytree(reduced, tmp_path / "again"), Learner._fit

    def fit_two(self: Learner, *arguments: Any) -> Any:
        if len(self.members) == 2:
            raise KeyboardInterrupt
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "_fit", fit_two)
        with pytest.raises(KeyboardInterrupt):
            run_stage(root, "train", "people")
    assert len(list((root / ".local/checkpoints").glob("*/members/*"))) == 2
    run_stage(root, "train", "people")
    assert contents(root) == contents(reduced)
    assert list((root / ".local/checkpoints").iterdir()) == []


@pytest.mark.parametrize(
    ("mitigation", "told"),
    [
        ({"method": "exponentiated_gradient", "strength": 0.5}, "expected no `strength` with"),
        ({"method": "exponentiated_gradient", "sharpness": 2.0}, "expected no `sharpness` with"),
        ({"reduction": {"eps": 0.1}}, "expected no `reduction` with method penalty"),
        ({"adversary": {"alpha": 1}}, "expected no `adversary` with method penalty"),
        (
            {"method": "adversarial", "constraint": "true_positive_rate_parity"},
            "expected constraint demographic_parity or equalized_odds with method adversarial",
        ),
        ({"method": "exponentiated"}, "train.mitigation.method: expected penalty"),
        ({"constraint": "parity"}, "train.mitigation.constraint: expected demographic_parity"),
        ({**GRADIENT, "reduction": {"epoch": 1}}, "unknown key `train.mitigation.reduction.epoch`"),
    ],
)
def test_settings_of_another_method_are_refused(
    tmp_path: Path, mitigation: dict[str, Any], told: str
) -> None:
    write_parts(make_project(tmp_path, train={"mitigation": mitigation}))
    with pytest.raises(ProjectError) as caught:
        run_stage(tmp_path, "train", "people")
    assert told in str(caught.value)


def test_a_reduction_without_columns_is_refused(tmp_path: Path) -> None:
    train = {"mitigation": {"method": "exponentiated_gradient"}}
    write_parts(make_project(tmp_path, columns={**COLUMNS, "sensitive": []}, train=train))
    with pytest.raises(ProjectError, match=r"train\.mitigation\.method is exponentiated_gradient"):
        run_stage(tmp_path, "train", "people")


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_reduction_of_another_task_is_refused(task: str) -> None:
    columns = columns_of(task=task, positive="")
    mitigation = Mitigation(method="exponentiated_gradient")
    with pytest.raises(ProjectError, match=f"expected penalty for a {task} task") as caught:
        train.mitigated_columns(mitigation, columns)
    assert "two classes" in caught.value.hint
