"""Pack a data set into a few archives, which need a hundredth of the calls to a remote.

Each split's photographs and labels are in its own tars, ``train-000.tar`` and so on; files of no
split are in ``rest-000.tar``. The same files give the same bytes.
"""

import hashlib
import io
import shlex
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath

from container_doors.core.archives import unpack_tar
from container_doors.core.errors import DatasetError
from container_doors.core.files import (
    force_name_to_disk,
    force_to_disk,
    heal,
    replace_folder,
    staged_for,
)

SHARD_BYTES = 64 * 1024**2
"""Large enough for few calls, small enough to send again if one fails."""

_REST = "rest"
OnProgress = Callable[[int, int], None]


def shards_of(folder: Path) -> Path:
    """Return the folder of a data set's archives, beside it.

    >>> shards_of(Path("data/processed/detection")).as_posix()
    'data/processed/detection_shards'
    """
    return folder.with_name(f"{folder.name}_shards")


def write_shards(
    folder: Path,
    md5s: Mapping[str, str],
    out: Path,
    *,
    on_progress: OnProgress,
    shard_bytes: int = SHARD_BYTES,
) -> list[Path]:
    """Pack files of a folder; replace each archive atomically, and delete archives of an older set.

    Args:
        folder: The data set.
        md5s: The MD5s of its files, by relative name with forward slashes.
        out: The folder of the archives.
        on_progress: Receives the numbers of files packed and in total.
        shard_bytes: The largest size of a shard, unless a single file is larger.

    Returns:
        The archives.

    Raises:
        DatasetError: If a file is missing, or does not match its MD5.
    """
    heal(out)
    staged = staged_for(out)
    staged.mkdir(parents=True)
    try:
        _pack(folder, md5s, staged, on_progress=on_progress, shard_bytes=shard_bytes)
    except BaseException:
        heal(out)
        raise
    force_to_disk(staged)
    out.mkdir(exist_ok=True)
    tars = [path.replace(out / path.name) for path in sorted(staged.iterdir())]
    for path in tars[:1]:
        force_name_to_disk(path)  # of all of them, before older archives are deleted
    heal(out)
    new = {path.name for path in tars}
    for path in [*out.glob("*.tar"), *out.glob("*.tar.dvc")]:
        if path.name.removesuffix(".dvc") not in new:
            path.unlink()
    return tars


def tracked_shards(folder: Path) -> list[Path]:
    """List the archives of a data set that have pointers, whether they are here or not."""
    return sorted(path.with_suffix("") for path in shards_of(folder).glob("*.tar.dvc"))


def read_shards(
    tars: Sequence[Path],
    folder: Path,
    *,
    is_expected: Callable[[Mapping[str, str]], bool],
    force: bool = False,
    on_progress: OnProgress,
) -> Path | None:
    """Unpack archives in place of ``folder``, which is replaced atomically or not at all.

    Args:
        tars: The archives.
        folder: The data set.
        is_expected: Receives the MD5s of the unpacked files, by relative name with forward slashes;
            if it returns False, the archives are refused.
        force: Whether it is replaced regardless of its contents.
        on_progress: Receives the numbers of archives unpacked and in total.

    Returns:
        A file of ``folder`` that no archive has with the same bytes, and that may have no other
        copy: the folder is then unchanged. None if it was replaced.

    Raises:
        DatasetError: If an archive is damaged, or they have other files than expected.
    """
    heal(folder)
    staged = staged_for(folder)
    staged.mkdir(parents=True)
    try:
        for number, path in enumerate(tars, start=1):
            _unpack(path, staged, folder)
            on_progress(number, len(tars))
        _refuse_others(staged, folder, is_expected)
    except BaseException:
        shutil.rmtree(staged)
        raise
    in_the_way = None if force else next(_differing(folder, staged), None)
    if in_the_way is not None:
        shutil.rmtree(staged)
        return in_the_way
    force_to_disk(staged)
    replace_folder(folder)
    heal(folder)
    return None


def _pack(
    folder: Path,
    md5s: Mapping[str, str],
    staged: Path,
    *,
    on_progress: OnProgress,
    shard_bytes: int,
) -> None:
    packed = 0
    for split, names in groupby(sorted(md5s, key=_order), key=_split):
        for number, shard in enumerate(_by_size(folder, names, shard_bytes)):
            path = staged / f"{split}-{number:03}.tar"
            with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
                for name in shard:
                    _put(tar, folder, name, md5s[name])
                    packed += 1
                    on_progress(packed, len(md5s))


def _order(name: str) -> tuple[str, tuple[str, ...], str]:
    """Return a sort key that puts a photograph and its label beside each other."""
    return _split(name), PurePosixPath(name).with_suffix("").parts[1:], name


def _split(name: str) -> str:
    """Return the split of a file.

    >>> _split("images/train/1.jpg"), _split("data.yaml"), _split("images/1.jpg")
    ('train', 'rest', 'rest')
    """
    parts = PurePosixPath(name).parts
    return parts[1] if len(parts) > 2 and parts[0] in ("images", "labels") else _REST


def _by_size(folder: Path, names: Iterator[str], most: int) -> Iterator[list[str]]:
    shard: list[str] = []
    size = 0
    for name in names:
        if not (folder / name).is_file():
            raise DatasetError(
                f"{folder / name} is missing",
                hint=f"dvc checkout {folder}.dvc, or: dvc add {folder}",
            )
        grown = size + (folder / name).stat().st_size
        if shard and grown > most:
            yield shard
            shard, grown = [], grown - size
        shard.append(name)
        size = grown
    if shard:
        yield shard


def _put(tar: tarfile.TarFile, folder: Path, name: str, md5: str) -> None:
    """Add only name and content, so that the bytes do not depend on who packs, or when."""
    content = (folder / name).read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise DatasetError(
            f"{folder / name} has changed since dvc add",
            hint=f"dvc add {folder}, or dvc checkout {folder}.dvc; then: doors data pack",
        )
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(content))


def _unpack(path: Path, staged: Path, folder: Path) -> None:
    unpack_tar(
        path,
        staged,
        refuse=lambda problem: DatasetError(problem, hint=pack_again(folder)),
        may_differ_by_case=True,
    )


def _refuse_others(
    staged: Path, folder: Path, is_expected: Callable[[Mapping[str, str]], bool]
) -> None:
    if not is_expected(_hash_files(staged)):
        raise DatasetError(
            f"the archives in {shards_of(folder)} have other files than {folder}.dvc names",
            hint=pack_again(folder),
        )


def pack_again(folder: Path) -> str:
    """Return the hint for archives that are wrong wherever they are fetched."""
    return (
        f"where the data set is complete: doors data pack --path {shlex.quote(str(folder))}, or "
        f"dvc push {shlex.quote(f'{folder}.dvc')}"
    )


def _hash_files(folder: Path) -> dict[str, str]:
    """Hash every file, by its relative name; an empty folder, which no data set has, is one too."""
    md5s = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file():
            md5s[name] = _md5_of(path)
        elif not any(path.iterdir()):
            md5s[f"{name}/"] = ""
    return md5s


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _differing(folder: Path, staged: Path) -> Iterator[Path]:
    """Yield the files that the new folder does not have; label caches are ignored."""
    if not folder.exists():
        return
    for path in folder.rglob("*"):
        other = staged / path.relative_to(folder)
        if not path.is_file() or path.suffix == ".cache":
            continue
        if not other.is_file() or path.read_bytes() != other.read_bytes():
            yield path
