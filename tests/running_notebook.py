"""Execute a notebook as Kaggle does, and press its interrupt button at a line of standard input.

    python tests/running_notebook.py NOTEBOOK OUTPUT

What its cells print is printed as it comes; OUTPUT is the notebook as it would be saved.
"""

import asyncio
import sys
import threading
from typing import Any

import nbformat
from nbclient import NotebookClient


class Heard(NotebookClient):
    """Tells what cells print while they run, which nbclient does not."""

    def output(self, outs: list[Any], msg: dict[str, Any], *rest: Any) -> Any:
        sys.stdout.write(msg["content"].get("text", ""))
        sys.stdout.flush()
        return super().output(outs, msg, *rest)


def main() -> int:
    notebook = nbformat.read(sys.argv[1], as_version=4)  # type: ignore[no-untyped-call]
    client = Heard(notebook, timeout=300)
    threading.Thread(target=interrupt_at_a_line, args=[client], daemon=True).start()
    try:
        client.execute()
    finally:
        nbformat.write(notebook, sys.argv[2])  # type: ignore[no-untyped-call]
    return 0


def interrupt_at_a_line(client: NotebookClient) -> None:
    sys.stdin.readline()
    kernel: Any = client.km
    asyncio.run(kernel.interrupt_kernel())


if __name__ == "__main__":
    sys.exit(main())
