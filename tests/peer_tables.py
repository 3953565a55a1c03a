"""What other programs say of a battery, key by key, in their own names, units and mistakes.

A row says what a peer would publish if it decoded rightly. Where it does not, `ERRORS` says so and names the recording
that proves us right.
"""

from collections.abc import Callable
from math import floor
from typing import Any, NamedTuple

AIO, BATMON, ESPHOME, RESEARCH = "aiobmsble", "batmon-ha", "esphome", "research decoder"
MAIBMS, VENDOR = "maibms", "vendor document"
PEERS = (AIO, BATMON, ESPHOME, RESEARCH, MAIBMS, VENDOR)

Says = Callable[[Any], Any]
"""A value as a peer would publish it, of a `Reading`, or of anything that has its names."""


class Row(NamedTuple):
    """What a peer says if it is right, and how far it may be off. A key with a star is for published values only,
    where these differ in form from what the decoder of the same peer gives.
    """

    says: Says
    tolerance: float = 0.0


def mean(items: list[float | None]) -> float | None:
    known = [item for item in items if item is not None]
    return sum(known) / len(known) if known else None


def unwired(items: list[float | None]) -> list[float]:
    return [-40.0 if item is None else item for item in items]


def problem(r: Any) -> int:
    """aiobmsble's: the two MOSFET codes that are faults, charge in the upper byte; jbd's bits."""
    if r.protocol == "jbd":
        return r.mask("protection")
    charge, discharge = (0 if r.code(s) in (0, 1, 4, 11, 15) else r.code(s) for s in ("charge", "discharge"))
    return charge << 8 | discharge


def seconds_left(r: Any) -> float | None:
    return r.remaining / -r.current * 3600 if r.current < 0 else None


def guessed_capacity(r: Any) -> int:
    return round(r.remaining / r.soc * 10) * 10


def days(r: Any) -> str:
    return f"{r.uptime // 86400}d {r.uptime % 86400 // 3600}h"


def first(r: Any, cell: float) -> int:
    return r.cells.index(cell) + 1


# What several peers publish, by whatever name.
CHARGE, DISCHARGE = Row(lambda r: r.on("charge")), Row(lambda r: r.on("discharge"))
CELLS, VOLTAGE = Row(lambda r: r.cells), Row(lambda r: r.voltage)
CURRENT, WIRE_CURRENT = Row(lambda r: r.current), Row(lambda r: -r.current)
SOC, SOH = Row(lambda r: r.soc), Row(lambda r: r.soh)
COUNT, SENSOR_COUNT = Row(lambda r: len(r.cells)), Row(lambda r: r.wire["sensor_count"])
CAPACITY, REMAINING = Row(lambda r: r.capacity, 0.0006), Row(lambda r: r.remaining, 0.0006)
THROUGHPUT, UPTIME, CYCLES = Row(lambda r: r.throughput), Row(lambda r: r.uptime), Row(lambda r: r.cycles)
SENSORS = Row(lambda r: r.sensors())
MOSFET, BALANCER = Row(lambda r: r.mosfet), Row(lambda r: r.balancer)
SWITCHES = Row(lambda r: {name: r.on(name) for name in ("charge", "discharge")})
PROBLEM = Row(problem)
DEVICE_POWER, WIRE_POWER = Row(lambda r: r.said["power"]), Row(lambda r: -r.said["power"])
"""What the device computes; `test_snapshot` compares it with our voltage × current."""
HIGHEST, LOWEST = Row(lambda r: r.said["cell_max"]), Row(lambda r: r.said["cell_min"])
AVERAGE = Row(lambda r: r.said["cell_average"])
STATE = Row(lambda r: ["unknown", "idle", "charging", "standby", "discharging", "fault"].index(r.state))
PROTECTION, WARNING = Row(lambda r: r.bits("protection")), Row(lambda r: r.bits("warning"))
CHARGE_CODE, DISCHARGE_CODE = Row(lambda r: r.code("charge")), Row(lambda r: r.code("discharge"))
BALANCE_CODE = Row(lambda r: r.code("balance"))
BALANCING = Row(lambda r: sum(1 << cell - 1 for cell in r.balancing))
DISCHARGED, CHARGED = Row(lambda r: r.discharged), Row(lambda r: r.charged)
DISCHARGE_TIME, CHARGE_TIME = Row(lambda r: r.discharge_time), Row(lambda r: r.charge_time)
CHEMISTRY = Row(lambda r: {"nmc": 0xFAF1, "lfp": 0xFAF2, "lto": 0xFAF3, "not set": 0xFAF5}[r.chemistry])

AIO_COMMON = {
    "cell_count": COUNT,
    "cell_voltages": CELLS,
    "voltage": VOLTAGE,
    "current": CURRENT,
    "battery_charging": Row(lambda r: r.current > 0),
    "design_capacity": Row(lambda r: floor(r.capacity or 0)),
    "battery_level": SOC,
    "cycle_charge": REMAINING,
    "chrg_mosfet": CHARGE,
    "dischrg_mosfet": DISCHARGE,
    "problem_code": PROBLEM,
    "problem": Row(lambda r: problem(r) != 0),
    "temperature": Row(lambda r: mean(r.all_sensors()), 0.0006),
    "temp_values": Row(lambda r: r.all_sensors()),
}
AIO_ANT = AIO_COMMON | {
    "balancer": Row(lambda r: r.on("balance")),
    "total_charge": Row(lambda r: floor(r.throughput)),
    "cycles": Row(lambda r: floor(r.throughput) // floor(r.capacity)),
    "cycle_capacity": Row(lambda r: r.remaining * r.voltage, 0.06),
    "delta_voltage": Row(lambda r: r.said["cell_spread"]),
}
ROWS: dict[tuple[str, str], dict[str, Row]] = {
    ("ant", AIO): AIO_ANT
    | {
        "temp_sensors": SENSOR_COUNT,
        "temp_values*": SENSORS,
        "battery_health": SOH,
        "battery_charging": Row(lambda r: r.state == "charging"),
        "power": DEVICE_POWER,
        "runtime": Row(seconds_left, 1),
        "mosfet_temperature": MOSFET,
        "balancer_temperature": BALANCER,
    },
    ("ant", BATMON): {
        "voltage": VOLTAGE,
        "current": CURRENT,
        "charge": REMAINING,
        "capacity": CAPACITY,
        "soc": SOC,
        "soh": SOH,
        "total_charge_throughput": THROUGHPUT,
        "temperatures": SENSORS,
        "mos_temperature": MOSFET,
        "switches": SWITCHES,
        "cell_voltages_mv": Row(lambda r: [round(cell * 1000) for cell in r.cells]),
    },
    ("ant", RESEARCH): {
        "permission": Row(lambda r: r.level),
        "state": STATE,
        "cell_count": COUNT,
        "temperature_count": SENSOR_COUNT,
        "protection_bits": PROTECTION,
        "warning_bits": WARNING,
        "cell_voltages": CELLS,
        "temperatures": SENSORS,
        "mosfet_temperature": MOSFET,
        "balancer_temperature": BALANCER,
        "voltage": VOLTAGE,
        "current_wire": WIRE_CURRENT,
        "soc": SOC,
        "soh": SOH,
        "discharge_mosfet_code": DISCHARGE_CODE,
        "charge_mosfet_code": CHARGE_CODE,
        "balancer_code": BALANCE_CODE,
        "board_type": Row(lambda r: r.board_type),
        "capacity_ah": CAPACITY,
        "remaining_ah": REMAINING,
        "cycle_ah": THROUGHPUT,
        "power_w": WIRE_POWER,
        "runtime_s": UPTIME,
        "balancing_bits": BALANCING,
        "max_cell_voltage": HIGHEST,
        "max_cell_index": Row(lambda r: r.said["cell_max_number"]),
        "min_cell_voltage": LOWEST,
        "min_cell_index": Row(lambda r: r.said["cell_min_number"]),
        "delta_voltage": Row(lambda r: r.said["cell_spread"]),
        "average_voltage": AVERAGE,
        "discharge_ds_voltage": Row(lambda r: r.drain_source_voltage),
        "discharge_drive_voltage": Row(lambda r: r.discharge_gate_voltage),
        "charge_drive_voltage": Row(lambda r: r.charge_gate_voltage),
        "comparator": Row(lambda r: r.comparator),
        "cell_type": Row(lambda r: hex(CHEMISTRY.says(r))),
        "total_discharge_ah": DISCHARGED,
        "total_charge_ah": CHARGED,
        "discharge_time_s": DISCHARGE_TIME,
        "charge_time_s": CHARGE_TIME,
        "trailing_bytes": Row(lambda r: len(r.packet.data) - 106 - 2 * len(r.cells) - 2 * len(r.sensors())),
    },
    ("ant", ESPHOME): {
        "register": Row(lambda r: r.packet.envelope["register"]),
        "raw": Row(lambda r: round(1000 * r.said[r.said["register_name"]])),
        "value": Row(lambda r: r.said[r.said["register_name"]]),
        "unit": Row(lambda r: "V"),  # of the register that is read here
        "device_model": Row(lambda r: r.said["hardware"]),
        "software_version": Row(lambda r: r.said["software"]),
        "total_voltage": VOLTAGE,
        "current": CURRENT,
        "soc": SOC,
        "state_of_health": SOH,
        "battery_strings": COUNT,
        "cell_voltages": CELLS,
        "max_cell_voltage": Row(lambda r: r.cell_max),
        "max_cell": Row(lambda r: first(r, r.cell_max)),
        "min_cell_voltage": Row(lambda r: r.cell_min),
        "min_cell": Row(lambda r: first(r, r.cell_min)),
        "delta": Row(lambda r: r.cell_spread),
        "average": AVERAGE,
        "total_battery_capacity": CAPACITY,
        "capacity_remaining": REMAINING,
        "battery_cycle_capacity": THROUGHPUT,
        "power": DEVICE_POWER,
        "runtime_s": UPTIME,
        "runtime": Row(days),
        "temperatures": SENSORS,
        "mosfet_temperature": MOSFET,
        "balancer_temperature": BALANCER,
        "charge_mosfet_code": CHARGE_CODE,
        "discharge_mosfet_code": DISCHARGE_CODE,
        "balancer_code": BALANCE_CODE,
        "battery_status_code": STATE,
        "total_discharging_capacity": DISCHARGED,
        "total_charging_capacity": CHARGED,
        "total_discharging_time_s": DISCHARGE_TIME,
        "total_charging_time_s": CHARGE_TIME,
        "balanced_cell_bitmask": BALANCING,
    },
    ("ant", MAIBMS): {
        "permission": Row(lambda r: r.level),
        "state": STATE,
        "voltage": VOLTAGE,
        "current": CURRENT,
        "power": DEVICE_POWER,
        "soc": SOC,
        "soh": SOH,
        "capacity_ah": CAPACITY,
        "remaining_ah": REMAINING,
        "cycle_ah": THROUGHPUT,
        "max_cell_voltage": HIGHEST,
        "max_cell": Row(lambda r: first(r, r.cell_max)),
        "min_cell_voltage": LOWEST,
        "min_cell": Row(lambda r: first(r, r.cell_min)),
        "average": AVERAGE,
        "cell_type": CHEMISTRY,
        "mosfet_temperature": MOSFET,
        "temperatures": SENSORS,
        "runtime_s": UPTIME,
        "warning_bits": WARNING,
    },
    ("ant-legacy", AIO): AIO_ANT
    | {
        "design_capacity": Row(lambda r: r.capacity and floor(r.capacity)),
        "cycles": Row(lambda r: r.capacity and floor(r.throughput) // floor(r.capacity)),
        "delta_voltage": Row(lambda r: r.cell_spread),
        "temp_values": Row(lambda r: r.all_sensors()[:4]),
        "temperature": Row(lambda r: mean(r.all_sensors()[:4]), 0.0006),
        "power": Row(lambda r: r.power, 0.051),
        "runtime": UPTIME,
    },
    ("ant-legacy", RESEARCH): {
        "voltage": VOLTAGE,
        "current_wire": WIRE_CURRENT,
        "soc": SOC,
        "capacity_ah": Row(lambda r: r.capacity or 0.0),
        "remaining_ah": REMAINING,
        "cycle_ah": THROUGHPUT,
        "runtime_s": UPTIME,
        "mosfet_temperature": MOSFET,
        "balancer_temperature": BALANCER,
        "temperatures": SENSORS,
        "charge_mosfet_code": CHARGE_CODE,
        "discharge_mosfet_code": DISCHARGE_CODE,
        "balancer_code": BALANCE_CODE,
        "tire_mm": Row(lambda r: r.tire_length),
        "pulses": Row(lambda r: r.wheel_pulses),
        "relay": Row(lambda r: r.relay),
        "power_w": WIRE_POWER,
        "max_cell_index": Row(lambda r: r.said["cell_max_input"]),
        "max_cell_voltage": HIGHEST,
        "min_cell_index": Row(lambda r: r.said["cell_min_input"]),
        "min_cell_voltage": LOWEST,
        "average_voltage": AVERAGE,
        "cell_count": COUNT,
        "ds_voltage_raw": Row(lambda r: r.wire["drain_source_raw"]),
        "discharge_drive_voltage": Row(lambda r: r.discharge_gate_voltage),
        "charge_drive_voltage": Row(lambda r: r.charge_gate_voltage),
        "comparator": Row(lambda r: r.comparator),
        "balancing_bits": Row(lambda r: hex(BALANCING.says(r))),
        "system_log": Row(lambda r: hex(r.log_word)),
        "cell_voltages": CELLS,
    },
    ("ant-legacy", ESPHOME): {
        "battery_strings": COUNT,
        "total_voltage": VOLTAGE,
        "cell_voltages": CELLS,
        "current": CURRENT,
        "soc": SOC,
        "total_battery_capacity": Row(lambda r: r.capacity or 0.0),
        "capacity_remaining": REMAINING,
        "battery_cycle_capacity": THROUGHPUT,
        "runtime_s": UPTIME,
        "temperatures": Row(lambda r: r.all_sensors()),
        "charge_mosfet_code": CHARGE_CODE,
        "discharge_mosfet_code": DISCHARGE_CODE,
        "balancer_code": BALANCE_CODE,
        "max_cell_voltage": Row(lambda r: r.cell_max),
        "max_cell": Row(lambda r: first(r, r.cell_max)),
        "min_cell_voltage": Row(lambda r: r.cell_min),
        "min_cell": Row(lambda r: first(r, r.cell_min)),
        "delta": Row(lambda r: r.cell_spread),
        "average": AVERAGE,
        "power": DEVICE_POWER,
    },
    ("jbd", AIO): AIO_COMMON
    | {
        "cell_count": Row(lambda r: r.wire["cell_count"]),
        "temp_sensors": SENSOR_COUNT,
        "cycles": CYCLES,
        "balancer": BALANCING,
        "delta_voltage": Row(lambda r: r.said["cell_spread"]),
        "power": Row(lambda r: r.power),
        "runtime": Row(seconds_left, 1),
        "cycle_capacity": Row(lambda r: r.remaining * r.voltage),
    },
    ("jbd", BATMON): {
        "voltage": VOLTAGE,
        "current": CURRENT,
        "charge": REMAINING,
        "capacity": CAPACITY,
        "soc": SOC,
        "num_cycles": CYCLES,
        "temperatures": SENSORS,
        "switches": SWITCHES,
        "problem_code": PROBLEM,
        "problem": Row(lambda r: problem(r) != 0),
        "runtime": Row(lambda r: None if r.current == 0 else seconds_left(r), 1),
    },
    ("jbd", RESEARCH): {
        "voltage": VOLTAGE,
        "current_wire": CURRENT,
        "remaining_ah": REMAINING,
        "nominal_ah": CAPACITY,
        "cycles": CYCLES,
        "production_date": Row(lambda r: str(r.info.produced)),
        "balance_low": Row(lambda r: BALANCING.says(r) & 0xFFFF),
        "balance_high": Row(lambda r: BALANCING.says(r) >> 16),
        "protection_bits": PROTECTION,
        "software_version": Row(lambda r: r.wire["software"]),
        "soc": SOC,
        "charge_fet": CHARGE,
        "discharge_fet": DISCHARGE,
        "fet_byte": Row(lambda r: r.on("charge") | r.on("discharge") << 1 | r.mask("mosfet")),
        "cell_count": Row(lambda r: r.wire["cell_count"]),
        "ntc_count": SENSOR_COUNT,
        "temperatures": SENSORS,
        "cell_voltages": CELLS,
        "humidity": Row(lambda r: r.humidity),
        "alarm": Row(lambda r: r.mask("warning")),
        "full_capacity_ah": Row(lambda r: r.full_capacity),
        "remaining_ah_2": Row(lambda r: r.said["remaining_again"]),
        "balance_current_raw": Row(lambda r: r.balance_current * 1000),
        "model": Row(lambda r: r.said["model"]),
    },
    ("jbd", ESPHOME): {
        "total_voltage": VOLTAGE,
        "current": CURRENT,
        "capacity_remaining": REMAINING,
        "nominal_capacity": CAPACITY,
        "charging_cycles": CYCLES,
        "soc": SOC,
        "errors_bitmask": Row(lambda r: r.mask("protection")),
        "operation_status": Row(lambda r: r.on("charge") | r.on("discharge") << 1),
        "temperatures": SENSORS,
        "software_version": Row(lambda r: float(r.info.software)),
        "cell_count": Row(lambda r: r.wire["cell_count"]),
        "temperature_sensors": SENSOR_COUNT,
        "cell_voltages": CELLS,
        "min_cell": Row(lambda r: first(r, r.cell_min)),
        "max_cell": Row(lambda r: first(r, r.cell_max)),
        "delta": Row(lambda r: r.cell_spread),
        "average": Row(lambda r: mean(r.cells)),
        "charge_overtemperature": Row(lambda r: r.said["charge_hot"]),
        "charge_undertemperature": Row(lambda r: r.said["charge_cold"]),
        "discharge_overtemperature": Row(lambda r: r.said["discharge_hot"]),
        "discharge_undertemperature": Row(lambda r: r.said["discharge_cold"]),
        "battery_overvoltage": Row(lambda r: r.said["pack_overvoltage"]),
        "battery_undervoltage": Row(lambda r: r.said["pack_undervoltage"]),
        "short_circuit": Row(lambda r: r.said["short_circuit"]),
        "charge_overcurrent": Row(lambda r: r.said["charge_overcurrent"]),
        "discharge_overcurrent": Row(lambda r: r.said["discharge_overcurrent"]),
        "cell_overvoltage": Row(lambda r: r.said["cell_overvoltage"]),
        "cell_undervoltage": Row(lambda r: r.said["cell_undervoltage"]),
    },
    ("jbd", VENDOR): {
        "hardware": Row(lambda r: r.said["model"]),
        "voltage": VOLTAGE,
        "current": CURRENT,
        "remaining_ah": REMAINING,
        "nominal_ah": CAPACITY,
        "cycles": CYCLES,
        "soc": SOC,
        "cell_count": Row(lambda r: r.wire["cell_count"]),
        "temperature_count": SENSOR_COUNT,
    },
}


class Error(NamedTuple):
    """A peer is wrong: what it says instead, why that is wrong, and the recording that proves it."""

    protocol: str
    peer: str
    key: str
    why: str
    proof: str
    instead: Says
    tolerance: float = 0.0


SIGN = "+ on the wire is a discharge: at +2 A the remaining Ah fall while the discharged Ah and their time rise"
BY_CAPACITY = "divides remaining by capacity and does not read the byte that the device sends"
ERRORS = [
    *(Error("ant", peer, "current", SIGN, "ant/22s-80ah-24bhub-commands", WIRE_CURRENT.says)
      for peer in (AIO, BATMON, ESPHOME, MAIBMS)),
    *(Error("ant", peer, "power", SIGN, "ant/22s-80ah-24bhub-commands", WIRE_POWER.says)
      for peer in (AIO, ESPHOME, MAIBMS)),
    Error("ant", AIO, "runtime", "the same sign: a charging pack has no time to empty", "ant/20s-45ah-22pha1",
          lambda r: r.remaining / r.current * 3600 if r.current > 0 else None, 1),
    Error("ant", AIO, "chrg_mosfet", "charge and discharge swapped: command 6 moves only the second byte",
          "ant/22s-80ah-24bhub-commands", DISCHARGE.says),
    Error("ant", AIO, "dischrg_mosfet", "as above", "ant/22s-80ah-24bhub-commands", CHARGE.says),
    Error("ant", AIO, "temp_values", "-40 °C is an input without a sensor", "ant/8s-100ah-batmon",
          lambda r: unwired(r.all_sensors())),
    Error("ant", AIO, "temperature", "the mean counts inputs without a sensor as -40 °C", "ant/8s-100ah-batmon",
          lambda r: mean(unwired(r.all_sensors())), 0.0006),
    *(Error("ant-legacy", ESPHOME, key, "+ on the wire is a discharge: remaining Ah fall by 8 A at +8 A",
            "ant-legacy/14s-170ah-model2019", row.says)
      for key, row in (("current", WIRE_CURRENT), ("power", WIRE_POWER))),
    Error("ant-legacy", AIO, "balancer", "takes only code 4 as balancing; here code 2 with six balancing bits",
          "ant-legacy/16s-140ah-overcharge", lambda r: r.code("balance") == 4),
    Error("ant-legacy", AIO, "design_capacity", "guesses a capacity that the board does not send (0)",
          "ant-legacy/8s-lfp-charging", lambda r: floor(r.capacity or 0) or guessed_capacity(r)),
    Error("ant-legacy", AIO, "cycles", "the same guess", "ant-legacy/8s-lfp-charging",
          lambda r: floor(r.throughput) // floor(r.capacity or guessed_capacity(r))),
    Error("ant", BATMON, "soc", BY_CAPACITY, "ant/14s-4t-model2021",
          lambda r: r.remaining / r.capacity * 100, 0.006),
    Error("jbd", BATMON, "soc", BY_CAPACITY, "jbd/4s-chins-300ah",
          lambda r: r.remaining / r.capacity * 100 if r.capacity else 0, 0.006),
    Error("jbd", BATMON, "current", "negated: the wire already has + for a charge", "jbd/4s-discharging-issue14",
          lambda r: -r.current),
]  # fmt: skip


def right(protocol: str, who: str, key: str) -> tuple[Row, list[Error]]:
    """The row of a key, and what the peer says instead if it errs."""
    peer = peer_of(who)
    rows = ROWS[protocol, peer]
    if "(published)" in who and f"{key}*" in rows:
        return rows[f"{key}*"], []
    return rows[key], [error for error in ERRORS if (error.protocol, error.peer, error.key) == (protocol, peer, key)]


def peer_of(who: str) -> str:
    return next(peer for peer in PEERS if peer in who)


def same(published: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(published, list):
        return len(published) == len(expected) and all(map(same, published, expected, [tolerance] * len(published)))
    if isinstance(published, dict):
        if published.keys() >= {"value", "type"}:
            return same(published["value"], expected, tolerance)
        return published == expected
    if isinstance(published, bool) or not isinstance(published, int | float) or expected is None:
        return bool(published == expected)
    return abs(published - expected) <= tolerance + 1e-9
