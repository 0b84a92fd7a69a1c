"""The page's sentences about training: each method says its operation and what it brought."""

from typing import Any

import pytest

from pipeline.report.training_words import during_training, fitted, spread_note

VALIDATION = {
    "without_mitigation": {"error": 0.15, "largest_difference_from_all": 0.12},
    "model": {"error": 0.16, "largest_difference_from_all": 0.02},
}
BROUGHT = (
    "On validation rows the largest difference of a group’s selection rates from those of all "
    "rows went from 0.120 to 0.020, and the share of wrong decisions from 15.0% to 16.0%."
)


def train(mitigation: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {
        "num_parameters": 12,
        "num_train_rows": 2500,
        "num_epochs": 1,
        "best_epoch": 1,
        "stopped": "patience",
        "settings": {"mitigation": mitigation},
        "mitigation": {**facts, **({"validation": VALIDATION} if facts else {})},
    }


def test_one_network() -> None:
    assert fitted(train({})) == (
        "12 parameters were fitted on 2,500 rows; the network took 1 epoch. The weights of epoch 1 "
        "are kept, where the loss on the validation rows was lowest; training stopped when it no "
        "longer fell."
    )
    assert during_training(train({}), ("sex",)).startswith("No penalty on gaps")
    assert spread_note(train({})) == "No penalty acted on it."


@pytest.mark.parametrize(
    ("constraint", "what"),
    [
        ("demographic_parity", "selection rates between groups of sex (selection_rate_penalty)"),
        (
            "equalized_odds",
            "true and of false positive rates between groups of sex (equalized_odds_penalty)",
        ),
    ],
)
def test_the_penalty(constraint: str, what: str) -> None:
    found = train({"strength": 0.8, "constraint": constraint, "columns": ["sex"]})
    told = during_training(found, ("sex", "race"))
    assert told == f"A penalty of strength 0.8 on the spread of {what}."
    assert spread_note(found) == "The penalty of training acts on it."


@pytest.mark.parametrize(
    ("num_members", "served"),
    [
        (3, "The model's probability is the weighted mean of 3 of them."),
        (1, "The model is one of them."),
    ],
)
def test_exponentiated_gradient(num_members: int, served: str) -> None:
    settings = {
        "method": "exponentiated_gradient",
        "constraint": "demographic_parity",
        "columns": None,
        "reduction": {"difference_bound": 0.02},
    }
    found = train(settings, num_members_fitted=22, num_members=num_members)
    told = during_training(found, ("sex", "race"))
    assert told.startswith("22 networks were fitted to rows that were relabelled and weighed anew")
    assert "selection rates in groups of sex and race differ from those of all rows by at" in told
    assert told.endswith(f"(exponentiated_gradient, demographic_parity). {served} {BROUGHT}")
    assert "the network that the others start from took" in fitted(found)
    assert "one member after another" in spread_note(found)


def test_grid_search() -> None:
    settings = {
        "method": "grid_search",
        "constraint": "demographic_parity",
        "columns": ["sex"],
        "reduction": {"constraint_weight": 0.5},
    }
    told = during_training(train(settings, num_members_fitted=16, num_members=1), ("sex",))
    assert told.startswith("16 networks were fitted")
    assert "least 0.5 · error + 0.5 · difference on validation rows" in told
    assert told.endswith(BROUGHT)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("binary", "the spread of selection rates between groups of sex (selection_rate_penalty)"),
        ("multiclass", "selection rates of each class against the rest, averaged over the classes"),
        ("regression", "mean predictions between groups of sex (mean_prediction_penalty)"),
    ],
)
def test_the_penalty_is_told_by_task(task: str, words: str) -> None:
    assert words in during_training(train({"strength": 0.5}), ("sex",), task)


def test_an_adversary() -> None:
    settings = {"method": "adversarial", "constraint": "equalized_odds", "columns": ["sex"]}
    found = train(settings, num_epochs=20, best_epoch=5, alpha=0.3)
    told = during_training(found, ("sex",))
    assert told.startswith(
        "For 20 epochs a second network guessed the group by sex from what the network says of a "
        "row and from its label, and the network was fitted against its success (adversarial, "
        "alpha 0.3)"
    )
    assert "Epoch 5 of these is kept" in told
    assert "against an adversary starts from took 1 epoch" in fitted(found)
    assert spread_note(found).endswith("the training against an adversary.")
