"""What can go wrong in a way that the user can put right."""

from collections.abc import Sequence


class DoorsError(Exception):
    """A failure that the user can act on; the command line shows it without a traceback.

    Anything else that escapes is a bug in this project, and keeps its traceback.
    """

    def __init__(self, problem: str, *, hint: str) -> None:
        """State the problem and the way out.

        Args:
            problem: What is wrong: where, what was expected and what was found.
            hint: The next command to run or line to change. Required: an error
                without a next step is not finished.
        """
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Say it in lines; one that is printed may still hold the line end of a file's name."""
        return [self.problem, f"  hint: {self.hint}"]


class ConfigError(DoorsError):
    """``params.yaml`` does not say what a run needs."""

    def __init__(self, problem: str, *, hint: str, faults: Sequence[str] = ()) -> None:
        """State the problem.

        Args:
            problem: See :class:`DoorsError`.
            hint: See :class:`DoorsError`.
            faults: Each a line of its own, where there are several.
        """
        self._shown = [problem, *(f"  - {fault}" for fault in faults)]
        super().__init__("\n".join(self._shown), hint=hint)

    def lines(self) -> list[str]:
        """Say it in lines, one for each fault."""
        return [*self._shown, f"  hint: {self.hint}"]


class DatasetError(DoorsError):
    """The data set cannot be used; a readable but faulty one yields findings first."""


class RunError(DoorsError):
    """A run cannot be made, or lacks a file that the next step needs."""


class WeightsError(DoorsError):
    """A weight file is missing, damaged, or not of the network that was asked for."""


class VersioningError(DoorsError):
    """Git or DVC refused, or is not set up."""


class MissingContentError(VersioningError):
    """What a pointer names is neither here nor on the remote."""

    def __init__(self, problem: str, *, hint: str, objects: tuple[str, ...] = ()) -> None:
        """State what is missing.

        Args:
            problem: See :class:`DoorsError`.
            hint: See :class:`DoorsError`.
            objects: The missing ones, by their hash.
        """
        super().__init__(problem, hint=hint)
        self.objects = objects


class ReadOnlyRemoteError(VersioningError):
    """A remote can be read and not written to: data come from there, and no model goes there."""


class SignatureError(VersioningError):
    """A signature is absent, is of something else, or is of nobody who may sign."""


class NoSigningKeyError(VersioningError):
    """Git has no SSH key to sign with."""


class MissingToolError(DoorsError):
    """A program or package that the step needs is not installed."""


class TrackingError(DoorsError):
    """A tracker cannot be reached, or refuses; nothing local is lost by it."""


class TunnelError(DoorsError):
    """The way into another machine cannot be opened, or is not safe."""


class RateLimitedError(TunnelError):
    """Somebody gives out no more for now; asking again later may help."""


class HostError(DoorsError):
    """A host of GPUs refuses, or has not what it is asked for."""


class AbsentError(HostError):
    """A host has no such thing, or none that this account may see."""


class UnreachableError(HostError):
    """A host cannot be reached for now; asking again later may help."""


class ToBeContinued(BaseException):
    """A training has ended early, as was wished; its text is the reason."""
