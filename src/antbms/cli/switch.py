"""`antbms switch`: turn charging, discharging, balancing or the buzzer on or off."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .asking import check_can_ask, confirm, with_password, yes_option
from .device import check_new, device_arguments, json_option, opened, record_option

if TYPE_CHECKING:
    from ..model import Outcome, Snapshot

EPILOG = """\b
Examples:
  antbms switch COM5 charge off
  antbms switch /dev/ttyUSB0 discharge on --yes
  antbms switch ble:AA:BB:CC:DD:EE:FF balance on --protocol ant

\b
ant has charge, discharge, balance and buzzer; ant-legacy charge, discharge and balance; jbd charge and discharge.
Discharging off cuts the supply of everything that the battery feeds: a vehicle that moves, perhaps this computer.

The state now is shown, and you are asked; twice before discharge or charge is turned off. It is sent once; then the
battery's own status must show it, within 8 s.
Exit status 0: it does, or the battery has no status that could, which is said. 3: refused, or not confirmed.
"""


@click.command(epilog=EPILOG)
@device_arguments
@click.argument("name", metavar="SWITCH")
@click.argument("state", type=click.Choice(("on", "off")))
@yes_option
@json_option
@record_option
def command(
    device: str,
    protocol: str | None,
    options: dict[str, str],
    name: str,
    state: str,
    yes: bool,
    as_json: bool,
    record: Path | None,
) -> None:
    """Turn a switch of a battery on or off, and see that it is done."""
    from .run import run

    check_can_ask(yes)
    check_new(record)
    show(run(_switch(device, protocol, options, name, state == "on", yes, record)), as_json)


def show(outcome: Outcome, as_json: bool) -> None:
    """Print what came of a change."""
    if as_json:
        from msgspec.json import encode

        click.echo(encode(outcome).decode())
    else:
        click.echo(outcome.text)


async def _switch(
    device: str,
    protocol: str | None,
    options: Mapping[str, str],
    name: str,
    on: bool,
    yes: bool,
    record: Path | None,
) -> Outcome:
    async with opened(device, protocol=protocol, options=options, record=record, until_open=True) as battery:
        if not yes:
            click.echo(f"{name} is {_now(await battery.read(), name)}", err=True)
        await confirm(f"Turn {name} {'on' if on else 'off'}?", yes)
        row = battery.switches.get(name)
        if row is not None and row.risk and not on:
            await confirm(f"{row.risk} Turn {name} off all the same?", yes)
        return await with_password(battery, lambda: battery.switch(name, on))


def _now(snapshot: Snapshot, name: str) -> str:
    state = snapshot.switches.get(name)
    if state is None or state.on is None:
        return "in a state that the battery does not show"
    word = "on" if state.on else "off"
    return word if state.reason == word else f"{word} ({state.reason})"
