"""A file that the system holds for one process, and lets go however the process ends: nothing stale stays behind."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import BinaryIO

LOCKED_AT = 1 << 30
"""The byte that Windows locks, far behind the content: what is locked there, nobody else can read."""


def hold(path: Path) -> BinaryIO | None:
    """The file, held until it is closed; None if it is held already, by another process or by this one.

    What stands in it stays. Raises `OSError` if it cannot be made, or a file system cannot hold files.
    """
    file = path.open("a+b", buffering=0)
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(LOCKED_AT)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EDEADLK):
                    raise
                file.close()
                return None
            file.seek(0)
        else:
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return None
    except BaseException:
        file.close()
        raise
    return file
