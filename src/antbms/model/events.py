"""What can be said about a battery beside its snapshot: that it cannot be read, and what a change came to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from .records import Snapshot, timestamp


class Offline(Struct, frozen=True, kw_only=True):
    """A battery cannot be read now. Being offline is data, not an exception.

    time: of this statement; since: of the last reading, or of the first attempt if there was none (both aware UTC).
    reason: one line, without the battery's name at its beginning.
    """

    time: datetime
    battery: str
    since: datetime
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """As plain values; times as in `Snapshot.to_dict`."""
        return {
            "time": timestamp(self.time),
            "battery": self.battery,
            "since": timestamp(self.since),
            "reason": self.reason,
        }

    def to_json(self) -> str:
        """One line of JSON. `reason` tells it from that of a snapshot."""
        return msgspec.json.encode(self.to_dict()).decode()


Event = Snapshot | Offline
"""What watching a battery yields. Both have `time` and `battery`."""

Value = float | int | str | bool | None
"""Of a switch (bool), or of a setting in its unit."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What a change came to that the battery has accepted.

    what: what was changed (`charge`, `restart`, `cell_overvoltage`). before, wanted, seen: its values; None where
    there is none, or where the battery does not show it. confirmed: the battery's own state shows what was wanted;
    False: it was acknowledged, and the battery has no state that shows it. text: the same in one line.
    A change that was refused, or cannot be confirmed although it could be seen, is no outcome but an exception.
    """

    what: str
    before: Value
    wanted: Value
    seen: Value
    confirmed: bool
    text: str
