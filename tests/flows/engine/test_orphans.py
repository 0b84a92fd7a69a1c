"""What would go on after its parent is ended, whatever goes wrong in asking it to."""

import subprocess
import sys

from tests.flows.conftest import SOURCE, wait_until
from tests.flows.engine.test_build import is_gone

PROGRAM = """
import subprocess, sys
from flows.engine import orphans, processes
def group(pgid):
    raise IndexError("a process went away while it was read")
processes.group = group
print(subprocess.Popen(["sleep", "100"]).pid, flush=True)
orphans.end_own_group()
"""


def test_a_group_is_ended_also_where_its_members_cannot_be_told() -> None:
    leader = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=SOURCE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert leader.stdout is not None
    member = int(leader.stdout.readline())
    assert leader.wait(60) == -9
    wait_until(lambda: is_gone(member))
    leader.stdout.close()
