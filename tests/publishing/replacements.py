"""Each way in which we replace something, to be killed; it imports next to nothing."""

import os
from pathlib import Path

from container_doors.core import files
from container_doors.core.files import (
    force_to_disk,
    heal,
    replace_and_keep,
    replace_copy,
    replace_folder,
    replace_secret,
    replace_text,
    staged_for,
)
from container_doors.core.lines import append_line, read_lines

FOLDERS = ("folder", "checkpoint")
FILES = ("one", "two")


class Files:
    """Each way in which we replace something, one after the other."""

    def __init__(self, root: Path) -> None:
        self.workspace = root / "workspace"
        for folder in FOLDERS:
            (self.workspace / folder).mkdir(parents=True)
            for name in FILES:
                (self.workspace / folder / name).write_text("old")
        for name in ("text", "secret", "copy"):
            (self.workspace / name).write_text("old")
        append_line(self.workspace / "lines", {"line": "old"})
        (self.workspace / "source").write_text("new")

    def reset(self) -> None:
        pass

    def command(self) -> None:
        replace_text(Path("text"), "new")
        replace_secret(Path("secret"), "new")
        replace_copy(Path("source"), Path("copy"))
        replace_text(Path("below/below/text"), "new")
        if len(read_lines(Path("lines")).lines) < 2:
            append_line(Path("lines"), {"line": "new"})
        self._make(Path("folder"))
        replace_folder(Path("folder"))
        heal(Path("folder"))
        self._make(Path("checkpoint"))
        replace_and_keep(Path("checkpoint"), Path("before"))
        heal(Path("checkpoint"))

    def _make(self, folder: Path) -> None:
        heal(folder)
        staged_for(folder).mkdir()
        for name in FILES:
            (staged_for(folder) / name).write_text("new")
        force_to_disk(staged_for(folder))

    def look(self) -> str:
        os.chdir(self.workspace)
        content = read_lines(Path("lines"))
        last = str(content.lines[-1].values["line"])
        assert not content.faults
        folders = {self._in(Path(name)) for name in FOLDERS}
        below = Path("below/below/text")
        found = {Path(name).read_text() for name in ("text", "secret", "copy")}
        found |= {*folders, last, below.read_text() if below.exists() else "old"}
        assert found <= {"old", "new"}, found
        return "some" if len(found) > 1 else found.pop()

    def _in(self, folder: Path) -> str:
        heal(folder)
        one, two = ((folder / name).read_text() for name in FILES)
        assert one == two, "half of a folder"
        return one


class WithoutExchange(Files):
    """The same where the file system cannot exchange two folders."""

    def command(self) -> None:
        files._exchange = lambda one, other: False
        super().command()
