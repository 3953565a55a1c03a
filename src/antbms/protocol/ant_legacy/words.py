"""Names of codes (ant-legacy.md §2, §3)."""

from __future__ import annotations

from ...model import Alarm, SwitchState
from ..words import switch_states

_MOSFET = {
    0: "off",
    1: "on",
    3: "overcurrent",
    6: "battery hot",
    7: "MOSFET hot",
    8: "current abnormal",
    9: "balance wire loose",
    10: "board hot",
    13: "MOSFET abnormal",
    14: "start abnormal",
    15: "off by command",
    17: "cold",
}
CHARGE = _MOSFET | {2: "cell overvoltage", 4: "full", 5: "pack overvoltage", 16: "cell overvoltage level 2"}
DISCHARGE = _MOSFET | {
    2: "cell undervoltage",
    5: "pack undervoltage",
    11: "charge is on",
    12: "short circuit",
    16: "cell undervoltage level 2",
}
NO_FAULTS = (0, 1, 4, 11, 15)
"""MOSFET codes that are states, of either switch; every other one is an alarm.

4 is named for charge only, and 11 for discharge only. At the other switch they are no fault either, as they are of a
kind that is none; the switch itself shows them by number (`unknown 4`), so that nothing is dropped.
"""

BALANCER = {0: "off", 1: "at limit", 2: "by difference", 3: "hot", 4: "automatic", 10: "board hot"}
WORKING = (1, 2, 4)
"""Balancer codes that name a way of balancing."""
RESTING = (0, 3, 10)
"""Balancer codes that name why it does not."""


def _balance(code: int) -> SwitchState:
    on = True if code in WORKING else False if code in RESTING else None
    return SwitchState(on, code, BALANCER.get(code) or f"unknown {code}")


CHARGE_SWITCH = switch_states(CHARGE, on=(1,))
DISCHARGE_SWITCH = switch_states(DISCHARGE, on=(1,))
BALANCE_SWITCH = tuple(_balance(code) for code in range(256))


def alarms(charge_code: int, discharge_code: int) -> tuple[Alarm, ...]:
    """The faults in the two MOSFET codes: this protocol has no bits for them."""
    codes = (("charge", charge_code, CHARGE), ("discharge", discharge_code, DISCHARGE))
    return tuple(
        Alarm(f"{switch}.{code}", "protection", f"{switch}: {names.get(code) or f'code {code}'}")
        for switch, code, names in codes
        if code not in NO_FAULTS
    )


ADDRESSES = {
    0xEF: "firmware upgrade",
    0xF0: "chemistry presets",
    0xF1: "password, characters 1 and 2",
    0xF2: "password, characters 3 and 4",
    0xF3: "password, characters 5 and 6",
    0xF4: "password, characters 7 and 8",
    0xF5: "refused, password needed",
    0xF6: "change Bluetooth address",
    0xF7: "power off",
    0xF8: "zero current",
    0xF9: "discharge switch",
    0xFA: "charge switch",
    0xFB: "LFP presets",
    0xFC: "toggle balancing",
    0xFD: "factory reset",
    0xFE: "restart",
    0xFF: "apply",
}
"""Control addresses of A5 A5 frames."""
