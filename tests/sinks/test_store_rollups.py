"""Roll-ups are exact: however readings come, they are counted once, and say what a look at all readings says."""

import math
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_data import BEGINNING, ON, OVER, Clock, at, database, fill, offline, reading, run, store

from antbms import history
from antbms.model import Alarm, Snapshot, SwitchState

FAR = at(10**8)
EARLY = at(-(10**8))
LENGTH = {"minute": 60, "hour": 3600}


def rollups(file: Path, resolution: Literal["minute", "hour"]) -> list[history.Rollup]:
    return list(history.rollups(file, "garage", EARLY, FAR, resolution))


def check(file: Path, snapshots: list[Snapshot]) -> None:
    """Minutes and hours say of `snapshots` what a plain calculation says."""
    for resolution, length in LENGTH.items():
        groups: dict[int, list[Snapshot]] = {}
        for snapshot in sorted(snapshots, key=lambda snapshot: snapshot.time):
            groups.setdefault(int(snapshot.time.timestamp()) // length * length, []).append(snapshot)
        found = rollups(file, resolution)  # type: ignore[arg-type]
        assert [int(rollup.time.timestamp()) for rollup in found] == sorted(groups)
        for rollup, group in zip(found, (groups[start] for start in sorted(groups)), strict=True):
            assert rollup.count == len(group)
            assert_measured(rollup, "voltage", [snapshot.voltage for snapshot in group])
            assert_measured(rollup, "cells.2", [snapshot.cells[1] for snapshot in group])
            assert_measured(rollup, "temperatures.mosfet", [snapshot.temperatures["mosfet"] for snapshot in group])
            assert_measured(rollup, "humidity", [snapshot.details["humidity"] for snapshot in group])
            assert rollup.values["uptime"] == group[-1].uptime
            assert rollup.words.state == group[-1].state
            assert {alarm.code for alarm in rollup.words.alarms} == {a.code for s in group for a in s.alarms}
            assert set(rollup.balancing) == {cell for snapshot in group for cell in snapshot.balancing}


def assert_measured(rollup: history.Rollup, name: str, values: list[float | None]) -> None:
    known = [value for value in values if value is not None]
    stat = rollup.measurements.get(name)
    if not known:
        assert stat is None
        return
    assert stat is not None
    assert (stat.min, stat.max, stat.count) == (min(known), max(known), len(known))
    assert math.isclose(stat.mean, fmean(known), abs_tol=1e-6)


def volts(low: int, high: int, scale: int) -> st.SearchStrategy[float | None]:
    return st.none() | st.integers(low, high).map(lambda number: number / scale)


READINGS = st.lists(
    st.builds(
        lambda seconds, voltage, cell, heat, humidity, uptime, state, alarms, balancing: reading(
            seconds,
            voltage=voltage,
            cells=(3.3, cell),
            cell_min=min(3.3, cell or 9),
            temperatures={"mosfet": heat},
            details={"humidity": humidity},
            uptime=uptime,
            state=state,
            alarms=alarms,
            balancing=balancing,
        ),
        st.integers(0, 3 * 3600),
        volts(1000, 6000, 100),
        volts(2500, 3650, 1000),
        volts(-400, 800, 10),
        st.none() | st.integers(0, 100),
        st.integers(0, 10**9),
        st.sampled_from(["idle", "charging"]),
        st.sampled_from([(), (OVER,), (OVER, Alarm("warning.0", "warning", "x"))]),
        st.sampled_from([(), (1,), (2,)]),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda snapshot: snapshot.time,
)


@settings(max_examples=40)
@given(READINGS, st.lists(st.integers(1, 12), min_size=40, max_size=40), st.booleans())
def test_in_any_order_in_any_batches_with_repeats(snapshots: list[Snapshot], cuts: list[int], by_time: bool) -> None:
    if by_time:
        snapshots = sorted(snapshots, key=lambda snapshot: snapshot.time)
    batches: list[list[Snapshot]] = []
    left = snapshots
    for cut in cuts:
        batches.append(left[:cut])
        left = left[cut:]
    again = [batch for batch in batches if batch for batch in (batch, batch)]  # every batch comes twice
    with TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        fill(file, *again)
        check(file, snapshots)


def test_minutes_are_written_when_they_are_over(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(0), reading(29)])
    with database(file) as link:
        assert link.execute("SELECT count(*) FROM minute").fetchone() == (0,)
    check(file, [reading(0), reading(29)])  # readers see them nevertheless
    fill(file, [reading(30)])
    with database(file) as link:
        assert link.execute("SELECT count FROM minute").fetchall() == [(2,)]
        assert link.execute("SELECT count FROM hour").fetchall() == [(2,)]
    check(file, [reading(0), reading(29), reading(30)])


def test_a_late_reading_goes_where_it_belongs(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    snapshots = [reading(seconds) for seconds in range(0, 300, 10)]
    late = reading(5, voltage=99.0, soc=None)
    fill(file, snapshots, [late], [late], [reading(310)])
    check(file, [*snapshots, late, reading(310)])


def test_rows_left_behind_by_a_crash_are_rolled_up_at_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(0)])
    with database(file) as link:  # as if the process had died between the commit and the roll-up
        columns = "battery, time + 7200000, words, cells, temperatures, balancing, details, doubts"
        rest = ", ".join(row[1] for row in link.execute("PRAGMA table_info(raw)").fetchall()[8:])
        link.execute(f"INSERT INTO raw SELECT {columns}, {rest} FROM raw")
    check(file, [reading(0), reading(7200, uptime=104447)])
    fill(file, [offline(0, 1)], [])
    with database(file) as link:
        assert link.execute("SELECT count(*) FROM minute").fetchone() == (1,)
    check(file, [reading(0), reading(7200, uptime=104447)])


def test_a_clock_that_was_wrong_once_spoils_nothing(tmp_path: Path) -> None:
    """A computer without a battery for its clock wakes up in the past, or for a while in the future."""
    file = tmp_path / "s.db"
    future, past = reading(10**7), reading(-(10**6))
    usual = [reading(seconds) for seconds in range(0, 200, 20)]
    fill(file, [future], [reading(10**7 + 100)], usual[:5], [past], usual[5:])
    check(file, [past, *usual, future, reading(10**7 + 100)])


def test_what_is_old_goes_and_its_rollups_stay(tmp_path: Path) -> None:
    file, clock = tmp_path / "s.db", Clock()
    snapshots = [reading(seconds) for seconds in range(0, 7200, 20)]

    async def later() -> None:
        sink = store(file, clock, raw_days=1.0, minute_days=1.0)
        await sink.take(snapshots)
        clock.seconds = 86400 + 3600
        await sink.take([reading(clock.seconds)])
        clock.seconds += 60
        await sink.take([reading(clock.seconds)])
        await sink.close()

    run(later())
    left = list(history.snapshots(file, "garage", EARLY, FAR))
    assert [snapshot for snapshot in snapshots if snapshot.time >= at(3660)] == left[:-2]
    minutes = rollups(file, "minute")
    assert minutes[0].time == (at(3600 + 60)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    assert sum(hour.count for hour in rollups(file, "hour")) == len(snapshots) + 2


def test_a_late_reading_before_all_that_is_kept_is_merged_once(tmp_path: Path) -> None:
    file, clock = tmp_path / "s.db", Clock(86400 * 2)
    snapshots = [reading(seconds) for seconds in range(0, 120, 20)]

    async def work() -> None:
        sink = store(file, clock, raw_days=1.0)
        await sink.take(snapshots)
        clock.seconds += 60
        await sink.take(snapshots)  # they come again, and are known: nothing is removed yet
        clock.seconds += 601
        await sink.take([reading(clock.seconds)])  # the old ones are removed here
        await sink.take([reading(1)])
        await sink.close()

    run(work())
    with database(file) as link:
        assert link.execute("SELECT count(*) FROM raw").fetchone()[0] < len(snapshots)
    assert sum(hour.count for hour in rollups(file, "hour")) == len(snapshots) + 2


def test_after_a_clock_was_ahead_readings_are_rolled_up_in_their_time(tmp_path: Path) -> None:
    """Not one by one: `rolled` is set back, once, and what was rolled up in the future is there as it was."""
    file = tmp_path / "s.db"
    before = [reading(seconds) for seconds in range(0, 4000, 20)]
    ahead = [reading(10**7 + seconds) for seconds in range(0, 150, 10)]
    after = [reading(4150 + seconds) for seconds in range(0, 200, 20)]
    rolled = []

    async def work() -> None:
        sink = store(file)
        for batch in (before, *([one] for one in (*ahead, *after))):
            await sink.take(batch)
            with database(file) as link:
                rolled.append(link.execute("SELECT rolled FROM battery").fetchone()[0] / 1000)
        await sink.close()

    run(work())
    assert rolled[len(ahead)] > at(10**7).timestamp(), "it was in the future"
    assert all(at(4100).timestamp() < one <= at(4400).timestamp() for one in rolled[-len(after) :])
    check(file, [*before, *after, *ahead])
    with database(file) as link:
        (minutes,) = link.execute("SELECT sum(count) FROM minute").fetchone()
    assert minutes < len(before) + len(after), "those of the future wait"


def test_rollups_are_not_set_back_where_readings_are_gone(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    snapshots = [reading(seconds) for seconds in range(0, 8000, 20)]
    fill(file, snapshots, [], [], [])
    with database(file) as link:
        link.execute("DELETE FROM raw WHERE time < ?", (at(7000).timestamp() * 1000,))
    late = [reading(6005), reading(6015)]
    fill(file, late[:1], late[1:])
    check(file, sorted([*snapshots, *late], key=lambda snapshot: snapshot.time))


@pytest.mark.parametrize("resolution", ["minute", "hour"])
@pytest.mark.parametrize("rows", [2, 3, 4])
def test_the_newest_row_comes_once_when_pages_are_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolution: Literal["minute", "hour"], rows: int
) -> None:
    monkeypatch.setattr("antbms.sinks.store.query.PAGE", 3)
    file = tmp_path / "s.db"
    length = LENGTH[resolution]
    snapshots = [reading(-30 + number * length) for number in range(rows)]
    snapshots += [reading(-30 + (rows - 1) * length + seconds) for seconds in (1, 2)]
    fill(file, *([one] for one in snapshots))
    found = rollups(file, resolution)
    assert [one.count for one in found] == [1] * (rows - 1) + [3]


@pytest.mark.parametrize("resolution", ["minute", "hour"])
def test_rows_are_whole_or_not_there(tmp_path: Path, resolution: Literal["minute", "hour"]) -> None:
    """A stretch may begin and end within a row, also one whose readings are partly rolled up."""
    file = tmp_path / "s.db"
    snapshots = [reading(seconds) for seconds in range(39 * 60 + 31)]
    fill(file, snapshots)
    whole = rollups(file, resolution)
    assert sum(one.count for one in whole) == len(snapshots)
    for start in (0, 1, 29.75, 30, 1740, 2339, 2365):
        for end in (31, 1770, 2360, 4000):
            found = list(history.rollups(file, "garage", at(start), at(end), resolution))
            since = at(start) if start else whole[0].time  # nothing of the first row lies before the first reading
            assert found == [one for one in whole if since <= one.time < at(end)]


@pytest.mark.parametrize("resolution", ["minute", "hour"])
@pytest.mark.parametrize("quantity", ["voltage", "cells.2", "uptime"])
def test_a_series_of_rollups_begins_with_a_whole_row(
    tmp_path: Path, resolution: Literal["minute", "hour"], quantity: str
) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(seconds) for seconds in range(39 * 60 + 31)])
    start, end = at(1800 - 20), at(10**5)
    found = history.series(file, "garage", quantity, start, end, resolution=resolution, points=10**6)
    rows = list(history.rollups(file, "garage", start, end, resolution))
    assert [point.count for point in found.points] == [1 if quantity == "uptime" else row.count for row in rows]
    assert all(point.time + found.step > row.time >= point.time for point, row in zip(found.points, rows, strict=True))


def test_snapshots_that_are_not_rolled_up_are_never_removed(tmp_path: Path) -> None:
    file, clock = tmp_path / "s.db", Clock(10**8)
    snapshots = [reading(seconds) for seconds in range(29)]

    async def work() -> None:
        sink = store(file, clock)
        await sink.take(snapshots)
        await sink.close()

    run(work())
    assert list(history.snapshots(file, "garage", EARLY, FAR)) == snapshots


def test_removal_takes_small_bites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antbms.sinks.store.BITE", 10)
    file, clock = tmp_path / "s.db", Clock()
    fill(file, [reading(seconds) for seconds in range(0, 600, 10)])
    left = []

    async def work() -> None:
        sink = store(file, clock)
        for number in range(12):
            clock.seconds = 10**7 + number
            await sink.take([reading(10**7 + number)])
            left.append(len(list(history.snapshots(file, "garage", EARLY, at(10**6)))))
        await sink.close()

    run(work())
    assert [before - after for before, after in zip([60, *left], left, strict=False)][:5] == [10] * 5
    assert left[-1] == 0


def test_states_within_a_minute(tmp_path: Path) -> None:
    """The last state and switches; every alarm that occurred."""
    file = tmp_path / "s.db"
    off = {"charge": SwitchState(False, 2, "cell overvoltage")}
    fill(file, [reading(0, alarms=(OVER,), switches=off), reading(10, state="idle", switches={"charge": ON})])
    (minute,) = rollups(file, "minute")
    assert minute.words.alarms == (OVER,)
    assert minute.words.switches == {"charge": ON}
    assert minute.words.state == "idle"


def test_readings_on_the_stroke_of_a_minute(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    stroke = 29.75
    snapshots = [reading(stroke + seconds) for seconds in (0, 59.999, 60.5, 60, 120)]
    fill(file, *([snapshot] for snapshot in snapshots))
    assert snapshots[0].time.second == snapshots[0].time.microsecond == 0
    check(file, snapshots)


def test_pages_of_a_long_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antbms.sinks.store.query.PAGE", 3)
    file = tmp_path / "s.db"
    snapshots = [reading(seconds) for seconds in range(0, 7200, 40)]
    fill(file, snapshots)
    check(file, snapshots)
    assert list(history.snapshots(file, "garage", EARLY, FAR)) == snapshots


def test_a_counter_that_is_missing_at_the_end_keeps_what_was_known(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(0, uptime=5), reading(10, uptime=None)], [reading(40, uptime=None)], [reading(90, uptime=None)])
    assert [minute.values.get("uptime") for minute in rollups(file, "minute")] == [5, None, None]
    assert [hour.values.get("uptime") for hour in rollups(file, "hour")] == [5]


def test_the_views_show_plain_numbers(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(0, voltage=13.2), reading(1, voltage=13.3), reading(2, voltage=None)], [reading(60)])
    with database(file) as link:
        row = link.execute(
            "SELECT battery, time, count, voltage_min, voltage_mean, voltage_max, cycles FROM minute_values"
        ).fetchone()
        assert link.execute("SELECT time, voltage, cycles FROM raw_values").fetchone() == (
            "2026-11-22T05:00:30.250Z", 13.2, 17,
        )  # fmt: skip
    assert row == ("garage", "2026-11-22T05:00:00.000Z", 3, 13.2, pytest.approx(13.25), 13.3, 17)


def test_times_are_utc(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(0)])
    (snapshot,) = history.snapshots(file, "garage", BEGINNING, FAR)
    assert snapshot.time == BEGINNING
    assert snapshot.time.utcoffset() == timedelta(0)
    assert isinstance(snapshot.time, datetime)
