"""What the page says of the stage, method by method."""

from pipeline.core.page.balance_words import CHECKS, before_training, check


def test_each_method_says_its_operation_and_its_columns() -> None:
    assert before_training({"method": "none"}) == (
        "The training rows were neither weighted nor resampled."
    )
    weighed = before_training({"method": "reweigh", "columns": ["sex", "race"]})
    assert "(reweigh)" in weighed
    assert "does not depend on sex and race" in weighed
    resampled = before_training(
        {
            "method": "resample",
            "columns": ["sex"],
            "num_rows": 1200,
            "num_left_out": 300,
            "num_rows_after": 1201,
        }
    )
    assert "Of the 1,200 training rows" in resampled
    assert "300 left out (resample)" in resampled
    assert "in the 1,201 rows" in resampled


def test_the_correlation_remover_says_that_asked_rows_are_left_as_they_are() -> None:
    text = before_training(
        {
            "method": "correlation_remover",
            "columns": ["sex"],
            "alpha": 0.5,
            "correlations": [{"column": "age", "before": 0.3, "after": 0.15}],
        }
    )
    assert "1 column of numbers" in text
    assert "strength 0.5" in text
    assert "asked about are left as they are" in text
    assert "measured" in text


def test_made_rows_are_counted_and_each_check_says_what_was_measured() -> None:
    text = before_training(
        {
            "method": "synthetic_vae",
            "columns": ["sex"],
            "num_rows": 1000,
            "num_made": 120,
            "checks": [{}] * 4,
        }
    )
    assert text.startswith("120 rows made by a variational autoencoder (synthetic_vae)")
    assert "no test row is made" in text
    assert set(CHECKS) == {
        "column_distance",
        "discriminator_auc",
        "closer_to_seen",
        "copies_beyond_chance",
    }
    sentence = check({"name": "closer_to_seen", "value": 0.512, "high": 0.53, "at_most": 0.55})
    assert sentence.startswith("51.2% of made rows lie nearer to a real row that")
    assert sentence.endswith("(up to 0.530; at most 0.55 is accepted).")
