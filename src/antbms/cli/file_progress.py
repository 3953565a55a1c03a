"""A bar on standard error for a file whose reading takes longer than a moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BufferedReader
from time import monotonic
from typing import TYPE_CHECKING

from ..capture import Chunk
from .device import PATIENCE

if TYPE_CHECKING:
    from rich.progress import Progress

OFTEN = 1024
"""Chunks after which it is looked at the clock."""
EVERY = 0.1
"""s from one picture of the bar to the next."""


def watched(chunks: Iterator[Chunk], file: BufferedReader) -> Iterator[Chunk]:
    """Hand on the chunks of a file, and show how much of it has been read. A pipe has no size, and gets no bar."""
    size = os.fstat(file.fileno()).st_size
    if not size:
        yield from chunks
        return
    due = monotonic() + PATIENCE
    bar: Progress | None = None
    try:
        for number, chunk in enumerate(chunks):
            yield chunk
            if number % OFTEN or monotonic() < due:
                continue
            if bar is None:
                bar = _bar(os.path.basename(file.name), size)  # noqa: PTH119
            bar.update(bar.task_ids[0], completed=file.tell(), refresh=True)
            due = monotonic() + EVERY
    finally:
        if bar is not None:
            bar.stop()


def _bar(name: str, size: int) -> Progress:
    """Drawn when it is told to, by no thread of its own; it leaves nothing behind."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import TransferSpeedColumn as Speed

    columns = (TextColumn("{task.description}"), BarColumn(None), TaskProgressColumn(), Speed(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False, expand=True)
    bar.add_task(name, total=size)
    bar.start()
    return bar
