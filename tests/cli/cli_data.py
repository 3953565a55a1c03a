"""Snapshots that show one thing each. Values are invented."""

from datetime import UTC, datetime, timedelta
from typing import Any

from antbms.model import Alarm, Doubt, Flag, Offline, Snapshot, SwitchState

TIME = datetime(2026, 11, 22, 5, 0, 0, 123000, UTC)


def snapshot(**fields: Any) -> Snapshot:
    """A battery with four cells, and what is given."""
    usual: dict[str, Any] = {
        "voltage": 13.25,
        "current": -2.5,
        "power": -33.1,
        "soc": 64.5,
        "cells": (3.312, 3.313, 3.309, 3.313),
        "cell_min": 3.309,
        "cell_max": 3.313,
        "cell_spread": 0.004,
        "temperatures": {"t1": None, "mosfet": 28.0},
        "switches": {"charge": SwitchState(False, 2, "cell overvoltage"), "discharge": SwitchState(True, 1, "on")},
    }
    return Snapshot(**{"time": TIME, "battery": "garage", "protocol": "ant"} | usual | fields)


ALARMED = snapshot(
    alarms=(Alarm("protection.1", "protection", "cell overvoltage"), Alarm("warning.0", "warning", "cell overvoltage")),
    flags=(Flag("warning.17", "full"),),
    balancing=(2, 4),
    details={"humidity": 40, "chemistry": "lfp"},
)
DOUBTED = snapshot(
    cells=(3.312, None, 3.309, 3.313),
    voltage=None,
    doubts=(
        Doubt("cells.2", 6.1, "outside 0.5 to 5 V"),
        Doubt("voltage", 99.0, "the cells add up to 13.25 V"),
        Doubt("temperatures.t1", 200.0, "outside -40 to 150 °C"),
    ),
)
EMPTY = Snapshot(time=TIME, battery="x", protocol="jbd")
COUNTERS = {"requests": 200, "answers": 150, "stale": 1, "opens": 2, "losses": 1, "rejected.checksum": 3}
OFFLINE = Offline(time=TIME, battery="garage", since=TIME - timedelta(seconds=75), reason="not found in 10 s")


class FakeWatch:
    """A link of some faults."""

    name, protocol, took, info = "garage", "ant", 0.12, None
    error: Any = None
    counters: Any = COUNTERS
    failures = 0
    next_try: float | None = None
