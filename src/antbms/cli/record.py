"""`antbms record`: read again and again, and keep all that crosses the link."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click
from msgspec import Struct

from ..errors import FileError, NoAnswer
from .device import LONGEST, Seconds, check_new, device_arguments, opened, redact_option

EPILOG = """\b
Examples:
  antbms record sim: out.cap --count 3
  antbms record COM5 out.cap --duration 60
  antbms record /dev/ttyUSB0 out.cap           until Ctrl-C
  antbms record COM5 out.cap --redact          for a public report
  antbms decode out.cap                        look at it
  antbms read replay:out.cap                   read it like a battery

A reading that gets no answer is noted and the recording goes on: what came instead is worth keeping. The exit status
is 0 if there was at least one reading, 1 if there was none or the link was lost, and 130 after Ctrl-C; the file is
complete in every case.
"""
_AGAIN = "\r"
"""Begins the line of progress anew; what follows is never shorter."""


class Tally(Struct):
    """What a recording has so far."""

    readings: int = 0
    failed: int = 0

    def __str__(self) -> str:
        readings = f"{self.readings} reading{'' if self.readings == 1 else 's'}"
        return f"{readings}, {self.failed} without an answer" if self.failed else readings


@click.command(epilog=EPILOG)
@device_arguments
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--duration", type=Seconds(min=0), metavar="S", help="Stop after this many seconds.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Stop after this many readings.")
@click.option(
    "--every",
    type=Seconds(min=0, max=LONGEST),
    default=1.0,
    metavar="S",
    help="Seconds from one reading to the next (1).",
)
@redact_option
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
def command(
    device: str,
    protocol: str | None,
    options: dict[str, str],
    file: Path,
    duration: float | None,
    count: int | None,
    every: float,
    force: bool,
) -> None:
    """Write the traffic with a battery to a file, reading it every second.

    The file is text, one line a chunk; `antbms decode` explains it. It holds the battery's name and serial number,
    where the battery tells them, and never a password. --redact leaves the address out.
    """
    from .run import run

    if force and file.exists() and not file.is_file():
        raise FileError(f"{file}: is no file that could be overwritten", "Next: choose another name.")
    before = _set_aside(file) if force and file.exists() else None
    check_new(file, "Choose another name, or overwrite it with --force.")
    tally = Tally()
    try:
        run(_record(tally, device, protocol, options, file, duration, count, every))
    finally:
        recorded = file.exists()
        if before is not None and recorded:
            before.unlink()
        elif before is not None:  # the battery could not be reached: the old recording stays
            before.rename(file)
        if recorded:
            click.echo(f"{_AGAIN if sys.stderr.isatty() else ''}antbms: {file}: {tally}", err=True)


def _set_aside(file: Path) -> Path:
    """Give a file another name beside its own, which is free then."""
    import tempfile

    handle, name = tempfile.mkstemp(prefix=f"{file.name}.", dir=file.parent)
    os.close(handle)
    return file.replace(name)


async def _record(
    tally: Tally,
    device: str,
    protocol: str | None,
    options: Mapping[str, str],
    file: Path,
    duration: float | None,
    count: int | None,
    every: float,
) -> None:
    """Poll until `duration` or `count` is reached. A reading that is due late is not made up for."""
    end = time.monotonic() + duration if duration is not None else float("inf")
    last: NoAnswer | None = None
    async with opened(device, protocol=protocol, options=options, record=file, until_open=True) as battery:
        while True:
            due = time.monotonic() + every
            try:
                await battery.read()
                tally.readings += 1
            except NoAnswer as error:
                tally.failed += 1
                last = error
            _progress(tally)
            if (count and tally.readings + tally.failed >= count) or min(due, end) >= end:
                break
            await asyncio.sleep(due - time.monotonic())
    if last and not tally.readings:
        raise last


def _progress(tally: Tally) -> None:
    if sys.stderr.isatty():
        click.echo(f"{_AGAIN}{tally} ", nl=False, err=True)
