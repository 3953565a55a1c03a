"""Quantities over time: areas by trapezoid, gaps and doubts left out, totals that never fall."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antbms.derive import Flow, Totals, areas, gap_of, step, times, with_derived
from antbms.model import QUANTITIES, Doubt, Event, Kind, Offline, Snapshot

START = datetime(2026, 1, 1, tzinfo=UTC)


def reading(at: float, current: float | None = None, voltage: float | None = 50.0, **fields: Any) -> Snapshot:
    """At so many s; power follows."""
    power = None if voltage is None or current is None else voltage * current
    time = START + timedelta(seconds=at)
    return Snapshot(time=time, battery="a", protocol="ant", voltage=voltage, current=current, power=power, **fields)


def offline(at: float) -> Offline:
    return Offline(time=START + timedelta(seconds=at), battery="a", since=START, reason="gone")


def fold(events: Iterable[Event], gap: float = 10.0) -> Flow:
    flow = Flow()
    for event in events:
        flow = step(flow, event, gap)
    return flow


def test_an_hour_at_constant_current() -> None:
    charged = fold(reading(at, 10.0) for at in range(3601)).totals
    assert charged.energy_charged == pytest.approx(0.5)  # kWh: 50 V × 10 A × 1 h
    assert charged.charge_in == pytest.approx(10.0)
    assert (charged.energy_discharged, charged.charge_out) == (0.0, 0.0)
    used = fold(reading(at, -10.0) for at in range(3601)).totals
    assert used == Totals(0.0, charged.energy_charged, 0.0, charged.charge_in)


def test_a_swing_between_charge_and_discharge() -> None:
    """Half a sine each way, for an hour; the truth is 2/π of the peak."""
    totals = fold(reading(at, 10 * math.sin(2 * math.pi * at / 3600)) for at in range(0, 3601, 5)).totals
    assert totals.charge_in == pytest.approx(10 / math.pi, rel=1e-4)
    assert totals.charge_out == pytest.approx(10 / math.pi, rel=1e-4)


value = st.floats(-1e4, 1e4).filter(lambda number: number == 0 or abs(number) > 1e-6)


@given(value, value, st.floats(1e-3, 1e3))
def test_areas_add_up_to_the_trapezoid_and_are_never_negative(first: float, last: float, width: float) -> None:
    above, below = areas(first, last, width)
    assert above >= 0
    assert below >= 0
    assert above - below == pytest.approx((first + last) / 2 * width, rel=1e-9, abs=1e-9)
    assert areas(last, first, width) == pytest.approx((above, below), rel=1e-9, abs=1e-9)
    assert areas(-first, -last, width) == pytest.approx((below, above), rel=1e-9, abs=1e-9)


event = st.one_of(
    st.builds(
        reading,
        st.floats(0, 200),
        st.one_of(st.none(), st.floats(-300, 300)),
        st.one_of(st.none(), st.floats(0, 100)),
        doubts=st.sampled_from([(), (Doubt("voltage", 1.0, "x"),), (Doubt("cells.3", 9.0, "x"),)]),
    ),
    st.builds(offline, st.floats(0, 200)),
)


@given(st.lists(event, max_size=30))
def test_totals_never_fall_whatever_comes(events: list[Event]) -> None:
    flow = Flow()
    for one in events:
        before, flow = flow.totals, step(flow, one, 10.0)
        for name in Totals.__struct_fields__:
            assert getattr(flow.totals, name) >= getattr(before, name)
            assert math.isfinite(getattr(flow.totals, name))


@pytest.mark.parametrize(
    ("middle", "counted"),
    [
        ([reading(8, 10.0)], 16),
        ([], 0),  # the gap: 16 s
        ([offline(8)], 0),
        ([reading(8)], 0),
        ([reading(8, 10.0, voltage=None)], 0),
        ([reading(8, 10.0, doubts=(Doubt("voltage", 50.0, "the cells add up to 30 V"),))], 0),
        ([reading(8, 10.0, doubts=(Doubt("power", 9999.0, "voltage × current is 500 W"),))], 0),
        ([reading(8, 10.0, doubts=(Doubt("state", "discharging", "10 A is charging"),))], 0),
        ([reading(8, 10.0, doubts=(Doubt("cells.3", 9.0, "outside 0.5 to 5 V"),))], 16),
        ([reading(8, 10.0), offline(9)], 8),
        ([reading(8, 10.0), reading(8, 10.0)], 16),
        ([reading(8, 10.0), reading(2, 10.0)], 8),  # the clock was put back: from there 14 s are a gap
    ],
)
def test_what_does_not_count(middle: list[Event], counted: float) -> None:
    totals = fold([reading(0, 10.0), *middle, reading(16, 10.0)]).totals
    assert totals.charge_in == pytest.approx(10.0 * counted / 3600)
    assert totals.energy_charged == pytest.approx(0.5 * counted / 3600)


STEPS = (115, -50, 0.7, -0.7, 3600 * 24 * 365 * 50, -3600 * 24 * 365 * 50, 59, -59.9)
"""s by which the clock of a small computer may be set between two readings."""


@pytest.mark.parametrize("jump", STEPS)
def test_a_clock_that_is_set_changes_no_energy(jump: float) -> None:
    """60 s at 5 kW are 0.083 kWh, whatever the time of day is said to be."""
    gap, flow = gap_of(60.0), Flow()
    flow = step(flow, reading(0, 100.0), gap, at=7.0)
    flow = step(flow, reading(60 + jump, 100.0), gap, at=67.0)
    assert flow.totals.energy_charged == pytest.approx(5.0 / 60)
    assert flow.totals.charge_in == pytest.approx(100.0 / 60)
    assert step(flow, reading(120 + jump, 100.0), gap, at=247.1).totals == flow.totals  # a gap, whatever the clock says


def test_without_a_steady_clock_at_both_ends_the_times_of_the_readings_count() -> None:
    flow = step(Flow(), reading(0, 10.0), 10.0, at=7.0)
    assert step(flow, reading(5, 10.0), 10.0).totals.charge_in == pytest.approx(50 / 3600)


def test_the_gap_follows_the_pace() -> None:
    assert gap_of(1.0) == 10.0
    assert gap_of(60.0) == 180.0


# ---- time to full, and to empty


@pytest.mark.parametrize(
    ("fields", "mean", "expected"),
    [
        ({"capacity": 100.0, "remaining": 40.0}, 20.0, (3 * 3600, None)),
        ({"capacity": 100.0, "remaining": 40.0}, -20.0, (None, 2 * 3600)),
        ({"capacity": 100.0, "remaining": 40.0}, 0.0, (None, None)),
        ({"capacity": 100.0, "remaining": 40.0}, None, (None, None)),
        ({"capacity": 100.0, "remaining": 40.0}, 0.5, (None, None)),  # more than 100 h
        ({"capacity": 100.0, "remaining": 110.0}, 20.0, (0, None)),
        ({"capacity": 100.0, "soc": 40.0}, 20.0, (3 * 3600, None)),
        ({"capacity": 100.0, "remaining": 40.0, "details": {"full_capacity": 60.0}}, 20.0, (3600, None)),
        ({"capacity": 100.0}, 20.0, (None, None)),
        ({"remaining": 40.0}, 20.0, (None, None)),
        ({"remaining": 40.0, "soc": 40.0}, -20.0, (None, None)),
    ],
)
def test_times(fields: dict[str, Any], mean: float | None, expected: tuple[int | None, int | None]) -> None:
    assert times(reading(0, 0.0, **fields), mean) == expected


def test_the_current_is_smoothed_and_begins_anew_after_a_gap() -> None:
    steady = [reading(at, -10.0) for at in range(600)]
    kettle = fold([*steady, reading(600, -50.0)])
    assert kettle.mean is not None
    assert -11 < kettle.mean < -10
    for_long = fold([*steady, *(reading(600 + at, -50.0) for at in range(600))])
    assert for_long.mean == pytest.approx(-50.0, rel=0.01)
    assert fold([*steady, offline(600), reading(601, 30.0)]).mean == 30.0


# ---- as details of a snapshot


def test_derived_quantities_are_rows_of_the_catalogue() -> None:
    details = with_derived(reading(0, 1.0), Totals(), 1.0).details
    assert len(details) == 6
    for name in details:
        assert QUANTITIES[name].detail
    for name in Totals.__struct_fields__:
        assert QUANTITIES[name].kind is Kind.COUNTER
        assert QUANTITIES[name].derived


def test_totals_that_are_not_known_are_null() -> None:
    details = with_derived(reading(0, 20.0, capacity=100.0, remaining=40.0), None, 20.0).details
    assert {details[name] for name in Totals.__struct_fields__} == {None}
    assert details["time_to_full"] == 3 * 3600


def test_what_the_device_reports_stays() -> None:
    snapshot = reading(0, -20.0, capacity=100.0, remaining=40.0, details={"time_to_empty": 60, "humidity": 40})
    details = with_derived(snapshot, Totals(1.23456), -20.0).details
    assert details["time_to_empty"] == 60
    assert details["time_to_full"] is None
    assert details["humidity"] == 40
    assert details["energy_charged"] == 1.235
