"""The names of all topics. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...errors import UsageError

BRIDGE = "bridge"
"""The name of antbms itself below the base topic; no battery can have it."""

RETAINED = ("availability", "state", "link")
"""What is retained of each battery."""


class Topics:
    """`BASE/BATTERY/…` for each battery, `BASE/bridge/…` for antbms itself."""

    def __init__(self, base: str, batteries: Iterable[str]) -> None:
        """Raises `UsageError` if two batteries would share topics."""
        self.base = base
        self._parts: dict[str, str] = {}
        owners = {BRIDGE: "antbms itself"}
        for battery in batteries:
            part = topic_part(battery)
            if part in owners:
                raise UsageError(
                    f"[mqtt]: {battery} would have the same topics as {owners[part]}: {base}/{part}/…",
                    "Next: give the battery another name.",
                )
            owners[part] = battery
            self._parts[battery] = part

    def of(self, battery: str, *rest: str) -> str:
        """A topic of a battery."""
        return "/".join((self.base, self._parts.get(battery) or topic_part(battery), *rest))

    def bridge(self, *rest: str) -> str:
        """A topic of antbms itself."""
        return "/".join((self.base, BRIDGE, *rest))

    def battery(self, topic: str) -> tuple[str, list[str]] | None:
        """Which battery of ours a topic belongs to, and what follows; None if to none."""
        if not topic.startswith(f"{self.base}/"):
            return None
        part, *rest = topic.removeprefix(f"{self.base}/").split("/")
        names = [battery for battery, own in self._parts.items() if own == part]
        return (names[0], rest) if names else None


def topic_part(name: str) -> str:
    """A battery's name as one level of a topic: what MQTT gives a meaning, spaces and controls become `_`."""
    return re.sub(r"[\s/+#$\x00-\x1f\x7f]", "_", name) or "_"
