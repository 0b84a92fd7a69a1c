"""`python -m pipeline STAGE PROJECT`: what dvc.yaml calls; people type `hallmark STAGE PROJECT`."""

import os
import sys

from pipeline.core.run.output import enduring
from pipeline.core.run.runner import main

if __name__ == "__main__":
    with enduring():  # what cannot be told, as its log's disk is full, ends no stage
        code = main(sys.argv[1:])
    os._exit(code)  # taking torch or Great Expectations apart takes up to a second
