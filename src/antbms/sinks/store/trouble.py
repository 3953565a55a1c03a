"""What SQLite says went wrong, in our words and with the way out; and what becomes of a damaged file."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from .layout import FIRST

SIDES = ("-wal", "-shm", "-journal")
"""Files that SQLite keeps beside a database: they belong to it."""
MAGIC = b"SQLite format 3\0"
OURS = FIRST.strip().partition("(")[0].encode()
"""How the definition of our first table begins: it outlives a damaged head."""
HEAD = 1 << 18
"""Bytes that are searched for it: tables are defined in the first pages."""
LITTLE = 1 << 16
"""Bytes: a disk with less is full, for SQLite needs several pages and an index of its journal."""


class Trouble(NamedTuple):
    """A state of the file: what is wrong, and the way out."""

    text: str
    hint: str


_WAIT = "Readings wait in memory until then; the oldest go when that is full."

TROUBLES: dict[int, Trouble] = {
    sqlite3.SQLITE_FULL: Trouble("the disk is full", f"Next: make room on it. {_WAIT}"),
    sqlite3.SQLITE_READONLY: Trouble(
        "cannot be written: it is read-only", f"Next: look at the rights of the file, of its folder and disk. {_WAIT}"
    ),
    sqlite3.SQLITE_CANTOPEN: Trouble(
        "cannot be opened", f"Next: look whether it is a file, and who may write there. {_WAIT}"
    ),
    sqlite3.SQLITE_PERM: Trouble("cannot be written: not permitted", f"Next: look at the rights of the file. {_WAIT}"),
    sqlite3.SQLITE_BUSY: Trouble(
        "another program holds it", f"Next: end that program, or let each write to a file of its own. {_WAIT}"
    ),
    sqlite3.SQLITE_LOCKED: Trouble("another program holds it", f"Next: end that program. {_WAIT}"),
    sqlite3.SQLITE_IOERR: Trouble(
        "the disk reports an error", f"Next: look at the disk, and whether it is full or was removed. {_WAIT}"
    ),
}
"""By SQLite's primary result code. Damage is not among them: see `is_damage`."""


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where there is none."""
    code: int = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF


def trouble_of(error: sqlite3.Error, file: Path) -> Trouble:
    """Of errors that are no damage. Where SQLite only knows that something failed, we look at the folder."""
    code = code_of(error)
    folder = file.absolute().parent
    with suppress(OSError):
        if code == sqlite3.SQLITE_IOERR and shutil.disk_usage(folder).free < LITTLE:
            code = sqlite3.SQLITE_FULL
        elif code == sqlite3.SQLITE_CANTOPEN and not folder.is_dir():
            return Trouble("its folder does not exist", f"Next: make the folder {folder}. {_WAIT}")
        elif code == sqlite3.SQLITE_CANTOPEN and not os.access(folder, os.W_OK):
            code = sqlite3.SQLITE_READONLY
    known = TROUBLES.get(code)
    return known or Trouble(f"the database fails: {error}", f"Next: look at the file and its disk. {_WAIT}")


def is_damage(error: sqlite3.Error, file: Path) -> bool:
    """Whether the file is damaged, and was a database: a file that never was one is somebody's, and is left alone."""
    code = code_of(error)
    return code == sqlite3.SQLITE_CORRUPT or (code == sqlite3.SQLITE_NOTADB and _was_database(file))


def is_foreign(error: sqlite3.Error) -> bool:
    """Whether the file is no database."""
    return code_of(error) == sqlite3.SQLITE_NOTADB


def move_aside(file: Path, now: datetime) -> Path:
    """Give a damaged database, and all that belongs to it, another name, and return that. Raises `OSError`."""
    kept = file.with_name(f"{file.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
    number = 1
    while kept.exists():
        number += 1
        kept = kept.with_name(f"{file.name}.damaged-{now:%Y%m%dT%H%M%SZ}-{number}")
    file.replace(kept)
    for side in SIDES:
        if (beside := Path(f"{file}{side}")).exists():
            beside.replace(f"{kept}{side}")
    return kept


def _was_database(file: Path) -> bool:
    """SQLite's mark is at its beginning, or SQLite's journal lies beside it, or our own table stands in it."""
    try:
        with file.open("rb") as data:
            head = data.read(HEAD)
    except OSError:
        return False
    return head.startswith(MAGIC) or OURS in head or Path(f"{file}-wal").exists()
