"""Simulated batteries behind every medium that a machine without hardware has. Each comes into reach, and goes.

A way to a battery (`Way`) is entered while it is in reach; leaving it ends its links, and none can be opened then.
"""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import ble_radio
import classic_radio
from fake_bluez import FakeBluez
from media_notes import Notes
from trouble import KINDS, Fault, Trouble

from antbms.serve import serve_pty, serve_tcp
from antbms.sim import Device, make_device
from antbms.timing import DEFAULT, Timing
from ports import free_port

Way = Callable[[], AbstractAsyncContextManager[str]]
PROTOCOLS = ("ant", "jbd", "ant-legacy")
SPEED = "0.1"
"""s that pass for a battery in one of ours: its physics, which cost most of a day, are not what is tested here."""
PAGING = 5.12
"""s after which a real adapter gives a page up."""

_SER2NET = """\
%YAML 1.1
---
connection: &bms
  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}
  connector: serialdev(nouucplock),{device},19200n81,local
"""


class Place:
    """What ways need: a folder for ports and files, the clock of the batteries, and the radios, once they are used."""

    def __init__(self, folder: Path, timing: Timing = DEFAULT) -> None:
        self.folder = folder
        self.timing = timing
        self.air: ble_radio.Air | None = None
        self.bluez: FakeBluez | None = None


async def tcp(device: Device, place: Place, number: int) -> Way:
    port = free_port()  # it comes back where it was
    return lambda: serve_tcp(device, port, place.timing)


async def pty(device: Device, place: Place, number: int) -> Way:
    """A port that vanishes, and comes back under the same name, as an adapter that is unplugged."""
    name = place.folder / f"port{number}"

    @asynccontextmanager
    async def way() -> AsyncIterator[str]:
        async with serve_pty(device, place.timing) as path:
            name.symlink_to(path)
            try:
                yield str(name)
            finally:
                name.unlink()

    return way


async def rfc2217(device: Device, place: Place, number: int) -> Way:
    """A real ser2net between. Out of reach: it does not run, and its port is gone."""
    port, config = free_port(), place.folder / f"ser2net{number}.yaml"
    program = shutil.which("ser2net") or "/usr/sbin/ser2net"

    @asynccontextmanager
    async def way() -> AsyncIterator[str]:
        async with serve_pty(device, place.timing) as path:
            config.write_text(_SER2NET.format(port=port, device=path))
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = await asyncio.create_subprocess_exec(program, "-n", "-d", "-c", str(config), **quiet)
            try:
                yield f"rfc2217://127.0.0.1:{port}"
            finally:
                process.kill()
                await process.wait()

    return way


async def ble(device: Device, place: Place, number: int) -> Way:
    assert place.air
    address = f"A5:C2:37:00:00:{number:02X}"
    jbd = device.personality.protocol == "jbd"
    kind = ble_radio.jbd_battery if jbd else ble_radio.Battery
    battery = kind(place.air, device=device, address=address)
    await battery.start()
    await battery.stop()

    @asynccontextmanager
    async def way() -> AsyncIterator[str]:
        battery.writes.clear()  # or they would look like a leak
        battery.log.clear()
        await battery.come()
        try:
            yield f"ble:{address}"
        finally:
            await battery.stop()

    return way


async def classic(device: Device, place: Place, number: int) -> Way:
    assert place.bluez
    module = classic_radio.Module(place.bluez.radio.air, device, f"AA:BB:CC:DD:EE:{number:02X}", clients=0)
    await module.switch_on()
    place.bluez.add(module.address, services=[classic_radio.SERIAL_PORT])

    @asynccontextmanager
    async def way() -> AsyncIterator[str]:
        module.heard.clear()
        module.clients = 1
        try:
            yield f"rfcomm:{module.address}"
        finally:
            module.clients = 0
            await module.hang_up()

    return way


MEDIA = {"ble": ble, "tcp": tcp, "classic": classic, "rfc2217": rfc2217, "pty": pty}
"""The first battery of each speaks another protocol than that of the one before."""


class FarEnd:
    """A battery behind a medium, that gets into trouble and out of it."""

    def __init__(self, medium: str, number: int) -> None:
        self.name = f"{medium}{number}"
        self.medium = medium
        self.protocol = PROTOCOLS[(list(MEDIA).index(medium) + number) % len(PROTOCOLS)]
        self.address = ""
        self.well = asyncio.Event()
        self._number = number
        self._trouble = Trouble(make_device(self.protocol, {"seed": str(number + 1), "speed": SPEED}))
        self._way: Way
        self._notes: Notes
        self._reach = AsyncExitStack()

    async def start(self, place: Place) -> None:
        self._notes = Notes(self._trouble.device, self.name, place.folder, place.timing)
        self._trouble.sent = self._notes.sent
        self._way = await MEDIA[self.medium](self._trouble.device, place, self._number)
        await self._come()

    async def stop(self) -> None:
        await self._reach.aclose()
        self._notes.close()

    async def suffer(self, kind: str, seconds: float, clock: Callable[[], float]) -> Fault:
        """Be in trouble for so long, or until `well` is set."""
        row, start = KINDS[kind], clock()
        self._trouble.become(kind)
        if row.ends:
            await self._reach.aclose()
        if row.ends and row.reach:
            await self._come()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.well.wait(), seconds)
        if not row.reach:
            await self._come()
        self._trouble.become("")
        return Fault(self.name, kind, start, clock())

    @property
    def ill(self) -> bool:
        return bool(self._trouble.kind)

    async def _come(self) -> None:
        self.address = await self._reach.enter_async_context(self._way())


@asynccontextmanager
async def bluetooth(place: Place, *, le: bool, old: bool) -> AsyncIterator[None]:
    """The radios of batteries. le: also this computer's, for bleak. old: a BlueZ on the bus that is there."""
    if le:
        from antbms.transport.ble_scan import RADIO

        place.air = ble_radio.Air()
        RADIO.set(await ble_radio.radio(place.air))
    if not old:
        yield
        return
    radio = classic_radio.HostRadio(classic_radio.Air(), paging=PAGING)
    await radio.switch_on()
    async with FakeBluez(radio) as place.bluez:
        yield
