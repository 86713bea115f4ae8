"""A tunnel kept open: opened again when it ends, patiently where tunnels are rationed."""

from collections.abc import Callable, Sequence
from time import monotonic, sleep

from container_doors.core.errors import RateLimitedError, TunnelError
from container_doors.core.ports import Tunnel

LIMITED_S = (60.0, 120.0, 300.0, 600.0, 600.0, 600.0)
"""How long to wait when Cloudflare answers 429; it forgets within minutes to an hour."""

FAILED_S = (2.0, 10.0, 30.0, 60.0, 60.0)
"""How long to wait when it does not open, or ends before it has lived."""

_LIVED_S = 120.0
"""After so long an end is an accident, and no fault of how it is opened."""


def keep_open(
    tunnel: Tunnel,
    *,
    announce: Callable[[str], None],
    say: Callable[[str], None],
    pause: Callable[[float], None] = sleep,
    now: Callable[[], float] = monotonic,
) -> None:
    """Open a tunnel, and another whenever it ends; it takes an interrupt to return.

    Args:
        tunnel: What to open.
        announce: Told each address.
        say: Told why there is a wait.
        pause: How to wait.
        now: A clock, in seconds.

    Raises:
        TunnelError: If it fails again and again; the last failure.
    """
    limited, failed = list(LIMITED_S), list(FAILED_S)
    while True:
        opened_s = now()
        try:
            announce(tunnel.open())
            limited = list(LIMITED_S)
            ended = TunnelError(f"the tunnel ended: {tunnel.wait()}", hint="")
        except RateLimitedError as error:
            _wait(limited, error, say, pause)
            continue
        except TunnelError as error:
            ended = error
        if now() - opened_s > _LIVED_S:
            failed = list(FAILED_S)
        _wait(failed, ended, say, pause)


def _wait(
    waits_s: list[float],
    error: TunnelError,
    say: Callable[[str], None],
    pause: Callable[[float], None],
) -> None:
    if not waits_s:
        raise error
    wait_s = waits_s.pop(0)
    say(f"{error.problem}; another is opened in {wait_s:.0f} s")
    pause(wait_s)


def addresses(seen: Sequence[str]) -> str:
    """Say whether an address is new.

    >>> addresses(["a.example.org"]), addresses(["a.example.org", "b.example.org"])
    ('The tunnel is open.', 'The tunnel is open again, at a new address.')
    """
    if len(seen) < 2:
        return "The tunnel is open."
    is_new = seen[-1] != seen[-2]
    return f"The tunnel is open again, {'at a new' if is_new else 'at the same'} address."
