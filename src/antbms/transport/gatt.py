"""Where on a Bluetooth LE device the battery talks: its GATT service, and the characteristics for either direction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.service import BleakGATTService


class Profile(Struct, frozen=True):
    """One row of the table: 16-bit numbers of the service and of its two characteristics, which may be one.

    protocol: the only one that is spoken there; None where several are.
    """

    service: int
    notify: int
    write: int
    protocol: str | None = None


PROFILES: Final = (
    Profile(0xFF00, 0xFF01, 0xFF02, "jbd"),  # jbd.md 7
    Profile(0xFFE0, 0xFFE1, 0xFFE1),  # ant.md 9, ant-legacy.md 5
    Profile(0xFFF0, 0xFFF4, 0xFFF3),  # ant.md 9, fallback, from an app: unproved
    Profile(0xFFF0, 0xFFF6, 0xFFF5),  # the same, and which of the two notifies is a guess
)
"""The first row that a device has is taken."""


def uuid(number: int) -> str:
    """The UUID of an assigned number, as bleak writes it."""
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"


def short(uuid: str) -> str:
    """A UUID for humans: four digits, if it is one of an assigned number."""
    is_assigned = uuid.startswith("0000") and uuid.endswith("-0000-1000-8000-00805f9b34fb")
    return uuid[4:8].upper() if is_assigned else uuid


SERVICES: Final = tuple(dict.fromkeys(uuid(profile.service) for profile in PROFILES))
"""The UUIDs of all services in the table."""


class Channel(Struct, frozen=True):
    """A profile on a connected device. response: writes must be acknowledged, because nothing else is offered."""

    profile: Profile
    notify: BleakGATTCharacteristic
    write: BleakGATTCharacteristic
    response: bool


def find_channel(services: Iterable[BleakGATTService]) -> Channel | None:
    """The channel of the first profile that a device offers; a UUID may be there more than once, some modules do so."""
    known = list(services)
    for profile in PROFILES:
        for service in known:
            if service.uuid != uuid(profile.service):
                continue
            notify = _characteristic(service, profile.notify, "notify", "indicate")
            write = _characteristic(service, profile.write, "write-without-response", "write")
            if notify and write:
                return Channel(profile, notify, write, response="write-without-response" not in write.properties)
    return None


def _characteristic(service: BleakGATTService, number: int, *able: str) -> BleakGATTCharacteristic | None:
    """The characteristic of this number that is able to do one of these."""
    fits = (item for item in service.characteristics if item.uuid == uuid(number) and {*able} & {*item.properties})
    return next(fits, None)
