"""`antbms pause`: a running monitor lets go of a battery for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError, shown

if TYPE_CHECKING:
    from ..config import Config

EPILOG = """\b
Examples:
  antbms pause garage              for 15 minutes
  antbms pause garage --for 2h     longer: s, min, h, d
  antbms pause                     which ones are paused?
  antbms release garage            go on at once

NAME is that of the configuration, or what the monitor shows. The link is closed within some seconds, and the phone may
connect. The pause ends by itself.
"""

config_option = click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), metavar="FILE", help="The monitor's configuration."
)


@click.command(epilog=EPILOG)
@click.argument("name", required=False, metavar="[NAME]")
@config_option
@click.option(
    "--for",
    "length",
    default="15min",
    show_default=True,
    metavar="TIME",
    help="How long; a day at most: 90s, 15min, 2h.",
)
def command(name: str | None, path: Path | None, length: str) -> None:
    """Let a running monitor let go of a battery for a while, for the phone or another program.

    Without NAME the batteries that are paused are listed.
    """
    from .. import pauses
    from ..timing import DEFAULT
    from .moments import seconds_of

    seconds, now = seconds_of(length), DEFAULT.now()
    config, file = _config(path)
    if name is None:
        _list(pauses.read(file_of(config), now))
        return
    battery, config = _named(name, config, file)
    until = now + timedelta(seconds=seconds)
    pauses.change(file_of(config), battery, until, now)
    click.echo(
        f"{battery}: paused until {until.astimezone():%H:%M:%S}: a monitor that runs or is started lets go of it within"
        f" seconds;"
        f" antbms release {battery} ends it"
    )


def release(name: str, path: Path | None) -> None:
    """End the pause of a battery."""
    from .. import pauses
    from ..timing import DEFAULT

    config, file = _config(path)
    battery, config = _named(name, config, file)
    known = pauses.change(file_of(config), battery, None, DEFAULT.now())
    click.echo(f"{battery}: the pause is over" if known else f"{battery}: was not paused")


def file_of(config: Config) -> Path:
    """The file of pauses of a monitor with this configuration."""
    from .. import pauses
    from ..config import state_of

    return state_of(config.monitor).with_name(pauses.FILE)


def _config(path: Path | None) -> tuple[Config, Path | None]:
    from ..config import Config, find, load

    found = find(path)
    return (load(found), found) if found is not None else (Config(), None)


def _named(name: str, config: Config, path: Path | None) -> tuple[str, Config]:
    """As the monitor calls it, and the configuration of that monitor.

    Without a configuration, and for an address that is not in it, it is the word itself: of a monitor without one.
    """
    from ..config import Config

    if name in config.batteries:
        return name, config
    if by_address := [known for known, battery in config.batteries.items() if battery.address == name]:
        return by_address[0], config
    if path is None or any(letter in name for letter in ":/\\"):
        return shown(name), Config()
    raise UsageError(f"{name}: is no battery of {path}", f"There are: {', '.join(config.batteries)}")


def _list(paused: dict[str, datetime]) -> None:
    for name, until in sorted(paused.items()):
        click.echo(f"{name}: paused until {until.astimezone():%H:%M:%S}")
    if not paused:
        click.echo("antbms: no battery is paused", err=True)
