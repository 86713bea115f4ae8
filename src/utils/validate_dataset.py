"""Find every fault in a data set before a GPU is spent on it: ``doors data validate``.

python src/utils/validate_dataset.py --path data/processed/detection
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a bare clone works too

from container_doors.cli import program

if __name__ == "__main__":
    sys.exit(program(["data", "validate", *sys.argv[1:]]))
