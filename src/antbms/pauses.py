"""Batteries that a running monitor shall let go of for a while, so that the phone or another program may use them.

A small file, which `antbms pause` writes and the monitor looks at: so it works on every platform, whoever runs the
monitor, and a pause ends by itself.
"""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from .errors import FileError

FILE: Final = "paused.json"
"""In the folder of the monitor's state."""

TRIES: Final = 20
AGAIN: Final = 0.05
"""s between two attempts to replace the file: Windows refuses while the monitor reads it."""

_Pauses = dict[str, datetime]


def read(path: Path, now: datetime) -> dict[str, datetime]:
    """Name → until when, of the pauses that are not over. A file that makes no sense holds none: batteries are read.

    Raises `OSError` if it cannot be read now: on Windows, while it is being replaced.
    """
    try:
        pauses = msgspec.json.decode(path.read_bytes(), type=_Pauses)
        return {name: until for name, until in pauses.items() if until > now}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (TypeError, msgspec.MsgspecError):  # a time without a zone is not compared with one that has it
        return {}


def change(path: Path, name: str, until: datetime | None, now: datetime) -> bool:
    """Let a pause last until then, or end it with None; returns whether there was one. Raises `FileError`."""
    try:
        pauses = read(path, now)
        known = pauses.pop(name, None) is not None
        if until is not None:
            pauses[name] = until
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{os.getpid()}")
        new.write_bytes(msgspec.json.encode(pauses))
        _replace(new, path)
    except OSError as error:
        raise FileError(
            f"{path}: {(error.strerror or str(error)).lower()}",
            "The monitor's user must be able to read it there, and you to write it: with systemd, use sudo and"
            " ANTBMS_STATE=/var/lib/antbms.",
        ) from error
    return known


def _replace(new: Path, path: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            new.replace(path)
        except PermissionError:
            if not left:
                new.unlink(missing_ok=True)
                raise
            time.sleep(AGAIN)
        else:
            return
