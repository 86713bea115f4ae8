"""Run a program that the system kills when its parent process ends, however that ends.

    python -I -S die_with_parent.py PARENT PROGRAM ARGUMENT ...

This is a separate process, because in a program with threads no Python may run between fork and
exec. The system drops the setting only for programs that change their user; sshd and cloudflared do
not. The end of the thread that started it counts as the parent's end.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the system to kill this process with its parent, then become the program."""
    parent, program, *arguments = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(parent):  # otherwise it ended before the request
        os.execv(program, [program, *arguments])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
