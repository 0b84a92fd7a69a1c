"""`python -m pipeline STAGE PROJECT`: what dvc.yaml calls; people type `hallmark STAGE PROJECT`."""

import sys

from pipeline.core.runner import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
