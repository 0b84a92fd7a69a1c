"""`hallmark frontier` on Adult: what is chosen there passes the gate that the unmitigated fails."""

import json
import subprocess

import pytest

from tests.e2e.conftest import Clone

POINTS = """
points:
  - {name: unmitigated, family: none}
  - {name: penalty 1, family: penalty, set: {train.mitigation.strength: 1.0}}
  - {name: reweigh, family: reweigh, set: {balance.method: reweigh}}
"""


@pytest.mark.slow
def test_what_the_frontier_chooses_is_built_from_cache_and_passes(clone: Clone) -> None:
    (clone.root / "mine.yaml").write_text(POINTS)

    made = clone.hallmark("frontier", "adult", "--points", "mine.yaml", "--engine", "--write")
    assert made.returncode == 0, made.stdout + made.stderr
    found = json.loads((clone.root / ".local/frontier/adult/frontier.json").read_text())
    passes = {one["name"]: one["would_pass"] for one in found["points"]}
    assert passes["unmitigated"] is False
    assert passes["penalty 1"] is True
    assert found["chosen"] in passes

    built = clone.hallmark("build", "adult", "--engine")
    assert built.returncode == 0, built.stdout + built.stderr
    assert clone.states()["train"] in ("restored", "cached")
    assert json.loads(clone.file("65_gate/verdict.json").read_text())["outcome"] == "pass"

    again = clone.hallmark("frontier", "adult", "--points", "mine.yaml", "--engine")
    assert "it cost nothing" in again.stdout
    listed = subprocess.run(
        ["git", "worktree", "list"], cwd=clone.root, capture_output=True, text=True, check=True
    )
    assert listed.stdout.count("\n") == 1
    plain = clone.hallmark("build", "adult", "--engine", "--set", "train.mitigation.strength=0")
    assert plain.returncode == 3
    assert clone.states()["train"] == "restored"
