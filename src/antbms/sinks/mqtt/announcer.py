"""Tells Home Assistant of the batteries: what they have, what is new, and what is no longer there. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from ...model import DeviceInfo, Snapshot
from ...timing import Timing
from ..base import Sources
from . import home_assistant
from .commands import offered
from .config import Config
from .spool import Announced
from .topics import RETAINED, Topics

log = logging.getLogger(__name__)

INFO_PATIENCE = 30.0
"""s after the first reading in which a battery may still say who it is; then its name has to do."""

Message = tuple[str, str]
"""Topic and payload of a retained message; an empty payload removes what is retained."""


class Basis(Struct, frozen=True):
    """What the message of a battery depends on, besides its configuration."""

    parts: tuple[str, ...]
    info: DeviceInfo | None
    is_controlled: bool


class Announcer:
    """What has been announced of each battery. `changed` is what has to be remembered."""

    def __init__(self, config: Config, topics: Topics, sources: Sources, timing: Timing) -> None:
        self._config = config
        self._topics = topics
        self._sources = sources
        self._timing = timing
        self._announced: dict[str, Announced] = {}
        self._basis: dict[str, Basis] = {}
        self._first: dict[str, float] = {}
        self.changed: dict[str, Announced] = {}

    def recall(self, announced: Mapping[str, Announced]) -> None:
        """Take over what former runs have announced."""
        self._announced = {**announced, **self._announced}

    def note(self) -> None:
        """Remember of every battery that something of it is retained now, also of those never read."""
        for battery in self._sources:
            if battery not in self._announced:
                self._note(battery, Announced())

    def greeting(self) -> Iterator[Message]:
        """Everything again: for a broker that may have forgotten, or a Home Assistant that has been restarted."""
        if self._config.home_assistant:
            for battery in self._sources:
                record = self._announced.get(battery)
                if record and record.device and record.payload:
                    yield self._topic(record.device), record.payload

    def former(self) -> Iterator[tuple[str, list[Message], bool]]:
        """Batteries that are no longer in the configuration, what removes them from the broker, and whether it is all.

        The device of a former battery stays while one of the configuration is not known yet: that may be the same
        device under a new name.
        """
        used = {self._announced[name].device for name in self._sources if name in self._announced}
        are_known = not self._config.home_assistant or (None not in used and len(used) == len(self._sources))
        own = {self._topics.of(name) for name in self._sources}
        for battery, record in list(self._announced.items()):
            is_used = self._config.home_assistant and record.device in used
            device = [(self._topic(record.device), "")] if record.device and not is_used else []
            now = device if are_known else []
            if battery not in self._sources:
                names = RETAINED if self._topics.of(battery) not in own else ()
                yield battery, [*now, *((self._topics.of(battery, name), "") for name in names)], now == device
            elif now:
                yield battery, now, True

    def forget(self, battery: str) -> None:
        """It has been removed."""
        self._announced.pop(battery, None)

    def see(self, snapshot: Snapshot) -> Iterator[Message]:
        """What a snapshot gives rise to: usually nothing."""
        battery = snapshot.battery
        if battery not in self._sources:
            return
        if not self._config.home_assistant:
            if battery not in self._announced:
                self._note(battery, Announced())
            return
        source, now = self._sources[battery], self._timing.monotonic()
        if source.info is None and now - self._first.setdefault(battery, now) < INFO_PATIENCE:
            return
        former = self._announced.get(battery, Announced())
        known = self._basis[battery].parts if battery in self._basis else former.parts
        new = [part for part in home_assistant.parts(snapshot) if part not in known]
        basis = Basis((*known, *new), source.info, source.control is not None)
        if basis != self._basis.get(battery):
            self._basis[battery] = basis
            yield from self._announce(snapshot, basis, former)

    def _announce(self, snapshot: Snapshot, basis: Basis, former: Announced) -> Iterator[Message]:
        battery = snapshot.battery
        identity = self._identity(battery, basis.info, former)
        if former.device not in (None, identity):
            yield self._topic(former.device), ""  # another device under the same name
            former = Announced()
            basis = Basis(tuple(home_assistant.parts(snapshot)), basis.info, basis.is_controlled)
            self._basis[battery] = basis
        switches, commands = offered(snapshot.protocol) if basis.is_controlled else (frozenset[str](), {})
        device = home_assistant.Device(
            identity, battery, basis.info, self._topics, self._config.expire_after, switches, commands
        )
        made = home_assistant.message(device, basis.parts)
        platforms = {name: component["platform"] for name, component in made["components"].items()}
        if gone := {name: platform for name, platform in former.components.items() if name not in platforms}:
            yield self._topic(identity), _encode(home_assistant.message(device, basis.parts, gone))
        payload = _encode(made)
        yield self._topic(identity), payload
        self._note(battery, Announced(identity, basis.parts, platforms, payload))

    def _identity(self, battery: str, info: DeviceInfo | None, former: Announced) -> str:
        identity, is_own = home_assistant.device_id(info, battery)
        if not is_own and former.device and info is None:
            return former.device  # it did not say who it is, this time
        taken = {record.device for name, record in self._announced.items() if name != battery and name in self._sources}
        if identity in taken:
            log.warning("%s: another battery says that it is %s as well; the name is its id now", battery, identity)
            identity, is_own = home_assistant.device_id(None, battery)[0], True
        if not is_own and former.device != identity:
            log.warning(
                "%s: has no address and no serial number, so Home Assistant knows it by its name: "
                "renaming it makes a new device there",
                battery,
            )
        return identity

    def _note(self, battery: str, record: Announced) -> None:
        self._announced[battery] = record
        self.changed[battery] = record

    def _topic(self, device: str | None) -> str:
        return home_assistant.discovery_topic(self._config.discovery_prefix, device or "")


def _encode(payload: object) -> str:
    return msgspec.json.encode(payload).decode()
