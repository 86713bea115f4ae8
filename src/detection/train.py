"""Train, evaluate the best epoch and publish the model: ``doors train``.

python src/detection/train.py --config params.yaml --experiment NAME
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # any Python may start it

from clone_environment import enter

if __name__ == "__main__":
    enter()
    from container_doors.cli import program

    sys.exit(program(["train", *sys.argv[1:]]))
