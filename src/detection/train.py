"""Train, evaluate the best epoch and publish the model: ``doors train``.

python src/detection/train.py --config params.yaml --experiment NAME
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a bare clone works too

from container_doors.cli import program

if __name__ == "__main__":
    sys.exit(program(["train", *sys.argv[1:]]))
