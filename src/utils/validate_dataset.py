"""Find every fault in a data set before a GPU is spent on it: ``doors data validate``.

python src/utils/validate_dataset.py --path data/processed/detection
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # any Python may start it

from clone_environment import enter

if __name__ == "__main__":
    enter()
    from container_doors.cli import program

    sys.exit(program(["data", "validate", *sys.argv[1:]]))
