"""`antbms command`: tell a battery to restart, to clear its counters, and so on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .asking import check_can_ask, confirm, dangerous_option, with_password, yes_option
from .device import check_new, device_arguments, json_option, opened, record_option
from .switch import show

if TYPE_CHECKING:
    from ..model import Outcome
    from ..protocol.settings import Command

EPILOG = """\b
Examples:
  antbms command sim:                   what there is for this battery
  antbms command COM5 restart
  antbms command COM5 clear_counters --yes
  antbms command COM5 zero_current      only while no current flows

Commands that can make a battery unsafe or unusable need --dangerous besides. A command is sent once. Exit status 0: the
battery acknowledged it. 3: it refused, or no acknowledgement came.
"""


@click.command(epilog=EPILOG)
@device_arguments
@click.argument("name", metavar="[NAME]", required=False)
@yes_option
@dangerous_option
@json_option
@record_option
def command(
    device: str,
    protocol: str | None,
    options: dict[str, str],
    name: str | None,
    yes: bool,
    dangerous: bool,
    as_json: bool,
    record: Path | None,
) -> None:
    """Tell a battery to do something, or show what it can be told.

    Without NAME the commands of this battery are listed, and nothing is sent.
    """
    from .run import run

    if name is not None:
        check_can_ask(yes)
    check_new(record)
    if name is None:
        _list(run(_commands(device, protocol, options, record)), as_json)
    else:
        show(run(_command(device, protocol, options, name, yes, dangerous, record)), as_json)


def _list(rows: Mapping[str, Command], as_json: bool) -> None:
    if as_json:
        from msgspec.json import encode

        for row in rows.values():
            click.echo(encode({"name": row.name, "text": row.text, "dangerous": row.dangerous}).decode())
        return
    width = max(map(len, rows), default=0)
    for row in rows.values():
        click.echo(f"{row.name:<{width}}  {row.text}{' (--dangerous)' if row.dangerous else ''}")


async def _commands(
    device: str, protocol: str | None, options: Mapping[str, str], record: Path | None
) -> Mapping[str, Command]:
    async with opened(device, protocol=protocol, options=options, record=record) as battery:
        return battery.commands


async def _command(
    device: str,
    protocol: str | None,
    options: Mapping[str, str],
    name: str,
    yes: bool,
    dangerous: bool,
    record: Path | None,
) -> Outcome:
    async with opened(device, protocol=protocol, options=options, record=record, until_open=True) as battery:
        row = battery.commands.get(name)
        if row is not None and (dangerous or not row.dangerous):
            await confirm(f"{row.text} Go on?", yes)
        return await with_password(battery, lambda: battery.command(name, dangerous=dangerous))
