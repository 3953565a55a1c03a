"""Classic Bluetooth without a COM port: `rfcomm:AA:BB:CC:DD:EE:FF`, by aio-rfcomm.

The device is asked on which channel its serial port (SPP) is; the option `channel` names one instead.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from msgspec import Struct

from ..errors import LinkLost, UsageError
from ..timing import DEFAULT, Timing
from .address import Address
from .base import Medium, Pipe
from .held import Held
from .rfcomm_errors import AlreadyOpen, NotPaired, explain, lost

if TYPE_CHECKING:
    from aio_rfcomm import Bluetooth, RfcommChannel

SERIAL_PORT: Final = UUID("00001101-0000-1000-8000-00805f9b34fb")
"""The Serial Port Profile."""

_ADDRESS: Final = re.compile(r"[0-9A-F]{2}(?:[:-][0-9A-F]{2}){5}", re.IGNORECASE)
_CHANNELS: Final = range(1, 31)

for _library in ("aio_rfcomm", "dbus_fast"):  # our errors say it in words; who wants more configures logging
    logging.getLogger(_library).addHandler(logging.NullHandler())

_open_devices: Final[set[str]] = set()
"""BlueZ answers a second opening with success, but with no socket; so it is refused here."""


class KnownDevice(Struct, frozen=True):
    """A device that the system knows: paired or, on Linux, seen lately. `serial`: its serial port is known as well."""

    address: str
    name: str | None
    serial: bool


async def open_rfcomm(address: Address, timing: Timing) -> Pipe:
    """Open the serial port of a classic Bluetooth device.

    Raises `OpenError` with the cause and the way out, `UsageError` for an address or option that means nothing.
    Takes `timing.open` at most; then, or when cancelled, `timing.close` more.
    """
    device, channel = _device(address), _channel(address)
    start = timing.monotonic()
    link = Held(_link(device, channel))
    try:
        opened = await link.open(timing)
    except Exception as exc:
        raise explain(address.text, device, exc, timing.monotonic() - start, sys.platform) from exc
    pipe = RfcommPipe(address.text, timing, link, opened)
    pipe.address = address.options.get("mac", device)
    return pipe


async def known_devices(timing: Timing = DEFAULT) -> list[KnownDevice]:
    """The devices that the system knows; nothing is sent to them. Raises `OpenError` as `open_rfcomm` does."""
    start = timing.monotonic()
    listing = Held(_list())
    try:
        found = await listing.open(timing)
    except Exception as exc:
        raise explain("rfcomm", "", exc, timing.monotonic() - start, sys.platform) from exc
    await listing.close(timing.close)
    return found


class RfcommPipe:
    """A `Pipe` over one RFCOMM channel."""

    medium = Medium.BLUETOOTH
    expects: str | None = None

    def __init__(self, name: str, timing: Timing, link: Held[RfcommChannel], channel: RfcommChannel) -> None:
        self.address: str | None = None
        self._name = name
        self._timing = timing
        self._link = link
        self._channel = channel
        self._closed = False

    async def read(self) -> bytes:
        """The next bytes. What came before the end of the link is still delivered, then `LinkLost`."""
        try:
            return await self._channel.receive()
        except Exception as exc:
            raise self._lost(exc) from exc

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        """Send; `secret` concerns only a recorder around this pipe."""
        try:
            async with asyncio.timeout(self._timing.open):  # BlueZ is asked why a link has ended, and may not answer
                await self._channel.send(data)
        except Exception as exc:
            raise self._lost(exc) from exc

    async def set_baud(self, baud: int) -> None:
        """There is no wire."""

    async def close(self) -> None:
        """Close in order, which sends what is still queued; after half the time by force."""
        self._closed = True
        await self._link.close(self._timing.close)

    def _lost(self, exc: Exception) -> LinkLost:
        return LinkLost(f"{self._name}: is closed") if self._closed else lost(self._name, exc)


# ---- what is held


@asynccontextmanager
async def _link(device: str, channel: int | None) -> AsyncIterator[RfcommChannel]:
    """The open channel of a device."""
    from aio_rfcomm import RfcommDeviceInfo
    from aio_rfcomm.errors import ConnectionFailedError, DeviceNotFoundError

    info = RfcommDeviceInfo(device)
    async with AsyncExitStack() as stack:
        bluetooth = await stack.enter_async_context(_bluetooth())
        if device in _open_devices:
            raise AlreadyOpen
        _open_devices.add(device)
        stack.callback(_open_devices.discard, device)
        if channel is None:
            opening = bluetooth.open_service(info, SERIAL_PORT)
        else:
            opening = bluetooth.open_channel(info, channel)
        try:
            opened = await stack.enter_async_context(opening)
        except (ConnectionFailedError, DeviceNotFoundError) as exc:
            if info in await bluetooth.list_known_devices():
                raise
            raise NotPaired from exc
        yield opened


@asynccontextmanager
async def _list() -> AsyncIterator[list[KnownDevice]]:
    async with _bluetooth() as bluetooth:
        serial = set(await bluetooth.list_known_devices(service=SERIAL_PORT))
        known = await bluetooth.list_known_devices()
    yield [KnownDevice(info.address, _name(info.name, info.address), info in serial) for info in known]


def _name(name: str | None, address: str) -> str | None:
    """Without the CR that some modules end theirs with; BlueZ gives the address as the name of a nameless device."""
    name = (name or "").strip()
    return name if name and name != address.replace(":", "-") else None


class _Shared:
    """`open_bluetooth()`, shared by all its users on one event loop: aio-rfcomm allows one in a process."""

    def __init__(self, before: _Shared | None) -> None:
        self.users = 0
        self.held = Held(_open_bluetooth(before))


_shared: Final[dict[asyncio.AbstractEventLoop, _Shared]] = {}


@asynccontextmanager
async def _bluetooth() -> AsyncIterator[Bluetooth]:
    """The shared one: the first user opens it, the last one closes it."""
    loop = asyncio.get_running_loop()
    shared = _shared.get(loop)
    if shared is None or shared.users == 0 or shared.held.task.done():
        shared = _share(loop, shared)
    shared.users += 1
    try:
        yield await shared.held.wait()
    finally:
        shared.users -= 1
        if shared.users == 0:
            await shared.held.close()


def _share(loop: asyncio.AbstractEventLoop, before: _Shared | None) -> _Shared:
    """A new one, that opens when the one before it is closed."""
    shared = _shared[loop] = _Shared(before)

    def forget(_: object) -> None:
        if _shared.get(loop) is shared:
            del _shared[loop]

    shared.held.task.add_done_callback(forget)
    return shared


@asynccontextmanager
async def _open_bluetooth(before: _Shared | None) -> AsyncIterator[Bluetooth]:
    if before is not None:
        await asyncio.wait({before.held.task})
    from aio_rfcomm import Availability, macos, open_bluetooth

    macos.prompt_under_name(name="antbms", reason="It reads the state of your battery.")
    async with open_bluetooth() as bluetooth:
        async for availability in bluetooth.watch_availability():
            if availability is not Availability.AWAITING_PERMISSION:
                break
        yield bluetooth


# ---- what is typed


def _device(address: Address) -> str:
    if not _ADDRESS.fullmatch(address.target):
        raise UsageError(
            f"{address.text}: {address.target!r} is no Bluetooth address",
            "Write rfcomm:AA:BB:CC:DD:EE:FF; antbms scan lists the devices with their addresses.",
        )
    if "adapter" in address.options:
        raise UsageError(f"{address.text}: the adapter cannot be chosen for rfcomm: addresses, the first is taken")
    return address.target.replace("-", ":").upper()


def _channel(address: Address) -> int | None:
    text = address.options.get("channel")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) in _CHANNELS):
        raise UsageError(f"{address.text}: channel must be a number from 1 to 30, not {text!r}")
    return int(text)
