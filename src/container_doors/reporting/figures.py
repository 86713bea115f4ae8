"""Format numbers for people; a missing value is "not measured", never a number."""

import math

from container_doors.core.measurements import wilson

NOT_MEASURED = "not measured"


def score(value: float | None) -> str:
    """Write a score in [0, 1] with three decimals.

    >>> score(0.98765), score(None)
    ('0.988', 'not measured')
    """
    return NOT_MEASURED if value is None or not math.isfinite(value) else f"{value:.3f}"


def format_near_target(value: float, target: float, *, digits: int) -> str:
    """Write a number with enough decimals to show on which side of a target it is.

    >>> format_near_target(0.9004, 0.90, digits=3), format_near_target(0.95, 0.90, digits=3)
    ('0.9004', '0.950')
    >>> format_near_target(49.98, 50, digits=1)
    '49.98'
    """
    for enough in range(digits, digits + 6):
        text = f"{value:.{enough}f}"
        if _side(float(text), target) == _side(value, target):
            return text
    return repr(value)


def proportion(hits: int, total: int) -> str:
    """Write a proportion with Wilson's 95 % interval, which is valid for small totals too.

    >>> proportion(81, 263)
    '0.308 (0.255 to 0.366)'
    >>> proportion(0, 0)
    'undefined'
    """
    if not total:
        return "undefined"
    low, high = wilson(hits, total)
    return f"{hits / total:.3f} ({low:.3f} to {high:.3f})"


def count(number: int, noun: str) -> str:
    """Write a number with its noun, in the plural unless it is 1.

    >>> count(1, "door"), count(12, "door")
    ('1 door', '12 doors')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


def duration(seconds: float | None) -> str:
    """Write a duration in its two largest units.

    >>> duration(59.4), duration(61), duration(3 * 3600 + 1740), duration(None)
    ('59 s', '1 min 01 s', '3 h 29 min', 'not measured')
    """
    if seconds is None or not math.isfinite(seconds):
        return NOT_MEASURED
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def megabytes(size_bytes: int) -> str:
    """Write a file's size in megabytes of 1,000,000 bytes.

    >>> megabytes(19_117_594)
    '19.1 MB'
    """
    return f"{size_bytes / 1e6:.1f} MB"


def _side(value: float, target: float) -> int:
    return (value > target) - (value < target)
