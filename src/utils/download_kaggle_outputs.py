"""Bring a training on Kaggle home, every file checked: ``doors kaggle pull``.

python src/utils/download_kaggle_outputs.py NAME
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # any Python may start it

from clone_environment import enter

if __name__ == "__main__":
    enter()
    from container_doors.cli import program

    sys.exit(program(["kaggle", "pull", *sys.argv[1:]]))
