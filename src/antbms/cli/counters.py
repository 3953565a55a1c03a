"""`antbms counters`: how often each protection of a battery has acted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from .device import check_new, device_arguments, json_option, opened, record_option

EPILOG = """\b
Examples:
  antbms counters sim:
  antbms counters COM5
  antbms counters /dev/ttyUSB0 --json

What the board counts beside its protections, such as charges or restarts, is shown as well. Boards of ant-legacy do not
tell.
"""


@click.command(epilog=EPILOG)
@device_arguments
@json_option
@record_option
def command(device: str, protocol: str | None, options: dict[str, str], as_json: bool, record: Path | None) -> None:
    """Show how often each protection of a battery has acted."""
    from .run import run

    check_new(record)
    counters = run(_counters(device, protocol, options, record))
    if as_json:
        from msgspec.json import encode

        click.echo(encode(counters).decode())
        return
    label = max(map(len, counters), default=0)
    width = max((len(str(count)) for count in counters.values()), default=0)
    for name, count in counters.items():
        words = name.replace("_", " ").replace("mosfet", "MOSFET")
        click.echo(click.style(f"{words[:1].upper()}{words[1:]:<{label}} {count:>{width}}", dim=not count))


async def _counters(
    device: str, protocol: str | None, options: Mapping[str, str], record: Path | None
) -> dict[str, int]:
    async with opened(device, protocol=protocol, options=options, record=record) as battery:
        return await battery.counters()
