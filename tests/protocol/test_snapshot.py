"""From the values of the wire to the contract of design §6, and back."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import CAPTURES, NOON, recorded, snapshot, statuses
from wire import ant_frame, changed, jbd_frame

from antbms.capture import read_capture
from antbms.model import QUANTITIES, Alarm, Flag, Snapshot, SwitchState
from antbms.protocol import MODULES, dialect, parse
from antbms.protocol.ant import words as ant_words
from antbms.protocol.ant_legacy import words as legacy_words
from antbms.protocol.jbd import words as jbd_words

ANT_8S = recorded("ant/8s-100ah-batmon", "status")[0]
LEGACY_14S = recorded("ant-legacy/14s-170ah-model2019", "status")[0]
JBD_4S = recorded("jbd/4s-sp04s034-readout", "status")[0]
JBD_TAIL = recorded("jbd/4s-chins-300ah", "status")[0]
CELLS_4S = recorded("jbd/4s-sp04s034-readout", "cells")[0]

ANT_FLAGS = {
    "protection": {*range(17, 25), 31},
    "warning": {*range(17, 30), *range(35, 43), 44, 45, 50, 51, 52},
}
"""Bits that are states: design §6."""


def data_of(raw: bytes) -> bytes:
    packet = parse(raw)
    return raw[packet.start : packet.start + raw[packet.start - 1]]


def doubts(got: Snapshot) -> dict[str, Any]:
    return {doubt.quantity: doubt.reported for doubt in got.doubts}


# --- there and back ---------------------------------------------------------------------------------------------------


def on_grid(lowest: int, highest: int, divisor: int = 1) -> st.SearchStrategy[float]:
    return st.integers(lowest, highest).map(lambda raw: raw / divisor)


def bits(numbers: int) -> st.SearchStrategy[list[int]]:
    return st.sets(st.integers(0, numbers - 1), max_size=12).map(sorted)


U32 = 2**32 - 1
CELLS = st.lists(on_grid(500, 5000, 1000), max_size=32).map(tuple)
SENSOR = st.none() | on_grid(-39, 150)
CODE = st.integers(0, 255)
BALANCING = st.sets(st.integers(1, 32)).map(sorted).map(tuple)


def word(table: dict[int, str], code: int) -> str:
    return table.get(code, f"unknown {code}")


def switch(table: dict[int, str], code: int) -> SwitchState:
    return SwitchState(code == 1, code, word(table, code))


def marks(
    table: str, severity: Any, names: Any, states: set[int], numbers: list[int]
) -> tuple[list[Alarm], list[Flag]]:
    text = {number: names.get(number, f"bit {number}") for number in numbers}
    alarms = [Alarm(f"{table}.{n}", severity, text[n]) for n in numbers if n not in states]
    return alarms, [Flag(f"{table}.{n}", text[n]) for n in numbers if n in states]


def common(cells: tuple[float, ...], voltage: float, current: float) -> dict[str, Any]:
    """What belongs together in every protocol."""
    return {
        "time": NOON,
        "battery": "test",
        "voltage": voltage,
        "current": current,
        "power": round(voltage * current, 1) + 0.0,
        "cells": cells,
        "cell_min": min(cells, default=None),
        "cell_max": max(cells, default=None),
        "cell_spread": round(max(cells) - min(cells), 3) if cells else None,
    }


@st.composite
def ant_snapshots(draw: Callable[..., Any]) -> Snapshot:
    cells = draw(CELLS)
    voltage = round(sum(cells), 2) if cells else draw(on_grid(0, 65535, 100))
    state = draw(st.sampled_from([*ant_words.STATES.values(), "unknown 77"]))
    least, most = {"charging": (-5, 32768), "discharging": (-32767, 5)}.get(state, (-32767, 32768))
    current = draw(on_grid(least, most, 10))
    board = draw(st.sampled_from([0, 1, 2, 5, 33, 255]))
    details: dict[str, Any] = {
        "chemistry": draw(st.sampled_from([*ant_words.CHEMISTRIES.values(), "unknown 3"])),
        "board_type": board,
        "drain_source_voltage": draw(on_grid(-32768, 32767, 10)),
        "discharge_gate_voltage": draw(on_grid(0, 65535, 10)),
        "charge_gate_voltage": draw(on_grid(0, 65535, 10)),
        "comparator": draw(st.integers(0, 65535)),
    }
    tail: list[tuple[str, Any]] = [
        ("charge_duration", st.integers(0, U32)),
        ("since_charge", st.integers(0, U32)),
        ("time_to_full", st.integers(0, 65535).map(lambda minutes: minutes * 60)),
        ("time_to_empty", st.integers(0, 65535).map(lambda minutes: minutes * 60)),
        ("fast_current", on_grid(-32767, 32768, 10)),
        ("licence_hours", st.integers(0, 65535)),
        ("sampling_fault", st.integers(0, 65535)),
        ("charger_voltage", on_grid(0, 65535, 10)),
        ("charger_current", on_grid(0, 65535, 10)),
        ("charger_state", st.integers(0, 65535)),
    ]
    details |= {name: draw(values) for name, values in tail[: draw(st.integers(0, len(tail)))]}
    balancing = draw(BALANCING)
    if board in (1, 2, 33):
        balancing = draw(st.sampled_from([(), (1,), (7,), (255,)]))
        details["balancer_fault"] = draw(CODE)
        details["balance_current"] = draw(on_grid(-128, 127, 100 if board == 1 else 10))
        details["line_resistance"] = draw(on_grid(0, 255, 100_000))
    protections, warnings = draw(bits(64)), draw(bits(64))
    alarms, flags = marks("protection", "protection", ant_words.PROTECTION.words, ANT_FLAGS["protection"], protections)
    more_alarms, more_flags = marks("warning", "warning", ant_words.WARNING.words, ANT_FLAGS["warning"], warnings)
    sensors = draw(st.lists(SENSOR, max_size=6))
    balance, balances = draw(CODE), bool(balancing or {25, 27, 28, 29} & {*warnings})
    return Snapshot(
        protocol="ant",
        level=draw(CODE),
        soc=draw(on_grid(0, 100)),
        soh=draw(on_grid(0, 65535)),
        state=state,
        **{name: draw(on_grid(0, 4_294_967, 1000)) for name in ("capacity", "remaining")},
        **{name: draw(on_grid(0, U32, 1000)) for name in ("throughput", "charged", "discharged")},
        **{name: draw(st.integers(0, U32)) for name in ("uptime", "charge_time", "discharge_time")},
        balancing=balancing,
        temperatures={f"t{number}": value for number, value in enumerate(sensors, 1)}
        | {"mosfet": draw(SENSOR), "balancer": draw(SENSOR)},
        switches={
            "charge": switch(ant_words.CHARGE, draw(CODE)),
            "discharge": switch(ant_words.DISCHARGE, draw(CODE)),
            "balance": SwitchState(balances, balance, word(ant_words.BALANCER, balance)),
        },
        alarms=(*alarms, *more_alarms),
        flags=(*flags, *more_flags),
        details=details,
        **common(cells, voltage, current),
    )


@st.composite
def legacy_snapshots(draw: Callable[..., Any]) -> Snapshot:
    cells = draw(CELLS.filter(lambda cells: not cells or sum(cells) > 2.5))  # 2 % of less are within the rounding
    voltage = round(sum(cells), 1) if cells else draw(on_grid(0, 65535, 10))
    charge, discharge, balance = draw(CODE), draw(CODE), draw(CODE)
    names = (("charge", charge, legacy_words.CHARGE), ("discharge", discharge, legacy_words.DISCHARGE))
    working = {1: True, 2: True, 4: True, 0: False, 3: False, 10: False}
    return Snapshot(
        protocol="ant-legacy",
        soc=draw(on_grid(0, 100)),
        capacity=draw(st.none() | on_grid(1, 4_294_967, 1000)),
        remaining=draw(on_grid(0, 4_294_967, 1000)),
        throughput=draw(on_grid(0, U32, 1000)),
        uptime=draw(st.integers(0, U32)),
        balancing=draw(BALANCING),
        temperatures={name: draw(SENSOR) for name in ("t1", "t2", "t3", "t4", "mosfet", "balancer")},
        switches={
            "charge": switch(legacy_words.CHARGE, charge),
            "discharge": switch(legacy_words.DISCHARGE, discharge),
            "balance": SwitchState(working.get(balance), balance, word(legacy_words.BALANCER, balance)),
        },
        alarms=tuple(
            Alarm(f"{name}.{code}", "protection", f"{name}: {table.get(code, f'code {code}')}")
            for name, code, table in names
            if code not in (0, 1, 4, 11, 15)
        ),
        details={
            "discharge_gate_voltage": draw(on_grid(0, 65535, 10)),
            "charge_gate_voltage": draw(on_grid(0, 65535, 10)),
            "comparator": draw(st.integers(0, 65535)),
            "tire_length": draw(st.integers(0, 65535)),
            "wheel_pulses": draw(st.integers(0, 65535)),
            "relay": draw(CODE),
            "log_word": draw(st.integers(0, 65535)),
        },
        **common(cells, voltage, draw(on_grid(-100_000, 100_000, 10))),
    )


@st.composite
def jbd_snapshots(draw: Callable[..., Any]) -> Snapshot:
    cells = draw(CELLS)
    voltage = round(sum(cells), 2) if cells else draw(on_grid(0, 65535, 100))
    extra = draw(st.sets(st.integers(2, 7)).map(sorted))
    scale = 10 if 7 in extra else 100
    has_tail = draw(st.booleans())
    details: dict[str, Any] = {}
    if has_tail:
        details["humidity"] = draw(CODE)
        details["full_capacity"] = draw(on_grid(0, 65535, scale))
        details["balance_current"] = draw(on_grid(0, 65535, 1000))
    alarms, flags = marks("protection", "protection", jbd_words.PROTECTION.words, {12}, draw(bits(16)))
    warnings, _ = marks("warning", "warning", jbd_words.WARNING.words, set(), draw(bits(16)) if has_tail else [])
    unknown, states = marks("mosfet", "warning", jbd_words.MOSFETS.words, {2, 3, 7}, extra)
    return Snapshot(
        protocol="jbd",
        soc=draw(on_grid(0, 100)),
        capacity=draw(on_grid(0, 65535, scale)),
        remaining=draw(on_grid(0, 65535, scale)),
        cycles=draw(st.integers(0, 65535)),
        balancing=draw(BALANCING),
        temperatures={f"t{n}": t for n, t in enumerate(draw(st.lists(on_grid(-400, 1500, 10), max_size=8)), 1)},
        switches={
            name: SwitchState(on, None, "on" if on else "off")
            for name, on in (("charge", draw(st.booleans())), ("discharge", draw(st.booleans())))
        },
        alarms=(*alarms, *warnings, *unknown),
        flags=(*flags, *states),
        details=details,
        **common(cells, voltage, draw(on_grid(-32768, 32767, scale))),
    )


@given(st.one_of(ant_snapshots(), legacy_snapshots(), jbd_snapshots()))
def test_there_and_back(said: Snapshot) -> None:
    protocol = dialect(said.protocol)
    raws = [protocol.pack(packet) for packet in protocol.from_snapshot(said)]
    got = snapshot(*raws)
    assert got.power == pytest.approx(said.power, abs=0.101)  # a product that ends in 5 may go either way
    assert msgspec.structs.replace(got, power=said.power) == said
    assert [parse(raw).message for raw in raws] == (["status", "cells"] if said.protocol == "jbd" else ["status"])
    assert not {name for name in said.details if name not in QUANTITIES or not QUANTITIES[name].detail}


@pytest.mark.parametrize("protocol", MODULES)
def test_recorded_there_and_back(protocol: str) -> None:
    """Apart from what is doubted, a recorded status says the same after a way there and back."""
    for raw in statuses(protocol):
        if not (said := snapshot(raw)).doubts:
            again = map(dialect(protocol).pack, dialect(protocol).from_snapshot(said))
            assert snapshot(*again) == said


# --- examples ---------------------------------------------------------------------------------------------------------

DESIGN = """
{"time": "2026-11-22T12:00:00.000Z", "battery": "test", "protocol": "ant", "level": 5,
 "voltage": 28.33, "current": 0.0, "power": 0.0, "soc": 100.0, "soh": 100.0, "state": "idle",
 "capacity": 100.0, "remaining": 100.0, "cycles": null, "throughput": 12.965, "charged": 25.914, "discharged": 0.016,
 "uptime": 104447, "charge_time": 25338, "discharge_time": 31,
 "cells": [3.54, 3.541, 3.541, 3.541, 3.541, 3.54, 3.541, 3.541], "cell_min": 3.54, "cell_max": 3.541,
 "cell_spread": 0.001, "balancing": [],
 "temperatures": {"t1": null, "t2": null, "mosfet": 28.0, "balancer": 29.0},
 "switches": {"charge": {"on": false, "code": 2, "reason": "cell overvoltage"},
  "discharge": {"on": true, "code": 1, "reason": "on"}, "balance": {"on": false, "code": 0, "reason": "off"}},
 "alarms": [{"code": "protection.1", "severity": "protection", "text": "cell overvoltage"},
  {"code": "warning.0", "severity": "warning", "text": "cell overvoltage"}],
 "flags": [{"code": "warning.17", "text": "full"}, {"code": "warning.22", "text": "charger seen by current"},
  {"code": "warning.24", "text": "discharge MOSFET on"}],
 "details": {"chemistry": "lfp", "drain_source_voltage": -0.8}, "doubts": []}
"""
"""Design §6, of 8s-100ah-batmon; its details are abridged."""


def test_the_contract_of_the_design() -> None:
    expected, text = json.loads(DESIGN), snapshot(ANT_8S).to_json()
    got = json.loads(text)
    assert list(got) == list(expected)
    details = expected.pop("details")
    assert details.items() <= got.pop("details").items()
    assert got == expected
    assert "\n" not in text
    assert "-0.0" not in text


@pytest.mark.parametrize("protocol", MODULES)
def test_every_key_is_always_there(protocol: str) -> None:
    for raw in statuses(protocol):
        record = json.loads(snapshot(raw).to_json())
        assert list(record) == list(json.loads(DESIGN))
        assert (record["level"] is None) == (protocol != "ant")
        assert (record["state"] is None) == (protocol != "ant")
        assert set(record["switches"]) == {"charge", "discharge"} | ({"balance"} if protocol != "jbd" else set())
        assert record["details"].keys() <= QUANTITIES.keys()
        assert "-0.0," not in json.dumps(record)


LEGACY_EXAMPLE = {
    "voltage": 48.8,
    "current": -8.0,
    "power": -390.4,
    "soc": 41.0,
    "capacity": 170.0,
    "remaining": 68.77,
    "throughput": 11109.391,
    "uptime": 16386097,
    "cell_max": 3.509,
    "cell_min": 3.468,
    "cell_spread": 0.041,
    "balancing": (),
    "temperatures": {"t1": 21.0, "t2": 21.0, "t3": 21.0, "t4": 21.0, "mosfet": 22.0, "balancer": 21.0},
    "switches": {
        "charge": SwitchState(True, 1, "on"),
        "discharge": SwitchState(True, 1, "on"),
        "balance": SwitchState(False, 0, "off"),
    },
    "alarms": (),
    "flags": (),
    "doubts": (),
}
JBD_EXAMPLE = {
    "voltage": 66.23,
    "current": -20.12,
    "soc": 87.0,
    "remaining": 34.93,
    "capacity": 40.0,
    "cycles": 2,
    "temperatures": {"t1": 23.7, "t2": 25.4, "t3": 23.5, "t4": 23.6},
    "switches": {"charge": SwitchState(True, None, "on"), "discharge": SwitchState(True, None, "on")},
    "cells": (),
    "cell_min": None,
    "alarms": (),
    "flags": (),
    "details": {},
    "doubts": (),
}
CHINS_EXAMPLE = {
    "remaining": 196.3,
    "temperatures": {"t1": 14.6},
    "alarms": (),
    "details": {"humidity": 0, "full_capacity": 300.0, "balance_current": 0.0},
}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(LEGACY_14S, LEGACY_EXAMPLE, id="ant-legacy.md §2"),
        pytest.param(recorded("jbd/seed-document-examples", "status")[1], JBD_EXAMPLE, id="jbd.md §2"),
        pytest.param(JBD_TAIL, CHINS_EXAMPLE, id="jbd.md §2, tail"),
    ],
)
def test_examples_of_the_references(raw: bytes, expected: dict[str, Any]) -> None:
    got = snapshot(raw)
    assert {name: getattr(got, name) for name in expected} == expected


def test_jbd_halves() -> None:
    basic, cells = snapshot(JBD_4S), snapshot(CELLS_4S)
    assert (basic.voltage, basic.cells, basic.cell_min) == (15.6, (), None)
    assert (cells.voltage, cells.cells, cells.cell_spread) == (None, (3.909, 3.901, 3.895, 3.901), 0.014)
    assert (cells.power, cells.soc, cells.switches, cells.alarms, cells.temperatures) == (None, None, {}, (), {})
    whole = snapshot(JBD_4S, CELLS_4S)
    assert whole == snapshot(CELLS_4S, JBD_4S)
    assert whole == msgspec.structs.replace(basic, cells=cells.cells, cell_min=3.895, cell_max=3.909, cell_spread=0.014)


# --- signs and order, as recordings prove them ------------------------------------------------------------------------


def readings(name: str) -> list[tuple[float, Snapshot]]:
    """(time of the recording in s, snapshot), nothing doubted."""
    chunks = [chunk for chunk in read_capture(CAPTURES / f"{name}.txt") if chunk.direction == "<"]
    return [(chunk.at or 0.0, snapshot(chunk.data)) for chunk in chunks if parse(chunk.data).message == "status"]


@pytest.mark.parametrize("name", ["ant/16s-280ah-16zmub", "ant/22s-80ah-24bhub-commands"])
def test_ant_sign(name: str) -> None:
    """At a negative current the charge falls and what was discharged rises, by current × time."""
    found = readings(name)
    spent = 0.0
    for (before, one), (after, _) in pairwise(found):
        assert one.current is not None
        assert one.current <= 0
        spent -= one.current * (after - before) / 3600
    (_, first), (_, last) = found[0], found[-1]
    assert (first.remaining or 0) - (last.remaining or 0) == pytest.approx(spent, rel=0.15, abs=0.003)
    assert (last.discharged or 0) - (first.discharged or 0) == pytest.approx(spent, rel=0.15, abs=0.003)
    assert last.charged == first.charged


def test_ant_charging() -> None:
    got = snapshot(*recorded("ant/20s-45ah-22pha1", "status"))
    assert (got.state, got.current) == ("charging", 5.1)
    assert got.power == pytest.approx(376, abs=1)


def test_ant_states_and_mosfets() -> None:
    """Codes, warning bits 23 and 24 and protection bits 17 and 21 tell the same, in every recorded status."""
    seen = set()
    for raw in statuses("ant"):
        got = snapshot(raw)
        flags = {flag.code for flag in got.flags}
        assert got.switches["charge"].on == ("warning.23" in flags)
        assert got.switches["discharge"].on == ("warning.24" in flags)
        assert (got.switches["discharge"].code == 15) == ("protection.17" in flags)
        assert (got.switches["charge"].code == 15) == ("protection.21" in flags)
        assert (got.state == "discharging") == ("warning.19" in flags)
        assert (got.state == "standby") == ("warning.26" in flags)
        seen.add((got.switches["charge"].on, got.switches["discharge"].on))
    assert len(seen) == 4


def test_legacy_sign() -> None:
    """14S: 8 A out, and the charge falls at 8 A."""
    for (_, one), (_, other) in pairwise(readings("ant-legacy/14s-170ah-model2019")):
        seconds = (other.uptime or 0) - (one.uptime or 0)
        rate = ((other.remaining or 0) - (one.remaining or 0)) * 3600 / seconds
        assert rate == pytest.approx(other.current, abs=2)
        assert (one.current or 0) < -7
    assert snapshot(*recorded("ant-legacy/8s-lfp-charging", "status")).current == 10.7


def test_jbd_sign() -> None:
    assert snapshot(*recorded("jbd/4s-discharging-issue14", "status")).current == -2.37
    found = [got for _, got in readings("jbd/4s-sp04s034-ffaa-auth")]
    assert all(-0.8 < (got.current or 0) <= 0 for got in found)
    assert (found[0].remaining, found[-1].remaining) == (204.66, 204.65)


def test_legacy_balancing_and_faults() -> None:
    got = snapshot(*recorded("ant-legacy/16s-140ah-overcharge", "status"))
    assert got.switches["balance"] == SwitchState(True, 2, "by difference")
    assert got.balancing == (5, 7, 9, 10, 12)
    assert got.alarms == (Alarm("charge.2", "protection", "charge: cell overvoltage"),)
    assert got.temperatures["t1"] == -5.0


def test_ant_balancing() -> None:
    got = snapshot(*recorded("ant/22s-lto-issue84", "status"))
    assert got.switches["balance"] == SwitchState(True, 4, "automatic")
    assert Flag("warning.29", "automatic balancing") in got.flags
    assert got.balancing == tuple(n + 1 for n in range(32) if 4188415 >> n & 1)


# --- doubts -----------------------------------------------------------------------------------------------------------


def jbd_pair(cell: int, voltage: int | None = None, apart: float = 0.0) -> Snapshot:
    """Four cells, the first of them `cell` mV, and the sum of them unless `voltage` (0.01 V) says otherwise."""
    cells = (cell, 3300, 3300, 3300)
    basic = changed(JBD_4S, voltage=round(sum(cells) / 10) if voltage is None else voltage)
    return snapshot(basic, changed(CELLS_4S, cells=cells), apart=apart)


@pytest.mark.parametrize(
    ("cell", "doubted"), [(0, True), (499, True), (500, False), (3300, False), (5000, False), (5001, True)]
)
def test_doubt_cells(cell: int, doubted: bool) -> None:
    got = jbd_pair(cell)
    assert got.cells == (None if doubted else cell / 1000, 3.3, 3.3, 3.3)
    assert doubts(got) == ({"cells.1": cell / 1000} if doubted else {})
    known = [value for value in got.cells if value is not None]
    assert (got.cell_min, got.cell_max) == (min(known), max(known))
    assert got.cell_spread == round(max(known) - min(known), 3)
    assert got.voltage is not None


def test_no_cell_is_good() -> None:
    got = snapshot(changed(CELLS_4S, cells=(1, 2, 5001, 65535)))
    assert got.cells == (None,) * 4
    assert (got.cell_min, got.cell_max, got.cell_spread) == (None, None, None)
    assert doubts(got) == {"cells.1": 0.001, "cells.2": 0.002, "cells.3": 5.001, "cells.4": 65.535}


@pytest.mark.parametrize(
    ("voltage", "apart", "doubted"),
    [
        (1320, 0.0, False),
        (1295, 0.0, False),  # 1.93 %
        (1292, 0.0, True),  # 2.17 %
        (1346, 0.0, False),
        (1349, 0.0, True),
        (1000, 0.3, True),
        (1000, 0.31, False),
        (0, 0.0, True),
    ],
)
def test_doubt_sum(voltage: int, apart: float, doubted: bool) -> None:
    got = jbd_pair(3300, voltage, apart)
    assert got.cells == (3.3,) * 4
    if doubted:
        assert (got.voltage, got.power) == (None, None)
        assert doubts(got) == {"voltage": voltage / 100, "power": 0.0}
        assert "13.20" in got.doubts[0].reason
    else:
        assert (got.voltage, got.power, got.doubts) == (voltage / 100, 0.0, ())


@pytest.mark.parametrize(
    ("cell", "voltage", "doubted"),
    [
        (0, 1320, False),  # not wired: the pack has four cells all the same
        (0, 990, False),
        (0, 971, False),
        (0, 968, True),  # less than the three cells that are known
        (0, 0, True),
        (0, 1520, False),
        (0, 1523, True),  # more than a fourth cell can bring
        (65535, 1320, False),
    ],
)
def test_a_doubted_cell_proves_little_about_the_sum(cell: int, voltage: int, doubted: bool) -> None:
    got = jbd_pair(cell, voltage)
    assert got.cells == (None, 3.3, 3.3, 3.3)
    assert got.voltage == (None if doubted else voltage / 100)
    assert doubts(got) == {"cells.1": cell / 1000} | ({"voltage": voltage / 100, "power": 0.0} if doubted else {})
    assert not doubted or got.doubts[1].reason == "the known cells add up to 9.90 V"


def test_a_board_with_nothing_but_its_tester_has_no_voltage() -> None:
    """0.00 V beside fifteen cells of 3.6 V: the sixteenth, at 0 V, must not make it believable."""
    got = snapshot(*recorded("jbd/16s-sp25s003-empty", "status"), *recorded("jbd/16s-sp25s003-empty", "cells"))
    assert (got.voltage, got.power, doubts(got)["voltage"]) == (None, None, 0.0)


TEMPERATURES = [(-41, None, True), (-40, None, False), (-39, -39.0, False), (150, 150.0, False), (151, None, True)]


@pytest.mark.parametrize(("raw", "value", "doubted"), TEMPERATURES)
@pytest.mark.parametrize("frame", [ANT_8S, LEGACY_14S], ids=["ant", "ant-legacy"])
@pytest.mark.parametrize("name", ["t2", "mosfet", "balancer"])
def test_doubt_temperature(frame: bytes, name: str, raw: int, value: float | None, doubted: bool) -> None:
    if name == "t2":
        fields: dict[str, Any] = {"temperatures": (20, raw)}
    else:
        fields = {f"{name}_temperature": raw}
    got = snapshot(changed(frame, **fields))
    assert got.temperatures[name] == value
    assert doubts(got) == ({f"temperatures.{name}": raw} if doubted else {})


@pytest.mark.parametrize(
    ("raw", "value"), [(2330, None), (2331, -40.0), (2332, -39.9), (2731, 0.0), (4231, 150.0), (4232, None), (0, None)]
)
def test_doubt_temperature_jbd(raw: int, value: float | None) -> None:
    """-40 °C is a temperature here."""
    got = snapshot(changed(JBD_4S, temperatures=(2981, raw, 2981)))
    assert got.temperatures == {"t1": 25.0, "t2": value, "t3": 25.0}
    assert doubts(got) == ({} if value is not None else {"temperatures.t2": (raw - 2731) / 10})


@pytest.mark.parametrize("frame", [ANT_8S, LEGACY_14S, JBD_4S], ids=list(MODULES))
@pytest.mark.parametrize("raw", [0, 100, 101, 255])
def test_doubt_soc(frame: bytes, raw: int) -> None:
    got = snapshot(changed(frame, soc=raw))
    assert got.soc == (raw if raw <= 100 else None)
    assert doubts(got) == ({} if raw <= 100 else {"soc": float(raw)})


@pytest.mark.parametrize(
    ("state", "current", "doubted"),
    [
        (2, -0.5, False),
        (2, -0.6, True),
        (2, 9.0, False),
        (4, 0.5, False),
        (4, 0.6, True),
        (4, -9.0, False),
        (1, -9.0, False),
        (3, 9.0, False),
        (5, 9.0, False),
    ],
)
def test_doubt_state(state: int, current: float, doubted: bool) -> None:
    plain = snapshot(changed(ANT_8S, state=1, current=round(current * -10)))
    got = snapshot(changed(ANT_8S, state=state, current=round(current * -10)))
    name = ("", "idle", "charging", "standby", "discharging", "fault")[state]
    assert doubts(got) == doubts(plain) | ({"state": name} if doubted else {})
    assert msgspec.structs.replace(got, doubts=()) == msgspec.structs.replace(plain, state=name, doubts=())


@pytest.mark.parametrize("frame", [ANT_8S, LEGACY_14S], ids=["ant", "ant-legacy"])
def test_what_the_device_computes_only_raises_doubts(frame: bytes) -> None:
    plain = snapshot(frame)
    assert not plain.doubts
    wrong = changed(frame, power=-9999, cell_max=4000, cell_min=3000)
    got = snapshot(wrong)
    assert doubts(got) == {"power": 9999, "cell_max": 4.0, "cell_min": 3.0}
    assert msgspec.structs.replace(got, doubts=()) == plain


@pytest.mark.parametrize(("frame", "raw"), [(ANT_8S, 500), (LEGACY_14S, 500)], ids=["ant", "ant-legacy"])
def test_no_negative_zero(frame: bytes, raw: int) -> None:
    """Turning the sign of a zero round is a trap in Python."""
    for current, power in ((0, 0), (raw, 0), (0, 5000)):
        text = snapshot(changed(frame, current=current, power=power)).to_json()
        assert "-0.0," not in text
        assert "-0.0}" not in text


def test_power_of_9999_watts() -> None:
    """One board reports it at 0 A."""
    found = [snapshot(raw) for raw in statuses("ant-legacy") if parse(raw).fields["power"] == 9999]
    assert [(got.current, got.power, doubts(got)) for got in found] == [(0.0, 0.0, {"power": -9999.0})]


def test_power_beside_that_of_the_device() -> None:
    for protocol in ("ant", "ant-legacy"):
        for raw in statuses(protocol):
            if (got := snapshot(raw)).doubts:
                continue
            reported = -parse(raw).fields["power"]
            assert got.power == pytest.approx(reported, abs=50)  # the device averages otherwise


def test_recorded_doubts() -> None:
    """Whole packs raise none; the half-wired bench board raises those that it must."""
    (bench,) = recorded("ant/32s-bench-fault", "status")
    watts = [raw for raw in statuses("ant-legacy") if parse(raw).fields["power"] == 9999]
    doubted = {raw for protocol in ("ant", "ant-legacy") for raw in statuses(protocol) if snapshot(raw).doubts}
    assert doubted == {bench, *watts}
    got = snapshot(bench)
    unwired = {n for n, cell in enumerate(parse(bench).fields["cells"], 1) if cell < 500}
    assert {f"cells.{n}" for n in unwired} == {name for name in doubts(got) if name.startswith("cells.")}
    assert doubts(got)["voltage"] == 39.79
    assert doubts(got)["cell_min"] == 3.973
    assert (got.voltage, got.power, got.cell_max, got.cells[0]) == (None, None, 3.985, 3.975)


# --- layouts ----------------------------------------------------------------------------------------------------------

TAIL = ["charge_duration", "since_charge", "time_to_full", "time_to_empty", "fast_current", "licence_hours",
        "sampling_fault", "charger_voltage", "charger_current", "charger_state"]  # fmt: skip
ENDS = [4, 8, 10, 12, 14, 16, 18, 20, 22, 24]


@pytest.mark.parametrize("length", range(34))
def test_ant_tails_by_length(length: int) -> None:
    added = bytes(range(1, 35))[:length]
    raw = ant_frame(0x11, 0, data_of(ANT_8S) + added)
    packet = parse(raw)
    got = snapshot(raw)
    known = [name for name, end in zip(TAIL, ENDS, strict=True) if end <= length]
    assert [name for name in TAIL if name in got.details] == known
    assert packet.tail == added[max((end for end in ENDS if end <= length), default=0) :]
    assert dialect("ant").pack(packet) == raw
    assert msgspec.structs.replace(got, details={}) == msgspec.structs.replace(snapshot(ANT_8S), details={})
    if length >= 24:
        assert [got.details[name] for name in TAIL] == [
            0x04030201, 0x08070605, 0x0A09 * 60, 0x0C0B * 60, -0x0E0D / 10,
            0x100F, 0x1211, 0x1413 / 10, 0x1615 / 10, 0x1817,
        ]  # fmt: skip


@pytest.mark.parametrize("length", [0, 1, 3, 27, 60, 125])
def test_ant_status_too_short(length: int) -> None:
    """No status, but no loss either."""
    raw = ant_frame(0x11, 0, data_of(ANT_8S)[:length])
    packet = parse(raw)
    assert not packet.whole
    assert dialect("ant").pack(packet) == raw
    assert list(dialect("ant").explain(packet, raw))


@pytest.mark.parametrize("name", ["ant/16s-280ah-16zmub", "ant/20s-45ah-22pha1"])
def test_ant_recorded_tails(name: str) -> None:
    for raw in recorded(name, "status"):
        got = snapshot(raw)
        has_tail = "charge_duration" in got.details
        assert has_tail == (raw[5] - 106 - 2 * len(got.cells) - 2 * (len(got.temperatures) - 2) == 14)
        if has_tail:
            assert got.details["fast_current"] == got.current
            assert "licence_hours" not in got.details


def test_ant_vendor_vector_and_extended_segment() -> None:
    plain, extended = recorded("ant/vendor-app-vector", "status")
    details = snapshot(plain).details
    assert [details[name] for name in TAIL[-5:]] == [0xABCD, 0, 0x7777 / 10, 0x8888 / 10, 0x9999]
    assert "segments" not in parse(plain).envelope
    ((kind, register, content),) = parse(extended).envelope["segments"]
    assert ant_frame(0x11, 0, data_of(plain), (kind, register, content)) == extended
    assert (kind, bool(content)) == (0xFE, True)
    said = [field.value for field in dialect("ant").explain(parse(extended), extended)]
    assert content.hex(" ").upper() in said
    assert register in said
    assert snapshot(plain) == snapshot(extended)


@pytest.mark.parametrize("flags", [0x2000, 0x4000, 0x8000, 0xE000])
def test_ant_cells_have_13_bits(flags: int) -> None:
    cells = parse(ANT_8S).fields["cells"]
    raw = changed(ANT_8S, cells=tuple(cell | flags for cell in cells))
    assert snapshot(raw) == snapshot(ANT_8S)
    assert parse(raw).fields["cells"][0] == cells[0] | flags


@pytest.mark.parametrize(("board", "divisor"), [(1, 100), (2, 10), (33, 10)])
def test_ant_active_balancers(board: int, divisor: int) -> None:
    got = snapshot(changed(ANT_8S, board_type=board, balancing=0x03_19_F9_02))
    assert got.balancing == (3,)
    assert got.details["balancer_fault"] == 2
    assert got.details["balance_current"] == -7 / divisor
    assert got.details["line_resistance"] == 0.00025
    assert got.switches["balance"].on
    idle = snapshot(changed(ANT_8S, board_type=board, balancing=0))
    assert (idle.balancing, idle.switches["balance"].on) == ((), False)


def test_ant_passive_balancers() -> None:
    got = snapshot(changed(ANT_8S, board_type=3, balancing=0x80000005))
    assert got.balancing == (1, 3, 32)
    assert got.switches["balance"] == SwitchState(True, 0, "off")
    assert "balance_current" not in got.details


@pytest.mark.parametrize("bit", range(64))
def test_ant_bits(bit: int) -> None:
    """Every bit becomes one alarm or one flag, unknown ones by number."""
    for table, words in (("protection", ant_words.PROTECTION), ("warning", ant_words.WARNING)):
        got = snapshot(changed(ANT_8S, **{"protection": 0, "warning": 0, table: 1 << bit}))
        text = words.words.get(bit, f"bit {bit}")
        if bit in ANT_FLAGS[table]:
            assert (got.alarms, got.flags) == ((), (Flag(f"{table}.{bit}", text),))
        else:
            assert (got.alarms, got.flags) == ((Alarm(f"{table}.{bit}", table, text),), ())  # type: ignore[arg-type]
        balances = table == "warning" and bit in (25, 27, 28, 29)
        assert got.switches["balance"].on == balances


def test_bits_are_explained_in_words() -> None:
    raw = changed(ANT_8S, protection=1 << 1 | 1 << 49, warning=0)
    texts = {field.name: field.text for field in dialect("ant").explain(parse(raw), raw)}
    assert (texts["protection"], texts["warning"]) == ("cell overvoltage, bit 49", "none")


def test_ant_unknown_codes() -> None:
    got = snapshot(
        changed(ANT_8S, state=77, charge_code=99, discharge_code=4, balancer_code=200, chemistry=3, board_type=9)
    )
    assert got.state == "unknown 77"
    assert got.switches["charge"] == SwitchState(False, 99, "unknown 99")
    assert got.switches["discharge"] == SwitchState(False, 4, "overcurrent level 2")
    assert got.switches["balance"] == SwitchState(False, 200, "unknown 200")
    assert (got.details["chemistry"], got.details["board_type"]) == ("unknown 3", 9)


@pytest.mark.parametrize("code", range(20))
def test_legacy_codes(code: int) -> None:
    for name in ("charge", "discharge"):
        got = snapshot(changed(LEGACY_14S, **{f"{name}_code": code}))
        assert got.switches[name].on == (code == 1)
        assert [alarm.code for alarm in got.alarms] == ([] if code in (0, 1, 4, 11, 15) else [f"{name}.{code}"])
        if (name, code) in (("charge", 11), ("discharge", 4)):  # named for the other switch only: not dropped
            assert got.switches[name].reason == f"unknown {code}"
        assert not got.flags


def test_legacy_balancer_codes() -> None:
    """1, 2 and 4 are ways of balancing; 0, 3 and 10 say why not; of the rest nobody knows."""
    states = {code: snapshot(changed(LEGACY_14S, balancer_code=code)).switches["balance"].on for code in range(256)}
    assert {code for code, on in states.items() if on} == {1, 2, 4}
    assert {code for code, on in states.items() if on is False} == {0, 3, 10}


def test_legacy_unknown_codes() -> None:
    got = snapshot(changed(LEGACY_14S, charge_code=99, balancer_code=7))
    assert got.alarms == (Alarm("charge.99", "protection", "charge: code 99"),)
    assert got.switches["charge"] == SwitchState(False, 99, "unknown 99")
    assert got.switches["balance"] == SwitchState(None, 7, "unknown 7")


def test_legacy_capacity_of_nothing() -> None:
    assert snapshot(*recorded("ant-legacy/8s-lfp-charging", "status")).capacity is None


@pytest.mark.parametrize("bit", range(16))
def test_jbd_bits(bit: int) -> None:
    got = snapshot(changed(JBD_TAIL, protection=1 << bit))
    text = jbd_words.PROTECTION.words.get(bit, f"bit {bit}")
    assert got.flags == ((Flag(f"protection.{bit}", text),) if bit == 12 else ())
    assert got.alarms == (() if bit == 12 else (Alarm(f"protection.{bit}", "protection", text),))
    warned = snapshot(changed(JBD_TAIL, warning=1 << bit))
    assert warned.alarms == (Alarm(f"warning.{bit}", "warning", jbd_words.WARNING.words.get(bit, f"bit {bit}")),)


def test_jbd_mosfets() -> None:
    for raw in range(256):
        got = snapshot(changed(JBD_4S, mosfets=raw))
        assert (got.switches["charge"].on, got.switches["discharge"].on) == (bool(raw & 1), bool(raw & 2))
        assert [flag.code for flag in got.flags] == [f"mosfet.{bit}" for bit in (2, 3, 7) if raw >> bit & 1]
        unknown = [bit for bit in (4, 5, 6) if raw >> bit & 1]
        assert got.alarms == tuple(Alarm(f"mosfet.{bit}", "warning", f"bit {bit}") for bit in unknown)


def test_jbd_large_units() -> None:
    small = snapshot(changed(JBD_TAIL, current=-123))
    large = snapshot(changed(JBD_TAIL, current=-123, mosfets=parse(JBD_TAIL).fields["mosfets"] | 0x80))
    assert (small.current, large.current) == (-1.23, -12.3)
    assert (large.capacity, large.remaining) == (3000.0, 1963.0)
    assert large.details == {"humidity": 0, "full_capacity": 3000.0, "balance_current": 0.0}
    assert (large.voltage, large.power) == (13.3, -163.6)
    assert Flag("mosfet.7", "large units") in large.flags


def test_jbd_tail_repeats_remaining() -> None:
    """In both units, also where the larger one is needed to fit."""
    large = snapshot(changed(JBD_TAIL, mosfets=0x83))
    for said in (snapshot(JBD_TAIL), large, msgspec.structs.replace(large, remaining=6000.0)):
        basic, _ = dialect("jbd").from_snapshot(said)
        assert basic.fields["remaining_again"] == basic.fields["remaining"]


def test_jbd_balancing_and_tail() -> None:
    got = snapshot(changed(JBD_TAIL, balancing_low=0x8001, balancing_high=0x8002, humidity=55, balance_current=1500))
    assert got.balancing == (1, 16, 18, 32)
    assert (got.details["humidity"], got.details["balance_current"]) == (55, 1.5)


@pytest.mark.parametrize("length", range(12))
def test_jbd_tails_by_length(length: int) -> None:
    basic = recorded("jbd/4s-discharging-issue14", "status")[0]
    raw = jbd_frame(3, 0, data_of(basic) + bytes(range(1, 13))[:length])
    packet = parse(raw)
    ends = {"humidity": 1, "warning": 3, "full_capacity": 5, "remaining_again": 7, "balance_current": 9}
    assert [name for name in ends if name in packet.fields] == [name for name, end in ends.items() if end <= length]
    assert dialect("jbd").pack(packet) == raw
    got = snapshot(raw)
    assert got.voltage == snapshot(basic).voltage
    assert got.details.get("full_capacity") == (None if length < 5 else 0x0405 / 100)
