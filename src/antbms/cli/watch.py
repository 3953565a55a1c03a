"""`antbms watch`: a battery live on the terminal, or its readings as JSON lines or CSV."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .device import LONGEST, Seconds, device_arguments, json_option, look_up

if TYPE_CHECKING:
    from ..model import Event
    from ..watching import Watch
    from .csv_log import CsvLog

EPILOG = """\b
Examples:
  antbms watch sim:                              live, until Ctrl-C
  antbms watch COM5 --every 5 --json             a line of JSON every 5 s
  antbms watch COM5 --csv garage.csv --every 60  a line a minute, for a spreadsheet
  antbms watch sim: --json --count 3             three readings, then an end

On a terminal it is shown live also while it is written to a CSV file; with TERM=dumb as a line a reading.
It connects again by itself for as long as it takes. In JSON, a line with `reason` says that the battery cannot be read.
A CSV file that exists is continued if it has the same columns, also by another battery: each row names its own.
If a row cannot be written, as on a full disk, it ends. `antbms monitor` with [files] in its configuration goes on.
"""

Show = Callable[["Event"], None]


@click.command(epilog=EPILOG)
@device_arguments
@json_option
@click.option("--csv", "csv", type=click.Path(path_type=Path), metavar="FILE", help="Append to this CSV file.")
@click.option(
    "--every",
    type=Seconds(0.1, LONGEST),
    default=1.0,
    metavar="SECONDS",
    help="Between two readings (1 s if not given).",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many readings.")
def command(
    device: str,
    protocol: str | None,
    options: dict[str, str],
    as_json: bool,
    csv: Path | None,
    every: float,
    count: int | None,
) -> int:
    """Show a battery live, or log it as JSON lines or CSV.

    DEVICE is what `antbms read` takes.
    """
    from .run import run

    if as_json and csv is not None:
        raise UsageError("watch: --json and --csv exclude each other")
    if csv == Path("-"):
        raise UsageError("watch: --csv needs a file", "Next: --csv garage.csv; or for another program, --json.")
    return run(_watch(device, protocol, options, every, count, as_json, csv))


async def _watch(
    device: str,
    protocol: str | None,
    options: Mapping[str, str],
    every: float,
    count: int | None,
    as_json: bool,
    csv: Path | None,
) -> int:
    import antbms

    from .csv_log import CsvLog
    from .drawing import is_screen
    from .stop import stopping

    known = look_up(device, protocol, options)
    notes: list[str] = []
    is_live = not as_json and is_screen()
    on_note = notes.append if is_live else _note
    watch = antbms.watch(
        known.address,
        every,
        name=known.name,
        protocol=known.protocol,
        options=known.options,
        on_note=on_note,
    )
    log = CsvLog(csv, on_note) if csv is not None else None
    with stopping() as stop:
        ending = asyncio.create_task(_close_at(stop, watch))
        try:
            with (
                log or nullcontext(),
                _live(watch, every, notes, log)
                if is_live
                else nullcontext(_lines(watch, log is not None, as_json)) as show,
            ):
                async for event in watch:
                    if log is not None:
                        log(event)
                    show(event)
                    if count is not None and isinstance(event, antbms.Snapshot):
                        count -= 1
                        if not count:
                            break
        finally:
            ending.cancel()
            await watch.close()
    return stop.status


async def _close_at(stop: asyncio.Event, watch: Watch) -> None:
    await stop.wait()
    await watch.close()


def _live(watch: Watch, every: float, notes: list[str], log: CsvLog | None) -> AbstractContextManager[Show]:
    from .live import Session, live

    return live(Session(watch, every, notes, log.status if log is not None else str))


def _lines(watch: Watch, has_log: bool, as_json: bool) -> Show:
    """What is printed: for a program JSON, unless it has a file; on a terminal that can do no more, words."""
    if sys.stdout.isatty() and not as_json:
        from .plain_line import plain_line

        return lambda event: click.echo(plain_line(event)) if not hasattr(event, "reason") else tell(watch, event)
    return (lambda event: tell(watch, event)) if has_log else (lambda event: click.echo(event.to_json()))


def tell(watch: Watch, event: Event) -> None:
    """Say on standard error that a battery cannot be read, and what may help."""
    reason = getattr(event, "reason", None)
    if reason is not None:
        hints = watch.error.hints if watch.error is not None else ()
        _note("\n  ".join((f"{watch.name}: offline: {reason}", *hints)))


def _note(text: str) -> None:
    click.echo(f"antbms: {text}", err=True)
