"""Decisions by group: chances worked by hand, numbers that a row draws, files old and new."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from pipeline.core.prediction.policy import GroupThresholds, Mixture, Policy, draws

BY_GROUP = GroupThresholds(
    columns=("sex", "age"),
    edges={"age": (25.0, 45.0)},
    salt="s",
    groups={
        "a": Mixture(p0=0.25, threshold0=0.6, p1=0.75, threshold1=0.2),
        "b": Mixture(0.5, 1.0, 0.5, 0.4, p_ignore=0.2, prediction_constant=0.3),
    },
)
POLICY = Policy(1.5, 0.5, BY_GROUP)


def test_chances_are_those_of_the_groups_thresholds() -> None:
    """a: above 0.6 both thresholds say yes, above 0.2 the second. b: a fifth of the rows is decided
    by chance alone, 0.3 of it positive; of the rest, half by a threshold that nobody reaches."""
    probability = np.array([0.1, 0.2, 0.3, 0.7, 0.3, 0.5, 1.0, 0.5, 0.49])
    groups = ["a", "a", "a", "a", "b", "b", "b", "other", "other"]
    found = POLICY.chance(probability, groups)
    expected = [0, 0, 0.75, 1, 0.06, 0.06 + 0.8 * 0.5, 0.06 + 0.8 * 0.5, 1, 0]
    np.testing.assert_allclose(found, expected, atol=1e-15)


def test_a_row_is_positive_where_its_number_lies_below_its_chance() -> None:
    drawn = np.array([0.0, 0.74, 0.75, 0.999, 0.999])
    found = POLICY.decide(np.array([0.1, 0.3, 0.3, 0.7, 0.5]), ["a", "a", "a", "a", "?"], drawn)
    assert found.tolist() == [False, True, False, True, True]


def test_by_group_nothing_is_decided_without_groups() -> None:
    for given in ((), (["a"],), (None, np.zeros(1))):
        with pytest.raises(ValueError, match="expected groups by sex, age"):
            POLICY.decide(np.array([0.5]), *given)
    assert POLICY.columns == ("sex", "age")
    assert Policy(1, 0.5).columns == ()


def test_files_with_and_without_groups_come_back() -> None:
    import json

    assert Policy.from_dict(json.loads(json.dumps(POLICY.as_dict()))) == POLICY
    old = {"temperature": 1.25, "threshold": 0.43, "maximise": "accuracy", "num_rows": 9}
    assert Policy.from_dict(old) == Policy(1.25, 0.43)
    assert Policy(1.25, 0.43).as_dict() == {"temperature": 1.25, "threshold": 0.43}


ENCODED = (np.array([[1.5, -1.0], [0.0, 2.25]], np.float32), np.array([[3], [1]], np.int64))


def test_a_drawn_number_is_the_hash_of_the_rows_bytes() -> None:
    """The 53 highest of the first 64 bits, as a share."""
    content = bytes.fromhex("0000c03f000080bf0300000000000000")
    key = hashlib.sha256(b"s").digest()
    digest = hashlib.blake2b(content, digest_size=8, key=key).digest()
    expected = (int.from_bytes(digest, "little") >> 11) / 2**53
    assert draws(ENCODED, "s")[0] == expected


def test_the_same_row_draws_the_same_number_wherever_it_stands() -> None:
    whole = draws(ENCODED, "s")
    assert draws(tuple(part[1:] for part in ENCODED), "s").tolist() == [whole[1]]
    turned = tuple(np.asfortranarray(part[::-1]) for part in ENCODED)
    assert draws(turned, "s").tolist() == whole[::-1].tolist()
    assert draws(ENCODED, "other").tolist() != whole.tolist()
    assert draws((ENCODED[0][:0], ENCODED[1][:0]), "s").shape == (0,)
    negative = (np.array([[-0.0]], np.float32),)
    assert draws(negative, "s") == draws((np.array([[0.0]], np.float32),), "s")


def test_another_process_draws_the_same_numbers() -> None:
    code = (
        "from tests.unit.core.prediction.test_policy import *; print(draws(ENCODED, 's').tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(draws(ENCODED, "s").tolist())


def test_numbers_are_evenly_spread() -> None:
    """Kolmogorov-Smirnov: the largest deviation of 20,000 from evenly spread ones."""
    rows = (np.arange(20_000, dtype=np.float32)[:, None], np.ones((20_000, 1), np.int64))
    found = np.sort(draws(rows, "0"))
    assert found.min() >= 0
    assert found.max() < 1
    deviation = np.abs(found - np.arange(20_000) / 20_000).max()
    assert deviation < 1.95 / np.sqrt(20_000)  # 0.1 %
    assert abs(np.corrcoef(draws(rows, "0"), draws(rows, "1"))[0, 1]) < 0.03
