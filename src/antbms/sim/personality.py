"""What a simulated device claims to be. The names are those of no real board."""

from __future__ import annotations

from datetime import date
from typing import Any

from msgspec import Struct


class Personality(Struct, frozen=True, kw_only=True):
    """A device type. capacity in Ah; current is what its owner draws or charges at most, in A; load: see `LOADS`.

    level: permission without a password (ant). details: what the device reports beside the pack's own quantities.
    """

    protocol: str
    model: str
    software: str
    cells: int
    capacity: float
    current: float
    sensors: int
    load: str
    chemistry: str = "lfp"
    level: int | None = None
    produced: date | None = None
    details: dict[str, Any] = {}


PERSONALITIES: dict[str, Personality] = {
    "ant": Personality(
        protocol="ant",
        model="16SIM",
        software="16SIMB00-260101A",
        cells=16,
        capacity=280.0,
        current=100.0,
        sensors=4,
        load="solar",
        level=5,
        details={
            "board_type": 0,
            "drain_source_voltage": 0.0,
            "discharge_gate_voltage": 12.4,
            "charge_gate_voltage": 12.0,
            "comparator": 680,
        },
    ),
    "ant-legacy": Personality(
        protocol="ant-legacy",
        model="",
        software="",
        cells=14,
        capacity=50.0,
        current=30.0,
        sensors=4,
        load="ride",
        chemistry="nmc",
        details={"discharge_gate_voltage": 11.2, "charge_gate_voltage": 10.7, "comparator": 684, "wheel_pulses": 23},
    ),
    "jbd": Personality(
        protocol="jbd",
        model="SIM-SP08S-100A",
        software="3.2",
        cells=8,
        capacity=100.0,
        current=50.0,
        sensors=2,
        load="solar",
        produced=date(2026, 1, 15),
    ),
}
"""By protocol."""
