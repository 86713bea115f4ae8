"""The script that runs on the Kaggle machine: unpack, check, install, train, write one archive.

It is sent as it is here, with JOB_SPEC filled in. It needs the standard library only, contains no
secret and asks for none. Log lines that begin with ``@doors`` are events for the program that
follows the job.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import tomllib
import traceback
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any, NamedTuple

JOB_SPEC: dict[str, Any] = {}

INPUTS, WORKING = Path("/kaggle/input"), Path("/kaggle/working")
STARTED = time.monotonic()
POLL_S, HEARTBEAT_S = 0.2, 60.0
GRACE_S = 60.0  # doors train drops an epoch 15 s after SIGTERM, and then saves what it has
BUILDS = (
    ("ultralytics-opencv-headless", "ultralytics"),
    (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ),
)  # each line: builds of one program, with the same files
NOT_NEEDED = ("dvc", "kaggle", "tensorboardx", "wandb")  # accounts are used on the laptop only
UNCHANGED_BYTES = "* -text !eol !crlf -ident -filter !working-tree-encoding"
"""For git's info/attributes, which overrides the commit's own file: write the bytes unchanged."""
LONGEST_NAME, LONGEST_PATH = 255, 4000  # bytes; Linux's limits, with room for the parent folder
LONGEST_SHOWN = 200
WHOLE_WHEN_SENT = "the code was rebuilt before it was sent: start it again, on another machine"
PROBE = """
import json, torch
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
for i in range(len(names)):
    assert float((torch.ones(8, 8, device=i) @ torch.ones(8, 8, device=i)).sum()) == 512.0
print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "gpus": names}))
"""

SECRET = re.compile(
    r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|SERVICE_ACCOUNT|CONNECTION_STRING"
    r"|COOKIE|_(?:PAT|PASS|PWD|AUTH|JSON|DSN|JWT)$",
    re.IGNORECASE,
)
USER_INFO = re.compile(r"://[^/@\s]+@")

_log_lock = threading.Lock()
_stop_requested = threading.Event()


class JobError(Exception):
    """The job cannot go on: the reason, and what a person can do."""


def main() -> int:
    """Run the job of JOB_SPEC; in every case write an archive with the outcome."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop_requested.set())
    forget_secrets()
    WORKING.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="doors-"))
    repository = scratch / "repository"
    outcome = {"is": "failed", "why": "the kernel itself failed", "remedy": "read its kernel.log"}
    try:
        unpack_everything(repository)
        check_gpus()
        code = code_of(repository, scratch)
        install(code)
        trainings = [
            Training(one, repository, code.package, scratch) for one in JOB_SPEC["experiments"]
        ]
        outcome = train(trainings, repository)
    except JobError as failed:
        why, remedy = failed.args
        outcome = {"is": "failed", "why": why, "remedy": remedy}
    except (OSError, subprocess.SubprocessError, tarfile.TarError) as failed:
        say(traceback.format_exc())
        outcome |= {"why": f"the kernel itself failed: {failed}"}
    finally:
        if sys.exc_info()[0] is not None:
            say(traceback.format_exc())
        write_archive(repository, outcome)
        emit("ended", elapsed_s=elapsed_s(), **{("outcome" if k == "is" else k): v
                                                for k, v in outcome.items()})  # fmt: skip
        shutil.rmtree(scratch, ignore_errors=True)
    return 0  # also after a failure: Kaggle keeps all files only of a version that succeeded


def forget_secrets() -> None:
    """Remove secrets from the environment of git, pip and the training; they need none."""
    for name, value in list(os.environ.items()):
        if SECRET.search(name) or USER_INFO.search(value) or value.lstrip().startswith("{"):
            del os.environ[name]


def elapsed_s() -> float:
    """Return how long the job has run."""
    return round(time.monotonic() - STARTED, 1)


def say(line: str) -> None:
    """Print a line, one thread at a time, and add it to the log for the archive."""
    line = line.encode("utf-8", "backslashreplace").decode("utf-8")  # a name may be any bytes
    with _log_lock, (WORKING / "kernel.log").open("a", encoding="utf-8") as log:
        log.write(line + "\n")
        print(line, flush=True)  # noqa: T201 - the job's log is its standard output


def emit(kind: str, **facts: object) -> None:
    """Print an event, as a log line for the program that follows the job."""
    say("@doors " + json.dumps({"is": kind, **facts}))


# The bundles that were sent


def unpack_everything(repository: Path) -> None:
    """Unpack the code, and every other bundle into its folder in it."""
    if shutil.which("git") is None:
        raise JobError("git is not installed here", "choose the latest environment of the host")
    for bundle in JOB_SPEC["packs"]:
        emit("step", what=f"unpacking {bundle['kind']}")
        source = find(bundle)
        if sha256_of(source) != bundle["sha256"]:
            raise JobError(
                f"{source} is not what was sent: expected sha256 {bundle['sha256'][:12]}",
                "start it again; if the error stays, delete that data set on Kaggle",
            )
        if bundle["kind"] == "code":
            rebuild(source, repository, JOB_SPEC["commit"])
        else:
            unpack(source, repository, bundle["into"])
    if JOB_SPEC["commit"]["not_code_is_committed"]:
        assume_unchanged(repository, JOB_SPEC["commit"]["not_code"])


def find(bundle: dict[str, Any]) -> Path:
    """Find the file of a bundle in one of the two places where Kaggle mounts data sets."""
    places = [INPUTS / "datasets" / JOB_SPEC["owner"] / bundle["slug"], INPUTS / bundle["slug"]]
    for place in places:
        path: Path = place / bundle["file"]
        if path.is_file():
            return path
    raise JobError(
        f"the data set {bundle['slug']} is not mounted here: none of {', '.join(map(str, places))}",
        "start it again: Kaggle may not have processed it yet",
    )


def unpack(source: Path, repository: Path, into: str) -> None:
    """Unpack files into a folder of the repository, and nowhere outside of the repository."""

    def move_into(member: tarfile.TarInfo, root: str) -> tarfile.TarInfo:
        return tarfile.data_filter(member.replace(name=f"{into}/{member.name}", deep=False), root)

    with tarfile.open(source) as tar:
        tar.extractall(repository, filter=move_into)  # noqa: S202 - the filter is data_filter


class Code(NamedTuple):
    """Where the package is imported from, and where its lock is."""

    package: Path
    locked: Path


def code_of(repository: Path, scratch: Path) -> Code:
    """Return the code of the commit; or unpack the wheel, if the workspace has none of its own."""
    if JOB_SPEC["wheel"] is None:
        return Code(repository / "src", repository)
    release = scratch / "release"
    with zipfile.ZipFile(repository / JOB_SPEC["wheel"]) as wheel:
        wheel.extractall(release)  # noqa: S202 - zipfile leaves no folder; its sha256 was checked
    return Code(release, release / "container_doors/template/locked")


# The code, rebuilt from git's objects: here, and before that on the machine that sends it


def rebuild(pack: Path, repository: Path, commit: dict[str, Any]) -> None:
    """Rebuild the repository of a commit, and check the hash of every file.

    No hook and no filter of the commit or of this machine's settings runs, so that each file has
    the bytes that git stores.

    Args:
        pack: A git pack file with the objects.
        repository: The folder to make; it must not exist.
        commit: Its ``id``; the ``tree`` of the files to write, which is another one where
            uncommitted changes are sent; and the paths that are ``not_code``.
    """
    repository.mkdir(parents=True)
    git(repository, "init", "--quiet", "--template=", GIT_DEFAULT_HASH=algorithm(commit["id"]))
    with (repository / ".git/config").open("a", encoding="utf-8") as config:
        config.write("[core]\n\tsymlinks = true\n")
    info = repository / ".git/info"
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text(UNCHANGED_BYTES + "\n", encoding="utf-8")
    (info / "exclude").write_bytes(b"".join(map(exclude_line, commit["not_code"])))
    with pack.open("rb") as objects:
        git(repository, "index-pack", "--stdin", stdin=objects)
    (repository / ".git/shallow").write_text(commit["id"] + "\n", encoding="utf-8")
    git(repository, "update-ref", "HEAD", commit["id"])
    entries = list(read_tree(repository, commit["tree"]))
    refuse_names(entries)
    git(repository, "read-tree", "--reset", "-u", commit["tree"])
    for entry in entries:
        check_file(repository, *entry)
    git(repository, "read-tree", "HEAD")
    refuse_changes(repository, commit)


def assume_unchanged(repository: Path, paths: list[str]) -> None:
    """Make git treat tracked data as unchanged, as on the machine that sent them.

    A filter such as LFS turns what git stores into the files. The files are here, the filter is
    not, so git would report them as changed.
    """
    tracked = git(repository, "--literal-pathspecs", "ls-files", "-z", "--", *paths)
    with tempfile.TemporaryFile() as names:
        names.write(tracked)
        names.seek(0)
        git(repository, "update-index", "--assume-unchanged", "-z", "--stdin", stdin=names)


def algorithm(name: str) -> str:
    """Return git's hash algorithm, by the length of a hash."""
    return "sha1" if len(name) == 40 else "sha256"


def git(repository: Path, *arguments: str, stdin: IO[bytes] | None = None, **also: str) -> bytes:
    """Run git without settings: neither those of a person, nor those of a calling hook."""
    inherited = {n: os.environ[n] for n in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if n in os.environ}
    done = subprocess.run(
        ["git", *arguments], cwd=repository, stdin=stdin or subprocess.DEVNULL,
        capture_output=True, check=False,
        env={**inherited, "LC_ALL": "C.UTF-8", "GIT_CONFIG_GLOBAL": os.devnull,
             "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1", "GIT_NO_REPLACE_OBJECTS": "1",
             "GIT_CEILING_DIRECTORIES": str(repository.parent), **also},
    )  # fmt: skip
    if done.returncode:
        lines = printable(done.stderr, but="\n").strip().splitlines() or ["no message"]
        complaint = next((one for one in lines if one.startswith(("error:", "fatal:"))), lines[-1])
        raise JobError(f"git {arguments[0]} failed: {complaint[:LONGEST_SHOWN]}", WHOLE_WHEN_SENT)
    return done.stdout


def exclude_line(path: str) -> bytes:
    """Write a path as a line of git's exclude file, with every pattern character escaped."""
    escaped = re.sub(r"[\\*?\[\] ]", r"\\\g<0>", path).replace("\n", "?")
    return b"/" + os.fsencode(escaped) + b"\n"


Entry = tuple[str, str, bytes]
"""Mode, hash and name of a file; names are bytes to git and to Linux."""


def read_tree(repository: Path, tree: str) -> Iterator[Entry]:
    """List the files of a tree."""
    for line in git(repository, "ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0")[:-1]:
        facts, _, name = line.partition(b"\t")
        mode, _, found = facts.decode("ascii").split()
        yield mode, found, name


def refuse_names(entries: list[Entry]) -> None:
    """Check, before anything is written, that every name can be, and inside the repository."""
    modules = [name for mode, _, name in entries if mode == "160000"]
    if modules:
        raise JobError(
            f"the commit has no files of {listed(modules)}, which is a git submodule",
            "commit the files themselves: git rm --cached PATH, remove PATH/.git, git add PATH",
        )
    names = [name for _, _, name in entries]
    bad = [name for name in names if not {b"", b".", b"..", b".git"}.isdisjoint(
        name.lower().split(b"/"))]  # fmt: skip
    if bad:
        raise JobError(f"no checkout can have {listed(bad)}", "commit it under another name")
    long = [name for name in names if len(name) > LONGEST_PATH
            or max(map(len, name.split(b"/"))) > LONGEST_NAME]  # fmt: skip
    if long:
        raise JobError(
            f"expected names of {LONGEST_NAME} bytes at most, and paths of {LONGEST_PATH}, "
            f"found {listed(long)}",
            "commit it under a shorter name, which file systems can hold",
        )


def check_file(repository: Path, mode: str, expected: str, name: bytes) -> None:
    """Check that a file is what the commit says, and that a link stays in the repository."""
    root = os.path.realpath(os.fsencode(repository))
    path = os.path.join(root, name)  # noqa: PTH118 - a name is bytes
    is_link = mode == "120000"
    found = git_hash(path, expected) if os.path.lexists(path) else ""
    is_same_kind = os.path.islink(path) == is_link  # noqa: PTH114
    if (
        found != expected
        or not is_same_kind
        or not (is_link or is_executable(path) == (mode == "100755"))
    ):
        raise JobError(
            f"{printable(name)} cannot be written as the commit has it",
            "do two names differ in case only, or does the name have bytes that this file system "
            "refuses? Commit it under another name",
        )
    if is_link:
        refuse_link_out(root, path, name)


def git_hash(path: bytes, like: str) -> str:
    """Hash a file or a link as git does, without reading it into memory at once."""
    made = hashlib.new(algorithm(like), usedforsecurity=False)
    if os.path.islink(path):  # noqa: PTH114
        target = os.readlink(path)  # noqa: PTH115
        made.update(b"blob %d\0" % len(target) + target)
        return made.hexdigest()
    with open(path, "rb") as file:  # noqa: PTH123
        made.update(b"blob %d\0" % os.fstat(file.fileno()).st_size)
        while chunk := file.read(1 << 20):
            made.update(chunk)
    return made.hexdigest()


def is_executable(path: bytes) -> bool:
    """Return whether a file is marked as executable."""
    return bool(os.stat(path).st_mode & 0o100)  # noqa: PTH116


def refuse_link_out(root: bytes, path: bytes, name: bytes) -> None:
    """Check that a link points to a place inside the commit."""
    target = os.readlink(path)  # noqa: PTH115
    end = os.path.realpath(path)
    ours = end == root or end.startswith(root + b"/")
    if target.startswith(b"/") or not ours or (end + b"/").startswith(root + b"/.git/"):
        raise JobError(
            f"{printable(name)} is a link to {printable(target)}, which is not in the commit",
            "make it a relative link to a file of the repository, or commit a copy in its place",
        )


def refuse_changes(repository: Path, commit: dict[str, Any]) -> None:
    """Check that git reports no change where there is none: the run record will ask it."""
    own = git(repository, "rev-parse", "HEAD^{tree}").decode("ascii").strip()
    changed = git(repository, "status", "--porcelain", "-z", "--untracked-files=all")
    if changed and own == commit["tree"]:
        names = [one[3:] for one in changed.split(b"\0")[:-1]]
        raise JobError(
            f"git cannot store {listed(names)} as the commit has it: a folder is not well formed",
            "git fsck names what is wrong in it; commit it again",
        )


def listed(names: list[bytes]) -> str:
    """List the first three names, and the number of the others."""
    some = ", ".join(map(printable, names[:3]))
    return f"{some} and {len(names) - 3} more" if len(names) > 3 else some


def printable(text: bytes, but: str = "") -> str:
    """Write bytes from outside without control characters, so that a terminal only shows them."""
    shown = "".join(
        one if one.isprintable() or one in but else one.encode("unicode_escape").decode("ascii")
        for one in text.decode("utf-8", "backslashreplace")
    )
    return shown if but or len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."


# The machine, and what is installed on it


def check_gpus() -> None:
    """Check that the GPUs are those that were asked for, and that each computes."""
    asked = JOB_SPEC["gpus"]
    if not asked:
        emit("machine", gpus=[], torch=installed_version("torch"))
        return
    probe = [sys.executable, "-P", "-c", PROBE]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode:
        raise JobError(
            f"the GPU does not compute: {(done.stderr.strip().splitlines() or ['no message'])[-1]}",
            "start it again; another machine may work",
        )
    found = json.loads(done.stdout.splitlines()[-1])
    emit("machine", **found)
    names = found["gpus"]
    if len(names) < asked["count"] or not all(asked["name"] in name for name in names):
        raise JobError(
            f"expected {asked['count']} x {asked['name']}, found {', '.join(names) or 'no GPU'}",
            "is the account's phone number verified (https://www.kaggle.com/settings), "
            "and is there quota left? Then start it again",
        )


def installed_version(name: str) -> str | None:
    """Return the version of an installed package; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def install(code: Code) -> None:
    """Install what the image lacks from uv.lock, by sha256; the image's packages stay."""
    missing = missing_requirements(code.locked)
    if not missing:
        emit("step", what="nothing to install: every requirement is met here")
        return
    emit("step", what=f"installing the packages of uv.lock, missing here: {', '.join(missing)}")
    script = code.locked / "scripts" / "install_locked.py"
    if not script.is_file():
        raise JobError("the commit has no scripts/install_locked.py", "train a newer commit")
    left_out = [word for name in NOT_NEEDED for word in ("--without", name)]
    done = subprocess.run(
        [sys.executable, script, *left_out], capture_output=True, text=True, check=False
    )
    say(done.stdout + done.stderr)
    if done.returncode:
        raise JobError(*why_not_installed(done.stderr))
    if missing := missing_requirements(code.locked):
        raise JobError(
            f"the image's packages do not meet {', '.join(missing)}",
            "choose the latest environment of the host",
        )


def missing_requirements(locked: Path) -> list[str]:
    """List the requirements of the code, and of its extra ``train``, that are not met here."""
    project = tomllib.loads((locked / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project.get("optional-dependencies", {}).get("train", [])
    return [line for line in wanted if is_missing(line)]


def is_missing(requirement: str) -> bool:
    """Return whether a requirement is not met; any build of OpenCV and Ultralytics meets it."""
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    name = wanted.name.lower()
    if name in NOT_NEEDED:
        return False
    builds = next((one for one in BUILDS if name in one), (name,))
    versions = [found for build in builds if (found := installed_version(build))]
    return not any(wanted.specifier.contains(found, prereleases=True) for found in versions)


def why_not_installed(output: str) -> tuple[str, str]:
    """Return why the installer failed, and what to do: no network, or its last error."""
    error = output.rpartition("error: ")[2].partition("\n  hint: ")
    problem, hint = error[0].strip(), error[2].partition("\n")[0]
    if not hint:
        return "a package cannot be installed", "kernel.log says which, and why"
    if "sha256" not in problem and not has_internet():
        return (
            "the internet is off here, so nothing can be installed",
            "Kaggle gives it only to accounts with a verified phone number: "
            "https://www.kaggle.com/settings",
        )
    return problem, hint


def has_internet() -> bool:
    """Return whether the package index can be reached."""
    try:
        socket.create_connection(("pypi.org", 443), timeout=10).close()
    except OSError:
        return False
    return True


# Training


class Training:
    """One experiment, trained by ``doors train`` in its own process."""

    def __init__(
        self, experiment: dict[str, Any], repository: Path, package: Path, scratch: Path
    ) -> None:
        self.name: str = experiment["name"]
        self.gpus: list[int] = experiment["gpus"]
        self._floors = [f"--floor={one}" for one in experiment.get("floors", [])]
        self.run = repository / "runs" / self.name
        self._repository, self._package = repository, package
        self._params = scratch / f"{self.name}.yaml"
        self._params.write_text(experiment["params"], encoding="utf-8")
        self.epochs_sent, self._record = 0, ""
        self._moved_at, self._longest_s = time.monotonic(), 0.0
        self._stopped_at: float | None = None
        self.start([])

    def start(self, overrides: list[str]) -> None:
        """Start the training, or resume it from the checkpoint."""
        hours = (JOB_SPEC["session_s"] - elapsed_s() - JOB_SPEC["spare_s"]) / 3600
        if hours <= 0:
            raise JobError("there was no time left to train", "allow more: --hours")
        visible_gpus = ",".join(map(str, self.gpus))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "container_doors", "train", "--alone",
             "--config", self._params, "--experiment", self.name, "--max-hours", str(hours),
             *self._floors, *overrides],
            cwd=self._repository, start_new_session=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(self._package),
                 "CUDA_VISIBLE_DEVICES": visible_gpus},
        )  # fmt: skip
        self._moved_at = time.monotonic()
        threading.Thread(target=self._pass_on, args=(self._process,), daemon=True).start()

    def _pass_on(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            say(f"{self.name}: {line.rstrip()}")

    @property
    def is_running(self) -> bool:
        """Whether its process is alive."""
        return self._process.poll() is None

    def end(self, number: int) -> None:
        """Send a signal to the process and to those that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def look(self) -> None:
        """Emit what is new: the run record, and each finished epoch."""
        with contextlib.suppress(FileNotFoundError):
            text = (self.run / "run.json").read_text(encoding="utf-8")
            if text != self._record:
                self._record = text
                emit("record", experiment=self.name, record=json.loads(text))
        with contextlib.suppress(FileNotFoundError):
            written = (self.run / "metrics.jsonl").read_bytes().splitlines(True)
            lines = [line for line in written if line.endswith(b"\n")]
            self.epochs_sent = min(self.epochs_sent, len(lines))  # fewer lines after a resume
            for line in lines[self.epochs_sent :]:
                with contextlib.suppress(ValueError, LookupError, AttributeError):  # a damaged one
                    self._emit_epoch(json.loads(line))
            self.epochs_sent = len(lines)

    def _emit_epoch(self, metrics: dict[str, float]) -> None:
        now = time.monotonic()
        self._longest_s = max(self._longest_s, now - self._moved_at if self.epochs_sent else 0.0)
        self._moved_at = now
        number = metrics.pop("epoch")
        metrics.pop("crc32", None)
        emit("epoch", experiment=self.name, epoch=number, metrics=metrics, elapsed_s=elapsed_s())

    def stop_in_time(self) -> None:
        """Stop it cleanly before the host kills it, or when a stop is requested."""
        is_late = elapsed_s() > JOB_SPEC["session_s"] - JOB_SPEC["spare_s"] / 2
        if self._stopped_at is None and (is_late or _stop_requested.is_set()):
            self._stopped_at = time.monotonic()
            self.end(signal.SIGTERM)
        elif self._stopped_at is not None and time.monotonic() - self._stopped_at > GRACE_S:
            self.end(signal.SIGKILL)

    @property
    def is_stalled(self) -> bool:
        """Whether several GPUs made no progress for too long: they wait for each other."""
        patience_s = max(JOB_SPEC["stall_s"], 5 * self._longest_s)
        is_training = '"status": "running"' in self._record
        return (
            len(self.gpus) > 1 and is_training and self.is_running
            and time.monotonic() - self._moved_at > patience_s
        )  # fmt: skip

    def go_on_with_one_gpu(self) -> None:
        """Stop the training that hangs, and resume it from the checkpoint with one GPU."""
        idle_s = round(time.monotonic() - self._moved_at)
        emit("stalled", experiment=self.name, idle_s=idle_s, gpus=len(self.gpus))
        self.end(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        self.end(signal.SIGKILL)
        self._process.wait()
        self.gpus = self.gpus[:1]
        self.start(["--set", "detection.training.device=0"])

    def outcome(self) -> dict[str, str]:
        """Return how the training ended, by its exit code and its record."""
        code = self._process.returncode
        record = json.loads(self._record or "{}")
        status = record.get("status")
        if status == "finished" and code == 0:
            return {"is": "finished"}
        if code == 0:
            return {"is": "to be continued", "why": record.get("message") or "asked to stop"}
        if self._stopped_at is not None:
            return {"is": "to be continued", "why": "it did not stop in time, and was killed"}
        if code == -signal.SIGKILL:
            return {
                "is": "failed", "why": f"{self.name} was killed: the machine's memory was full",
                "remedy": "--set detection.training.cache=none --set detection.training.workers=2",
            }  # fmt: skip
        return {
            "is": "failed",
            "why": record.get("message") or f"doors train ended with exit code {code}",
            "remedy": f"kernel.log has the output of {self.name}",
        }


def train(trainings: list[Training], repository: Path) -> dict[str, Any]:
    """Watch the trainings until all have ended: emit epochs, archive checkpoints, stop in time."""
    heartbeat_due, archive_due = every(HEARTBEAT_S), every(JOB_SPEC["keep_every_s"])
    archived = [0 for _ in trainings]
    while any(one.is_running for one in trainings):
        time.sleep(POLL_S)
        for one in trainings:
            one.look()
            one.stop_in_time()
            if one.is_stalled:
                one.go_on_with_one_gpu()
        if heartbeat_due():
            emit("alive", elapsed_s=elapsed_s())
        if (sent := [one.epochs_sent for one in trainings]) != archived and archive_due():
            archived = sent
            write_archive(repository, {"is": "running"})
    for one in trainings:
        one.look()
    return combined({one.name: one.outcome() for one in trainings})


def every(seconds: float) -> Callable[[], bool]:
    """Make a function that returns True at most once in so many seconds."""
    last = time.monotonic()

    def is_due() -> bool:
        nonlocal last
        due = time.monotonic() - last > seconds
        last = time.monotonic() if due else last
        return due

    return is_due


def combined(outcomes: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return the outcome of the job: that of its worst experiment."""
    for worst in ("failed", "to be continued"):
        for outcome in outcomes.values():
            if outcome["is"] == worst:
                return {**outcome, "experiments": outcomes}
    return {"is": "finished", "experiments": outcomes}


# The archive


def write_archive(repository: Path, outcome: dict[str, Any]) -> None:
    """Replace the archive by one of the present files, and then its manifest."""
    files = dict(files_to_archive(repository, outcome["is"]))
    if outcome["is"] == "running" and not any(name.endswith("/resume.pt") for name in files):
        return  # the earlier archive has one
    archive = WORKING / f"{JOB_SPEC['job']}-{round(elapsed_s() * 10):07d}.tar"
    hashes = {}
    with tarfile.open(archive.with_suffix(".part"), "w") as tar:
        for name, path in files.items():
            with contextlib.suppress(FileNotFoundError):
                tar.add(path, arcname=name, recursive=False)
                hashes[name] = sha256_of(path)
    archive.with_suffix(".part").rename(archive)
    manifest = {
        "schema": 1, "job": JOB_SPEC["job"], "outcome": outcome, "elapsed_s": elapsed_s(),
        "archive": archive.name, "sha256": sha256_of(archive),
        "size_bytes": archive.stat().st_size, "files": hashes,
    }  # fmt: skip
    staged = WORKING / ".manifest"
    staged.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    staged.rename(WORKING / f"{JOB_SPEC['job']}.json")
    for other in WORKING.glob(f"{JOB_SPEC['job']}-*.tar"):
        if other != archive:
            other.unlink()
    emit("kept", bytes=manifest["size_bytes"])


def files_to_archive(repository: Path, outcome: str) -> Iterator[tuple[str, Path]]:
    """Yield the files to archive; while a training runs, those that resuming it needs."""
    has_ended = outcome != "running"
    copies = ("checkpoint", "checkpoint-previous")
    left_out = {"data", "tracking", *(copies if outcome == "finished" else ())}
    if has_ended and (WORKING / "kernel.log").exists():
        log = repository.parent / "kernel.log"
        shutil.copyfile(WORKING / "kernel.log", log)  # the original still grows
        yield "kernel.log", log
    for experiment in JOB_SPEC["experiments"]:
        run = repository / "runs" / experiment["name"]
        snapshot = repository.parent / f"checkpoint-{experiment['name']}"
        if not has_ended and any(copy_checkpoint(run / name, snapshot) for name in copies):
            yield from (
                (f"runs/{run.name}/checkpoint/{one.name}", one) for one in snapshot.iterdir()
            )
        records = [run / "run.json", run / "dataset.json"]
        for path in sorted(run.rglob("*")) if has_ended else records:
            top = path.relative_to(run).parts[0]
            if path.is_file() and top not in left_out and top[0] != ".":
                yield f"runs/{path.relative_to(run.parent).as_posix()}", path


def copy_checkpoint(checkpoint: Path, snapshot: Path) -> bool:
    """Hard-link the files of a checkpoint, which are only ever replaced; False if it is damaged."""
    shutil.rmtree(snapshot, ignore_errors=True)
    snapshot.mkdir()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        before = (checkpoint / "epoch.json").stat().st_ino
        for path in checkpoint.iterdir():
            os.link(path, snapshot / path.name)
        hashes = json.loads((snapshot / "epoch.json").read_bytes())["sha256"]
        is_whole = "resume.pt" in hashes and all(
            sha256_of(snapshot / name) == sha256 for name, sha256 in hashes.items()
        )
        return is_whole and (checkpoint / "epoch.json").stat().st_ino == before
    return False


def sha256_of(path: Path) -> str:
    """Hash a file without reading it into memory at once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
