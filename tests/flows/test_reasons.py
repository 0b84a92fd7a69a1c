"""The words of `why`."""

import pytest

from flows.graph.reasons import Reason, file_reason, parameter_reasons


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ({"epochs": 30}, {"epochs": 40}, "train.epochs 30 → 40"),
        ({"net": {"width": 8, "depth": 2}}, {"net": {"width": 16, "depth": 2}},
         "train.net.width 8 → 16"),
        ({}, {"epochs": 40}, "train.epochs added: 40"),
        ({"epochs": 40}, {}, "train.epochs removed, was 40"),
        ({"drop": ["a", "b"]}, {"drop": ["b", "c"]}, "train.drop gained c, lost a"),
        ({"drop": ["a", "b"]}, {"drop": ["b", "a"]}, "train.drop in another order"),
        ({"name": "x" * 60}, {"name": ""}, f"train.name {'x' * 39}… → ''"),
    ],
)  # fmt: skip
def test_a_parameter_is_named_down_to_its_key(
    old: dict[str, object], new: dict[str, object], text: str
) -> None:
    found = parameter_reasons("data/a/project.yaml", {"train": old}, {"train": new}, ["train"])

    assert [str(reason) for reason in found] == [text]


def test_each_changed_key_is_a_reason_of_its_own() -> None:
    found = parameter_reasons(
        "params.yaml", {"a": {"b": 1, "c": 2}}, {"a": {"b": 2, "c": 3}}, ["a"]
    )

    assert [str(reason) for reason in found] == ["params.yaml: a.b 1 → 2", "params.yaml: a.c 2 → 3"]


def test_a_missing_output_is_not_a_changed_one() -> None:
    assert str(Reason("output", "o", "deleted")) == "output o is missing"
    assert str(Reason("output", "o", "modified")) == "output o was changed by hand"


def test_lost_outputs_are_one_reason() -> None:
    assert str(Reason("outputs", how="deleted")) == "its outputs are missing"


def test_a_modalitys_modules_are_named_by_their_folder() -> None:
    reason = file_reason("pipeline/tabular/deps/train", "modified")

    assert str(reason) == "code pipeline/tabular (modules that it runs) changed"
