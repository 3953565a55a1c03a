"""A computer with BlueZ, batteries around it, and a count of what must not be left behind."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from classic_radio import SERIAL_PORT, Air, HostRadio, Module
from fake_bluez import FakeBluez, system_bus

import garbage
import patience
from antbms.sim import make_device
from antbms.timing import Timing
from antbms.transport import Pipe, held, parse_address, rfcomm
from antbms.transport.rfcomm import open_rfcomm
from conftest import missing

if shutil.which("dbus-daemon") is None:
    missing("no dbus-daemon; on Debian: apt install dbus-daemon")

QUICK = patience.timing(
    open=30, close=20, probe_first=0.1, probe_second=0.5, silence=0.02, drain=0.2, tries=2, answer=0.3
)
PROTOCOLS = ("ant", "ant-legacy", "jbd")


@dataclass
class World:
    radio: HostRadio
    bluez: FakeBluez

    async def battery(
        self,
        protocol: str = "ant",
        *,
        number: int = 1,
        serial: bool = True,
        clients: int = 1,
        known: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> Module:
        """A battery in reach, switched on. known: paired with this computer. options: of the simulated battery."""
        brain = make_device(protocol, options)
        module = Module(self.radio.air, brain, address(number), serial=serial, clients=clients)
        await module.switch_on()
        if known:
            self.bluez.add(module.address, services=[SERIAL_PORT] if serial else [])
        return module

    def left(self) -> dict[str, object]:
        """What is in use now. Equal before and after, or something leaks."""
        return {
            "tasks": asyncio.all_tasks(),
            "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            "links": self.radio.links + sum(module.links for module in self.radio.air.modules.values()),
            "profiles": dict(self.bluez.profiles),
            "held": (set(held._leftovers), dict(rfcomm._shared), set(rfcomm._open_devices)),
        }


def address(number: int = 1) -> str:
    return f"AA:BB:CC:DD:EE:{number:02X}"


def play(scene: Callable[[World], Coroutine[Any, Any, None]], rule: str = "") -> None:
    """Let a scene happen, on a system bus and event loop of its own; at its end nothing may be left.

    rule: of the bus.
    """

    async def main() -> None:
        async with new_world() as world:
            garbage.collect()  # what other tests left to it
            before = world.left()
            await scene(world)
            await until(lambda: world.left() == before, lambda: f"left behind: {world.left()}, was {before}")

    with system_bus(rule):
        patience.run(main())


@asynccontextmanager
async def new_world() -> AsyncIterator[World]:
    radio = HostRadio(Air())
    await radio.switch_on()
    async with FakeBluez(radio) as bluez:
        yield World(radio, bluez)


async def until(
    condition: Callable[[], object], complaint: Callable[[], str] = str, seconds: float = patience.LONG
) -> None:
    """Let the event loop run until `condition` holds."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end, complaint()
        await asyncio.sleep(0.001)


async def opened(module: Module, timing: Timing = QUICK, **options: str) -> Pipe:
    return await open_rfcomm(parse_address(f"rfcomm:{module.address}", options), timing)


async def collect(pipe: Pipe, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await pipe.read()
    return data
