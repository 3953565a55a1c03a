"""Snapshots that hold every quantity of the catalogue, and batteries without a link."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

import patience
from antbms.model import (
    QUANTITIES,
    Alarm,
    DeviceInfo,
    Doubt,
    Flag,
    Kind,
    Offline,
    Quantity,
    Snapshot,
    SwitchState,
)
from antbms.sinks.base import Control

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CELLS = (3.3, 3.301, 3.302, None)


def sample(quantity: Quantity, number: int) -> float | int | str:
    """A value for a quantity, different for each."""
    if quantity.name in ("state", "chemistry") or (quantity.kind is Kind.STATE and quantity.digits is None):
        return "charging" if quantity.name == "state" else "lfp"
    return number if not quantity.digits else round(number + 0.5, quantity.digits)


def day_after() -> datetime:
    """A wall clock a day ahead of the snapshots, in any year: what is older than a month waits for no broker."""
    return NOON + timedelta(days=1, seconds=patience.now())


def full(seconds: float = 0.0, battery: str = "garage", **changes: Any) -> Snapshot:
    """A snapshot `seconds` after noon in which nothing is missing, but one cell and one sensor."""
    lists = {"cells", "temperatures", "balancing", "switches", "alarms", "flags"}
    values = {name: sample(row, number) for number, (name, row) in enumerate(QUANTITIES.items(), 1)}
    snapshot = Snapshot(
        time=NOON + timedelta(seconds=seconds),
        battery=battery,
        protocol="ant",
        **{name: values[name] for name, row in QUANTITIES.items() if not row.detail and name not in lists},
        cells=CELLS,
        balancing=(2,),
        temperatures={"t1": 21.5, "t2": None, "mosfet": -3.0},
        switches={"charge": SwitchState(True, 1, "on"), "balance": SwitchState(None, None, "?")},
        alarms=(Alarm("protection.1", "protection", 'cell "over"\nvoltage \\'), Alarm("warning.0", "warning", "hot")),
        flags=(Flag("warning.17", "full"),),
        details={name: values[name] for name, row in QUANTITIES.items() if row.detail},
        doubts=(Doubt("cells.4", 9.9, "outside 0.5 to 5 V"),),
    )
    return replace(snapshot, **changes)


def offline(seconds: float = 0.0, battery: str = "garage", reason: str = "no valid answer in 3 tries") -> Offline:
    return Offline(time=NOON + timedelta(seconds=seconds), battery=battery, since=NOON, reason=reason)


class FakeSource(Struct):
    """What the monitor tells of a battery."""

    name: str = "garage"
    info: DeviceInfo | None = None
    counters: Mapping[str, int] = {}
    control: Control | None = None


def info(**changes: Any) -> DeviceInfo:
    plain = DeviceInfo(protocol="ant", model="ANT 24S", hardware="24BHUB", software="2.1", address="AA:BB:CC:DD:EE:FF")
    return replace(plain, **changes)


def sources(*named: str, **changes: Any) -> dict[str, FakeSource]:
    return {name: FakeSource(name, **changes) for name in named or ("garage",)}
