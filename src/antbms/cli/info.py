"""`antbms info`: who a battery says it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .device import check_new, device_arguments, json_option, opened, record_option

if TYPE_CHECKING:
    from ..model import DeviceInfo

EPILOG = """\b
Examples:
  antbms info sim:
  antbms info COM5
  antbms info /dev/ttyUSB0 --json

Nothing is written to the battery. What it does not tell without a write is shown as "-".
"""


@click.command(epilog=EPILOG)
@device_arguments
@json_option
@record_option
def command(device: str, protocol: str | None, options: dict[str, str], as_json: bool, record: Path | None) -> None:
    """Show model, versions and serial number of a battery."""
    from .run import run

    check_new(record)
    info = run(_info(device, protocol, options, record))
    if as_json:
        click.echo(info.to_json())
        return
    for name, value in info.to_dict().items():
        label = name.replace("_", " ").capitalize()
        click.echo(f"{click.style(f'{label:<14}', dim=True)}{'-' if value is None else value}")


async def _info(device: str, protocol: str | None, options: Mapping[str, str], record: Path | None) -> DeviceInfo:
    async with opened(device, protocol=protocol, options=options, record=record) as battery:
        return await battery.info()
