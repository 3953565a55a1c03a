"""A disk that gets full while a file is appended to."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

ROOM = 10
"""Bytes that still fit."""


class Failing:
    """A file on such a disk. quietly: it says only how much fitted, as the system does the first time."""

    def __init__(self, file: Any, *, quietly: bool) -> None:
        self._file = file
        self._quietly = quietly

    def __enter__(self) -> "Failing":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: bytes) -> int:
        fitted: int = self._file.write(text[:ROOM])
        if not self._quietly and text:
            raise OSError(errno.ENOSPC, "No space left on device")
        return fitted


@contextmanager
def full_disk(name: str, *, quietly: bool = False) -> Iterator[None]:
    """What is appended to files of this name does not fit."""
    opened = Path.open

    def open_full(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        file = opened(self, mode, *args, **options)
        return Failing(file, quietly=quietly) if mode == "ab" and self.name == name else file

    with mock.patch.object(Path, "open", open_full):
        yield
