"""Kill this process before the n-th change that it makes in a folder; Python loads it by itself.

`KILL_IN` is the folder and `KILL_AT` the number; with 0 the changes are only written to the file
`KILL_LOG`. A file that is about to get its final name counts twice: the second time it is first cut
to half of its size, as it is while it is written.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

_FOLDER, _AT, _LOG = (os.environ.get(f"KILL_{name}", "") for name in ("IN", "AT", "LOG"))
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_number = 0


def _change(event: str, path: Path) -> None:
    global _number
    _number += 1
    if _AT == "0":
        descriptor = os.open(_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{_number} {event} {os.path.relpath(path, _FOLDER)}\n".encode())
        os.close(descriptor)
    elif _number == int(_AT):
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _CHANGES and event != "open":
        return
    path, *rest = arguments
    if not isinstance(path, str | bytes | os.PathLike):
        return
    path = Path(os.fsdecode(path)).absolute()
    if not path.is_relative_to(_FOLDER) or "logs" in path.parts:
        return
    if event == "open" and not (rest[1] or 0) & _WRITING:
        return
    _change(event, path)
    if event == "os.rename" and path.is_file():
        if _number + 1 == int(_AT):
            os.truncate(path, path.stat().st_size // 2)
        _change("half", path)


if _FOLDER:
    sys.addaudithook(_watch)
