"""`antbms read`: one snapshot, as a picture, as JSON, as CSV, or one value of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .device import check_new, device_arguments, json_option, opened, record_option

if TYPE_CHECKING:
    from ..model import Snapshot

EPILOG = """\b
Examples:
  antbms read sim:                     a simulated battery
  antbms read COM5                     the Bluetooth COM port of a battery (Windows)
  antbms read /dev/ttyUSB0 --json      for programs
  antbms read COM5 --field soc         one bare value, for scripts
  antbms read COM5 --field cells.3     the third cell
  antbms read COM5 --protocol ant      quicker: no search for the protocol
  antbms read replay:garage.cap        from a recording

A current above 0 charges the battery. --field takes any name of the JSON output, joined by dots, such as
temperatures.mosfet, switches.charge.on or details.humidity; it prints an empty line where the value is not known.
"""


@click.command(epilog=EPILOG)
@device_arguments
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="A line of column names and a line of values.")
@click.option("--field", metavar="NAME", help="One bare value.")
@record_option
def command(
    device: str,
    protocol: str | None,
    options: dict[str, str],
    as_json: bool,
    as_csv: bool,
    field: str | None,
    record: Path | None,
) -> None:
    """Read a battery once and show all that it says.

    DEVICE is a serial port (COM5, /dev/ttyUSB0), socket://host:port, sim:, replay:FILE …; `antbms scan` lists ports.
    """
    from .run import run

    if as_json + as_csv + (field is not None) > 1:
        raise UsageError("read: --json, --csv and --field exclude each other")
    if field is not None:
        from .field import check_name

        check_name(field)
    check_new(record)
    snapshot = run(_read(device, protocol, options, record))
    if as_json:
        click.echo(snapshot.to_json())
    elif as_csv:
        click.echo(csv_lines(snapshot), nl=False)
    elif field is not None:
        from .field import value_of

        click.echo(value_of(snapshot, field))
    else:
        from .picture import show

        show(snapshot)


async def _read(device: str, protocol: str | None, options: Mapping[str, str], record: Path | None) -> Snapshot:
    async with opened(device, protocol=protocol, options=options, record=record) as battery:
        return await battery.read()


def csv_lines(snapshot: Snapshot) -> str:
    """Names and values as RFC 4180 has them, apart from the line ends, which are those of the system."""
    from ..csv_lines import csv_text
    from ..model.flat import as_text, flatten

    row = flatten(snapshot)
    return csv_text([row, map(as_text, row.values())])
