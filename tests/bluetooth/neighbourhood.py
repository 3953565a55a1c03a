"""The command line among virtual radios: what a command starts runs on one event loop with the batteries around it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar, cast

import pytest
from ble_radio import Air, Battery, jbd_battery, radio

import patience
from antbms.sim import make_device
from antbms.timing import Timing
from antbms.transport.ble_scan import RADIO
from antbms.transport.gatt import Profile

T = TypeVar("T")

QUICK = patience.timing(open=30, close=20, probe_first=0.1, probe_second=0.5, silence=0.02, drain=0.2, tries=2)
IMPATIENT = patience.timing(open=1, close=1, probe_first=0.1, probe_second=0.3, silence=0.02, tries=1)
"""For devices that are away."""
World = Callable[[], AbstractAsyncContextManager[object]]

ANT_BLE, LEGACY_BLE, JBD_BLE = (f"A5:C2:37:28:18:5{number}" for number in range(3))
TELEVISION, NAMELESS = "F0:F1:F2:00:00:01", "F0:F1:F2:00:00:02"
STRANGE = Profile(0x1812, 0x2A4D, 0x2A4E)
SERIAL_MODULE = Profile(0xFFE0, 0xFFE1, 0xFFE1)


def ble_batteries(air: Air) -> dict[str, Battery]:
    """One of each protocol, a television, and a serial module without a name."""
    made = [
        Battery(air, make_device("ant", {"soc": "41"}), "ANT-BLE16ZMUB\r", ANT_BLE),
        Battery(air, make_device("ant-legacy", {"soc": "52"}), "ANT-BLE20A", LEGACY_BLE),
        jbd_battery(air, device=make_device("jbd", {"soc": "63"}), address=JBD_BLE),
        Battery(air, name="[TV] Samsung", address=TELEVISION, profile=STRANGE),
        Battery(air, name="", address=NAMELESS, profile=SERIAL_MODULE, device=make_device("jbd", {"soc": "74"})),
    ]
    return {battery.address: battery for battery in made}


def locked_battery(air: Air) -> Battery:
    """Its module wants the password, and tells nothing before."""
    return jbd_battery(air, device=make_device("jbd", {"model": "SP04S034-LOCKED"}), address=JBD_BLE)


def ble_world(make: Callable[[Air], dict[str, Battery]], met: dict[str, Battery] | None = None) -> World:
    """Batteries that advertise, and a computer with Bluetooth LE. They are put into `met` as well."""

    @asynccontextmanager
    async def world() -> AsyncIterator[None]:
        air = Air()
        RADIO.set(await radio(air))
        batteries = make(air)
        for battery in batteries.values():
            await battery.start()
        if met is not None:
            met.update(batteries)
        yield
        await asyncio.sleep(0.05)  # a battery notices the end of a link after us

    return world


def command_line(monkeypatch: pytest.MonkeyPatch, world: World, timing: Timing = QUICK) -> Callable[..., int]:
    """Runs commands in a world, and returns their exit status."""
    from antbms.cli.main import run
    from antbms.discovery import discover

    def run_in_world(coroutine: Coroutine[Any, Any, T]) -> T:
        async def main() -> T:
            async with world():
                return await coroutine

        return patience.run(main())

    monkeypatch.setattr("antbms.cli.run.run", run_in_world)
    monkeypatch.setattr("antbms.doctor.computer.LISTEN", 0.3)
    monkeypatch.setattr("antbms.timing.DEFAULT", timing)
    monkeypatch.setitem(cast(dict[str, object], discover.__kwdefaults__), "timing", timing)
    return lambda *args: run(args)
