"""`sim:PROTOCOL`: a simulated battery in this process. It answers at once."""

from __future__ import annotations

import asyncio

from ..errors import LinkLost
from ..sim import Device, make_device
from ..timing import Timing
from .address import Address
from .base import Medium


class SimPipe:
    """The pipe to a device in this process."""

    medium = Medium.MEMORY
    expects: str | None = None
    address: str | None = None

    def __init__(self, device: Device, timing: Timing) -> None:
        self._device = device
        self._timing = timing
        self._ready = bytearray()
        self._wake = asyncio.Event()
        self._closed = False

    async def read(self) -> bytes:
        await asyncio.sleep(0)  # an answer that is there at once must not keep others from running
        while not self._ready:
            if self._closed:
                raise LinkLost("sim: the link is closed")
            self._wake.clear()
            await self._wake.wait()
        data = bytes(self._ready)
        self._ready.clear()
        return data

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        if self._closed:
            raise LinkLost("sim: the link is closed")
        self._ready += self._device.receive(data, self._timing.monotonic())
        self._wake.set()

    async def set_baud(self, baud: int) -> None:
        """There is no wire."""

    async def close(self) -> None:
        self._closed = True
        self._wake.set()


def open_sim(address: Address, timing: Timing) -> SimPipe:
    """The pipe of a `sim:` address. Raises `UsageError` for a protocol or option that means nothing."""
    return SimPipe(make_device(address.target or "ant", address.options), timing)
