"""`antbms scan`: where a battery could be, and on request what answers there."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .device import json_option
from .progress import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from ..discovery import Found
    from .bars import Style

EPILOG = """\b
Examples:
  antbms scan
  antbms scan --probe                 ask what could be a battery, and show what answers
  antbms scan --kind ble --seconds 20
  antbms scan COM5 COM7               ask these as well, whatever they are
  antbms scan --json
  antbms scan --probe --record found  and keep what crossed each link, for a report
  antbms read ble:ANT-BLE16ZMUB       then read the battery there

What a name or an advertisement promises is marked "?"; only an answer is a fact. Without --probe and DEVICE nothing is
opened and nothing sent. --probe asks only Bluetooth devices that look like batteries, and Windows' outgoing Bluetooth
ports; it only reads. Of the two ports that Windows makes for a Bluetooth device, a battery answers on the outgoing one.
The exit status is 1 if DEVICE is given and no battery answers.
"""
KINDS = ("serial", "classic", "ble")
"""As in `discovery.KINDS`, which is not imported for a help text; a test compares the two."""
KIND_WORDS = {"ble": "LE"}
BAR = 4
WEAK, GOOD = -85, -70
"""dBm: below the first a connection often fails; above the second it is quick."""
FLOOR, SPAN = -100, 60
"""dBm of an empty bar, and from there to a full one."""


@click.command(epilog=EPILOG)
@click.argument("devices", nargs=-1, metavar="[DEVICE]...")
@click.option("--probe", is_flag=True, help="Ask each Bluetooth device that could be a battery; only reads.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=600),
    default=5.0,
    metavar="N",
    help="How long to listen to Bluetooth LE (5).",
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    help="Search only these. May be repeated.",
    metavar="KIND",
)
@click.option("--all", "show_all", is_flag=True, help="Show devices without a name as well.")
@json_option
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write all traffic to new files in this folder, one for each device that is asked.",
)
def command(
    devices: tuple[str, ...],
    probe: bool,
    seconds: float,
    kinds: tuple[str, ...],
    show_all: bool,
    as_json: bool,
    record: Path | None,
) -> int:
    """Find batteries: serial ports, known and nearby Bluetooth devices.

    DEVICE is an address to ask in any case. KIND is serial, classic or ble.
    """
    from ..discovery import discover
    from .run import run

    with Progress() as progress:
        found = run(
            discover(
                kinds=kinds or KINDS,  # type: ignore[arg-type]
                seconds=seconds,
                probe=probe,
                also=devices,
                record=record,
                on_note=progress.note,
                on_progress=progress,
            )
        )
    if as_json:
        from msgspec.json import encode

        for one in found:
            click.echo(encode(one).decode())
    elif found:
        from .paper import show

        shown = [one for one in found if show_all or not _is_noise(one)]
        show(lambda width, style: _picture(shown, len(found) - len(shown), width, style))
    _advise(found)
    silent = any(one.problem for one in found) and not any(one.protocol for one in found)
    return int(silent and bool(devices))


def _is_noise(one: Found) -> bool:
    """Nobody knows it, nothing points to a battery: a street is full of these."""
    return one.name is None and one.kind in ("classic", "ble") and not (one.candidate or one.protocol or one.problem)


def _picture(found: Sequence[Found], hidden: int, width: int, style: Style) -> Iterator[RenderableType]:
    from rich.text import Text

    from .paper import Column, table

    columns = [
        Column("Address", [Text(one.address, _tone(one)) for one in found]),
        Column("Kind", [Text(KIND_WORDS.get(one.kind, one.kind), "dim") for one in found], first_to_go=True),
        Column("Signal dBm", [_signal(one.signal, style) for one in found]),
        Column("Protocol", [_protocol(one) for one in found]),
        Column("SOC", [Text("" if one.soc is None else f"{one.soc:g} %", "bold") for one in found], right=True),
    ]
    if found:
        yield table(columns, Column("Name", [_about(one) for one in found]), width)
    if hidden:
        yield Text(f"{'and ' if found else ''}{hidden} without a name (--all shows them)", "dim")


def _tone(one: Found) -> str:
    return "bold green" if one.protocol else "bold" if one.likely else "" if one.candidate else "dim"


def _about(one: Found) -> Text:
    """Name and model; what it is for a port, or where there is no name; and what went wrong."""
    from rich.text import Text

    from .paper import joined

    more = one.description if one.kind == "serial" or not one.name else ""
    return joined(Text(one.name or ""), Text(more, "dim"), Text(one.model or ""), Text(one.problem or "", "red"))


def _signal(signal: int | None, style: Style) -> Text:
    from rich.text import Text

    from .bars import bar

    if signal is None:
        return Text("")
    filled, rest = bar((signal - FLOOR) / SPAN, BAR, style)
    colour = "red" if signal < WEAK else "yellow" if signal < GOOD else "green"
    return Text.assemble((filled, colour), (rest, "dim"), f" {signal}")


def _protocol(one: Found) -> Text:
    """What answered, or what is likely."""
    from rich.text import Text

    if one.protocol:
        return Text(one.protocol, "green")
    return Text(f"{one.likely}?" if one.likely else "", "cyan")


def _advise(found: Sequence[Found]) -> None:
    """The next step, for a person."""
    if answered := [one for one in found if one.protocol]:
        if sys.stderr.isatty():
            click.echo(f"antbms: next: antbms read {answered[0].address}", err=True)
    elif not found:
        click.echo(f"antbms: nothing was found\n  {_remedy()}\n  Without a battery: antbms read sim:", err=True)
    elif any(one.problem for one in found):
        failed = next(one for one in found if one.problem)
        click.echo(f"antbms: next: antbms doctor {failed.address}   goes step by step", err=True)
    elif any(one.candidate for one in found) and sys.stderr.isatty():
        click.echo("antbms: next: antbms scan --probe   asks which of them is a battery", err=True)


def _remedy() -> str:
    page = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
    return (
        "Is the battery on, in range, and not connected to a phone app? While connected it is invisible.\n"
        f"  Classic Bluetooth must be paired first (docs/{page}.md); a USB adapter must be plugged in."
    )
