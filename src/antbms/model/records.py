"""The contract: one decoded state of a battery, key for key as in the JSON of every output.

Units: V, A, W, Ah, %, °C, s, Ω. Current and power are positive while the battery is being charged.
`None` means: not reported, no sensor, or doubted (then `doubts` says why). Records hold plain values and each other,
never a cycle, so the garbage collector need not look at them (`gc=False`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct


class SwitchState(Struct, frozen=True, gc=False):
    """A switch of the battery as its status shows it.

    `on` is None where the status does not decide it; `code` is the device's own number (None where it has none).
    """

    on: bool | None
    code: int | None
    reason: str


class Alarm(Struct, frozen=True, gc=False):
    """A fault. `code` is stable (`protection.1`, `warning.0`, `charge.2`); unknown bits are shown by number."""

    code: str
    severity: Literal["protection", "warning"]
    text: str


class Flag(Struct, frozen=True, gc=False):
    """A state that the device reports beside its faults, and which is none."""

    code: str
    text: str


class Doubt(Struct, frozen=True, gc=False):
    """A value that cannot be right. `quantity` names it (`cells.3` for one cell), `reported` is what came."""

    quantity: str
    reported: float | str | None
    reason: str


class Snapshot(Struct, frozen=True, kw_only=True, gc=False):
    """One decoded state. Every field is always there; maps and lists hold what the device has."""

    time: datetime
    battery: str
    protocol: str
    level: int | None = None
    voltage: float | None = None
    current: float | None = None
    power: float | None = None
    soc: float | None = None
    soh: float | None = None
    state: str | None = None
    capacity: float | None = None
    remaining: float | None = None
    cycles: int | None = None
    throughput: float | None = None
    charged: float | None = None
    discharged: float | None = None
    uptime: int | None = None
    charge_time: int | None = None
    discharge_time: int | None = None
    cells: tuple[float | None, ...] = ()
    cell_min: float | None = None
    cell_max: float | None = None
    cell_spread: float | None = None
    balancing: tuple[int, ...] = ()
    temperatures: dict[str, float | None] = {}
    switches: dict[str, SwitchState] = {}
    alarms: tuple[Alarm, ...] = ()
    flags: tuple[Flag, ...] = ()
    details: dict[str, Any] = {}
    doubts: tuple[Doubt, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The contract as plain dicts, sequences, numbers and strings; `time` ends in milliseconds and `Z`."""
        record: dict[str, Any] = msgspec.to_builtins(self)
        record["time"] = timestamp(self.time)
        return record

    def to_json(self) -> str:
        """The contract as one line of JSON."""
        return msgspec.json.encode(self.to_dict()).decode()


class DeviceInfo(Struct, frozen=True, kw_only=True):
    """Who the device says it is; None where unknown."""

    protocol: str
    manufacturer: str | None = None
    model: str | None = None
    hardware: str | None = None
    software: str | None = None
    serial: str | None = None
    pack_id: str | None = None
    produced: date | None = None
    cells: int | None = None
    address: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `produced` as `YYYY-MM-DD`."""
        record: dict[str, Any] = msgspec.to_builtins(self)
        return record

    def to_json(self) -> str:
        """One line of JSON."""
        return msgspec.json.encode(self).decode()


def timestamp(moment: datetime) -> str:
    """An aware UTC time as `2026-11-22T05:00:00.123Z`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
