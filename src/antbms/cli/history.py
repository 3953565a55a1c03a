"""`antbms history`: what a store knows of a battery, drawn and in figures, or as lines for programs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import FileError, UsageError
from .device import json_option
from .field import nearest
from .stored import RESOLUTIONS, battery_named, span_of, store_file, store_options

if TYPE_CHECKING:
    from ..history import Point, Resolution, Series, Stored

USUAL = ("soc", "current", "voltage")
"""What is shown if no quantity is named."""
DAY = timedelta(days=1)
"""What is shown if no beginning is given, at most."""

EPILOG = """\b
Examples:
  antbms history --store garage.db                    which batteries, and since when
  antbms history garage                               charge, current and voltage of the last day
  antbms history garage soc --from -90d
  antbms history garage cells.3 cells.4 --from 2026-11-20 --to 2026-11-22
  antbms history garage temperatures --from '2 weeks ago'
  antbms history garage power --from yesterday --csv > power.csv

The store is --store FILE, else what ANTBMS_STORE names, else that of the configuration. Nothing is changed in it, and
a monitor may go on writing.
QUANTITY is a name of the JSON output, such as voltage, cells.3, temperatures.mosfet or humidity; cells and temperatures
mean all of them.

With --csv and --json, a line is a stretch of time: whole seconds, minutes, hours or days, at most 500 of a quantity;
`time` is where it begins. With --resolution, it is a row of the store: a reading at its own time, a minute or an hour.

TIME is an ISO date or time of this place (2026-11-22, '2026-11-22 05:00'; with Z at its end of UTC), a time of today or
yesterday (05:00), so much before now (-24h, '2 days ago'; s, min, h, d, w, y), or now, today, yesterday. A day alone
begins --from and ends --to.
"""


@click.command(epilog=EPILOG)
@click.argument("battery", required=False)
@click.argument("quantities", metavar="[QUANTITY]...", nargs=-1)
@store_options
@click.option(
    "--resolution",
    type=click.Choice(RESOLUTIONS),
    help="Look at these rows; else the finest that are needed. With --csv and --json, print them, one by one.",
)
@json_option
@click.option(
    "--csv", "as_csv", is_flag=True, help="The points as CSV; without --resolution, a point is a round stretch of time."
)
def command(
    battery: str | None,
    quantities: tuple[str, ...],
    store: Path | None,
    since: str | None,
    until: str | None,
    resolution: Resolution | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Draw what a store knows of a battery, and print it in figures.

    BATTERY is its name in the store; without it the batteries are listed. A point of the chart is a stretch of time:
    the line goes through the means, in a band from the lowest to the highest value. Where the battery was not read,
    there is a gap.
    """
    from .. import history

    if as_json and as_csv:
        raise UsageError("history: --json and --csv exclude each other")
    file = store_file(store)
    known = history.batteries(file)
    if battery is None:
        _list(file, known, as_json, as_csv)
        return
    stored = battery_named(known, battery)
    now = datetime.now(UTC)
    start, end = span_of([stored], since, until, DAY, now=now, heard=_heard(file, stored, now))
    names = list(_expanded(stored, quantities or USUAL, history.quantities(file, stored.name, start, end)))

    def ask(points: int = history.POINTS, *, aligned: bool = False) -> list[Series]:
        return [
            history.series(file, stored.name, name, start, end, resolution=resolution, points=points, aligned=aligned)
            for name in names
        ]

    if as_json or as_csv:
        if resolution is not None:
            found = history.rows(file, stored.name, names, start, end, resolution)
        else:
            found = ((series.quantity, point) for series in ask(aligned=True) for point in series.points)
        _print(_points(stored.name, found), as_json)
        return
    from .history_picture import show

    outages = history.outages(file, stored.name, start, end)
    open_ones = [outage for outage in outages if not outage.ended]
    if not show(file, stored, ask, len(names), start, end, outages, now, end if until else max(end, now)):
        from .wording import clock

        words = [clock(moment) for moment in (start, end, stored.first or start, stored.last or end)]
        raise FileError(
            f"{file}: no such readings of {stored.name} from {words[0]} to {words[1]}",
            f"It has readings from {words[2]} to {words[3]}.",
            *(f"Offline since {clock(outage.since)}: {outage.reason}." for outage in open_ones[-1:]),
        )


def _heard(file: Path, stored: Stored, now: datetime) -> datetime | None:
    """When it was said last that the battery is offline, if there is no reading since."""
    from .. import history

    if stored.last is None or stored.last >= now:
        return None
    return max((outage.time for outage in history.outages(file, stored.name, stored.last, now)), default=None)


def _expanded(stored: Stored, names: Sequence[str], within: Sequence[str]) -> Iterator[str]:
    """Names of the battery's quantities, with each cell in place of `cells`. Raises `UsageError`.

    within: those of the span. The members of a group are those, if there are any: the battery may be another one now.
    """
    from .. import history
    from ..model import QUANTITIES

    for name in dict.fromkeys(name.removeprefix("details.") for name in names):
        members = [known for known in stored.quantities if known.startswith(f"{name}.")]
        if not members and name not in stored.quantities:
            if name.partition(".")[0] in QUANTITIES:
                history.quantity_row(name)
                raise UsageError(f"{stored.name}: has no {name}", f"It has: {_names(stored)}.")
            near = _nearest(stored, name)
            raise UsageError(
                f"{name}: there is no such quantity", f"Did you mean {near}?" if near else f"It has: {_names(stored)}."
            )
        yield from [member for member in members if member in within] or members or (name,)


def _nearest(stored: Stored, name: str) -> str | None:
    """The battery's quantity that is meant most likely: `cells.3` for `cell.3`, `temperatures.t1` for `t1`."""
    groups = dict.fromkeys(known.partition(".")[0] for known in stored.quantities)
    for known in stored.quantities:
        if name == known.partition(".")[2] and not name.isdecimal():
            return known
    return next(iter(nearest(name, dict.fromkeys((*stored.quantities, *groups)))), None)


def _names(stored: Stored) -> str:
    """The quantities of a battery, its cells as one."""
    cells = [name for name in stored.quantities if name.startswith("cells.")]
    many = f"{cells[0]} to {cells[-1]}" if len(cells) > 1 else "".join(cells)
    return ", ".join(dict.fromkeys(many if name in cells else name for name in stored.quantities))


def _points(battery: str, found: Iterable[tuple[str, Point]]) -> Iterator[dict[str, Any]]:
    from ..history import quantity_row
    from ..model.records import timestamp

    for name, point in found:
        yield {
            "time": timestamp(point.time),
            "battery": battery,
            "quantity": name,
            "min": point.min,
            "mean": round(point.mean, (quantity_row(name).digits or 0) + 3),
            "max": point.max,
            "count": point.count,
        }


def _list(file: Path, known: Sequence[Stored], as_json: bool, as_csv: bool) -> None:
    """The batteries of a store, and since when they are known."""
    if not known:
        raise FileError(f"{file}: no battery is in this store yet", "Next: antbms monitor DEVICE --store FILE")
    if as_json or as_csv:
        from ..model.records import timestamp

        moments = [(stored, (stored.first, stored.last, stored.raw_since)) for stored in known]
        keys = ("first", "last", "raw_since")
        _print(
            (
                {"battery": stored.name, "protocol": stored.protocol}
                | dict(zip(keys, (timestamp(moment) if moment else None for moment in times), strict=True))
                for stored, times in moments
            ),
            as_json,
        )
        return
    from .history_picture import show_list

    show_list(known)


def _print(records: Iterable[dict[str, Any]], as_json: bool) -> None:
    """A line a record; of CSV, the names first."""
    import msgspec

    if as_json:
        for record in records:
            click.echo(msgspec.json.encode(record).decode())
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, record in enumerate(records):
        if not number:
            writer.writerow(record)
        writer.writerow(record.values())
