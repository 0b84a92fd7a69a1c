"""How a process ends that has run a flow: at once.

What Prefect's client does when Python ends may wait for its server without a limit; `flush` has
handed over before what could be handed over.
"""

import os
import sys
from typing import NoReturn

_runs_flows = False


def will_run_a_flow() -> None:
    """From now on this process ends at once."""
    global _runs_flows
    _runs_flows = True


def end(code: int) -> NoReturn:
    """End this process with an exit code."""
    if _runs_flows:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
