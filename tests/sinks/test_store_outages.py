"""Outages last from reading to reading, however events are cut into batches, and whatever comes again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_data import Clock, as_version_1, at, database, fill, offline, reading, run, store

from antbms import history
from antbms.model import Event, Offline
from antbms.sinks.store import layout
from antbms.sinks.store import open as opening

EARLY, FAR = datetime(1970, 1, 1, tzinfo=UTC), at(10**8)
Told = list[tuple[float, float, str, bool]]


def told(file: Path, start: datetime = EARLY, end: datetime = FAR, battery: str = "garage") -> Told:
    """Since and until in s after the beginning, the reason, and whether it is over."""
    return [
        ((one.since - at(0)).total_seconds(), (one.time - at(0)).total_seconds(), one.reason, one.ended)
        for one in history.outages(file, battery, start, end)
    ]


def test_an_outage_lasts_until_the_next_reading(tmp_path: Path) -> None:
    """A steady reason is stated every ten minutes only."""
    file = tmp_path / "s.db"
    fill(file, [reading(0), offline(0, 1)], [offline(0, 2, reason="link lost")], [reading(587), reading(588)])
    assert told(file) == [(0, 587, "link lost", True)]


def test_until_then_it_is_said_not_to_have_ended(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [reading(0), offline(0, 1), offline(0, 601), reading(2, "shed")])
    assert told(file) == [(0, 601, "no answer", False)]
    assert told(file, at(3600)) == [(0, 601, "no answer", False)]  # it touches all that comes after
    (outage,) = history.outages(file, "garage", EARLY, FAR)
    assert outage.goes_on(at(1200))
    assert not outage.goes_on(at(6000)), "nobody has watched for long"
    fill(file, [reading(700)])
    assert told(file, at(3600)) == []


def test_those_that_touch_a_stretch(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [offline(0, 1), reading(5), offline(60, 61), reading(70)])
    assert [since for since, *_ in told(file)] == [0, 60]
    assert told(file, at(6), at(60)) == []
    assert [since for since, *_ in told(file, at(4), at(5))] == [0]


def test_batteries_do_not_end_the_outages_of_others(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, [offline(0, 1), offline(0, 1, "shed"), reading(9, "hut"), reading(5, "shed")])
    assert told(file) == [(0, 1, "no answer", False)]
    assert told(file, battery="shed") == [(0, 5, "no answer", True)]


def test_a_monitor_that_was_started_anew_goes_on(tmp_path: Path) -> None:
    """It knows of no reading: its outage begins where it did."""
    file = tmp_path / "s.db"
    fill(file, [reading(0), offline(0, 1)])
    fill(file, [offline(60, 61)], [reading(90), offline(90, 91)], [offline(60, 61), reading(90), offline(90, 92)])
    assert told(file) == [(0, 90, "no answer", True), (90, 92, "no answer", False)]


@pytest.mark.parametrize("later", [reading(7200), offline(7200, 7201)], ids=["reading", "outage"])
def test_while_nobody_watched_nothing_is_known(tmp_path: Path, later: Event) -> None:
    """The monitor was off for hours, or the clock of a computer without one was set."""
    file = tmp_path / "s.db"
    fill(file, [reading(0), offline(0, 1), offline(0, 601), later])
    assert told(file)[0] == (0, 601, "no answer", True)


def test_a_clock_that_is_set_back_a_little_makes_no_second_one(tmp_path: Path) -> None:
    """Its beginning is told anew by the clock as it goes now."""
    file = tmp_path / "s.db"
    statements = [offline(0, 1), offline(-5, 300), offline(-7, 900), offline(-7, 1500)]
    fill(file, [reading(-20), *statements], statements)
    assert told(file) == [(-7, 1500, "no answer", False)]
    fill(file, [reading(1600)])
    assert told(file) == [(-7, 1600, "no answer", True)]


def test_a_clock_that_is_set_makes_no_nonsense(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    boot = (EARLY - at(0)).total_seconds()
    fill(file, [offline(boot, boot + 5)], [reading(0)])
    fill(file, [reading(100), offline(100, 50), offline(51, 52)], [reading(53), reading(99), reading(130)])
    assert told(file) == [
        (boot, boot + 5, "no answer", True),
        (51, 53, "no answer", True),
    ]
    assert all(since <= until for since, until, *_ in told(file))


def test_the_beginning_may_be_told_a_little_differently(tmp_path: Path) -> None:
    """By a clock that is adjusted meanwhile."""
    file = tmp_path / "s.db"
    fill(file, [reading(10), offline(10.001, 11), offline(9.999, 12, reason="link lost")])
    fill(file, [offline(10.9, 700), reading(701)], [offline(10.9, 700), reading(702)])
    assert told(file) == [(10.001, 701, "no answer", True)]


GAPS = st.lists(st.tuples(st.integers(2, 400), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=8)
"""s of an outage, statements in it beside the first, and readings after it beside the first."""


@settings(max_examples=60)
@given(GAPS, st.lists(st.integers(1, 6), min_size=60, max_size=60), st.booleans())
def test_in_any_batches_with_repeats(gaps: Sequence[tuple[int, int, int]], cuts: list[int], ends: bool) -> None:
    events: list[Event] = [reading(0)]
    now, wanted = 0.0, []
    for seconds, statements, readings in gaps:
        since = now
        for number in range(statements + 1):
            now = since + seconds * (number + 1) / (statements + 2)
            events.append(offline(since, now, reason=f"reason {number}"))
        wanted.append((since, now, f"reason {statements}", False))
        if ends or seconds != gaps[-1]:
            now = since + seconds
            events.append(reading(now))
            wanted[-1] = (since, now, f"reason {statements}", True)
            events += [reading(now + 5 * number) for number in range(1, readings + 1)]
            now += 5 * readings
        else:
            break
    batches = []
    for cut in cuts:
        batches += [events[:cut]] * 2  # every batch comes twice …
        if cut % 3 == 0:
            batches.append(events[: cut + 2])  # … or failed only to look so, and comes with more
        events = events[cut:]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        fill(file, *filter(None, batches))
        assert [(round(a, 3), round(b, 3), *rest) for a, b, *rest in told(file)] == [
            (round(int(a * 1000) / 1000, 3), round(int(b * 1000) / 1000, 3), *rest) for a, b, *rest in wanted
        ]


def test_outages_of_version_1_end_with_the_reading_that_followed(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    clock = Clock()

    async def work() -> None:
        sink = store(file, clock)
        await sink.take([reading(0), reading(587), reading(7200), reading(9000), reading(9100)])
        await sink.close()

    run(work())
    old: list[Offline] = [offline(-5, -60), offline(0, 1), offline(587, 588), offline(7200, 7201), offline(9100, 9101)]
    with database(file) as link:
        as_version_1(link)
        link.executemany(
            "INSERT INTO offline VALUES (1, ?, ?, ?)",
            [(int(one.since.timestamp() * 1000), int(one.time.timestamp() * 1000), one.reason) for one in old],
        )
    wanted = [
        (-5, 0, "no answer", True),  # it was set back meanwhile
        (0, 587, "no answer", True),
        (587, 588, "no answer", True),  # the next reading came two hours later
        (7200, 7201, "no answer", True),
        (9100, 9101, "no answer", False),
    ]
    assert told(file) == wanted, "it is read as it is"
    with database(file) as link:
        assert link.execute("PRAGMA user_version").fetchone() == (1,)
        assert layout.MIGRATIONS[0] is layout.FIRST
        opening.bring_up(link)
        assert link.execute("SELECT time FROM present").fetchall() == [(int(at(9100).timestamp() * 1000),)]
    assert told(file) == wanted


def test_a_file_of_version_1_is_read_as_it_is(tmp_path: Path) -> None:
    """Nothing is changed in it, also where nobody may write."""
    file = tmp_path / "s.db"
    fill(file, [reading(number) for number in range(0, 7200, 10)], [reading(5, "shed")])
    names = ("garage", "shed")

    def everything() -> list[object]:
        return [
            history.batteries(file),
            [list(history.snapshots(file, name, EARLY, FAR)) for name in names],
            [list(history.rollups(file, name, EARLY, FAR, "minute")) for name in names],
            [history.series(file, name, "voltage", at(0), at(7200)) for name in names],
            [history.outages(file, name, EARLY, FAR) for name in names],
        ]

    wanted = everything()
    with database(file) as link:
        as_version_1(link)
        link.execute("PRAGMA journal_mode = DELETE")
    before = file.read_bytes()
    assert everything() == wanted
    file.chmod(0o400)
    assert everything() == wanted
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]


ROWS = st.lists(st.tuples(st.integers(1, 2), st.integers(0, 60), st.integers(-5, 40)), unique_by=lambda row: row[:2])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 60)), unique=True), st.integers(0, 60), ROWS)
def test_an_outage_of_version_1_is_read_as_it_will_be_after_the_file_is_brought_up_to_date(
    readings: Sequence[tuple[int, int]], removed: int, rows: Sequence[tuple[int, int, int]]
) -> None:
    """Also where readings are gone, and only hours tell of them. Times in minutes."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        names = {1: "garage", 2: "shed"}
        fill(file, [reading(-60, name) for name in names.values()], [reading(60 * m, names[n]) for n, m in readings])
        with database(file) as link:
            as_version_1(link)
            since = int(at(0).timestamp() * 1000)
            link.executemany(
                "INSERT INTO offline VALUES (?, ?, ?, 'no answer')",
                [(number, since + m * 60_000, since + (m + long) * 60_000) for number, m, long in rows],
            )
            link.execute("DELETE FROM raw WHERE time < ?", (since + removed * 60_000,))
        before = [told(file, battery=name) for name in names.values()]
        with database(file) as link:
            opening.bring_up(link)
        assert [told(file, battery=name) for name in names.values()] == before
