"""Word pieces by hand, the same again in another process, and what texts of all kinds become."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.text.data.word_lists import lists
from pipeline.text.evaluation.counterfactuals import swap
from pipeline.text.model.encoding import Encoder, fit, gaps
from pipeline.text.settings import EncoderSettings
from tests.unit.text.texts import COLUMNS, encoder_of, texts

TABLE = texts(80)
ENCODER = encoder_of(TABLE)


def of(*words: str | None) -> pl.DataFrame:
    return pl.DataFrame({"words": words}, schema={"words": pl.String})


def pieces(encoder: Encoder, text: str) -> list[int]:
    (found,) = encoder.encode(of(text))
    return [int(one) for one in found[0] if one != encoder.padding]


def test_a_word_of_training_is_one_piece_in_any_case_and_padding_stands_at_the_end() -> None:
    vocabulary = ENCODER.tokenizer["model"]["vocab"]
    (found,) = ENCODER.encode(of("The LOVELY tea,"))
    assert (found.shape, found.dtype) == ((1, 16), np.int64)
    known = [vocabulary[word] for word in ("the", "lovely", "tea")]
    assert found[0].tolist() == [*known, ENCODER.unknown, *[ENCODER.padding] * 12]
    assert pieces(encoder_of(TABLE, lowercase=False), "THE") != known[:1]


def test_a_long_text_is_cut_and_a_missing_one_is_empty() -> None:
    (found,) = ENCODER.encode(of("tea " * 100, None, "", "   "))
    assert (found[0] != ENCODER.padding).all()
    assert (found[1:] == ENCODER.padding).all()
    assert gaps(of("tea", None), ENCODER)[0]["num_missing"] == 1
    assert gaps(of("tea"), ENCODER) == []


def test_a_megabyte_is_read_as_its_beginning_is() -> None:
    (found,) = ENCODER.encode(of("lovely " * 150_000, "lovely " * 16))
    np.testing.assert_array_equal(found[0], found[1])


def test_letters_that_no_training_row_had_are_unknown() -> None:
    assert set(pieces(ENCODER, "чай вкусный 茶")) == {ENCODER.unknown}


def test_words_that_are_not_read_leave_no_trace_whatever_stands_there() -> None:
    deaf = encoder_of(TABLE, ignored_words=("religions", "nationalities"))
    versions = [
        swap(text, one)
        for one in lists()
        if one.name in ("religions", "nationalities")
        for text in (*one.sentences, "the TEA of a Jewish box", "AMERICAN tea")
    ]
    touched = [one for one in versions if one]
    assert len(touched) > 10
    for one in touched:
        assert len({tuple(pieces(deaf, text)) for text in one}) == 1
    assert len({tuple(pieces(ENCODER, text)) for text in touched[0]}) > 1
    assert pieces(deaf, "the tea came") == pieces(deaf, "the Muslim tea came")
    [words] = deaf.words(of("the Muslim tea"))
    assert [(start, end) for _, _, start, end in words] == [(0, 3), (11, 14)]


def test_a_word_list_that_is_not_there_is_refused() -> None:
    with pytest.raises(ProjectError, match="expected a word list") as caught:
        encoder_of(TABLE, ignored_words=("religion",))
    assert "religions" in str(caught.value.hint)


def test_it_comes_back_from_json() -> None:
    again = Encoder.from_dict(json.loads(json.dumps(ENCODER.as_dict())))
    np.testing.assert_array_equal(again.encode(TABLE)[0], ENCODER.encode(TABLE)[0])
    assert again.architecture() == ENCODER.architecture()


def test_another_process_learns_the_same_pieces() -> None:
    program = (
        "import json; from tests.unit.text.texts import encoder_of, texts;"
        "print(json.dumps(encoder_of(texts(80)).as_dict()))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert json.loads(told.stdout) == ENCODER.as_dict()


def test_words_are_put_together_from_pieces() -> None:
    text = "Deliciousbox, tea"
    (words,) = ENCODER.words(of(text))
    assert [text[start:end] for _, _, start, end in words] == ["Deliciousbox", ",", "tea"]
    first, last = words[0], words[-1]
    assert first[1] - first[0] > 1  # no word of training, so several pieces
    assert last[1] == len(pieces(ENCODER, text))


def test_other_features_than_one_text_are_refused() -> None:
    columns = Columns(target="liked", positive="yes", text="words", numeric=("id",))
    with pytest.raises(ProjectError, match=r"columns\.text: .* found id, words"):
        fit(TABLE, columns, EncoderSettings())


def test_a_pretrained_tokenizer_that_is_not_there_is_named(tmp_path: object) -> None:
    with pytest.raises(ProjectError, match=r"expected tokenizer\.json in"):
        fit(TABLE, COLUMNS, EncoderSettings(tokenizer=str(tmp_path)))
