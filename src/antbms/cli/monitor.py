"""`antbms monitor`: many batteries for ever, and where their readings go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import FileError, UsageError, shown
from .device import LONGEST, Seconds, look_up

if TYPE_CHECKING:
    from ..config import Config
    from ..sinks.base import Sink

EPILOG = """\b
Examples:
  antbms monitor sim:ant sim:jbd                  two simulated batteries, on the terminal
  antbms monitor COM5 COM7 --store batteries.db   with history
  antbms monitor -c antbms.toml                   as the file says
  antbms monitor -c antbms.toml garage boat       only these batteries of the file
  antbms monitor -c antbms.toml --check           is the file right?

Without DEVICE and -c it takes the file that $ANTBMS_CONFIG names, antbms.toml in this folder, or the one in the user's
configuration folder. On a terminal it shows the latest of each battery. Where readings are not handed on, they are
printed for another program, as lines of JSON.
"""


@click.command(epilog=EPILOG)
@click.argument("devices", nargs=-1, metavar="[DEVICE]...")
@click.option("-c", "--config", "path", type=click.Path(path_type=Path), metavar="FILE", help="The configuration.")
@click.option("--check", is_flag=True, help="Only say whether the configuration is right.")
@click.option("--store", type=click.Path(path_type=Path), metavar="FILE", help="Keep history in this database.")
@click.option("--every", type=Seconds(0.1, LONGEST), metavar="SECONDS", help="Between two readings of a battery.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Of the log on standard error.")
def command(
    devices: tuple[str, ...],
    path: Path | None,
    check: bool,
    store: Path | None,
    every: float | None,
    log_format: str | None,
) -> int:
    """Watch many batteries for ever, and hand their readings on.

    DEVICE is what `antbms read` takes, or a name of the configuration: with -c its readings go where the file says,
    without it only its address and options are taken.
    """
    from ..config import find
    from .run import run

    if store is not None and (path is not None or not devices):
        raise UsageError("monitor: --store is for devices given here", "Next: write [store] into the configuration.")
    found = None if devices and path is None else find(path)
    changes = {key: value for key, value in (("every", every), ("log_format", log_format)) if value is not None}
    config = _config(found, devices, store, changes)
    totals = _totals(config, found, store)
    if check:
        return run(_check(config, found, totals))
    return run(_monitor(config, found, totals))


def _config(path: Path | None, devices: Sequence[str], store: Path | None, changes: dict[str, Any]) -> Config:
    from msgspec.structs import replace

    from ..config import load

    if path is not None:
        config = _only(devices, load(path), path)
    elif devices:
        config = _ad_hoc(devices, store)
    else:
        raise UsageError(
            "monitor: there is no configuration",
            "Next: antbms monitor DEVICE, or write antbms.toml (docs/monitor.md explains it), or give -c FILE.",
        )
    return replace(config, monitor=replace(config.monitor, **changes))


def _only(names: Sequence[str], config: Config, path: Path) -> Config:
    """With these batteries of the file; all of them if none is named."""
    from msgspec.structs import replace

    for name in names:
        if name not in config.batteries:
            raise UsageError(f"{shown(name)}: is no battery of {path}", f"There are: {', '.join(config.batteries)}")
    return replace(config, batteries={name: config.batteries[name] for name in names or config.batteries})


def _ad_hoc(devices: Sequence[str], store: Path | None) -> Config:
    from ..config import BatteryConfig, Config, sink_config
    from ..transport import parse_address

    batteries, names = {}, []
    for device in devices:
        name = shown(device)  # as its snapshots will call it
        if name in batteries:
            raise UsageError(f"monitor: {device} is given twice")
        known = look_up(device, None, {})
        parse_address(known.address, known.options)
        names += [known.name] if known.name is not None else []
        batteries[name] = BatteryConfig(
            address=known.address,
            protocol=known.protocol,  # type: ignore[arg-type]  # it comes from a configuration, or is None
            options=dict(known.options),
        )
    _tell_unused(names)
    if store is None:
        return Config(batteries=batteries)
    sink = sink_config("store", {"file": str(store)})
    if (error := sink.module.trouble(sink.config)) is not None:  # it would be tried for ever, in vain
        raise error
    return Config(batteries=batteries, sinks={"store": sink})


def _tell_unused(names: Sequence[str]) -> None:
    """Names of a configuration that has sinks: their readings do not go there."""
    from ..config import find, sinks_in

    path = find() if names else None
    if path is not None and (unused := sinks_in(path)):
        words = " ".join(f'"{word}"' if " " in word else word for word in (str(path), *names))
        click.echo(
            f"antbms: {path}: its [{'], ['.join(unused)}] get no readings of devices on the command line\n"
            f"  They get them with: antbms monitor -c {words}",
            err=True,
        )


async def _check(config: Config, path: Path | None, totals: Path | None) -> int:
    """Also whether all sinks accept their sections, and whether energy could be counted."""
    from .. import ledger
    from ..config import check, warnings_of
    from ..monitor import Monitor

    where = path or "given devices"
    with _naming(where):
        check(config)
        Monitor(config)
    warnings = list(warnings_of(config))
    for warning in warnings:
        click.echo(f"antbms: warning: {where}: {warning}", err=True)
    try:
        if totals is not None:
            ledger.check(totals)
    except FileError as error:  # the monitor runs without
        warnings.append(str(error))
        click.echo(f"antbms: warning: {error}; counters of energy would not be published\n  {error.hints[0]}", err=True)
    sinks = ", ".join(config.sinks) or "none"
    verdict = "correct, but see the warnings" if warnings else "correct"
    click.echo(f"{where}: {verdict}\nbatteries: {', '.join(config.batteries)}\nsinks: {sinks}")
    return 0


@contextmanager
def _naming(where: Path | str) -> Iterator[None]:
    """Mistakes in a configuration are told with the file that they are in."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{where}: {error}", *error.hints) from None


def _totals(config: Config, path: Path | None, store: Path | None) -> Path | None:
    """The file of totals: as configured, or in the user's folder; without a configuration only beside a store."""
    from ..config import state_of

    if path is not None or config.monitor.state is not None:
        return state_of(config.monitor)
    return store.with_name(f"{store.name}.totals.json") if store is not None else None


async def _monitor(config: Config, path: Path | None, totals: Path | None) -> int:
    from ..monitor import Monitor
    from ..monitor.logs import set_up
    from ..monitor.systemd import serve
    from .pause import file_of
    from .run import provide_threads
    from .shown import shown
    from .stop import stopping

    log = set_up(config.monitor.log_format, config.monitor.log_level)
    sinks: dict[str, Sink] = {}
    provide_threads(len(config.batteries))
    try:
        with stopping() as stop:
            screen = shown(config.batteries, stop.set, bool(config.sinks))
            if screen is not None:
                sinks["screen"] = screen
            with _naming(path or "given devices"):
                monitor = Monitor(config, sinks=sinks, totals=totals, pauses=file_of(config))
            await serve(monitor, stop)
    finally:
        log.flush()
    if stop.number is None:  # the reader of our output is gone, as of `| head`
        return 1
    return stop.status
