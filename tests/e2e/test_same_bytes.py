"""A stage's output is a function of its declared inputs: no clock, no folder, no driver in it.

Apart from `rehearse`, which measures time. The bento, a folder, is compared by its digest in
package's report.
"""

import hashlib
import shutil
from pathlib import Path

import pytest

from pipeline.core.paths import READING_ORDER
from tests.e2e.conftest import Clone


def differing(root: Path, expected: dict[str, str]) -> list[str]:
    """The outputs whose bytes are not the expected ones."""
    files = {path: digest for path, digest in expected.items() if not digest.endswith(".dir")}
    return [
        path
        for path, digest in files.items()
        if hashlib.md5((root / path).read_bytes(), usedforsecurity=False).hexdigest() != digest
    ]


@pytest.fixture
def elsewhere(clone: Clone) -> Clone:
    """Another folder without any result, later, in another time zone."""
    for path in {path.rpartition("/")[0] for path in clone.digests()}:
        shutil.rmtree(clone.root / path)
    return clone


def comparable(clone: Clone) -> dict[str, str]:
    """The digest of each output but for what is measured in seconds."""
    return {path: one for path, one in clone.digests().items() if "/80_rehearse/" not in path}


@pytest.mark.slow
def test_two_builds_in_two_folders_at_two_times_give_the_same_bytes(elsewhere: Clone) -> None:
    """The first by DVC, a process a stage; the second in one process, without DVC."""
    built = {path.split("/")[2][3:] for path in comparable(elsewhere)}
    stages = [stage for stage in READING_ORDER if stage in built]
    elsewhere.run_stages("adult", *stages, TZ="Asia/Kathmandu", LANG="C")
    assert differing(elsewhere.root, comparable(elsewhere)) == []


def test_a_planted_clock_is_found(clone: Clone) -> None:
    clone.edit(
        "pipeline/gate/stage.py",
        '        "confidence": evaluation["confidence"],',
        '        "at": __import__("time").time(),\n        "confidence": 0.95,',
    )
    clone.run_stages("adult", "gate")
    assert differing(clone.root, comparable(clone)) == ["data/adult/65_gate/verdict.json"]
