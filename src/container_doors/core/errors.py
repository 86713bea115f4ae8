"""The errors that a user can correct."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


class DoorsError(Exception):
    """An error that the user can correct; the command line shows it without a traceback.

    Any other exception is a bug in this project, and keeps its traceback.
    """

    paths_are_as_typed = False
    """Whether its paths are relative to the person's folder, not to the workspace."""

    def __init__(self, problem: str, *, hint: str) -> None:
        """Make the error.

        Args:
            problem: What is wrong: where, what was expected and what was found.
            hint: The next command to run or line to change. Required: every error needs a next
                step.
        """
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __reduce__(self) -> tuple[Callable[..., "DoorsError"], tuple[Any, ...]]:
        """Let it cross processes: pickle would call the class with the message alone."""
        return _remade, (type(self), self.args, vars(self))

    def lines(self) -> list[str]:
        """Return the error in lines; a line may contain the line break of a file's name."""
        return [self.problem, f"  hint: {self.hint}"]


def _remade(
    kind: type[DoorsError], arguments: tuple[str, ...], attributes: Mapping[str, Any]
) -> DoorsError:
    error = kind.__new__(kind, *arguments)
    vars(error).update(attributes)
    return error


class FaultyInputError(DoorsError):
    """Something from outside has one or several faults, which are printed one per line."""

    def __init__(self, problem: str, *, hint: str, faults: Sequence[str] = ()) -> None:
        """Make the error.

        Args:
            problem: See :class:`DoorsError`.
            hint: See :class:`DoorsError`.
            faults: The single faults, printed one per line.
        """
        self.faults = tuple(faults)
        self._problem_lines = [problem, *(f"  - {fault}" for fault in faults)]
        super().__init__("\n".join(self._problem_lines), hint=hint)

    def lines(self) -> list[str]:
        """Return the error in lines, one for each fault."""
        return [*self._problem_lines, f"  hint: {self.hint}"]


class ConfigError(FaultyInputError):
    """``params.yaml`` or an option has a wrong or missing value."""


class DatasetError(DoorsError):
    """The data set cannot be used; faults in a readable one are reported as findings first."""


class SourceError(FaultyInputError, DatasetError):
    """Photographs and labels from outside cannot be imported; nothing of them was written."""


class RunError(DoorsError):
    """A run cannot be made, or has no file that the next step needs."""


class NoRunError(RunError):
    """No run here has the name that was given."""

    def __init__(self, problem: str, *, hint: str, run_name: str) -> None:
        """Make the error.

        Args:
            problem: See :class:`DoorsError`.
            hint: See :class:`DoorsError`.
            run_name: The given name.
        """
        super().__init__(problem, hint=hint)
        self.run_name = run_name


class WeightsError(DoorsError):
    """A weight file is missing, damaged, or of another network."""


class PredictionError(DoorsError):
    """Predictions cannot be written, or an earlier prediction cannot be continued."""


class VersioningError(DoorsError):
    """Git or DVC refused, or is not set up."""


class MissingContentError(VersioningError):
    """The content of a pointer is neither here nor on the remote."""

    def __init__(self, problem: str, *, hint: str, objects: tuple[str, ...] = ()) -> None:
        """Make the error.

        Args:
            problem: See :class:`DoorsError`.
            hint: See :class:`DoorsError`.
            objects: The hashes of the missing objects.
        """
        super().__init__(problem, hint=hint)
        self.objects = objects


class ReadOnlyRemoteError(VersioningError):
    """A remote is read-only: data come from there, and no model can be pushed there."""


class SignatureError(VersioningError):
    """A signature is absent, belongs to other bytes, or is by a key that may not sign."""


class NoSigningKeyError(VersioningError):
    """Git has no SSH key to sign with."""


class MissingToolError(DoorsError):
    """A program or package that the step needs is not installed."""


class TrackingError(DoorsError):
    """A tracker cannot be reached, or refuses; no local file is lost."""


class TunnelError(DoorsError):
    """A tunnel into another machine cannot be opened, or is not safe."""


class RateLimitedError(TunnelError):
    """A service gives out no more tunnels at present; a later attempt may succeed."""


class HostError(DoorsError):
    """A GPU host refuses, or does not have what was requested."""


class AbsentError(HostError):
    """A host has no such object, or none that this account may see."""


class UnreachableError(HostError):
    """A host cannot be reached at present; a later attempt may succeed."""


class ClusterError(DoorsError):
    """A cluster of machines is not there, cannot be used, or was lost."""


class ToBeContinued(BaseException):
    """A training has ended early because it was asked to stop; the text is the reason."""
