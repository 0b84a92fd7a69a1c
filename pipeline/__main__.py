"""`python -m pipeline STAGE PROJECT`: what dvc.yaml calls; people type `hallmark STAGE PROJECT`."""

import os
import sys

from pipeline.core.run.runner import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking torch or Great Expectations apart takes up to a second
