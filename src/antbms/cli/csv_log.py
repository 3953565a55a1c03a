"""Appends readings to a CSV file, so that a file from before is continued and never spoiled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ..csv_lines import append, columns_in, csv_text, fixed, is_torn
from ..errors import FileError, UsageError
from ..model import Event, Snapshot
from ..model.flat import as_text, flatten
from .wording import several

SHOWN = 4
"""Columns that an error names."""


class CsvLog:
    """A context that is called with each event. Only readings become rows. on_note: told what is worth a remark.

    The first reading of a new file makes its columns. A file that exists must have those of this battery; details may
    differ, as a device does not report all of them always. A last line that was torn is ended first; if it was the line
    of the columns, it is completed. Every row is with the system before the next reading. Raises `FileError`, and
    `UsageError` if the columns are others.
    """

    def __init__(self, path: Path, on_note: Callable[[str], None]) -> None:
        self._path = path
        self._on_note = on_note
        self._count = 0
        self._columns: list[str] = []
        self._torn = b""  # what ends a line that was torn
        self._is_new = self._is_checked = False
        self._left_out: set[str] = set()

    def __enter__(self) -> CsvLog:
        with self._in_words():
            # A device or pipe may have no end: what it holds cannot be read first, nor continued.
            if self._path.exists() and not self._path.is_file() and not self._path.is_dir():
                raise UsageError(
                    f"{self._path}: is a device or a pipe, and no file that could be continued",
                    "Next: give a file; or for another program, --json without --csv.",
                )
            self._is_new = not self._path.exists()
            append(self._path, b"")  # what cannot be written is told now
            with self._path.open("rb") as before:
                self._columns = columns_in(before)
                self._torn = b"\n" if is_torn(before) else b""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open. A file that got no row, and was not there before, goes."""
        if self._is_new and self._path.is_file() and not self._path.stat().st_size:
            self._path.unlink()

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Snapshot):
            return
        row = flatten(event)
        self._columns = self._columns or list(row)
        if not self._is_checked:
            self._check(row)
        self._leave_out(row.keys() - set(self._columns))
        values = [as_text(row.get(name)) for name in self._columns]
        self._write([values])
        self._count += 1

    def status(self) -> str:
        """What has been written where, in words."""
        return f"{several(self._count, 'row')} appended to {self._path}"

    def _check(self, row: Iterable[str]) -> None:
        """Compare with what the file holds, but for details."""
        self._is_checked = True
        if rest := self._rest_of(csv_text([row]).encode()):
            self._columns, self._torn = list(row), rest
            return
        ours, theirs = list(fixed(row)), list(fixed(self._columns))
        if ours != theirs:
            missing = [name for name in ours if name not in theirs]
            surplus = [name for name in theirs if name not in ours]
            both = (("this battery has", missing), ("the file has", surplus))
            words = "; ".join(f"only {who} {', '.join(names[:SHOWN])}" for who, names in both if names)
            raise UsageError(
                f"{self._path}: has other columns than this battery ({words or 'in another order'})",
                "Next: give another file, one for each battery.",
            )

    def _rest_of(self, header: bytes) -> bytes:
        """What completes the line of the columns, if the file holds only its beginning."""
        with self._in_words():
            if not self._torn or self._path.stat().st_size >= len(header):
                return b""
            before = self._path.read_bytes()
        return header.removeprefix(before) if header.startswith(before) else b""

    def _leave_out(self, names: set[str]) -> None:
        for name in sorted(names - self._left_out):
            self._on_note(f"{self._path}: has no column {name}, so it is left out")
        self._left_out |= names

    def _write(self, rows: Iterable[Iterable[str]]) -> None:
        """In one piece, so that two programs do not mix theirs within a line."""
        with self._in_words():
            if not self._path.exists() or not self._path.stat().st_size:  # new, or taken away meanwhile
                append(self._path, csv_text([self._columns, *rows]).encode())
            else:
                append(self._path, self._torn + csv_text(rows).encode())
            self._torn = b""

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError(f"{self._path}: {(error.strerror or str(error)).lower()}") from error
