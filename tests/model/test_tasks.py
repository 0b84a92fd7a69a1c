"""Projects whose target has several classes, or is a number, from the split's parts on."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sklearn.metrics as known
from safetensors.torch import load_file, save_file

from pipeline.core.errors import ProjectError
from pipeline.core.prediction import prediction
from pipeline.core.run.runner import run_stage
from tests.people import (
    SETTINGS,
    make_task_project,
    set_section,
    task_columns,
    task_people,
    write_parts,
)

TASKS = ("multiclass", "regression")
STAGES = ("train", "calibrate", "evaluate", "explain")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The root of a finished project of each task. Read only: tests that change one copy it."""
    found = {}
    for task in TASKS:
        found[task] = tmp_path_factory.mktemp(task)
        make_task_project(found[task], task)
        for stage in STAGES:
            run_stage(found[task], stage, "people")
    return found


def read(root: Path, name: str) -> Any:
    return json.loads((root / "data/people" / name).read_text())


def predictions(root: Path) -> pl.DataFrame:
    return pl.read_parquet(root / "data/people/50_evaluate/predictions.parquet")


def test_measures_of_several_classes_are_scikit_learns(roots: dict[str, Path]) -> None:
    root = roots["multiclass"]
    rows = predictions(root)
    for who, column in (("model", "decision"), ("baseline", "baseline_decision")):
        label, decision = rows["label"].to_list(), rows[column].to_list()
        measured = read(root, "50_evaluate/report.json")[who]["metrics"]
        found = {name: interval["value"] for name, interval in measured.items()}
        for interval in measured.values():
            assert interval["low"] < interval["value"] < interval["high"]
        assert found["accuracy"] == pytest.approx(known.accuracy_score(label, decision), abs=1e-6)
        assert found["balanced_accuracy"] == pytest.approx(
            known.balanced_accuracy_score(label, decision), abs=1e-6
        )
        assert found["f1_macro"] == pytest.approx(
            known.f1_score(label, decision, average="macro"), abs=1e-6
        )


def test_decided_is_the_class_with_the_highest_probability(roots: dict[str, Path]) -> None:
    root = roots["multiclass"]
    test = pl.read_parquet(root / "data/people/25_split/test.parquet")
    model = prediction.load(root / "data/people/40_train", "tabular")
    assert model.outcome.classes == ("low", "middle", "top")
    logits = model.logits(test)
    assert logits.shape == (120, 3)
    scaled = np.exp(logits / read(root, "45_calibrate/policy.json")["temperature"])
    probability = scaled / scaled.sum(axis=1, keepdims=True)
    rows = predictions(root)
    assert rows["label"].to_list() == test["grade"].to_list()
    names = np.array(model.outcome.classes)
    assert rows["decision"].to_list() == names[probability.argmax(axis=1)].tolist()
    np.testing.assert_allclose(rows["probability"], probability.max(axis=1))
    log_loss = known.log_loss(test["grade"].to_list(), probability)
    measured = read(root, "50_evaluate/report.json")["model"]["metrics"]["log_loss"]["value"]
    assert measured == pytest.approx(log_loss, abs=1e-6)


def test_measures_of_a_number_are_scikit_learns(roots: dict[str, Path]) -> None:
    root = roots["regression"]
    rows = predictions(root)
    test = pl.read_parquet(root / "data/people/25_split/test.parquet")
    assert rows["label"].to_list() == test["wage"].to_list()
    for who, column in (("model", "prediction"), ("baseline", "baseline_prediction")):
        measured = read(root, "50_evaluate/report.json")[who]["metrics"]
        truth, said = rows["label"].to_numpy(), rows[column].to_numpy()
        assert {name: one["value"] for name, one in measured.items()} == pytest.approx(
            {
                "mean_absolute_error": known.mean_absolute_error(truth, said),
                "root_mean_squared_error": known.root_mean_squared_error(truth, said),
                "r2": known.r2_score(truth, said),
            },
            abs=1e-5,
        )
        assert measured["r2"]["low"] < measured["r2"]["value"] < measured["r2"]["high"]


def test_a_predicted_number_is_in_the_targets_units(roots: dict[str, Path]) -> None:
    root = roots["regression"]
    train = pl.read_parquet(root / "data/people/35_balance/train.parquet")
    outcome = read(root, "40_train/model.json")["outcome"]
    assert outcome["mean"] == pytest.approx(train["wage"].mean())
    assert outcome["scale"] == pytest.approx(train["wage"].std(ddof=0))
    said = predictions(root)["prediction"]
    assert said.mean() == pytest.approx(outcome["mean"], abs=outcome["scale"])
    assert read(root, "45_calibrate/policy.json") == {"task": "regression", "num_rows": 120}


def test_curves_of_several_classes_are_of_the_decided_class(roots: dict[str, Path]) -> None:
    folder = roots["multiclass"] / "data/people/50_evaluate"
    bins = pl.read_csv(folder / "reliability.csv")
    rows = predictions(roots["multiclass"])
    hits = (rows["label"] == rows["decision"]).sum()
    assert bins["num_rows"].sum() == 120
    assert (bins["num_rows"] * bins["positive_rate"]).sum() == pytest.approx(hits, abs=1e-3)
    roc = pl.read_csv(folder / "roc.csv")
    assert (roc.row(0), roc.row(-1)) == ((0.0, 0.0), (1.0, 1.0))


def test_a_number_has_no_curves_but_their_files(roots: dict[str, Path]) -> None:
    folder = roots["regression"] / "data/people/50_evaluate"
    assert (folder / "roc.csv").read_text() == "false_positive_rate,true_positive_rate\n"
    assert pl.read_csv(folder / "reliability.csv").height == 0


def test_slices_show_what_the_task_measures(roots: dict[str, Path]) -> None:
    for task, name in (("multiclass", "accuracy"), ("regression", "mean_absolute_error")):
        rows = predictions(roots[task])
        test = pl.read_parquet(roots[task] / "data/people/25_split/test.parquet")
        if task == "regression":
            each = (rows["prediction"] - rows["label"]).abs()
        else:
            each = (rows["decision"] == rows["label"]).cast(pl.Float64)
        slices = read(roots[task], "50_evaluate/report.json")["slices"]
        smiths = next(one for one in slices if one["slice"] == "smith")
        chosen = (test["job"] == "smith").fill_null(False)
        assert smiths["num_rows"] == chosen.sum()
        assert smiths[name] == pytest.approx(each.filter(chosen).mean(), abs=1e-5)
        assert smiths["low"] < smiths[name] < smiths["high"]
        values = [one[name] for one in slices]
        assert values == sorted(values, reverse=task == "regression")
        assert {one["column"] for one in slices} == {"age", "hours", "job"}


@pytest.mark.parametrize("task", TASKS)
def test_training_and_evaluating_again_give_the_same_bytes(
    roots: dict[str, Path], tmp_path: Path, task: str
) -> None:
    root = shutil.copytree(roots[task], tmp_path / task)
    for stage, folder in (("train", "40_train"), ("evaluate", "50_evaluate")):
        files = sorted((root / "data/people" / folder).iterdir())
        before = [file.read_bytes() for file in files]
        run_stage(root, stage, "people")
        assert [file.read_bytes() for file in files] == before


def test_a_predicted_number_is_the_sum_of_its_parts(roots: dict[str, Path]) -> None:
    report = read(roots["regression"], "60_explain/report.json")
    assert report["unit"] == "units of wage"
    said = [case["prediction"] for case in report["cases"]]
    assert said == sorted(said)
    # What is not attributed is the reference's prediction: the same for all cases.
    rest = [
        case["prediction"] - sum(one["attribution"] for one in case["attributions"])
        for case in report["cases"]
    ]
    assert rest == pytest.approx([rest[0]] * len(rest), abs=2)
    assert max(said) - min(said) > 100


def test_what_is_explained_is_the_decided_class(roots: dict[str, Path]) -> None:
    root = roots["multiclass"]
    rows = {row["_row"]: row for row in predictions(root).iter_rows(named=True)}
    cases = read(root, "60_explain/report.json")["cases"]
    for case in cases:
        assert case["decision"] == rows[case["row"]]["decision"]
        assert case["probability"] == pytest.approx(rows[case["row"]]["probability"], abs=1e-5)
    assert len({case["decision"] for case in cases}) > 1


@pytest.mark.parametrize("task", TASKS)
def test_a_penalty_lowers_the_spread_between_groups(
    roots: dict[str, Path], tmp_path: Path, task: str
) -> None:
    root = shutil.copytree(roots[task], tmp_path / task)

    def spread(strength: float) -> float:
        mitigation = {"strength": strength, "columns": ["sex"]}
        settings = {**SETTINGS["train"], "max_epochs": 30, "batch_size": 150}
        set_section(root, "train", {**settings, "mitigation": mitigation})
        run_stage(root, "train", "people")
        curve = pl.read_csv(root / "data/people/40_train/curves.csv")
        return float(curve["validation_spread"][-1])

    assert spread(5.0) < spread(0.0) / 2


def test_two_classes_without_a_positive_one_are_several(tmp_path: Path) -> None:
    columns = task_columns("multiclass", target="income", drop={"note": "-", "grade": "-"})
    home = make_task_project(tmp_path, "multiclass", columns=columns)
    for stage in STAGES:
        run_stage(tmp_path, stage, "people")
    rows = pl.read_parquet(home / "50_evaluate/predictions.parquet")
    assert set(rows["decision"]) <= {"high", "low"}
    for name in ("probability", "baseline_probability"):
        assert rows[name].min() >= 0.5  # type: ignore[operator]
    hits = rows["baseline_decision"] == rows["label"]
    assert hits.mean() > 0.6  # type: ignore[operator]


@pytest.mark.parametrize(
    ("task", "section", "words"),
    [
        ("multiclass", {"threshold": 0.4}, r"calibrate\.threshold: expected its default, as"),
        ("multiclass", {"maximise": "balanced_accuracy"}, r"calibrate\.maximise"),
        ("regression", {"temperature": 2.0}, r"calibrate\.temperature.* task is regression"),
        (
            "multiclass",
            {"mitigation": {"method": "constrained_threshold", "at_most": 0.1}},
            r"calibrate\.mitigation",
        ),
    ],
)
def test_what_calibrate_does_for_two_classes_alone_is_refused(
    roots: dict[str, Path], tmp_path: Path, task: str, section: dict[str, Any], words: str
) -> None:
    root = shutil.copytree(roots[task], tmp_path / task)
    set_section(root, "calibrate", section)
    with pytest.raises(ProjectError, match=words):
        run_stage(root, "calibrate", "people")


def test_a_given_temperature_is_taken(roots: dict[str, Path], tmp_path: Path) -> None:
    root = shutil.copytree(roots["multiclass"], tmp_path / "given")
    set_section(root, "calibrate", {"temperature": 3.0})
    run_stage(root, "calibrate", "people")
    assert read(root, "45_calibrate/policy.json")["temperature"] == 3.0


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_class_that_the_training_rows_lack_is_refused(
    roots: dict[str, Path], tmp_path: Path, part: str
) -> None:
    root = shutil.copytree(roots["multiclass"], tmp_path / "lacking")
    file = root / f"data/people/25_split/{part}.parquet"
    grade = pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("new")).otherwise("grade")
    pl.read_parquet(file).with_columns(grade=grade).write_parquet(file)
    with pytest.raises(ProjectError, match="found 1 more in 1 rows"):
        run_stage(root, "train" if part == "validation" else "evaluate", "people")


def test_a_number_that_is_text_is_refused(roots: dict[str, Path], tmp_path: Path) -> None:
    root = shutil.copytree(roots["regression"], tmp_path / "text")
    table = task_people("regression")
    wage = pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("a lot")).otherwise("wage")
    write_parts(root / "data/people", table.with_columns(wage=wage))
    with pytest.raises(ProjectError, match="3 of 300 rows have another value"):
        run_stage(root, "train", "people")


def enthrone(root: Path, spoilt: bool, model: Path | None = None) -> None:
    """Make a copy of the model, or of another root's, the live champion that has seen no test row;
    `spoilt` turns its answers around."""
    home = root / "data/people"
    folder = home / "champion"
    source = (model or root) / "data/people"
    for name in ("encoder.json", "model.json", "weights.safetensors"):
        shutil.copy(source / "40_train" / name, folder / name)
    if spoilt:
        weights = load_file(folder / "weights.safetensors")
        last = max(name for name in weights if name.startswith("layers") and "weight" in name)
        weights[last] = -weights[last]
        save_file(weights, folder / "weights.safetensors")
    shutil.copy(source / "45_calibrate/policy.json", folder / "policy.json")
    (folder / "champion.json").write_text('{"version": 7}')
    pl.DataFrame({"_key": pl.Series([], dtype=pl.UInt64)}).write_parquet(folder / "seen.parquet")


@pytest.mark.parametrize("task", TASKS)
def test_gains_over_a_worse_champion_are_positive(
    roots: dict[str, Path], tmp_path: Path, task: str
) -> None:
    """Overall, and of women and men the paired gains worked out here from both models' answers."""
    root = shutil.copytree(roots[task], tmp_path / task)
    enthrone(root, spoilt=True)
    run_stage(root, "evaluate", "people")
    found = read(root, "50_evaluate/report.json")["champion"]
    assert (found["outcome"], found["version"], found["num_rows"]) == ("compared", "7", 120)
    assert all(gain["low"] > 0 for gain in found["gains"].values())

    home = root / "data/people"
    test = pl.read_parquet(home / "25_split/test.parquet")
    live = prediction.load(home / "champion", "tabular")
    ours, outputs = predictions(root), live.logits(test)
    if task == "regression":
        truth = test["wage"].to_numpy()
        off = np.abs(live.outcome.in_units(outputs) - truth) - np.abs(
            ours["prediction"].to_numpy() - truth
        )
        measure, spread = "mean_absolute_error", off.std(ddof=1)
        assert spread > 0
    else:
        theirs = np.array(live.outcome.classes)[outputs.argmax(axis=1)]
        right = (ours["decision"] == test["grade"]).to_numpy().astype(float)
        off, measure = right - (theirs == test["grade"].to_numpy()), "accuracy"
    for entry in found["by"]["sex"]:
        members = (test["sex"] == entry["group"]).to_numpy()
        gain = entry["gains"][measure]
        assert gain["num_rows"] == members.sum()
        assert gain["value"] == pytest.approx(off[members].mean(), abs=1e-5)
        assert gain["low"] < gain["value"] < gain["high"]


RULES = {
    "multiclass": [
        {"measure": "accuracy", "against": "champion", "margin": 0.05},
        {"measure": "accuracy", "against": "champion", "by": "sex", "margin": 0.05},
    ],
    "regression": [
        {"measure": "mean_absolute_error", "against": "champion", "margin": 30.0},
        {"measure": "mean_absolute_error", "against": "champion", "by": "sex", "margin": 30.0},
    ],
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("better", [True, False])
def test_the_gate_decides_against_the_champion(
    roots: dict[str, Path], tmp_path: Path, task: str, better: bool
) -> None:
    """A model is refused that is worse than the live one, overall and for the groups."""
    root = shutil.copytree(roots[task], tmp_path / task)
    enthrone(root, spoilt=better)
    if not better:  # the new model is the one that is turned around
        weights = root / "data/people/40_train/weights.safetensors"
        enthrone(root, spoilt=True)
        shutil.copy(root / "data/people/champion/weights.safetensors", weights)
        enthrone(root, spoilt=False, model=roots[task])
    set_section(root, "gate", {"rules": RULES[task]})
    for stage in ("evaluate", "assess", "gate"):
        run_stage(root, stage, "people")
    verdict = read(root, "65_gate/verdict.json")
    expected = "pass" if better else "fail"
    assert [rule["outcome"] for rule in verdict["rules"]] == [expected, expected]
    worse = {"multiclass": "fewer decisions are right", "regression": "are further off now"}
    assert (worse[task] in verdict["rules"][1]["sentence"]) == (not better)


def test_a_champion_of_another_task_is_named_and_not_compared(
    roots: dict[str, Path], tmp_path: Path
) -> None:
    root = shutil.copytree(roots["multiclass"], tmp_path / "live")
    enthrone(root, spoilt=False, model=roots["regression"])
    run_stage(root, "evaluate", "people")
    champion = read(root, "50_evaluate/report.json")["champion"]
    assert (champion["outcome"], champion["version"]) == ("not_compared", "7")
    assert "its task is regression" in champion["note"]


PLANTED = {
    "multiclass": (
        {"measure": "accuracy_difference", "by": "sex", "at_most": 0.15},
        pl.when(pl.col("sex") == "female").then(pl.lit("low")).otherwise("grade").alias("grade"),
    ),
    "regression": (
        {"measure": "mean_residual_difference", "by": "sex", "at_most": 150.0},
        pl.when(pl.col("sex") == "female")
        .then(pl.col("wage") + 500)
        .otherwise("wage")
        .alias("wage"),
    ),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("planted", [False, True])
def test_the_gate_refuses_a_planted_gap(
    roots: dict[str, Path], tmp_path: Path, task: str, planted: bool
) -> None:
    """Women's targets are others than what the model learnt: it is off for them alone."""
    root = shutil.copytree(roots[task], tmp_path / task)
    rule, spoil = PLANTED[task]
    test = root / "data/people/25_split/test.parquet"
    sound = task_people(task, 2000, seed=5)
    (sound.with_columns(spoil) if planted else sound).write_parquet(test)
    set_section(root, "gate", {"rules": [rule]})
    set_section(root, "train", {**SETTINGS["train"], "max_epochs": 40})
    for stage in ("train", "calibrate", "evaluate", "assess", "gate"):
        run_stage(root, stage, "people")
    verdict = read(root, "65_gate/verdict.json")
    assert verdict["outcome"] == ("fail" if planted else "pass"), verdict["rules"][0]["sentence"]


def test_rows_are_reweighed_over_all_classes(tmp_path: Path) -> None:
    home = make_task_project(tmp_path, "multiclass", balance={"method": "reweigh"})
    set_section(tmp_path, "balance", {"method": "reweigh", "columns": ["sex"]})
    run_stage(tmp_path, "balance", "people")
    table = pl.read_parquet(home / "35_balance/train.parquet")
    cells = table.group_by("sex", "grade").agg(pl.sum("_weight"))
    shares = {
        sex: rows.sort("grade")["_weight"] / rows["_weight"].sum()
        for (sex,), rows in cells.group_by("sex")
    }
    assert shares["female"].to_list() == pytest.approx(shares["male"].to_list(), abs=1e-5)
    run_stage(tmp_path, "train", "people")


def test_balancing_a_number_is_refused(tmp_path: Path) -> None:
    make_task_project(tmp_path, "regression", balance={"method": "reweigh", "columns": ["sex"]})
    with pytest.raises(ProjectError, match="found a regression"):
        run_stage(tmp_path, "balance", "people")


@pytest.mark.parametrize("task", TASKS)
def test_a_reduction_is_refused(tmp_path: Path, task: str) -> None:
    mitigation = {"method": "exponentiated_gradient"}
    make_task_project(tmp_path, task, train={**SETTINGS["train"], "mitigation": mitigation})
    with pytest.raises(ProjectError, match=f"expected penalty for a {task} task"):
        run_stage(tmp_path, "train", "people")
