"""`sim:PROTOCOL`: a simulated battery in this process. It answers at once, unless its faults say otherwise."""

from __future__ import annotations

import asyncio

from ..errors import LinkLost
from ..sim import Device, make_device
from ..timing import Timing
from .address import Address
from .base import Medium
from .player import Player


class SimPipe:
    """The pipe to a device in this process. One whose link has faults is asked like a device on a wire; one with a
    Bluetooth module of its own, as over Bluetooth LE, whose service tells the protocol."""

    def __init__(self, device: Device, timing: Timing) -> None:
        mine = device.personality
        self.expects = mine.protocol if mine.has_module else None
        self.address = mine.address if mine.has_module else None
        self.medium = Medium.WIRE if device.link.faults else Medium.MEMORY
        if mine.has_module:
            self.medium = Medium.BLUETOOTH
        self._line = device.line()
        self._timing = timing
        self._player = Player(self._deliver, timing)
        self._ready = bytearray()
        self._wake = asyncio.Event()
        self._lost: LinkLost | None = None  # why it is over

    async def read(self) -> bytes:
        while not self._ready:
            if self._lost:
                raise self._lost
            self._wake.clear()
            await self._wake.wait()
        data = bytes(self._ready)
        self._ready.clear()
        return data

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        if self._lost:
            raise self._lost
        self._player.play(self._line.receive(data, self._timing.monotonic()))
        await asyncio.sleep(0)  # an answer that is there at once must not keep others from running

    def _deliver(self, data: bytes | None) -> None:
        if data is None:
            self._end("link lost: the simulated battery hung up", "Next: open it again; its faults say how often.")
        else:
            self._ready += data
            self._wake.set()

    def _end(self, reason: str, *hints: str) -> None:
        self._player.stop()
        self._lost = self._lost or LinkLost(f"sim: {reason}", *hints)
        self._wake.set()

    async def set_baud(self, baud: int) -> None:
        """There is no wire."""

    async def close(self) -> None:
        self._end("the link is closed")


def open_sim(address: Address, timing: Timing) -> SimPipe:
    """The pipe of a `sim:` address. Raises `UsageError` for a protocol or option that means nothing."""
    return SimPipe(make_device(address.target or "ant", address.options), timing)
