"""`antbms services`: what a Bluetooth LE device offers, for modules that nobody knows yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from ..errors import UsageError
from .device import json_option, look_up, options_option
from .progress import Progress

if TYPE_CHECKING:
    from bleak.backends.service import BleakGATTServiceCollection
    from rich.console import RenderableType

EPILOG = """\b
Examples:
  antbms services ble:AA:BB:CC:DD:EE:FF
  antbms services ble:ANT-BLE16ZMUB --json

A battery talks through one characteristic that notifies and one that can be written, which may be the same. The last
line says which ones antbms uses; if none, attach all of it to a report. Nothing is read or written.
"""
NOTHING = "antbms uses none of them: this device has no service of a known kind"


class Row(Struct, frozen=True):
    """A characteristic. name: of the standard, if it has one; use: what antbms does with it."""

    service: str
    characteristic: str
    handle: int
    properties: list[str]
    name: str | None
    use: list[str]


@click.command(epilog=EPILOG)
@click.argument("device")
@options_option
@json_option
def command(device: str, options: dict[str, str], as_json: bool) -> None:
    """List the services and characteristics of a Bluetooth LE device.

    DEVICE is ble:ADDRESS or ble:NAME; `antbms scan` lists them.
    """
    from .run import run

    with Progress() as progress:
        progress(f"connecting to {device}")
        rows = run(_rows(device, options))
    if as_json:
        from msgspec.json import encode

        for row in rows:
            click.echo(encode(row).decode())
    else:
        from .paper import show

        show(lambda width, _: _picture(rows, width))


async def _rows(device: str, options: Mapping[str, str]) -> list[Row]:
    import asyncio

    from ..timing import DEFAULT
    from ..transport import parse_address
    from ..transport.ble import connection, in_words
    from ..transport.ble_scan import turn

    known = look_up(device, None, options)
    where = parse_address(known.address, known.options)
    if where.scheme != "ble":
        raise UsageError(f"{device}: only Bluetooth LE devices have services", "Next: antbms scan --kind ble")
    async with turn(where.options.get("adapter")):
        with in_words(where, DEFAULT):
            async with asyncio.timeout(DEFAULT.open), connection(where, DEFAULT, lambda: None) as (client, _):
                return list(_listed(client.services))


def _listed(services: BleakGATTServiceCollection) -> Iterator[Row]:
    from ..transport.gatt import find_channel

    channel = find_channel(services)
    for service in services:
        for item in service.characteristics:
            uses = {"notify": channel and channel.notify, "write": channel and channel.write}
            yield Row(
                service.uuid,
                item.uuid,
                item.handle,
                sorted(item.properties),
                None if item.description in ("Unknown", "Vendor specific") else item.description,
                [use for use, ours in uses.items() if ours is item],
            )


def _picture(rows: list[Row], width: int) -> Iterable[RenderableType]:
    """A line a service, and below it a line a characteristic."""
    from rich.text import Text

    from ..transport.gatt import short
    from .paper import INDENT, Column, joined, table

    places, uses, properties = list[Text](), list[Text](), list[Text]()
    service = None
    for row in rows:
        if row.service != service:
            service = row.service
            places.append(Text(short(service), "bold"))
            uses.append(Text(""))
            properties.append(Text(""))
        places.append(Text(INDENT + short(row.characteristic), "green" if row.use else ""))
        uses.append(Text(", ".join(row.use), "green"))
        properties.append(joined(Text(", ".join(row.properties)), Text(row.name or "", "dim")))
    if rows:
        columns = [Column("Service, characteristic", places), Column("Used to", uses)]
        yield table(columns, Column("Properties", properties), width)
    if not any(row.use for row in rows):
        yield Text(NOTHING, "yellow")
