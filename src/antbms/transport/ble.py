"""Bluetooth LE: `ble:AA:BB:CC:DD:EE:FF`, on macOS `ble:UUID`, and `ble:NAME` everywhere; by bleak.

Some modules end a link after 9 s without a request (ANT-BLE20A). Nothing is sent here to prevent that, as only who
asks knows what may be asked: whoever reads more often keeps the link, whoever does not gets `LinkLost`, and opens anew.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from ..errors import AntbmsError, LinkLost, UsageError
from ..timing import Timing
from .address import Address
from .base import Medium, Pipe
from .ble_errors import AlreadyOpen, Cause, NoConnection, NoService, cause_of, explain, lost
from .ble_scan import RADIO, Heard, bluez, find, turn
from .gatt import Channel, find_channel, short
from .held import Held

if TYPE_CHECKING:
    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic

CONNECT: Final = 0.5
"""The share of `Timing.open` for one attempt to connect."""

_PASSING: Final[frozenset[Cause]] = frozenset({"refuses", "busy"})
"""What often is gone at the next attempt: a connection that fails is nothing unusual, above all on Linux."""

_open_devices: Final[set[str]] = set()


async def open_ble(address: Address, timing: Timing) -> Pipe:
    """Find, connect and subscribe.

    Raises `OpenError` with the cause and the way out; `UsageError` for a name that several devices have, or an option
    that means nothing here. Takes `timing.open` at most, and when cancelled `timing.close`; but openings on one adapter
    wait for each other, as it does not do two things at once.
    """
    if "adapter" in address.options and sys.platform != "linux":
        raise UsageError(f"{address.text}: the adapter can be chosen on Linux only")
    pipe = BlePipe(address, timing)
    async with turn(address.options.get("adapter")):
        await pipe.open()
    return pipe


@contextmanager
def in_words(address: Address, timing: Timing) -> Iterator[None]:
    """What goes wrong inside is raised as an `OpenError` that tells the cause and the way out."""
    start = timing.monotonic()
    try:
        yield
    except AntbmsError:
        raise
    except Exception as exc:
        raise explain(address.text, exc, timing.monotonic() - start, sys.platform, address.target) from exc


@asynccontextmanager
async def connection(
    address: Address, timing: Timing, on_lost: Callable[[], None]
) -> AsyncIterator[tuple[BleakClient, Heard]]:
    """A connected client, and how its device was found; disconnected at the end. To be entered with `turn()` held.

    `on_lost` is called when the link ends, also by ourselves. Raises what bleak raises, and as `find` does.
    """
    from bleak import BleakClient

    heard = await find(address, timing)
    if heard.id in _open_devices:
        raise AlreadyOpen
    client = BleakClient(
        heard.device,
        lambda _: on_lost(),
        timeout=CONNECT * timing.open,  # its own: on macOS nothing else makes the system give up
        bluez=bluez(address.options.get("adapter")),
        backend=RADIO.get().client,
    )
    _open_devices.add(heard.id)
    try:
        await _connect(client, heard, timing)
        try:
            yield client, heard
        finally:
            await client.disconnect()
    finally:
        _open_devices.discard(heard.id)


async def _connect(client: BleakClient, heard: Heard, timing: Timing) -> None:
    """Connect, and try again what may pass; a device that does not answer at all is asked once."""
    how = "is in reach" if heard.signal is None else f"is in reach ({heard.signal} dBm)"
    for left in reversed(range(timing.tries)):
        try:
            await client.connect()
        except Exception as exc:
            failure = NoConnection(how)
            failure.__cause__ = exc
            if not left or isinstance(exc, TimeoutError) or cause_of(failure) not in _PASSING:
                raise failure from exc
            await asyncio.sleep(timing.silence)
        else:
            return


class BlePipe:
    """A `Pipe` over one connection. `read` gives notification by notification, as they came."""

    medium = Medium.BLUETOOTH

    def __init__(self, address: Address, timing: Timing) -> None:
        self.address = address.options.get("mac")
        self._where = address
        self._timing = timing
        self._pieces: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._is_lost = self._is_closed = False
        self._held: Held[tuple[BleakClient, Channel, Heard]]
        self._client: BleakClient
        self._channel: Channel

    async def open(self) -> None:
        """To be called once, with `turn()` held. Raises as `open_ble` does."""
        self._held = Held(self._link())
        with in_words(self._where, self._timing):
            self._client, self._channel, heard = await self._held.open(self._timing)
        self.address = self.address or heard.address

    @asynccontextmanager
    async def _link(self) -> AsyncIterator[tuple[BleakClient, Channel, Heard]]:
        """Connected and subscribed. The end is in order, so that the battery is free for others at once."""
        async with connection(self._where, self._timing, self._on_lost) as (client, heard):
            channel = find_channel(client.services)
            if channel is None:
                raise NoService(", ".join(short(service.uuid) for service in client.services))
            await client.start_notify(channel.notify, self._on_notification)
            try:
                yield client, channel, heard
            finally:
                if client.is_connected:
                    await client.stop_notify(channel.notify)

    @property
    def expects(self) -> str | None:
        """By the service that the device offers."""
        return self._channel.profile.protocol

    async def read(self) -> bytes:
        """The next notification. What came before the end of the link is still delivered, then `LinkLost`."""
        while not self._pieces:
            if self._is_lost or self._is_closed:
                raise self._lost()
            self._wake.clear()
            await self._wake.wait()
        return self._pieces.popleft()

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        """Send, in as many writes as the link needs; what is `secret` is in no error."""
        if self._is_lost or self._is_closed:
            raise self._lost()
        characteristic, response = self._channel.write, self._channel.response
        size = characteristic.max_write_without_response_size
        try:
            async with asyncio.timeout(self._timing.open):
                for start in range(0, len(data), size):
                    await self._client.write_gatt_char(characteristic, data[start : start + size], response)
        except Exception as exc:
            if secret:  # on Windows, bleak's text holds what was to be written
                raise self._lost() from None
            raise self._lost(exc) from exc

    async def set_baud(self, baud: int) -> None:
        """There is no wire."""

    async def close(self) -> None:
        """Unsubscribe and disconnect; after half the time by force."""
        self._is_closed = True
        self._wake.set()
        await self._held.close(self._timing.close)

    def _on_notification(self, _: BleakGATTCharacteristic, data: bytearray) -> None:
        if data:
            self._pieces.append(bytes(data))
            self._wake.set()

    def _on_lost(self) -> None:
        """Called by bleak, and also when it was we who ended the link: then `_is_closed` says so."""
        self._is_lost = True
        self._wake.set()

    def _lost(self, exc: Exception | None = None) -> LinkLost:
        if self._is_closed:
            return LinkLost(f"{self._where.text}: is closed")
        return lost(self._where.text, None if self._is_lost else exc)
