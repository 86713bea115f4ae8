"""A kernel, really run: a script that sees Kaggle's paths, and no setting of the laptop's.

The paths are honest: ``/kaggle/input`` (read-only), ``/kaggle/working`` and
``/kaggle/src/script.py`` exist for its process alone. It gets a mount namespace of its own, in
which the machine's folders are bound into an empty root beside ``/kaggle``; a process namespace, so
that nothing outlives it; and no network at all if internet is off. That needs Linux and
``unshare``, as root or as anybody where user namespaces are allowed; a variable that a script would
have to heed needs neither, but would run another script here than there.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

Status = Literal["QUEUED", "RUNNING", "COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED"]

TOO_LONG = "Your notebook was stopped because it exceeded the max allowed execution duration."

_ENTER = r"""
set -e
root=$1 inside=$2
mount -t tmpfs -o mode=755 tmpfs "$root"
for entry in /* /.[!.]*; do
    name=${entry#/}
    case $name in proc|kaggle|"/*"|".[!.]*") continue ;; esac
    if [ -L "$entry" ]; then cp -P "$entry" "$root/$name"
    elif [ -d "$entry" ]; then mkdir "$root/$name" && mount --rbind "$entry" "$root/$name"
    elif [ -e "$entry" ]; then touch "$root/$name" && mount --bind "$entry" "$root/$name"
    fi
done
mkdir "$root/proc" "$root/kaggle"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
for name in input working src; do
    mkdir "$root/kaggle/$name"
    mount --bind "$inside/$name" "$root/kaggle/$name"
done
mount -o remount,bind,ro "$root/kaggle/input"
shift 2
exec chroot "$root" sh -c 'cd /kaggle/working && exec "$@"' sh "$@"
"""


def can_run() -> bool:
    """Whether this machine lets a process have namespaces of its own."""
    return (
        subprocess.run(
            [*_alone(has_internet=False), "true"], capture_output=True, check=False
        ).returncode
        == 0
    )


@dataclass
class Session:
    """One run of a kernel.

    Attributes:
        home: ``input``, ``working``, ``src`` and ``home`` of it, as seen from outside.
        events: The log so far, in Kaggle's form.
    """

    home: Path
    has_gpu: bool
    has_internet: bool
    limit_s: float
    status: Status = "QUEUED"
    failure: str = ""
    events: list[dict[str, object]] = field(default_factory=list)
    began_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)
    _process: subprocess.Popen[str] | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, however that was."""
        return self.ended_at is not None

    @property
    def duration_s(self) -> float:
        """How long it has run."""
        return (self.ended_at or time.monotonic()) - self.began_at

    @property
    def working(self) -> Path:
        """What the kernel knows as ``/kaggle/working``."""
        return self.home / "working"

    def begin(self, script: str, inputs: Mapping[str, Path], *, queued_s: float = 0.0) -> None:
        """Start the script, later if it is queued; ``inputs`` are folders by where they appear."""
        for name in ("input", "working", "src", "home", "root"):
            (self.home / name).mkdir(parents=True)
        (self.home / "src" / "script.py").write_text(script, encoding="utf-8")
        for name, folder in inputs.items():
            shutil.copytree(folder, self.home / "input" / name)
        threading.Thread(target=self._run, args=[queued_s], daemon=True).start()

    def kill(self, status: Status = "CANCEL_ACKNOWLEDGED", failure: str = "") -> None:
        """End it at once, with everything that it has started; its files stay."""
        self._end(status, failure)
        if self._process is not None:
            self._process.kill()

    def wait(self, timeout_s: float = 60.0) -> None:
        """Wait until it has ended."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.is_over, timeout_s), "it goes on and on"

    def _run(self, queued_s: float) -> None:
        time.sleep(queued_s)
        with self.changed:
            if self.is_over:  # killed while it waited
                return
            self.status, self.began_at = "RUNNING", time.monotonic()
            self._process = subprocess.Popen(
                self._argv(),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        process = self._process
        readers = [
            threading.Thread(target=self._read, args=[name, stream], daemon=True)
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        for reader in readers:
            reader.start()
        alarm = threading.Timer(self.limit_s, self.kill, args=["ERROR", TOO_LONG])
        alarm.daemon = True
        alarm.start()
        code = process.wait()
        for reader in readers:
            reader.join()
        alarm.cancel()
        self._end("ERROR" if code else "COMPLETE", "")

    def _read(self, name: str, stream: IO[str]) -> None:
        for line in stream:
            event = {"stream_name": name, "time": round(self.duration_s, 6), "data": line}
            with self.changed:
                self.events.append(event)
                self.changed.notify_all()
        stream.close()

    def _end(self, status: Status, failure: str) -> None:
        with self.changed:
            if not self.is_over:
                self.status, self.failure = status, failure
                self.ended_at = time.monotonic()
            self.changed.notify_all()

    def _argv(self) -> list[str]:
        enter = ["sh", "-c", _ENTER, "sh", str(self.home / "root"), str(self.home)]
        alone = _alone(has_internet=self.has_internet)
        return [*alone, *enter, sys.executable, "/kaggle/src/script.py"]

    def _environment(self) -> dict[str, str]:
        """What Kaggle's machines have set; nothing of the machine that this really is."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home / "home"),
            "LANG": "C.UTF-8",
            "KAGGLE_KERNEL_RUN_TYPE": "Batch",
            "KAGGLE_URL_BASE": "https://www.kaggle.com",
            "KAGGLE_WORKING_DIR": "/kaggle/working",
            "MPLBACKEND": "agg",
            "PYTHONUNBUFFERED": "1",
            "UV_SYSTEM_PYTHON": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "LD_LIBRARY_PATH": "/usr/local/nvidia/lib64",
        }


def _alone(*, has_internet: bool) -> list[str]:
    alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    alone += [] if os.geteuid() == 0 else ["--map-root-user"]
    return alone if has_internet else [*alone, "--net"]
