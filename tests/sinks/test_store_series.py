"""A series says what a look at all snapshots says, whichever rows it is taken from and however they are packed."""

import math
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from store_data import at, fill, reading

from antbms import history
from antbms.model import Snapshot

SPAN = 3 * 3600
MEASURED = ("voltage", "cells.1", "cells.3", "cells.17", "temperatures.mosfet", "humidity")
LAST = ("uptime", "charged")

CELL = st.none() | st.integers(2500, 3650).map(lambda number: number / 1000)
NEAR = st.none() | st.integers(3300, 3420).map(lambda number: number / 1000)
"""Up to 127 mV above the lowest, as in a healthy pack: one byte each."""


def cells(most: int) -> st.SearchStrategy[tuple[float | None, ...]]:
    return st.tuples(
        st.sampled_from([3, 4, 15, 16, most]),  # msgpack has another header from 16 on
        st.lists(NEAR, min_size=most, max_size=most) | st.lists(CELL, min_size=most, max_size=most),
    ).map(lambda drawn: tuple(drawn[1][: drawn[0]]))


READINGS = st.lists(
    st.builds(
        lambda seconds, voltage, cells, lowest, heat, humidity, uptime: reading(
            seconds,
            voltage=voltage,
            cells=cells,
            cell_min=lowest if lowest is not None else min((one for one in cells if one is not None), default=None),
            temperatures={"t1": 20.0, "mosfet": heat} if uptime % 5 else {"mosfet": heat},
            details={"humidity": humidity} if uptime % 7 else {},
            uptime=uptime,
        ),
        st.integers(0, SPAN),
        st.none() | st.integers(1000, 6000).map(lambda number: number / 100),
        cells(17),
        st.none() | st.just(3.3) | st.just(3.35),  # a cell may lie below what the board says is the lowest
        st.none() | st.integers(-400, 800).map(lambda number: number / 10),
        st.none() | st.integers(0, 100),
        st.integers(0, 10**9),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda snapshot: snapshot.time,
)


def value(snapshot: Snapshot, name: str) -> float | None:
    group, _, part = name.partition(".")
    if group == "cells":
        return snapshot.cells[int(part) - 1] if int(part) <= len(snapshot.cells) else None
    if group == "temperatures":
        return snapshot.temperatures.get(part)
    found = snapshot.details.get(name) if name == "humidity" else getattr(snapshot, name)
    assert found is None or isinstance(found, int | float)
    return found


@settings(max_examples=60, deadline=None)
@given(READINGS, st.sampled_from([1, 7, 160]), st.integers(-600, 600))
def test_of_snapshots(snapshots: list[Snapshot], points: int, shift: int) -> None:
    start, end = at(shift), at(SPAN + 1)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        fill(file, snapshots)
        for name in (*MEASURED, *LAST):
            found = history.series(file, "garage", name, start, end, resolution="raw", points=points)
            check(found, [snapshot for snapshot in snapshots if start <= snapshot.time < end], name)


@settings(max_examples=40, deadline=None)
@given(READINGS, st.sampled_from(["minute", "hour"]))
def test_of_rollups_with_what_is_not_rolled_up_yet(snapshots: list[Snapshot], rows: history.Resolution) -> None:
    start = at(0).replace(minute=0, second=0, microsecond=0)
    end = start + timedelta(hours=4)
    length = {"minute": 60, "hour": 3600}[rows]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        fill(file, snapshots)
        for name in (*MEASURED, *LAST):
            found = history.series(
                file, "garage", name, start, end, resolution=rows, points=int((end - start).total_seconds() / length)
            )
            check(found, snapshots, name)


def check(found: history.Series, snapshots: list[Snapshot], name: str) -> None:
    """The points are those of a plain calculation; stretches without a value have none."""
    slots: dict[int, list[float]] = {}
    for snapshot in sorted(snapshots, key=lambda one: one.time):
        if (number := value(snapshot, name)) is not None:
            slots.setdefault((snapshot.time - found.start) // found.step, []).append(number)
    assert [(point.time - found.start) // found.step for point in found.points] == sorted(slots)
    for point, slot in zip(found.points, sorted(slots), strict=True):
        numbers = slots[slot]
        if name in LAST:
            assert (point.min, point.mean, point.max) == (numbers[-1],) * 3
            continue
        assert (point.min, point.max, point.count) == (min(numbers), max(numbers), len(numbers))
        assert math.isclose(point.mean, fmean(numbers), abs_tol=1e-6)
