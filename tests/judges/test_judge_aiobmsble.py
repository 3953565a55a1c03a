"""aiobmsble reads the simulated battery over virtual Bluetooth: what it says is the truth, apart from its known errors.

The truth is what the simulation holds before a bit of it is packed; our decoder has no part in this.
"""

import json
import sys
from functools import cached_property
from typing import Any

import pytest

from peer_tables import AIO, ERRORS, Error, Row, problem, right, same

if sys.platform == "win32":
    pytest.skip("the judges run on POSIX", allow_module_level=True)
import patience
from antbms.model import Snapshot
from antbms.sim import Device, make_device
from judges import ask

BATTERIES: list[tuple[str, dict[str, str]]] = [
    ("ant", {}),
    ("ant", {"cells": "8", "capacity": "100", "soc": "30"}),
    ("ant", {"cells": "32", "soc": "90", "seed": "2"}),
    ("ant-legacy", {}),
    ("ant-legacy", {"cells": "24", "soc": "12"}),
    ("jbd", {}),
    ("jbd", {"cells": "4", "capacity": "280", "soc": "99"}),
    ("jbd", {"cells": "17", "seed": "3"}),
    ("ant", {"model": "24CBUB"}),
    ("ant", {"model": "24BHUB", "soc": "3"}),
    ("jbd", {"model": "SP04S060"}),
    ("jbd", {"model": "CHINS", "soc": "100"}),
    ("ant", {"scenario": "overvoltage"}),
    ("ant-legacy", {"scenario": "weak-cell"}),
    ("ant-legacy", {"scenario": "cold-charge"}),
    ("jbd", {"scenario": "overvoltage"}),
    ("jbd", {"scenario": "imbalance"}),
    ("ant", {"scenario": "imbalance"}),
]
FOUR_BITS = [
    Error(
        protocol, AIO, "problem_code",
        "keeps four bits of a MOSFET code, which has five: 17 (cold) becomes 1 (on)",
        "no recording has a code above 15; the code is that of the vendor's application (ant.md, ant-legacy.md)",
        lambda r: problem(r) & 0x0F0F,
    )
    for protocol in ("ant", "ant-legacy")
]  # fmt: skip
"""Errors that only a simulated battery shows."""
RESOLUTION: dict[str, dict[str, float]] = {
    "ant": {"voltage": 0.005, "temp_values": 0.5, "temperature": 0.5, "power": 0.5, "cycle_capacity": 2},
    "ant-legacy": {"voltage": 0.05, "temp_values": 0.5, "temperature": 0.5, "power": 3, "cycle_capacity": 2},
    "jbd": {"voltage": 0.005, "cycle_charge": 0.005, "power": 0.5, "runtime": 60, "cycle_capacity": 2},
}
"""How far a value of the wire may be from the truth: half of its last digit, and what follows from that."""
FINE = {"cell_voltages": 0.0005, "delta_voltage": 0.001, "current": 0.05, "cycle_charge": 0.0000006}


class Truth:
    """The battery itself, by the names that the tables of peers use."""

    def __init__(self, device: Device) -> None:
        self.snapshot: Snapshot = device.snapshot()
        self.protocol = self.snapshot.protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self.snapshot, name)

    @property
    def cells(self) -> list[float]:
        return [cell for cell in self.snapshot.cells if cell is not None]

    @cached_property
    def wire(self) -> dict[str, int]:
        return {"cell_count": len(self.cells), "sensor_count": len(self.sensors())}

    @cached_property
    def said(self) -> dict[str, Any]:
        return {"power": self.snapshot.power, "cell_spread": self.cell_spread}

    @property
    def cell_spread(self) -> float:
        return max(self.cells) - min(self.cells)

    def on(self, switch: str) -> bool | None:
        return self.switches[switch].on if switch in self.switches else None

    def code(self, switch: str) -> int | None:
        return self.snapshot.switches[switch].code

    def mask(self, table: str) -> int:
        codes = [mark.code.partition(".") for mark in (*self.snapshot.alarms, *self.snapshot.flags)]
        return sum(1 << int(number) for name, _, number in codes if name == table)

    def sensors(self) -> list[float | None]:
        return [value for name, value in self.temperatures.items() if name.startswith("t")]

    def all_sensors(self) -> list[float | None]:
        inner = [self.temperatures[name] for name in ("mosfet", "balancer") if name in self.temperatures]
        return inner + self.sensors() if self.protocol == "ant-legacy" else self.sensors() + inner


@pytest.fixture(scope="module")
def said() -> list[dict[str, Any]]:
    """What aiobmsble reads of each battery."""
    answer = patience.run(ask("ask_aiobmsble.py", json.dumps(BATTERIES)))
    read: list[dict[str, Any]] = answer["read"]
    return read


@pytest.mark.parametrize("number", range(len(BATTERIES)))
def test_aiobmsble_reads_the_truth(said: list[dict[str, Any]], number: int) -> None:
    protocol, options = BATTERIES[number]
    device = make_device(protocol, options)
    device.receive(b"", 0.0)
    truth, sample = Truth(device), said[number]["sample"]
    assert {"voltage", "current", "cell_voltages", "battery_level", "chrg_mosfet", "temp_values"} <= sample.keys()
    for key, value in sample.items():
        row, errors = right(protocol, AIO, key)
        for error in [*errors, *(each for each in FOUR_BITS if (each.protocol, each.key) == (protocol, key))]:
            row = Row(error.instead, error.tolerance)
        tolerance = max(row.tolerance, RESOLUTION[protocol].get(key, FINE.get(key, 0.0)))
        assert same(value, row.says(truth), tolerance), (key, value, row.says(truth))


@pytest.mark.parametrize("number", range(len(BATTERIES)))
def test_aiobmsble_reads_who_it_is(said: list[dict[str, Any]], number: int) -> None:
    protocol, options = BATTERIES[number]
    personality = make_device(protocol, options).personality
    info = said[number]["info"]
    if protocol == "ant-legacy":  # has no names
        assert info == {}
    else:
        assert (info["hw_version"], info["sw_version"]) == (personality.model, personality.software)


def test_an_error_that_no_recording_shows(said: list[dict[str, Any]]) -> None:
    number = BATTERIES.index(("ant-legacy", {"scenario": "cold-charge"}))
    device = make_device("ant-legacy", {"scenario": "cold-charge"})
    assert device.snapshot().switches["charge"].code == 17
    assert said[number]["sample"]["problem_code"] == 0x100


def test_its_errors_show_here_too(said: list[dict[str, Any]]) -> None:
    """The signs that the recordings prove wrong are wrong here as well: the simulator does not please a peer."""
    assert {error.key for error in ERRORS if (error.protocol, error.peer) == ("ant", AIO)} >= {"current", "power"}
    truth = make_device("ant")
    truth.receive(b"", 0.0)
    current = truth.snapshot().current
    assert current
    assert said[0]["sample"]["current"] == -current
