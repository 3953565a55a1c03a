"""A snapshot survives the store: what was read is what comes back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_data import BEGINNING, DOUBT, ON, OVER, database, fill, reading

from antbms import history
from antbms.capture import read_capture
from antbms.errors import FrameError
from antbms.model import QUANTITIES, Snapshot, SwitchState
from antbms.protocol import dialect, parse
from antbms.sinks.store.layout import Column, Layout, stored
from antbms.sinks.store.rows import raw_row, snapshot_from, words_of, words_text
from conftest import captures_dir

LAYOUT = Layout(
    Column(row.name, row.digits or 0, row.kind.value == "counter") for row in QUANTITIES.values() if stored(row)
)


def there_and_back(snapshot: Snapshot) -> Snapshot:
    text = words_text(words_of(snapshot))
    return snapshot_from(LAYOUT, snapshot.battery, text, raw_row(LAYOUT, 1, 1, snapshot))


def numbers(digits: int, low: float, high: float) -> st.SearchStrategy[float | None]:
    scale = 10**digits
    return st.none() | st.integers(int(low * scale), int(high * scale)).map(lambda number: number / scale)


def field(name: str, low: float, high: float) -> st.SearchStrategy[float | int | None]:
    digits = QUANTITIES[name].digits or 0
    return numbers(digits, low, high) if digits else st.none() | st.integers(int(low), int(high))


SNAPSHOTS = st.builds(
    Snapshot,
    time=st.datetimes(min_value=BEGINNING.replace(tzinfo=None), timezones=st.just(BEGINNING.tzinfo)).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    ),
    battery=st.just("garage"),
    protocol=st.sampled_from(["ant", "jbd"]),
    level=st.none() | st.integers(0, 9),
    state=st.none() | st.text(max_size=5),
    **{row.name: field(row.name, -1000, 100_000) for row in QUANTITIES.values() if stored(row)},
    cells=st.lists(numbers(3, -5, 70), max_size=32).map(tuple),
    balancing=st.sets(st.integers(1, 32)).map(sorted).map(tuple),
    temperatures=st.dictionaries(st.sampled_from(["t1", "t2", "mosfet"]), numbers(1, -40, 150)),
    switches=st.dictionaries(st.sampled_from(["charge", "balance"]), st.just(ON) | st.just(SwitchState(None, 9, "?"))),
    alarms=st.sampled_from([(), (OVER,)]),
    details=st.dictionaries(
        st.sampled_from(["humidity", "chemistry", "line_resistance"]),
        st.none()
        | st.text(max_size=3)
        | st.integers(-(2**40), 2**40)
        | st.floats(allow_nan=False, allow_infinity=False),
    ),
    doubts=st.sampled_from([(), (DOUBT,), (DOUBT, DOUBT)]),
)


@given(SNAPSHOTS)
def test_every_snapshot_comes_back_as_it_was(snapshot: Snapshot) -> None:
    assert there_and_back(snapshot) == snapshot


def test_every_recorded_status_comes_back_as_it_was() -> None:
    count = 0
    for path in sorted(captures_dir().glob("*/*.txt")):
        half = []
        for chunk in read_capture(path):
            try:
                packet = parse(chunk.data)
            except FrameError:
                continue
            half = [packet] if packet.message == "status" else [*half, packet] if packet.message == "cells" else []
            if half and len(half) == (2 if packet.protocol == "jbd" else 1):
                snapshot = dialect(packet.protocol).to_snapshot(half, time=BEGINNING, battery="x", apart=0.0)
                assert there_and_back(snapshot) == snapshot, path
                count += 1
    assert count > 100


@pytest.mark.parametrize("strange", [float("nan"), float("inf")])
def test_one_strange_value_does_not_lose_the_row(strange: float) -> None:
    assert there_and_back(reading(voltage=strange)) == reading(voltage=None)


def test_what_is_finer_than_a_millisecond_is_cut_off() -> None:
    moment = BEGINNING.replace(microsecond=123_999)
    assert there_and_back(reading(time=moment)).time == BEGINNING.replace(microsecond=123_000)


def test_digits_of_the_file_are_those_of_its_numbers(tmp_path: Path) -> None:
    """If the catalogue ever says 3 digits where the file was begun with 2, nothing may be read ten times too small."""
    file = tmp_path / "s.db"
    fill(file, [reading()])
    with database(file) as link:
        link.execute("UPDATE quantity SET digits = 1 WHERE name = 'voltage'")
        link.execute("UPDATE raw SET voltage = voltage / 10")
    fill(file, [reading(5, voltage=13.3)])
    found = [snapshot.voltage for snapshot in history.snapshots(file, "garage", BEGINNING, reading(9).time)]
    assert found == [13.2, 13.3]


def test_a_new_quantity_of_the_catalogue_gets_its_columns(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(0)])
    with database(file) as link:
        for view in ("raw_values", "minute_values", "hour_values"):
            link.execute(f"DROP VIEW {view}")
        link.execute("DELETE FROM quantity WHERE name = 'soc'")
        link.execute("ALTER TABLE raw DROP COLUMN soc")
        for table in ("minute", "hour"):
            for part in ("min", "sum", "max", "count"):
                link.execute(f"ALTER TABLE {table} DROP COLUMN soc_{part}")
    fill(file, [reading(5)])
    found = [snapshot.soc for snapshot in history.snapshots(file, "garage", BEGINNING, reading(9).time)]
    assert found == [None, 64.5]
    with database(file) as link:
        assert link.execute("SELECT soc FROM raw_values ORDER BY time").fetchall() == [(None,), (64.5,)]
