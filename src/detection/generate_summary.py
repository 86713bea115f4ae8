"""Write the report of a run: ``doors summary``.

python src/detection/generate_summary.py --experiment NAME --output FILE
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # any Python may start it

from clone_environment import enter

if __name__ == "__main__":
    enter()
    from container_doors.cli import program

    sys.exit(program(["summary", *sys.argv[1:]]))
