"""A :class:`ports.GpuHost` in a folder: it runs what it is given at once, and to its end."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from container_doors.core.errors import AbsentError, HostError, UnreachableError
from container_doors.core.ports import Job, JobState, Progress, Quota
from container_doors.kaggle.job_spec import SCRIPT

TORCH = """
__version__ = "2.10.0"
class Ones:
    def __init__(self, *shape, device): pass
    def __matmul__(self, other): return self
    def sum(self): return 512.0
ones = Ones
class version: cuda = "12.8"
class cuda:
    device_count = staticmethod(lambda: len(NAMES))
    get_device_name = staticmethod(lambda index: NAMES[index])
"""


@dataclass
class FakeHost:
    """Two T4s in name; the script sees its inputs and outputs below ``folder``."""

    folder: Path
    gpus: tuple[str, ...] = ("Tesla T4", "Tesla T4")
    quota_left_h: float = 30.0
    environment: dict[str, str] = field(default_factory=dict)
    is_public: bool = False
    refusal: str = ""
    phase: Literal["queued", "running", "complete", "failed", "cancelled"] | None = None
    cuts: list[int] = field(default_factory=list)
    """After how many lines each of the next readings of a log is cut."""
    gone: int = 0
    """How often it cannot be reached."""
    exit_codes: list[int] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    lines: dict[str, list[str]] = field(default_factory=dict)

    def owner(self) -> str:
        return "someone"

    def quota(self) -> Quota | None:
        return Quota(used_h=30 - self.quota_left_h, allowed_h=30, renewed_at=None)

    def dataset_state(self, slug: str) -> Literal["absent", "processing", "ready", "failed"]:
        return "ready" if (self.folder / "input" / slug).exists() else "absent"

    def send_dataset(self, folder: Path, *, slug: str, title: str, progress: Progress) -> None:
        assert slug == title
        self.sent.append(slug)
        shutil.copytree(folder, self.folder / "input" / slug)

    def dataset_is_private(self, slug: str) -> bool:
        return True

    def start(self, folder: Path) -> Job:
        if self.refusal:
            raise HostError(self.refusal, hint="later")
        working = self.folder / "jobs" / folder.name
        working.mkdir(parents=True)
        text = (folder / SCRIPT).read_text(encoding="utf-8")
        text = text.replace("/kaggle/input", str(self.folder / "input"))
        script = self.folder / f"{folder.name}.py"
        script.write_text(text.replace("/kaggle/working", str(working)), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, script],
            env={**os.environ, **self.environment, "PYTHONPATH": str(self._machine())},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        self.exit_codes.append(done.returncode)
        self.lines[folder.name] = done.stdout.splitlines()
        return Job(f"someone/{folder.name}", f"https://host/{folder.name}", last_run_at=None)

    def _machine(self) -> Path:
        machine = self.folder / "machine"
        machine.mkdir(exist_ok=True)
        (machine / "torch.py").write_text(f"NAMES = {list(self.gpus)!r}\n{TORCH}")
        return machine

    def is_private(self, ref: str) -> bool:
        return not self.is_public

    def state(self, ref: str) -> JobState:
        self._reach()
        if ref.partition("/")[2] not in self.lines:
            raise AbsentError(f"the host knows no {ref}", hint="none")
        return JobState(self.phase or "complete")

    def log(self, ref: str) -> Iterator[str]:
        self._reach()
        lines = self.lines.get(ref.partition("/")[2], [])
        return iter(lines[: self.cuts.pop(0)] if self.cuts else lines)

    def files(self, ref: str) -> list[str]:
        return [path.name for path in self.left(ref).iterdir()]

    def download(self, ref: str, name: str, target: Path, *, progress: Progress) -> None:
        shutil.copyfile(self.left(ref) / name, target)

    def jobs(self, prefix: str) -> list[Job]:
        return [Job(f"someone/{slug}", "", datetime.now().astimezone()) for slug in self.lines]

    def delete(self, ref: str) -> None:
        self.deleted.append(ref)

    def left(self, ref: str) -> Path:
        return self.folder / "jobs" / ref.partition("/")[2]

    def _reach(self) -> None:
        if self.gone:
            self.gone -= 1
            raise UnreachableError("the host cannot be reached", hint="wait")
