"""Write the report of a run: ``doors summary``.

python src/detection/generate_summary.py --experiment NAME --output FILE
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a bare clone works too

from container_doors.cli import program

if __name__ == "__main__":
    sys.exit(program(["summary", *sys.argv[1:]]))
