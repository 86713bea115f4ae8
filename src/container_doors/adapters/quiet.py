"""Keep what other programs print, in this process or in one of theirs, away from our output."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

_STREAMS = (1, 2)


@contextmanager
def output_aside() -> Iterator[None]:
    """Drop what is written to standard output and standard error while the block runs.

    Some exporters draw bars or print each layer, and have no setting for it; standard output may
    be a JSON document. What Python code raises is not lost.
    """
    _flush()
    kept = [os.dup(stream) for stream in _STREAMS]
    try:
        with TemporaryFile() as aside:
            for stream in _STREAMS:
                os.dup2(aside.fileno(), stream)
        yield
    finally:
        _flush()
        for stream, copy in zip(_STREAMS, kept, strict=True):
            os.dup2(copy, stream)
            os.close(copy)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
