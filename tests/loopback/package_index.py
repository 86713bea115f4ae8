"""A package index on loopback (PEP 503), whose files can be exchanged for others."""

import hashlib
import html
import io
import tarfile
import zipfile
from collections.abc import Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType


def wheel(
    folder: Path, name: str, version: str, code: str = "", *, requires: Sequence[str] = ()
) -> Path:
    """Write a package of one module."""
    module = name.replace("-", "_")
    path = folder / f"{module}-{version}-py3-none-any.whl"
    info = f"{module}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    files = {
        f"{module}/__init__.py": f"__version__ = {version!r}\n{code}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    return zipped(path, files, info)


def program(folder: Path, name: str, version: str, script: str) -> Path:
    """Write a package of one program, which runs as it stands."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}-{version}.data/scripts/{name}": script,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    return zipped(path, files, info)


def zipped(path: Path, files: dict[str, str], described: str) -> Path:
    """Write a wheel's files, and their list."""
    listed = {
        **files,
        f"{described}/RECORD": "".join(f"{one},,\n" for one in [*files, f"{described}/RECORD"]),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in listed.items():
            info = zipfile.ZipInfo(file)  # of 1980: the same bytes each time
            info.external_attr = 0o100755 << 16
            archive.writestr(info, text)
    return path


def source(folder: Path, name: str, version: str, setup: str) -> Path:
    """Write a package that is published as source alone; ``setup`` runs where it is built."""
    path = folder / f"{name}-{version}.tar.gz"
    # From 2.2 on it is believed without a build, so that it can be locked.
    described = f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in {"setup.py": setup, "PKG-INFO": described}.items():
            info = tarfile.TarInfo(f"{name}-{version}/{file}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


class PackageIndex:
    """Serves a folder's files as they are at the moment, with the hash that they have then."""

    def __init__(self, folder: Path) -> None:
        """Serve a folder, once entered."""
        self.folder = folder
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, folder))

    @property
    def url(self) -> str:
        """What an installer is given as its index."""
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def __enter__(self) -> "PackageIndex":
        """Listen."""
        Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, folder: Path, *arguments: object) -> None:
        self._folder = folder
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        if parts[0] == "files" and (self._folder / parts[-1]).is_file():
            self._send((self._folder / parts[-1]).read_bytes(), "application/octet-stream")
        elif parts[0] == "simple" and (found := self._files_of(parts[-1])):
            links = "".join(f'<a href="/files/{file}#sha256={of}">{file}</a>' for file, of in found)
            self._send(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
        else:
            self.send_error(404, html.escape(self.path))

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def _files_of(self, name: str) -> list[tuple[str, str]]:
        files = [
            one for one in sorted(self._folder.iterdir())
            if one.name.split("-")[0].replace("_", "-") == name
        ]  # fmt: skip
        return [(one.name, hashlib.sha256(one.read_bytes()).hexdigest()) for one in files]

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
