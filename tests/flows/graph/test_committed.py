"""What git knows of a package, for `why` after a fresh clone: real git, real DVC."""

import pytest

from tests.flows.conftest import Tiny

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")
FILE = "pipeline/part/steps.py"


def with_a_package(tiny: Tiny) -> None:
    """`train` also depends on a package of two files, and all is built."""
    (tiny.root / FILE).parent.mkdir(parents=True)
    (tiny.root / FILE).write_text("steps = 1\n")
    (tiny.root / FILE).with_name("loss.py").write_text("loss = 1\n")
    graph = tiny.root / "dvc.yaml"
    text = graph.read_text()
    line = "      - code/train.py\n"
    graph.write_text(text.replace(line, f"{line}      - pipeline/part\n"))
    assert tiny.build().exit_code == 0


def reasons(tiny: Tiny) -> list[str]:
    return [str(reason) for reason in tiny.plan()["train"].reasons]


def test_the_file_is_named_without_a_manifest(tiny: Tiny) -> None:
    with_a_package(tiny)
    tiny.git("add", "-A")
    tiny.git("commit", "-m", "built")
    (tiny.root / FILE).write_text("steps = 2\n")
    assert reasons(tiny) == [f"code {FILE} changed"]

    tiny.git("commit", "-am", "an edit that nobody has built")
    assert reasons(tiny) == [f"code {FILE} changed"]


def test_the_package_is_named_when_what_ran_was_never_committed(tiny: Tiny) -> None:
    with_a_package(tiny)
    (tiny.root / FILE).write_text("steps = 2\n")
    assert reasons(tiny) == ["code pipeline/part changed"]
