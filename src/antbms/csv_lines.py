"""Files of lines that are continued: what is in them already, and lines of CSV for them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from .model import QUANTITIES


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """Lines as RFC 4180 has them, but for their ends, which are `\\n`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def columns_in(file: BinaryIO) -> list[str]:
    """The columns of a CSV file, which is at its beginning; none if it is empty."""
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    columns = next(csv.reader(text), [])
    text.detach()
    return columns


def is_torn(file: BinaryIO) -> bool:
    """Whether the last line has no end, as after a crash. Leaves the file at its end."""
    if not file.seek(0, io.SEEK_END):
        return False
    file.seek(-1, io.SEEK_END)
    return file.read() != b"\n"


def fixed(columns: Iterable[str]) -> Iterator[str]:
    """Those that a battery has always: without details."""
    return (name for name in columns if name not in QUANTITIES or not QUANTITIES[name].detail)
