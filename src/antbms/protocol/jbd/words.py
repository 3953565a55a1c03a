"""Names of bits, codes and registers (jbd.md §1 to §6)."""

from __future__ import annotations

from ..words import BitTable

PROTECTION = BitTable(
    "protection",
    "protection",
    {
        0: "cell overvoltage",
        1: "cell undervoltage",
        2: "pack overvoltage",
        3: "pack undervoltage",
        4: "hot while charging",
        5: "cold while charging",
        6: "hot while discharging",
        7: "cold while discharging",
        8: "charge overcurrent",
        9: "discharge overcurrent",
        10: "short circuit",
        11: "front-end chip",
        12: "switched off by command",
        13: "charge MOSFET broken?",
        14: "discharge MOSFET broken?",
    },
    states=(12,),
)
"""Bit 12: 4s-sp04s034-readout (state after E1). 13 and 14: sources disagree (esphome: 13 is a charge timeout)."""

WARNING = BitTable(
    "warning",
    "warning",
    {number: PROTECTION.words[number] for number in range(10)} | {10: "cell difference", 11: "low capacity"},
    states=(),
)
"""The alarm word of the V11 tail; unproved: zero in every recording."""

MOSFETS = BitTable(
    "mosfet",
    "warning",
    {2: "current limiter on", 3: "heater on", 7: "large units"},
    states=(2, 3, 7),
)
"""Bits beside the two switches in the MOSFET byte (V11); unproved. 4 to 6 have no name: shown by number, as alarms."""

CHARGE_BIT, DISCHARGE_BIT = 0x01, 0x02
LARGE_UNITS = 0x80
"""MOSFET byte: current and capacities count 100 mA and 100 mAh (V11); unproved."""

UNKNOWN, DENIED, PASSWORD_NEEDED = 0x80, 0x81, 0x83
STATUS = {
    0x00: "ok",
    UNKNOWN: "no such command, or failed",
    DENIED: "denied: not in factory mode, or not unlocked",
    0x82: "wrong checksum",
    PASSWORD_NEEDED: "password needed",
}
"""Third byte of an answer."""

MODULE_COMMANDS = {
    0x07: "rename",
    0x15: "app key",
    0x16: "new user password",
    0x17: "challenge",
    0x18: "user password",
    0x1D: "root password",
    0x21: "new app key",
}
"""FF AA frames of newer Bluetooth modules (4s-sp04s034-ffaa-auth)."""
