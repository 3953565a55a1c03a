"""Where the lowest and the highest value were, the first reading, growth of counters, and the rows one by one."""

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_data import BEGINNING, at, database, fill, reading

from antbms import history
from antbms.model import Snapshot

HOUR = 3600
MINUTE = timedelta(minutes=1)
TABLES = st.sampled_from(["raw", "minute", "hour", None])
EMPTY: list[list[Snapshot]] = [[]] * 6
"""Batches in which what is over is rolled up, an hour in each."""
READINGS = st.lists(
    st.tuples(st.integers(0, 5 * HOUR), st.integers(100, 140).map(lambda tenths: tenths * 10), st.integers(3000, 3100)),
    min_size=1,
    max_size=40,
    unique_by=lambda drawn: drawn[0],
)


def varied(seconds: float, volts: int, cell: int) -> Snapshot:
    return reading(
        seconds,
        voltage=volts / 100,
        cells=(3.1, cell / 1000, None),
        cell_min=cell / 1000,
        temperatures={"t1": volts / 100},
        details={"humidity": volts / 100},
    )


def value(snapshot: Snapshot, name: str) -> float:
    found = {"voltage": snapshot.voltage, "cells.2": snapshot.cells[1], "temperatures.t1": snapshot.temperatures["t1"]}
    found["humidity"] = snapshot.voltage
    number = found[name]
    assert number is not None
    return number


def floor(moment: datetime, length: timedelta) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // length * length


def thin(file: Path, *tables: str) -> None:
    """Finer rows are gone, as after years."""
    with database(file) as link:
        for table in tables:
            link.execute(f"DELETE FROM {table}")


@settings(max_examples=40, deadline=None)
@given(READINGS, TABLES, st.sampled_from([1, 13, 160]), st.integers(0, HOUR))
def test_the_place_of_an_extreme_is_the_reading_itself(
    drawn: list[tuple[int, int, int]], table: history.Resolution | None, points: int, shift: int
) -> None:
    snapshots = [varied(*one) for one in drawn]
    start, end = at(shift), at(5 * HOUR + 1)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        fill(file, snapshots)
        for name in ("voltage", "cells.2", "temperatures.t1", "humidity"):
            found = history.series(file, "garage", name, start, end, resolution=table, points=points)
            places = history.places(file, found)
            if not found.points:
                assert places is None
                continue
            assert places is not None
            wanted = min(point.min for point in found.points), max(point.max for point in found.points)
            for place, number in zip(places, wanted, strict=True):
                assert not place.length
                assert place.time in [one.time for one in snapshots if abs(value(one, name) - number) < 1e-6]


@pytest.mark.parametrize(("gone", "length"), [((), 0), (("raw",), 60), (("raw", "minute"), 3600)])
@pytest.mark.parametrize("table", ["minute", "hour"])
def test_places_are_as_exact_as_what_is_left(
    tmp_path: Path, gone: tuple[str, ...], length: int, table: history.Resolution
) -> None:
    if table in gone:
        pytest.skip("there would be nothing to draw")
    file = tmp_path / "s.db"
    snapshots = [varied(second, 1200 + (second == 4000) - (second == 7230), 3000) for second in range(0, 9000, 10)]
    snapshots.append(varied(20_000, 1200, 3000))  # so that all of those are rolled up
    fill(file, snapshots, *EMPTY)
    thin(file, *gone)
    found = history.series(file, "garage", "voltage", BEGINNING, at(9000), resolution=table, points=3)
    assert history.places(file, found) == tuple(
        history.Place(floor(at(second), timedelta(seconds=length)) if length else at(second), timedelta(seconds=length))
        for second in (7230, 4000)
    )


def test_the_first_reading_is_known_to_the_millisecond_as_long_as_it_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(second) for second in range(0, 2 * HOUR, 10)], [reading(20_000)], *EMPTY)
    (stored,) = history.batteries(file)
    assert stored.first == BEGINNING
    thin(file, "raw")
    assert history.batteries(file)[0].first == floor(BEGINNING, MINUTE)
    thin(file, "minute")
    assert history.batteries(file)[0].first == floor(BEGINNING, 60 * MINUTE)


def test_the_first_row_is_drawn_though_it_begins_before_the_first_reading(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(second) for second in range(0, HOUR, 10)], [reading(20_000)], *EMPTY)
    for table in ("minute", "hour"):
        found = history.series(file, "garage", "voltage", BEGINNING, at(HOUR), resolution=table, points=7)
        assert sum(point.count for point in found.points) == HOUR / 10
        listed = list(history.rollups(file, "garage", BEGINNING, at(HOUR), table))
        assert sum(rollup.count for rollup in listed) == HOUR / 10
    later = list(history.rollups(file, "garage", at(60), at(HOUR), "minute"))
    assert later[0].time == floor(at(120), MINUTE)  # a minute of which a part is wanted only


@pytest.mark.parametrize("table", [None, "raw", "minute"])
@pytest.mark.parametrize("points", [3, 40, 160])
def test_growth_of_a_counter(tmp_path: Path, table: history.Resolution | None, points: int) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(s, charged=100 + s / 1000) for s in range(0, 2 * HOUR, 10) if not 3000 < s < 4000])

    def grown(since: float, until: float, name: str = "charged") -> float | None:
        found = history.series(file, "garage", name, at(since), at(until), resolution=table, points=points)
        return history.change(file, found)

    assert grown(0, 2 * HOUR - 9) == pytest.approx(7.19)
    assert grown(605, 3605) is None  # its end lies in a gap
    assert grown(605, 6605) == pytest.approx(6.0, abs=0.02)
    assert grown(3500, 6605) is None
    assert grown(-9000, 6605) is None  # nobody knows what was before
    assert grown(0, 2 * HOUR - 9, "voltage") is None


def test_a_counter_that_went_back_has_no_growth(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(s, charged=float(s if s < 2000 else s - 2000)) for s in range(0, HOUR, 10)])
    assert history.change(file, history.series(file, "garage", "charged", at(0), at(HOUR))) is None
    assert history.change(file, history.series(file, "garage", "charged", at(0), at(1900))) == pytest.approx(1890)


@settings(max_examples=40, deadline=None)
@given(READINGS, st.integers(0, HOUR), st.integers(1, 4 * HOUR), st.sampled_from([2, 10, 500]))
def test_round_stretches_begin_at_round_times_and_have_all_readings_of_the_span(
    drawn: list[tuple[int, int, int]], shift: int, length: int, points: int
) -> None:
    snapshots = [varied(*one) for one in drawn]
    start, end = at(shift), at(shift + length)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        fill(file, snapshots)
        found = history.series(file, "garage", "voltage", start, end, resolution="raw", points=points, aligned=True)
    inside = [one for one in snapshots if start <= one.time < end]
    assert sum(point.count for point in found.points) == len(inside)
    assert len(found.points) <= points
    for point in found.points:
        assert point.time == floor(point.time, found.step)
        alike = [one.voltage for one in inside if floor(one.time, found.step) == point.time]
        assert (point.count, point.min, point.max) == (len(alike), min(alike), max(alike))  # type: ignore[type-var]


@pytest.mark.parametrize("table", ["raw", "minute", "hour"])
def test_rows_are_those_of_the_store(tmp_path: Path, table: history.Resolution) -> None:
    file, names = tmp_path / "s.db", ("voltage", "cells.2", "temperatures.t1", "humidity", "charged")
    snapshots = [varied(second, 1200 + second, 3000) for second in range(0, 300, 7)]
    fill(file, snapshots)
    found = list(history.rows(file, "garage", names, at(0), at(300), table))
    assert [point.time for _, point in found] == sorted(point.time for _, point in found)
    volts = [point for name, point in found if name == "voltage"]
    if table == "raw":
        assert [(point.time, point.mean) for point in volts] == [(one.time, one.voltage) for one in snapshots]
    else:
        length = {"minute": MINUTE, "hour": 60 * MINUTE}[table]
        assert [point.time for point in volts] == sorted({floor(one.time, length) for one in snapshots})
        assert sum(point.count for point in volts) == len(snapshots)
    assert {name for name, _ in found} == set(names)
