"""Names of bits and codes (ant.md §4): the vendor's tables, as its applications show them."""

from __future__ import annotations

from itertools import chain

from ..ant_legacy import words as legacy
from ..words import BitTable, switch_states

PROTECTION = BitTable(
    "protection",
    "protection",
    {
        0: "chemistry not set",
        1: "cell overvoltage",
        2: "cell overvoltage level 2",
        3: "pack overvoltage",
        4: "cell undervoltage",
        5: "cell undervoltage level 2",
        6: "pack undervoltage",
        7: "cell difference",
        8: "hot while charging",
        9: "hot while discharging",
        10: "MOSFET hot",
        11: "cold while charging",
        12: "cold while discharging",
        13: "charge overcurrent",
        14: "discharge overcurrent",
        15: "discharge overcurrent level 2",
        16: "short circuit",
        17: "discharge switched off by command",
        18: "discharge switch 2 off by command",
        19: "discharge switch 3 off by command",
        20: "discharge switch 4 off by command",
        21: "charge switched off by command",
        22: "charge switch 2 off by command",
        23: "charge switch 3 off by command",
        24: "charge switch 4 off by command",
        25: "balance wire loose",
        26: "current abnormal",
        27: "discharge MOSFET abnormal",
        28: "charge MOSFET abnormal",
        29: "internal communication",
        30: "precharge failed",
        31: "initialising",
        32: "self test 1",
        33: "self test 2",
        34: "charger communication check",
        35: "GPS/DTU lost",
        36: "anti-spark",
        37: "self test 3",
        38: "firmware upgrade wanted",
        39: "relay precharge failed",
        40: "relay stuck",
        41: "discharge fuse",
        42: "charge fuse",
        43: "module lost",
        44: "usable time over",
        45: "pre-discharge MOSFET",
        46: "precharge MOSFET",
        47: "load lock",
        48: "sampler in receive mode",
        50: "sampler in boot mode",
    },
    states=(*range(17, 25), 31),
)

WARNING = BitTable(
    "warning",
    "warning",
    {
        0: "cell overvoltage",
        1: "pack overvoltage",
        2: "cell undervoltage",
        3: "pack undervoltage",
        4: "cell difference",
        5: "hot while charging",
        6: "hot while discharging",
        7: "cold while charging",
        8: "cold while discharging",
        9: "MOSFET hot",
        10: "charge overcurrent",
        11: "discharge overcurrent",
        12: "SOC low level 1",
        13: "SOC low level 2",
        14: "cell check",
        15: "pack check",
        16: "precharge failed",
        17: "full",
        18: "charging",
        19: "discharging",
        20: "CAN charger",
        21: "RS485 charger",
        22: "charger seen by current",
        23: "charge MOSFET on",
        24: "discharge MOSFET on",
        25: "balancing",
        26: "standby",
        27: "balancing at limit",
        28: "balancing by difference",
        29: "automatic balancing",
        30: "balancer hot",
        31: "voltage protection",
        32: "temperature protection",
        33: "system error",
        34: "GPS lost",
        35: "balance test",
        36: "heater on",
        37: "forced output",
        38: "Bluetooth off",
        39: "relay precharging",
        40: "MOSFET precharging",
        41: "charge relay on",
        42: "discharge relay on",
        43: "clock fault",
        44: "forced charge",
        45: "debug",
        46: "time over",
        47: "time nearly over",
        48: "anti-spark",
        49: "low-voltage shutdown soon",
        50: "ANT charger",
        51: "balancing waits",
        52: "test mode",
        53: "internal communication unstable",
    },
    states=chain(range(17, 30), range(35, 43), (44, 45, 50, 51, 52)),
)

BALANCING_BITS = sum(1 << bit for bit in (25, 27, 28, 29))
"""Warning bits that say that the balancer works."""

STATES = {0: "unknown", 1: "idle", 2: "charging", 3: "standby", 4: "discharging", 5: "fault"}
"""3 and 4: 22s-80ah-24bhub (2.2 A with state 4 and bit 19); esphome has them the other way round."""

CHARGE = legacy.CHARGE | {12: "opening failed", 14: "waiting", 18: "cell difference", 20: "self test"}
DISCHARGE = legacy.DISCHARGE | {
    4: "overcurrent level 2",
    11: "charge is open",
    14: "opening failed",
    18: "cell difference",
    19: "self test",
}
"""MOSFET codes: those of the older boards, and what is new or has another name."""
BALANCER = legacy.BALANCER | {2: "by difference while charging", 5: "manual"}
CHARGE_SWITCH = switch_states(CHARGE, on=(1,))
DISCHARGE_SWITCH = switch_states(DISCHARGE, on=(1,))
BALANCE_SWITCH = (switch_states(BALANCER, on=()), switch_states(BALANCER, on=range(256)))
"""By whether it is on: the warning bits tell, not the code."""

CHEMISTRIES = {
    0xFAF1: "nmc",
    0xFAF2: "lfp",
    0xFAF3: "lto",
    0xFAF4: "custom",
    0xFAF5: "not set",
    0xFAF6: "sodium",
    0xFAF7: "lmfp",
}
"""0xFAF5 stood together with protection bit 0 (32s-bench-fault)."""

ACTIVE_BALANCERS = {1: 100, 2: 10, 33: 10}
"""Board types whose balancing word is not a mask of cells: the divisor of their balance current."""

SEGMENTS = {0xFF: "result", 0xFE: "extended information"}
RESULTS = {
    0x00: "ok",
    0x01: "no permission",
    0x02: "below minimum",
    0x03: "above maximum",
    0x04: "address out of range",
    0x05: "battery type error or wrong password",
    0x06: "BMS firmware upgrade ok",
    0x07: "GPRS firmware upgrade ok",
    0x08: "BMS firmware upgrade failed",
    0x09: "GPRS firmware upgrade failed",
    0x0A: "written, must still be saved",
    0x0B: "read ok",
    0x10: "boot upgrade ok",
    0x11: "firmware does not match",
}
"""Codes of the FF segment after 12, 42, 43."""
SUCCESSES = (0x00, 0x0A, 0x0B)
NO_PERMISSION = 0x01
OUT_OF_RANGE = 0x04
LIMITS = (0x02, 0x03)
"""Codes that come with the address and the limit."""
COMMAND_NO_PERMISSION = 3
COMMAND_RESULTS = {
    0: "nothing",
    1: "ok",
    2: "failed",
    3: "no permission",
    4: "address out of range",
    5: "battery type error",
    6: "battery or current information error",
    7: "firmware does not match",
}
"""Codes in the data of 61: another table than the one above."""
DONE = 1
"""The only one of them that says that the command was carried out."""
COMMANDS = {
    1: "discharge off",
    3: "discharge on",
    4: "charge off",
    6: "charge on",
    7: "save settings",
    8: "zero current",
    9: "restart",
    11: "power off",
    12: "factory reset",
    13: "balance on",
    14: "balance off",
    15: "clear log",
    16: "initialise Bluetooth",
    28: "Bluetooth off",
    29: "Bluetooth on",
    30: "buzzer on",
    31: "buzzer off",
    32: "clear total discharge",
    33: "clear total charge",
    34: "clear discharge time",
    35: "clear charge time",
    36: "clear run time",
    37: "clear protection counters",
    38: "load LTO presets",
    39: "load NMC presets",
    40: "load LFP presets",
    42: "restore vendor settings",
    44: "save customer data",
    45: "save user parameters",
    52: "force charging",
    53: "load sodium presets",
}
