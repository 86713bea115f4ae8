"""Errors cross processes whole, as a pool sends them."""

import pickle

import pytest

from container_doors.core.errors import (
    ConfigError,
    DatasetError,
    DoorsError,
    NoRunError,
    SourceError,
)


@pytest.mark.parametrize(
    "error",
    [
        DatasetError("nothing there", hint="put it there"),
        ConfigError("two faults", hint="correct them", faults=["one", "other"]),
        SourceError("one fault", hint="correct it", faults=["one"]),
        NoRunError("no such run", hint="train it", run_name="exp1"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_another_process_is_the_same_error(error: DoorsError):
    found = pickle.loads(pickle.dumps(error))

    assert type(found) is type(error)
    assert (str(found), vars(found)) == (str(error), vars(error))
