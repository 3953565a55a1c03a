"""`antbms scan`: where a battery could be."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from ..transport.ports import Port
from .device import json_option

EPILOG = """\b
Examples:
  antbms scan
  antbms scan --json
  antbms read COM5             then read the battery there

The list comes from the system: no port is opened, nothing is sent. Of the two ports that Windows makes for a Bluetooth
device, a battery answers on the outgoing one.
"""
HEADINGS = ("Port", "Kind", "Description", "Bluetooth device")


@click.command(epilog=EPILOG)
@json_option
def command(as_json: bool) -> None:
    """List the serial ports of this computer, the likeliest first."""
    from ..transport.ports import list_ports

    ports = list_ports()
    if as_json:
        from msgspec.json import encode

        for port in ports:
            click.echo(encode(port).decode())
    elif ports:
        click.echo("\n".join(_table(ports)))
    if not ports:
        click.echo(f"antbms: no serial port is known to this computer\n  {_remedy()}", err=True)


def _table(ports: Iterable[Port]) -> Iterable[str]:
    """Aligned columns; one that is empty for all is left out."""
    rows = [_row(port) for port in ports]
    used = [column for column in range(len(HEADINGS)) if any(row[column] for row in rows)]
    widths = {column: max(len(row[column]) for row in (HEADINGS, *rows)) for column in used}
    for number, row in enumerate((HEADINGS, *rows)):
        line = "  ".join(row[column].ljust(widths[column]) for column in used).rstrip()
        yield click.style(line, dim=number == 0 or row[1] == "bluetooth incoming", bold=row[1] == "bluetooth outgoing")


def _row(port: Port) -> tuple[str, str, str, str]:
    maker = f" ({port.manufacturer})" if port.manufacturer and port.manufacturer not in port.description else ""
    link = f" = {port.link}" if port.link else ""
    device = " ".join(word for word in (port.name, port.address) if word)
    return port.device, port.kind, f"{port.description}{maker}{link}", device


def _remedy() -> str:
    if sys.platform == "win32":
        return "Pair the battery (docs/com-port.md says how), or plug in the USB adapter; then scan again."
    if sys.platform == "darwin":
        return "Pair the battery in the Bluetooth settings, or plug in the USB adapter; then scan again."
    return "Plug in the USB adapter, or bind the battery with rfcomm; then scan again. Without one: antbms read sim:"
