"""Runs in a real MLflow on sqlite: what is there after a build, and what tracking's failure costs."""

import pytest

from flows.complete import complete_build
from flows.engine import Request
from tests.flows.conftest import Tiny, Watcher

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


def test_a_build_is_a_run(tiny: Tiny) -> None:
    tiny.set_value("train", 20)
    done = complete_build(Request(tiny.root, "tiny"), Watcher())
    print(done.lines)
    assert done.lines == ()
