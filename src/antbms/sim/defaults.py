"""What a simulated device has in its memory when it leaves the factory: values by the names of the settings.

The thresholds are those that its BMS acts by; the rest are usual values, of the recordings where they hold some.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..model.events import Value
from .personality import Personality

CURVES: dict[str, tuple[float, ...]] = {
    "lfp": (3.45, 3.34, 3.335, 3.32, 3.31, 3.30, 3.29, 3.27, 3.23, 3.20, 2.80),
    "nmc": (4.18, 4.07, 3.98, 3.89, 3.80, 3.73, 3.67, 3.60, 3.53, 3.45, 3.00),
    "lto": (2.60, 2.40, 2.36, 2.33, 2.29, 2.25, 2.23, 2.20, 2.18, 2.15, 1.90),
}
"""V of a resting cell at 100, 90 … 0 %."""


def default_values(personality: Personality, limits: Mapping[str, float]) -> dict[str, Value]:
    """Name → value in its unit. limits: thresholds of the BMS, in V, A, °C, s and %."""
    day = personality.produced
    curve = {f"cell_voltage_at_{100 - 10 * step}": volts for step, volts in enumerate(CURVES[personality.chemistry])}
    seconds = {name: value for name, value in limits.items() if name.endswith(("_delay", "_release"))}
    known: dict[str, Value] = {
        **limits,
        **seconds,
        **_second_levels(limits),
        **curve,
        "cell_voltage_at_100_2": curve["cell_voltage_at_100"],
        "soc_warning": limits["soc_low"],
        "soc_warning_2": limits["soc_very_low"],
        "balance_difference_stop": limits["balance_stop"],
        "balance_limit": limits["balance_start"] + 0.1,
        "balance_current": 0.2,
        "balance_current_raw": 180,  # 16znub-balance-page
        "balance_charge_current": 10.0,
        "chemistry": personality.chemistry,
        "cell_count": personality.cells,
        "capacity": personality.capacity,
        "cycle_capacity": 0.8 * personality.capacity,
        "remaining": personality.capacity,
        "throughput": 0.0,
        "cycles": 0,
        "self_discharge": 0.2,
        "undervoltage_compensation": 0.0,
        "shutdown_voltage": limits["cell_undervoltage"] - 0.2,
        "requested_charge_current": limits["charge_overcurrent"] / 1.3,
        "soc_method": 0,
        "current_range": 2 * limits["discharge_overcurrent"],
        "standby_delay": 3600,
        "idle_consumption": 0.0,
        "sensor_mask": (1 << personality.sensors) - 1,
        "start_current": 1,
        "reference_voltage": 2.5,
        "pack_voltage_factor": 3330,  # ant-legacy.md §4
        "jumpers_1": 0,
        "jumpers_2": 0,
        "switch_off_delay": 0,
        "tire_length": 1500,
        "wheel_pulses": personality.details.get("wheel_pulses", 0),
        "slaves": 0,
        "baud_1": 19200,
        "baud_2": 19200,
        "baud_3": 19200,
        "baud_4": 19200,
        "can_rate": 250,
        "modbus_address": 1,
        "ant_address": 0xA1,
        "vehicle_protocol": 0,
        "inverter_protocol": 0,
        "factory_short_circuit": 2 * limits["short_circuit"],
        "factory_short_circuit_delay": 0.0003,
        "device_id": 12006,  # handshake-ant-ble20a
        "pack_id": "SIMULATED",
        "boot_version": "SIMBOOT",
        "hardware": personality.model,
        "software": personality.software,
        "functions": 0b110,  # 4s-sp04s034-switches: load detection and balancing
        "hardware_overvoltage": limits["cell_overvoltage"] + 0.25,
        "hardware_undervoltage": limits["cell_undervoltage"] - 0.5,
        "short_circuit_raw": 0x8D5C,  # 4s-sp04s034-config
        "short_circuit_delays_raw": 0xF064,
        "mosfet_delay": 0,
        "led_time": 5,
        "gps_off_voltage": limits["cell_undervoltage"],
        "gps_off_delay": 30,
        "produced": day.isoformat() if day else None,
        "serial": 1,
        "maker": "SIM",
        "device_name": personality.model,
        "barcode": "",
        "shunt": 0.0001,
    }
    known |= dict.fromkeys(("no_discharge_time", "no_charge_time", "discharge_time_allowed", "charge_time_allowed"), 0)
    known |= {f"wire_resistance_{cell}": 0.0 for cell in range(1, 33)}
    known |= {f"cell_calibration_{cell}": 0.0 for cell in range(1, 33)}
    known |= {f"sensor_calibration_{sensor}": 25.0 for sensor in range(1, 9)}
    return known | {f"current_calibration_{way}": 0 for way in ("idle", "charge", "discharge")}


def _second_levels(limits: Mapping[str, float]) -> dict[str, float]:
    """Levels that the BMS itself does not know: a little further out, with the same recovery."""
    known = {
        "cell_overvoltage_2": limits["cell_overvoltage"] + 0.05,
        "cell_overvoltage_2_recovery": limits["cell_overvoltage_recovery"],
        "cell_undervoltage_2": limits["cell_undervoltage"] - 0.1,
        "cell_undervoltage_2_recovery": limits["cell_undervoltage_recovery"],
        "discharge_overcurrent_2": 1.5 * limits["discharge_overcurrent"],
        "discharge_overcurrent_2_delay": 0.2,
        "short_circuit_delay": 0.0003,
    }
    for name, step in _WARNINGS.items():
        if f"{name}_warning" in limits:
            known[f"{name}_warning_recovery"] = limits[f"{name}_warning"] + step
    return known


_WARNINGS = {
    "cell_overvoltage": -0.02,
    "cell_undervoltage": 0.02,
    "pack_overvoltage": -0.2,
    "pack_undervoltage": 0.2,
    "cell_difference": -0.1,
    "charge_hot": -3.0,
    "discharge_hot": -3.0,
    "mosfet_hot": -5.0,
    "charge_cold": 3.0,
    "discharge_cold": 3.0,
    "charge_overcurrent": -2.0,
    "discharge_overcurrent": -2.0,
}
"""Threshold → what the recovery of its warning differs from the warning by."""
