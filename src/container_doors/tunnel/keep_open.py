"""Keep a tunnel open: open it again when it ends, with pauses for rate limits."""

from collections.abc import Callable, Sequence
from time import monotonic, sleep

from container_doors.core.errors import RateLimitedError, TunnelError
from container_doors.core.ports import Tunnel

LIMITED_S = (60.0, 120.0, 300.0, 600.0, 600.0, 600.0)
"""Pauses when Cloudflare answers 429; the limit ends after minutes to an hour."""

FAILED_S = (2.0, 10.0, 30.0, 60.0, 60.0)
"""Pauses when the tunnel does not open, or ends soon."""

_STABLE_S = 120.0
"""A tunnel that was open for longer has not failed to open: the pauses start again."""


def keep_open(
    tunnel: Tunnel,
    *,
    announce: Callable[[str], None],
    say: Callable[[str], None],
    pause: Callable[[float], None] = sleep,
    now: Callable[[], float] = monotonic,
) -> None:
    """Open a tunnel, and open it again whenever it ends, until interrupted.

    Args:
        tunnel: The tunnel.
        announce: Receives each address.
        say: Receives the reason for each pause.
        pause: Waits for a number of seconds.
        now: A clock, in seconds.

    Raises:
        TunnelError: If it keeps failing; the last error.
    """
    limited, failed = list(LIMITED_S), list(FAILED_S)
    while True:
        opened_s = now()
        try:
            announce(tunnel.open())
            limited = list(LIMITED_S)
            failure = TunnelError(f"the tunnel ended: {tunnel.wait()}", hint="")
        except RateLimitedError as error:
            _wait(limited, error, say, pause)
            continue
        except TunnelError as error:
            failure = error
        if now() - opened_s > _STABLE_S:
            failed = list(FAILED_S)
        _wait(failed, failure, say, pause)


def _wait(
    waits_s: list[float],
    error: TunnelError,
    say: Callable[[str], None],
    pause: Callable[[float], None],
) -> None:
    if not waits_s:
        raise error
    wait_s = waits_s.pop(0)
    say(f"{error.problem}; opening another in {wait_s:.0f} s")
    pause(wait_s)


def addresses(seen: Sequence[str]) -> str:
    """Return a message that says whether the address is new.

    >>> addresses(["a.example.org"]), addresses(["a.example.org", "b.example.org"])
    ('The tunnel is open.', 'The tunnel is open again, at a new address.')
    """
    if len(seen) < 2:
        return "The tunnel is open."
    is_new = seen[-1] != seen[-2]
    return f"The tunnel is open again, {'at a new' if is_new else 'at the same'} address."
