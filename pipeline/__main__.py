"""`python -m pipeline STAGE PROJECT`: what dvc.yaml calls; people type `hallmark STAGE PROJECT`."""

import os
import sys
from collections.abc import Sequence

from pipeline.core.run.machine import of_machine
from pipeline.core.run.output import enduring


def run(arguments: Sequence[str]) -> int:
    """Run the stage; return its exit code, also where the machine has not enough to begin it."""
    try:
        from pipeline.core.run.runner import main

        return main(arguments)
    except Exception as error:
        known = of_machine(error)
        if known is None:
            raise
        sys.stderr.write(f"{type(known).__name__}: {known}\n")
        return known.exit_code


if __name__ == "__main__":
    with enduring():  # what cannot be told, as its log's disk is full, ends no stage
        code = run(sys.argv[1:])
    os._exit(code)  # taking torch or Great Expectations apart takes up to a second
