"""What a simulated device claims to be. The names are those of no real board."""

from __future__ import annotations

from datetime import date
from typing import Any

from msgspec import Struct


class Personality(Struct, frozen=True, kw_only=True):
    """A device type. capacity in Ah; current is what its owner draws or charges at most, in A; load: see `LOADS`.

    level: permission without a password (ant). details: what the device reports beside the pack's own quantities.
    passwords: by level (ant); under 0 the board's own (ant-legacy, jbd), none if it is not there.
    has_tail: the 14 further bytes of the status of newer ant boards. segments: whether ant answers end with a result.
    has_module, module_password, address: the Bluetooth module of jbd, and its lock. parameters: jbd boards that know
    the registers FA and 0A (V11). forgets_unsaved: jbd boards that take back what was written when factory mode is left
    with 0000 (assumed: what the vendor's app and bmstools write so stays in force).
    source: the recording that it follows.
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
    passwords: dict[int, str] = {}
    has_tail: bool = False
    segments: bool = True
    has_module: bool = False
    module_password: str | None = None
    address: str = "A5:C2:37:00:00:01"
    parameters: bool = False
    forgets_unsaved: bool = False
    source: str = ""


ANT_PASSWORDS = {1: "12345678", 5: "123456789abc"}
"""Those that real boards are sold with (ant.md §6)."""

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
        passwords=ANT_PASSWORDS,
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
