"""What is known now of each battery, and which retained messages say so. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ...model import Event, Snapshot
from ...model.records import timestamp
from ...timing import Timing
from ..base import Sources
from .topics import Topics

ONLINE, OFFLINE = "online", "offline"
LINK_EVERY = 30.0
"""s after which the link of a battery is stated again, if nothing else gives rise to it."""
REJECTED = "rejected."

Message = tuple[str, str]
"""Topic and payload of a retained message; an empty payload removes what is retained."""


class Board:
    """The newest event of each battery."""

    def __init__(self, topics: Topics, sources: Sources, timing: Timing) -> None:
        self._topics = topics
        self._sources = sources
        self._timing = timing
        self._latest: dict[str, Event] = {}
        self._news: set[str] = set()
        self._shown: dict[str, str] = {}
        self._link_at: dict[str, float] = {}

    def take(self, event: Event) -> None:
        """Note an event."""
        self._latest[event.battery] = event
        self._news.add(event.battery)

    def snapshots(self) -> list[Snapshot]:
        """Of the batteries that can be read now."""
        return [event for event in self._latest.values() if isinstance(event, Snapshot)]

    def greeting(self) -> Iterator[Message]:
        """Everything, for a new connection: also what a former run may have left there is put right."""
        self._shown.clear()
        self._link_at.clear()
        self._news.clear()
        yield self._topics.bridge("availability"), ONLINE
        for battery in self._sources:
            if battery in self._latest:
                yield from self._about(battery)
            else:
                yield self._topics.of(battery, "availability"), OFFLINE

    def news(self) -> Iterator[Message]:
        """What has changed since the last time."""
        for battery in sorted(self._news):
            yield from self._about(battery)
        self._news.clear()

    def goodbye(self) -> Iterator[Message]:
        """Nothing is known any longer."""
        for battery in self._sources:
            yield self._topics.of(battery, "availability"), OFFLINE
        yield self._topics.bridge("availability"), OFFLINE

    def _about(self, battery: str) -> Iterator[Message]:
        """State before availability: who sees a battery come back does not see its old state."""
        event = self._latest[battery]
        is_online = isinstance(event, Snapshot)
        if isinstance(event, Snapshot):
            yield self._topics.of(battery, "state"), event.to_json()
        availability = ONLINE if is_online else OFFLINE
        now = self._timing.monotonic()
        if availability != self._shown.get(battery) or now - self._link_at[battery] >= LINK_EVERY:
            self._link_at[battery] = now
            yield self._topics.of(battery, "link"), self._link(event)
        if availability != self._shown.get(battery):
            self._shown[battery] = availability
            yield self._topics.of(battery, "availability"), availability

    def _link(self, event: Event) -> str:
        """The counters of the link, and why the battery cannot be read."""
        source = self._sources.get(event.battery)
        counters = dict(source.counters) if source else {}
        rejected = {key.removeprefix(REJECTED): n for key, n in counters.items() if key.startswith(REJECTED)}
        is_online = isinstance(event, Snapshot)
        record: dict[str, Any] = {
            "time": timestamp(event.time),
            "online": is_online,
            "since": None if isinstance(event, Snapshot) else timestamp(event.since),
            "reason": None if isinstance(event, Snapshot) else event.reason,
            **{key: n for key, n in counters.items() if not key.startswith(REJECTED)},
            "rejected": sum(rejected.values()),
            "rejections": rejected,
        }
        return msgspec.json.encode(record).decode()
