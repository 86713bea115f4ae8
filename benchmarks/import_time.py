"""Measures how long it takes until the package can be used: ``import container_doors``, and more.

    uv run python benchmarks/import_time.py

Each line is the median of several new processes, as Python itself measures imports (``-X
importtime``), and its ratio to importing numpy alone.
"""

import argparse
import statistics
import subprocess
import sys

_CODES = {
    "import numpy": "numpy",
    "import container_doors": "container_doors",
    "from container_doors import Detector": "container_doors.detector",
}


def main() -> int:
    """Import in new processes; print milliseconds and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=7)
    arguments = parser.parse_args()
    medians_ms = {
        code: statistics.median(_import_ms(code, module) for _ in range(arguments.times))
        for code, module in _CODES.items()
    }
    for code, median_ms in medians_ms.items():
        ratio = median_ms / medians_ms["import numpy"]
        print(f"{code:38} {median_ms:7.0f} ms {ratio:6.2f}")
    return 0


def _import_ms(code: str, module: str) -> float:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        check=True,
        capture_output=True,
        text=True,
    )
    rows = [line.split("|") for line in done.stderr.splitlines() if line.count("|") == 2]
    return next(int(total) / 1e3 for _, total, name in rows if name.strip() == module)


if __name__ == "__main__":
    sys.exit(main())
