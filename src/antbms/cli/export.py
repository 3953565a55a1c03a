"""`antbms export`: readings of a store as CSV or JSON lines, as many as there are."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from ..errors import FileError, UsageError
from .device import check_new, json_option
from .stored import RESOLUTIONS, battery_named, span_of, store_file, store_options

if TYPE_CHECKING:
    from ..history import Resolution, Rollup
    from ..model import Snapshot

EPILOG = """\b
Examples:
  antbms export --store garage.db > all.csv                        every reading that is kept
  antbms export year.csv --battery garage --from -1y --resolution hour
  antbms export --json --from yesterday --to yesterday | gzip > day.jsonl.gz

Every line is one reading, or one minute or hour: then measurements have a minimum, a mean and a maximum, counters and
states their last value, and alarms are all that occurred. Times are UTC. The store is --store FILE, else
what ANTBMS_STORE names, else that of the configuration; nothing is changed in it. `antbms history --help` tells how a
TIME is written.
"""


@click.command(epilog=EPILOG)
@click.argument(
    "output", metavar="[FILE]", required=False, type=click.Path(dir_okay=False, allow_dash=True, path_type=Path)
)
@store_options
@click.option("--battery", "batteries", multiple=True, metavar="NAME", help="Only this one. May be repeated.")
@click.option("--resolution", type=click.Choice(RESOLUTIONS), default="raw", help="What a line is (raw).")
@json_option
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
def command(
    output: Path | None,
    store: Path | None,
    since: str | None,
    until: str | None,
    batteries: tuple[str, ...],
    resolution: Resolution,
    as_json: bool,
    force: bool,
) -> None:
    """Write what a store knows, as CSV or lines of JSON, to FILE or to standard output.

    Without FILE, or with -, it goes to standard output.

    It is CSV unless --json is given. The whole store, unless --battery, --from and --to say less.
    """
    from .. import history

    if output == Path("-"):
        output = None
    file = store_file(store)
    known = history.batteries(file)
    if not known:
        raise FileError(f"{file}: no battery is in this store yet", "Next: antbms monitor DEVICE --store FILE")
    chosen = [battery_named(known, name) for name in dict.fromkeys(batteries)] or known
    start, end = span_of(chosen, since, until)
    if output is not None:
        if any(str(output) == stored.name for stored in known):
            raise UsageError(f"{output}: is a battery of this store", f"Next: --battery {output}, and a FILE besides.")
        _check_output(output, file, force)
    names = [stored.name for stored in chosen]
    records = _records(file, names, start, end, resolution)
    with _opened(output) as target:
        if as_json:
            for record in records:
                target.write(f"{record.to_json()}\n")
        else:
            _write_csv(target, history.columns(file, names, resolution), records)


def _check_output(output: Path, store: Path, force: bool) -> None:
    """Raise `FileError` for a file that exists, and `UsageError` for the store itself, whatever was said."""
    parts = (store, *(store.with_name(f"{store.name}-{part}") for part in ("wal", "shm")))
    if output.exists() and any(part.exists() and output.samefile(part) for part in parts):
        raise UsageError(f"{output}: is the store itself", "Next: give another file.")
    if not force:
        is_stream = str(output).startswith("/dev/")
        check_new(
            output,
            "For standard output: antbms export -"
            if is_stream
            else "Choose another name, or overwrite it with --force.",
        )


def _records(
    file: Path, names: Sequence[str], start: datetime, end: datetime, resolution: Resolution
) -> Iterator[Snapshot | Rollup]:
    """One battery after the other."""
    from .. import history

    for name in names:
        if resolution == "raw":
            yield from history.snapshots(file, name, start, end)
        else:
            yield from history.rollups(file, name, start, end, resolution)


def _row(record: Snapshot | Rollup) -> dict[str, Any]:
    from ..model import Snapshot
    from ..model.flat import flatten

    return flatten(record) if isinstance(record, Snapshot) else record.flatten()


def _write_csv(target: TextIO, columns: Sequence[str], records: Iterable[Snapshot | Rollup]) -> None:
    from ..model.flat import as_text

    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        row = _row(record)
        writer.writerow([as_text(row.get(name)) for name in columns])


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or a new file, which takes the name of an old one when it is whole. Raises `FileError`."""
    if output is None:
        yield cast(io.TextIOWrapper, sys.stdout)
        return
    is_device = output.exists() and not output.is_file()
    part = output if is_device else output.resolve().with_name(f"{output.name}.{os.getpid()}.part")
    try:
        with part.open("w" if is_device else "x", encoding="utf-8", newline="") as target:
            yield target
        if not is_device:
            part.replace(output.resolve())
    except OSError as error:
        raise FileError(f"{output}: {(error.strerror or str(error)).lower()}") from error
    finally:
        if not is_device:
            part.unlink(missing_ok=True)
