"""Files of lines that are continued: what is in them already, lines of CSV for them, and how they are added."""

from __future__ import annotations

import csv
import errno
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from .model import QUANTITIES

NO_TABLE: Final = ["(no table)"]
"""The columns of a file that is no CSV: those of no battery."""


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """Lines as RFC 4180 has them, but for their ends, which are `\\n`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def columns_in(file: BinaryIO) -> list[str]:
    """The columns of a CSV file, which is at its beginning; none if it is empty."""
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    try:
        return next(csv.reader(text), [])
    except csv.Error:  # a first line that is far too long
        return NO_TABLE
    finally:
        text.detach()


def is_torn(file: BinaryIO) -> bool:
    """Whether the last line has no end, as after a crash. Leaves the file at its end."""
    if not file.seek(0, io.SEEK_END):
        return False
    file.seek(-1, io.SEEK_END)
    return file.read() != b"\n"


def append(path: Path, data: bytes) -> int:
    """Add to the end of a file, which is made if need be: all of it or nothing. Returns its size. Raises `OSError`."""
    with path.open("ab", buffering=0) as file:
        size = file.seek(0, io.SEEK_END)
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, "no space left on device")
        except OSError:
            file.truncate(size)
            raise
    return size + len(data)


def fixed(columns: Iterable[str]) -> Iterator[str]:
    """Those that a battery has always: without details."""
    return (name for name in columns if name not in QUANTITIES or not QUANTITIES[name].detail)
