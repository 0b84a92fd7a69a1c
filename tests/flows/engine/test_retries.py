"""Only what heals is tried again."""

import pytest

from flows.engine.locks import BuildRunningError
from flows.engine.retries import retrying
from flows.graph.plan import BusyError
from pipeline.core.errors import GateRefused, PipelineError


class Flaky:
    """Fails so many times, then succeeds."""

    def __init__(self, error: PipelineError, num_failures: int) -> None:
        self.error = error
        self.left = num_failures
        self.num_calls = 0

    def __call__(self) -> str:
        self.num_calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "built"


@pytest.mark.parametrize("error", [BusyError("busy"), BuildRunningError("busy")])
def test_a_lock_is_tried_again_and_each_wait_is_told(error: PipelineError) -> None:
    act, told = Flaky(error, 2), list[str]()

    assert retrying(act, told.append, waits_s=(0, 0, 0)) == "built"

    assert act.num_calls == 3
    assert told == ["busy; try 2 of 4 in 0 s", "busy; try 3 of 4 in 0 s"]


def test_after_the_last_try_the_error_is_the_locks_own() -> None:
    act = Flaky(BusyError("busy"), 9)

    with pytest.raises(BusyError):
        retrying(act, lambda _: None, waits_s=(0, 0))

    assert act.num_calls == 3


def test_a_refusal_is_not_tried_again() -> None:
    act, told = Flaky(GateRefused("no"), 1), list[str]()

    with pytest.raises(GateRefused):
        retrying(act, told.append, waits_s=(0,))

    assert act.num_calls == 1
    assert told == []
