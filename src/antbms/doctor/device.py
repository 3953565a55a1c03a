"""One battery, step by step: is the address understood, is it in reach, does it connect, and what does it answer?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..battery import Battery, open_battery
from ..errors import AntbmsError, LinkLost, NoAnswer, Refused
from ..model import Snapshot
from ..timing import Timing
from ..transport import Address, parse_address
from ..transport.ble import connection, in_words
from ..transport.ble_errors import NoService
from ..transport.ble_scan import find, turn
from ..transport.gatt import find_channel, short
from ..transport.rfcomm import known_devices
from . import Report

if TYPE_CHECKING:
    from bleak.backends.service import BleakGATTServiceCollection

Opening = AbstractAsyncContextManager[Battery]

READINGS: Final = 5
"""How many tell whether a link is good."""
WEAK: Final = -85
"""dBm below which a connection often fails."""

_FORMS: Final = {
    "serial": "a serial port",
    "socket": "a serial port behind a TCP bridge",
    "rfc2217": "a serial port behind a bridge (RFC 2217)",
    "esphome": "a serial port of an ESPHome device",
    "rfcomm": "classic Bluetooth",
    "ble": "Bluetooth LE",
    "sim": "a simulated battery",
    "replay": "a recording",
}


async def diagnose(
    report: Report,
    device: str,
    protocol: str | None,
    options: Mapping[str, str],
    timing: Timing,
    *,
    record: Path | None = None,
    redact: bool = False,
) -> None:
    """Go on until something fails; `protocol`, `options`, `record` and `redact` as for `antbms.open`."""
    report.part = device
    with report.step("address") as step:
        where = parse_address(device, options)
        step.says(_FORMS[where.scheme], *([where.target] if where.scheme not in ("serial", "sim") else []))
    if report.failure:
        return
    if where.scheme == "ble":
        await _reach_ble(report, where, timing)
    elif where.scheme == "rfcomm":
        await _know(report, where, timing)
    if report.failure is None:
        opening = open_battery(
            where.text, protocol=protocol, options=where.options, timing=timing, record=record, redact=redact
        )
        await _talk(report, where, opening, timing)


async def _reach_ble(report: Report, where: Address, timing: Timing) -> None:
    """Heard, connected, and with a service of a known kind; then disconnected again."""
    async with turn(where.options.get("adapter")), AsyncExitStack() as stack:
        with report.step("found") as step, in_words(where, timing):
            heard = await find(where, timing)
            step.says(str(heard), heard.name, heard.id, heard.address)
        if report.failure:
            return
        with report.step("signal") as step:
            if heard.signal is None:
                step.skips("not known: the device is connected to this computer already")
            else:
                weak = heard.signal < WEAK
                step.says(f"{heard.signal} dBm, {'weak: go nearer, if something fails' if weak else 'good'}")
        with report.step("connects") as step, in_words(where, timing):
            async with asyncio.timeout(timing.open):
                client, _ = await stack.enter_async_context(connection(where, timing, lambda: None))
            step.says("yes")
        if report.failure:
            return
        with report.step("service") as step, in_words(where, timing):
            async with stack.pop_all():  # disconnected at its end
                step.says(_described(client.services))


def _described(services: BleakGATTServiceCollection) -> str:
    """The channel that antbms would use. Raises `NoService`."""
    channel = find_channel(services)
    if channel is None:
        raise NoService(", ".join(short(service.uuid) for service in services))
    notify, write = channel.notify, channel.write
    return (
        f"{short(notify.service_uuid)}: notifications of {short(notify.uuid)}, "
        f"{'acknowledged writes' if channel.response else 'writes'} to {short(write.uuid)}, "
        f"{write.max_write_without_response_size} bytes at most"
    )


async def _know(report: Report, where: Address, timing: Timing) -> None:
    with report.step("paired") as step:
        wanted = where.target.replace("-", ":").upper()
        device = next((one for one in await known_devices(timing) if one.address == wanted), None)
        if device is None:
            step.skips("this computer does not know the device")
        else:
            serial = "with a serial port" if device.serial else "its serial port is not known yet"
            step.says(f"{device.name or 'without a name'}, {serial}", device.name)


async def _talk(report: Report, where: Address, opening: Opening, timing: Timing) -> None:
    async with AsyncExitStack() as stack:
        battery = await _open(report, stack, opening)
        if battery is None:
            return
        with report.step("protocol") as step:
            step.says(battery.protocol)
        snapshot = await _read(report, battery)
        if snapshot is None:
            return
        if where.scheme != "replay":  # which has as many answers as were recorded
            await _measure(report, battery, timing)
        with report.step("password level") as step:
            if snapshot.level is None:
                step.skips(f"{battery.protocol} has none")
            else:
                step.says(f"{snapshot.level}: {_may(snapshot.level)}")
        with report.step("device", needed=False) as step:
            info = await battery.info()
            known = (info.manufacturer, info.model, info.hardware, info.software)
            step.says(", ".join(filter(None, known)) or "does not tell its model")


async def _open(report: Report, stack: AsyncExitStack, opening: Opening) -> Battery | None:
    battery: Battery | None = None
    silence: AntbmsError | None = None
    with report.step("opens") as step:
        try:
            battery = await stack.enter_async_context(opening)
        except (LinkLost, NoAnswer, Refused) as error:  # it was open by then
            silence = error
        step.says("yes")
    if report.failure is None:
        with report.step("answers") as step:
            if silence is not None:
                raise silence
            step.says("yes")
    return battery


async def _read(report: Report, battery: Battery) -> Snapshot | None:
    snapshot: Snapshot | None = None
    with report.step("reading") as step:
        snapshot = await battery.read()
        values = ((snapshot.voltage, "V"), (snapshot.current, "A"), (snapshot.soc, "%"), (len(snapshot.cells), "cells"))
        doubted = sorted({doubt.quantity.partition(".")[0] for doubt in snapshot.doubts})
        step.says(
            ", ".join(f"{value:g} {unit}" for value, unit in values if value is not None)
            + (f"; doubted: {', '.join(doubted)}" if doubted else "")
        )
    return snapshot


async def _measure(report: Report, battery: Battery, timing: Timing) -> None:
    with report.step("link") as step:
        before, start = battery.stats, timing.monotonic()
        for _ in range(READINGS):
            await battery.read()
        stats, each = battery.stats, (timing.monotonic() - start) / READINGS
        unanswered = stats.requests - stats.answers - (before.requests - before.answers)
        rejected = sum(stats.rejected.values()) - sum(before.rejected.values())
        lost = (
            f"{unanswered} requests without an answer, {rejected} rejected" if unanswered or rejected else "none lost"
        )
        step.says(f"{READINGS} readings of {each:.2f} s, {lost}")


def _may(level: int) -> str:
    """What the levels of `ant` allow (ant.md)."""
    if level >= 3:
        return "reads and may change settings and switches"
    return "reads; changes need the password" if level == 2 else "reads; settings and changes need the password"
