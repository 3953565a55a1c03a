"""Bluetooth LE devices in reach: listening to what they advertise, and finding the one that an address means.

Everything here and in `ble` goes through bleak. A test, or a program with a radio of its own, sets `RADIO`.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from msgspec import Struct

from ..errors import OpenError, UsageError
from ..timing import Timing
from .address import Address
from .gatt import SERVICES, uuid

if TYPE_CHECKING:
    from bleak import BleakScanner
    from bleak.backends.adapter import BaseBleakAdapter
    from bleak.backends.client import BaseBleakClient
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData, BaseBleakScanner

LISTEN: Final = 0.4
"""The share of `Timing.open` for listening: a module advertises every 0.1 to 2 s, and some of it is missed."""
MORE: Final = 0.04
"""The share of `Timing.open` for others of the same name, once one was heard: resellers name all alike."""

_MAC: Final = re.compile(r"[0-9A-F]{2}(?:[:-][0-9A-F]{2}){5}", re.IGNORECASE)
_UUID: Final = re.compile(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}", re.IGNORECASE)
_NO_SIGNAL: Final = -127
_JBD: Final = uuid(0xFF00)
_NO_ADDRESS: Final = 0x007B
"""The company that newer JBD modules claim to be, where older ones have part of their address (jbd.md 7)."""


class Radio(Struct, frozen=True):
    """The backends of bleak; None is that of the platform."""

    client: type[BaseBleakClient] | None = None
    scanner: type[BaseBleakScanner] | None = None
    adapter: type[BaseBleakAdapter] | None = None


RADIO: Final[ContextVar[Radio]] = ContextVar("RADIO", default=Radio())  # noqa: B039  it is frozen


class Heard(Struct, frozen=True):
    """A device in reach.

    id: what the system calls it: its address, but on macOS a UUID; address: its Bluetooth address, where known;
    name: without the CR that some modules end theirs with; signal: dBm; services: UUIDs;
    manufacturer: company number → bytes.
    """

    device: BLEDevice
    id: str
    name: str | None = None
    address: str | None = None
    signal: int | None = None
    services: tuple[str, ...] = ()
    manufacturer: dict[int, bytes] = {}

    def __str__(self) -> str:
        about = [self.address or self.id, *([f"{self.signal} dBm"] if self.signal is not None else [])]
        return f"{self.name or 'without a name'} ({', '.join(about)})"


_FIRST: Final = "hci0"
"""What Linux calls the first adapter, which is nearly always the one that is used where none is named."""
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


def turn(adapter: str | None = None) -> asyncio.Lock:
    """To be held while an adapter listens or connects: BlueZ does one such thing at a time, and refuses a second."""
    adapters = _turns.setdefault(asyncio.get_running_loop(), {})
    return adapters.setdefault(adapter or _FIRST, asyncio.Lock())


async def listen(
    seconds: float, adapter: str | None = None, wanted: Callable[[Heard], bool] | None = None, more: float = 0.0
) -> list[Heard]:
    """The devices that are heard within `seconds`, strongest first; ends `more` s after the first that is `wanted`.

    Raises what bleak raises. To be called with `turn()` held.
    """
    from bleak import BleakScanner

    heard: dict[str, Heard] = {}
    found = asyncio.Event()

    def on_advertisement(device: BLEDevice, data: AdvertisementData) -> None:
        heard[device.address] = one = _heard(device, data, heard.get(device.address))
        if wanted and wanted(one):
            found.set()

    async with _scanning(BleakScanner(on_advertisement, bluez=bluez(adapter), backend=RADIO.get().scanner)):
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await found.wait()
                await asyncio.sleep(more)
    return sorted(heard.values(), key=lambda one: one.signal or _NO_SIGNAL, reverse=True)


@asynccontextmanager
async def _scanning(scanner: BleakScanner) -> AsyncIterator[None]:
    """As `async with scanner`, which would scan for ever if it were cancelled while it starts: that is waited for."""
    starting = asyncio.ensure_future(scanner.start())
    try:
        await asyncio.shield(starting)
        yield
    finally:
        await asyncio.wait({starting})
        if not starting.cancelled() and starting.exception() is None:
            await scanner.stop()


async def find(address: Address, timing: Timing) -> Heard:
    """The device that `address` means. To be called with `turn()` held.

    A device that is still connected to this computer does not advertise: on Linux that is how a program which was
    killed leaves it. Raises `OpenError` if it is not in reach, `UsageError` if several have the name, and what bleak
    raises.
    """
    is_wanted, is_unique = _matcher(address.target)
    adapter = address.options.get("adapter")
    seconds = LISTEN * timing.open
    heard = await listen(seconds, adapter, is_wanted, 0.0 if is_unique else MORE * timing.open)
    matches = [one for one in heard if is_wanted(one)] or [one for one in await _connected(adapter) if is_wanted(one)]
    if len(matches) > 1:
        raise UsageError(
            f"{address.text}: {len(matches)} devices have this name",
            "Take one by its address: " + ", ".join(f"ble:{one.id}" for one in matches),
        )
    if not matches:
        raise _not_found(address, seconds, heard)
    return matches[0]


def bluez(adapter: str | None) -> Any:
    """How bleak is told which adapter to use: as one of three typed dictionaries that are alike in this."""
    return {"adapter": adapter} if adapter else {}


def _matcher(target: str) -> tuple[Callable[[Heard], bool], bool]:
    """Whether a device is the one that is meant, and whether only one can be."""
    if _MAC.fullmatch(target):
        wanted = target.replace("-", ":").upper()
        return lambda one: wanted in (one.id.upper(), one.address), True
    if _UUID.fullmatch(target):
        return lambda one: one.id.upper() == target.upper(), True
    name = target.strip().casefold()
    return lambda one: one.name is not None and one.name.casefold() == name, False


def _heard(device: BLEDevice, data: AdvertisementData, before: Heard | None) -> Heard:
    """What is known now; the name and the rest may come in different packets."""
    before = before or Heard(device, device.address)
    return Heard(
        device=device,
        id=device.address,
        name=(data.local_name or device.name or "").strip() or before.name,
        address=_own_address(device.address, data) or before.address,
        signal=None if data.rssi <= _NO_SIGNAL else data.rssi,
        services=tuple(data.service_uuids) or before.services,
        manufacturer=data.manufacturer_data or before.manufacturer,
    )


def _own_address(identifier: str, data: AdvertisementData) -> str | None:
    """The Bluetooth address. macOS hides it, but JBD modules advertise theirs, backwards: number, then payload."""
    if _MAC.fullmatch(identifier):
        return identifier.upper()
    if _JBD in data.service_uuids:
        for company, payload in data.manufacturer_data.items():
            if len(payload) == 4 and company != _NO_ADDRESS:
                return (company.to_bytes(2, "little") + payload)[::-1].hex(":").upper()
    return None


async def _connected(adapter: str | None) -> list[Heard]:
    """The devices that this computer is connected to; none where the system does not tell."""
    from bleak import BleakAdapter
    from bleak.exc import BleakError

    try:
        system = await BleakAdapter.get(bluez=bluez(adapter), backend=RADIO.get().adapter)
        devices = await system.get_connected_devices([*SERVICES])
    except (BleakError, NotImplementedError, OSError):
        return []
    return [
        Heard(
            device,
            device.address,
            name=(device.name or "").strip() or None,
            address=device.address.upper() if _MAC.fullmatch(device.address) else None,
        )
        for device in devices
    ]


def _not_found(address: Address, seconds: float, heard: Iterable[Heard], most: int = 6) -> OpenError:
    others = [str(one) for one in heard]
    listed = ", ".join(others[:most] + ([f"and {len(others) - most} more"] if len(others) > most else []))
    hides = sys.platform == "darwin" and _MAC.fullmatch(address.target)
    return OpenError(
        f"{address.text}: not found in {seconds:.0f} s",
        *(["macOS hides Bluetooth addresses: use the name, or the UUID that antbms scan shows."] if hides else []),
        "Is the battery on, in range, and not connected to a phone app? While connected it is invisible to others.",
        f"In reach: {listed}" if listed else "No Bluetooth LE device at all is in reach.",
    )
