"""Write metadata.json of the published model anew: ``doors metadata``.

python src/detection/generate_metadata.py --weights-dir weights/detection
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # any Python may start it

from clone_environment import enter

if __name__ == "__main__":
    enter()
    from container_doors.cli import program

    sys.exit(program(["metadata", *sys.argv[1:]]))
