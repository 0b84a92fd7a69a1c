"""What a model predicts: fitted on training rows, kept as plain data, refused when it is not so."""

import json

import numpy as np
import polars as pl
import pytest

from pipeline.core.errors import ProjectError
from pipeline.core.prediction.outcome import BINARY, Outcome, fit
from pipeline.core.settings.columns import Columns

GRADES = Columns(target="grade", task="multiclass")
WAGES = Columns(target="wage", task="regression")
GRADED = pl.DataFrame({"grade": ["top", "low", "top", "middle"]})
PAID = pl.DataFrame({"wage": [1.0, 3.0, 5.0, 7.0]})


def test_classes_are_sorted_and_numbered_so() -> None:
    found = fit(GRADED, GRADES)
    assert found == Outcome("multiclass", ("low", "middle", "top"))
    assert found.num_outputs == 3
    encoded = found.encoded(GRADED, GRADES)
    assert (encoded.tolist(), encoded.dtype) == ([2, 0, 2, 1], np.int64)


def test_classes_of_another_type_are_compared_as_text() -> None:
    numbered = pl.DataFrame({"grade": [10, 2, 10]})
    found = fit(numbered, GRADES)
    assert found.classes == ("10", "2")
    assert found.truth(numbered, GRADES).tolist() == [0, 1, 0]


def test_a_number_is_brought_to_mean_zero_and_deviation_one_and_back() -> None:
    found = fit(PAID, WAGES)
    assert (found.mean, found.scale) == (4.0, pytest.approx(5**0.5))
    encoded = found.encoded(PAID, WAGES)
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded, np.array([-3, -1, 1, 3]) / 5**0.5, rtol=1e-6)
    np.testing.assert_allclose(found.in_units(encoded.astype(float)), [1, 3, 5, 7], rtol=1e-6)


def test_numbers_that_are_all_the_same_are_not_divided_by_zero() -> None:
    same = pl.DataFrame({"wage": ["2.5", "2.5"]})
    assert fit(same, WAGES).encoded(same, WAGES).tolist() == [0, 0]


@pytest.mark.parametrize("outcome", [fit(GRADED, GRADES), fit(PAID, WAGES), BINARY])
def test_it_is_plain_data_and_back(outcome: Outcome) -> None:
    assert Outcome.from_dict(json.loads(json.dumps(outcome.as_dict()))) == outcome


def test_two_classes_with_a_positive_one_need_no_word_in_the_models_file() -> None:
    columns = Columns(target="grade", positive="top")
    assert fit(GRADED, columns).as_dict() == {}
    assert fit(GRADED, columns).encoded(GRADED, columns).tolist() == [1, 0, 1, 0]


def test_a_class_that_training_rows_lack_is_refused_without_its_name() -> None:
    later = pl.DataFrame({"grade": ["low", "secret", "secret"]})
    with pytest.raises(ProjectError, match="found 1 more in 2 rows") as caught:
        fit(GRADED, GRADES).truth(later, GRADES)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "columns", "words"),
    [
        (pl.DataFrame({"grade": ["low", None]}), GRADES, "1 of 2 have none"),
        (pl.DataFrame({"grade": ["low", "low"]}), GRADES, "at least two classes"),
        (pl.DataFrame({"wage": [1.0, None]}), WAGES, "1 of 2 have none"),
        (pl.DataFrame({"wage": ["1.5", "much", "nan"]}), WAGES, "2 of 3 rows have another value"),
    ],
)
def test_a_target_that_is_not_of_the_task_is_refused(
    table: pl.DataFrame, columns: Columns, words: str
) -> None:
    with pytest.raises(ProjectError, match=words):
        fit(table, columns)


def test_a_positive_value_where_the_target_is_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no `positive` where the task is regression"):
        Columns(target="wage", task="regression", positive="7")
