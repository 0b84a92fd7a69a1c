"""`python -m pipeline STAGE PROJECT`: what dvc.yaml calls; people type `hallmark STAGE PROJECT`."""

import os
import sys

from pipeline.core.run.output import enduring
from pipeline.core.run.runner import main, told_of

if __name__ == "__main__":
    with enduring():  # what cannot be told, as its log's disk is full, ends no stage
        try:
            code = main(sys.argv[1:])
        except Exception as error:  # before the stage began, or after it had ended
            code = told_of(error)
    os._exit(code)  # taking torch or Great Expectations apart takes up to a second
