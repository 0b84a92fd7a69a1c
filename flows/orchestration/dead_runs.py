"""Runs that Prefect takes for running, or about to, though their process is gone.

Four nets. The supervisor ends what a dead worker has left; before the next worker starts, runs
of ours without a living process are told apart here, at once; the worker ends a run whose process
ended before it began (`worker.py`); and the server itself ends a run that has sent no heartbeat
for two minutes, which also finds builds from the command line.
"""

import os
from datetime import timedelta
from typing import Any
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import State, StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.states import Crashed, Scheduled

SILENCE_S = 120
MAX_TAKEN = 3
"""So often a run is scheduled again whose worker was gone: it may be what ends the worker."""
AUTOMATION = "hallmark: runs whose process is gone end as Crashed"
WHAT_TO_DO = (
    "`hallmark status` shows whether the stack is well, .local/stack/worker.log what the run said "
    "last; start it again: what was built is not built again."
)
GONE = (
    "Its process is gone and reported no end: it was killed, with its worker or after it, often "
    f"for want of memory, which `dmesg | tail` says. {WHAT_TO_DO}"
)
WORKER_GONE = (
    "Its worker (process {pid}) is gone: it was killed or it crashed, often for want of memory, "
    f"which `dmesg | tail` says. The run has ended its stages. {WHAT_TO_DO}"
)
ENDED = (
    "Its process was ended by SIGTERM: by `hallmark down`, `kill` or a shutdown. The run has ended "
    f"its stages. {WHAT_TO_DO}"
)
AGAIN = "Its worker was gone before it began."
FLOW_RUN_ID = "PREFECT__FLOW_RUN_ID"
HEARTBEAT = "prefect.flow-run.heartbeat"
LAST_STATES = ("Completed", "Failed", "Refused", "TimedOut", "Cancelled", "Crashed", "Paused")


def settle(client: SyncPrefectClient, pool: str) -> list[UUID]:
    """Tell the server the truth of the pool's runs; only while no worker of it is at work.

    A run that had begun and has no process ends as Crashed; one that the worker had taken and not
    begun is scheduled anew. Right only where all workers of the pool are on this machine.
    """
    living = _run_ids_of_processes()
    begun = [StateType.RUNNING, StateType.CANCELLING]
    settled = []
    for run_id, state_type in _runs(client, pool, [*begun, StateType.PENDING]):
        if str(run_id) not in living:
            state: State[Any] = Crashed(message=GONE)
            if state_type not in begun:
                state = _scheduled_again(client, run_id)
            client.set_flow_run_state(run_id, state, force=True)
            settled.append(run_id)
    return settled


def _scheduled_again(client: SyncPrefectClient, run_id: UUID) -> State[Any]:
    """Scheduled, but not for ever: a run may be what its workers die of."""
    before = client.read_flow_run_states(run_id)
    if sum(state.message == AGAIN for state in before) < MAX_TAKEN:
        return Scheduled(message=AGAIN)
    return Crashed(
        message=f"{MAX_TAKEN + 1} workers took it and were gone before it began. {WHAT_TO_DO}"
    )


def _runs(
    client: SyncPrefectClient, pool: str, types: list[StateType]
) -> list[tuple[UUID, StateType]]:
    found = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types))
        ),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
        limit=200,
    )
    return [(run.id, run.state.type) for run in found if run.state]


def _run_ids_of_processes() -> set[str]:
    """The runs that processes of this machine say they are."""
    found = set()
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid():
                found.add(process.environ().get(FLOW_RUN_ID, ""))
        except (psutil.Error, OSError):
            continue
    return found


def install_automation(client: SyncPrefectClient) -> None:
    """Let the server end runs that fall silent. One that is there is left as it is: to write it
    anew would make it forget what it waits for."""
    if client.read_automations_by_name(AUTOMATION):
        return
    trigger = EventTrigger(
        after={HEARTBEAT},
        expect={HEARTBEAT, *(f"prefect.flow-run.{name}" for name in LAST_STATES)},
        match={"prefect.resource.id": ["prefect.flow-run.*"]},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=SILENCE_S),
    )
    words = (
        f"Its process said nothing for {SILENCE_S} s: it was killed, or it stands still. "
        f"{WHAT_TO_DO}"
    )
    client.create_automation(
        AutomationCore(
            name=AUTOMATION,
            description="A run says every half a minute that it lives.",
            trigger=trigger,
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message=words)],
        )
    )
