"""Become a program that the system kills when the process that started it ends, however it ends.

    python -I -S die_with_parent.py PARENT PROGRAM ARGUMENT ...

In a process of its own, because what runs between fork and exec may not be Python where there are
threads. The system forgets the wish only for programs that change whose they are; sshd and
cloudflared do not. It counts as the parent's end when the thread ends that started it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the system for it, then be the program."""
    parent, program, *arguments = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(parent):  # else it ended before the system was asked
        os.execv(program, [program, *arguments])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
