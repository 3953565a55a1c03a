"""The catalogue: one row a quantity. Tables, CSV headers, units, metrics and docs derive from it.

A quantity is a field of `Snapshot` or, with `detail=True`, a key of `Snapshot.details`.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Kind(Enum):
    """How a quantity behaves over time."""

    MEASUREMENT = "measurement"
    """Goes up and down."""
    COUNTER = "counter"
    """Only grows, for the life of the device (until somebody clears it)."""
    STATE = "state"
    """Words, codes, switches."""


class Quantity(Struct, frozen=True):
    """One thing that is measured, counted or stated.

    `digits` is the number of decimals that mean something (None for words). `derived` quantities are computed
    here from others; what the device reports for them only serves to raise a doubt. `device_class` is what is
    measured, in the words of Home Assistant, where the unit does not say it. `diagnostic` quantities are for who looks
    for a fault.
    """

    name: str
    label: str
    unit: str = ""
    digits: int | None = None
    kind: Kind = Kind.MEASUREMENT
    derived: bool = False
    detail: bool = False
    text: str = ""
    device_class: str | None = None
    diagnostic: bool = False


_M, _C, _S = Kind.MEASUREMENT, Kind.COUNTER, Kind.STATE

_OR_DERIVED = "the monitor computes it where the device does not report it"
_COUNTED = "counted by the monitor since its beginning, gaps left out"

_ROWS = (
    Quantity("level", "Permission level", "", 0, _S, text="rights of this session, 0 to 9 (ant only)", diagnostic=True),
    Quantity("voltage", "Voltage", "V", 2),
    Quantity("current", "Current", "A", 2, text="> 0 charges the battery"),
    Quantity("power", "Power", "W", 1, derived=True, text="voltage × current; > 0 charges the battery"),
    Quantity("soc", "State of charge", "%", 1, device_class="battery"),
    Quantity("soh", "State of health", "%", 1),
    Quantity("state", "State", kind=_S, text="as the device words it"),
    Quantity("capacity", "Capacity", "Ah", 3, text="nominal"),
    Quantity("remaining", "Remaining", "Ah", 3),
    Quantity("cycles", "Cycles", "", 0, _C),
    Quantity("throughput", "Throughput", "Ah", 3, _C, text="mean of all that went in and all that came out"),
    Quantity("charged", "Charged in total", "Ah", 3, _C),
    Quantity("discharged", "Discharged in total", "Ah", 3, _C),
    Quantity("uptime", "Run time", "s", 0, _C, diagnostic=True),
    Quantity("charge_time", "Charge time in total", "s", 0, _C, diagnostic=True),
    Quantity("discharge_time", "Discharge time in total", "s", 0, _C, diagnostic=True),
    Quantity("cells", "Cell voltages", "V", 3),
    Quantity("cell_min", "Lowest cell", "V", 3, derived=True),
    Quantity("cell_max", "Highest cell", "V", 3, derived=True),
    Quantity("cell_spread", "Cell spread", "V", 3, derived=True),
    Quantity("balancing", "Balancing cells", kind=_S, text="numbers of the cells being balanced, from 1"),
    Quantity("temperatures", "Temperatures", "°C", 1),
    Quantity("switches", "Switches", kind=_S),
    Quantity("alarms", "Alarms", kind=_S),
    Quantity("flags", "Flags", kind=_S),
    Quantity("chemistry", "Chemistry", kind=_S, detail=True, diagnostic=True),
    Quantity("board_type", "Board type", "", 0, _S, detail=True, text="1, 2 and 33 balance actively", diagnostic=True),
    Quantity("drain_source_voltage", "Drain-source voltage", "V", 1, detail=True, diagnostic=True),
    Quantity("discharge_gate_voltage", "Discharge gate voltage", "V", 1, detail=True, diagnostic=True),
    Quantity("charge_gate_voltage", "Charge gate voltage", "V", 1, detail=True, diagnostic=True),
    Quantity("comparator", "Comparator", "", 0, detail=True, text="raw", diagnostic=True),
    Quantity("line_resistance", "Line resistance", "Ω", 5, detail=True, diagnostic=True),
    Quantity("balance_current", "Balance current", "A", 3, detail=True),
    Quantity("balancer_fault", "Balancer fault code", "", 0, _S, detail=True, diagnostic=True),
    Quantity("charge_duration", "Duration of this charge", "s", 0, detail=True),
    Quantity("since_charge", "Time since the last charge", "s", 0, detail=True),
    Quantity("time_to_full", "Time to full", "s", 0, detail=True, text=_OR_DERIVED),
    Quantity("time_to_empty", "Time to empty", "s", 0, detail=True, text=_OR_DERIVED),
    Quantity("fast_current", "Fast current", "A", 1, detail=True, text="> 0 charges the battery"),
    Quantity("licence_hours", "Licence hours left", "h", 0, detail=True, diagnostic=True),
    Quantity("sampling_fault", "Sampling fault", "", 0, _S, detail=True, diagnostic=True),
    Quantity("charger_voltage", "Charger voltage", "V", 1, detail=True),
    Quantity("charger_current", "Charger current", "A", 1, detail=True),
    Quantity("charger_state", "Charger state", "", 0, _S, detail=True, text="bit 15: connected"),
    Quantity("tire_length", "Tire length", "mm", 0, detail=True, diagnostic=True),
    Quantity("wheel_pulses", "Pulses a turn", "", 0, detail=True, diagnostic=True),
    Quantity("relay", "Relay", "", 0, _S, detail=True, diagnostic=True),
    Quantity(
        "log_word", "Log word", "", 0, _S, detail=True, text="one entry of the device's event ring", diagnostic=True
    ),
    Quantity("humidity", "Humidity", "%", 0, detail=True, device_class="humidity"),
    Quantity("full_capacity", "Full-charge capacity", "Ah", 3, detail=True),
    Quantity("energy_charged", "Energy charged", "kWh", 3, _C, derived=True, detail=True, text=_COUNTED),
    Quantity("energy_discharged", "Energy discharged", "kWh", 3, _C, derived=True, detail=True, text=_COUNTED),
    Quantity("charge_in", "Charge in", "Ah", 3, _C, derived=True, detail=True, text=_COUNTED),
    Quantity("charge_out", "Charge out", "Ah", 3, _C, derived=True, detail=True, text=_COUNTED),
)

QUANTITIES: dict[str, Quantity] = {row.name: row for row in _ROWS}
