"""An outage is one row, ended by the first reading after it, whatever became of the computer's clock meanwhile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_data import at, database, fill, offline, reading, run, store

from antbms import history
from antbms.errors import SinkError
from antbms.model import Event

MINUTE, HOUR, YEAR = 60, 3600, 365 * 86_400
UNWATCHED = 15 * MINUTE
FAR = 20 * YEAR
Told = list[tuple[float, float, bool]]


def told(file: Path, battery: str = "garage") -> Told:
    """Since and until in s after the beginning, and whether it is over."""
    return [
        ((one.since - at(0)).total_seconds(), (one.time - at(0)).total_seconds(), one.ended)
        for one in history.outages(file, battery, at(-FAR), at(FAR))
    ]


@pytest.mark.parametrize("step", [-MINUTE, -HOUR, -YEAR, 5, HOUR, YEAR])
def test_a_clock_that_is_set_in_an_outage(tmp_path: Path, step: float) -> None:
    """The beginning is told by the clock as it goes then, so the outage keeps its length."""
    file = tmp_path / "s.db"
    fill(file, [reading(-1), reading(0), offline(0, 1), offline(0, 601)], [offline(step, step + 1201)])
    assert told(file) == [(step, step + 1201, False)]
    fill(file, [reading(step + 1500)])
    assert told(file) == [(step, step + 1500, True)]


@pytest.mark.parametrize("step", [-MINUTE, -HOUR, -YEAR, HOUR, YEAR])
def test_a_clock_that_is_set_just_before_the_battery_is_read(tmp_path: Path, step: float) -> None:
    """What was stated last is all that is known of its end."""
    file = tmp_path / "s.db"
    fill(file, [reading(0), offline(0, 601)], [reading(step + 610), reading(step + 611)])
    assert told(file) == [(0, 601, True)]


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_is_set_there_and_back(tmp_path: Path, restart: bool) -> None:
    file = tmp_path / "s.db"
    there, back = [offline(YEAR, YEAR + 61)], [offline(-HOUR, -HOUR + 661)]
    fill(file, [offline(0, 1)], there, back, [] if restart else [reading(-HOUR + 700)])
    if restart:
        fill(file, [reading(-HOUR + 700)])
    assert told(file) == [(-HOUR, -HOUR + 700, True)]


@pytest.mark.parametrize("step", [-MINUTE, -HOUR, -YEAR])
def test_a_clock_that_was_set_back_while_the_monitor_was_started_anew(tmp_path: Path, step: float) -> None:
    """Its outage is as long as it is known to have lasted, by both: 601 s and 9 s."""
    file = tmp_path / "s.db"
    fill(file, [reading(0), offline(0, 601)])
    fill(file, [offline(step + 611, step + 620)])
    assert told(file) == [(step + 10, step + 620, False)]
    fill(file, [offline(step + 630, step + 640), reading(step + 650)])
    assert told(file) == [(step + 10, step + 650, True)]


@pytest.mark.parametrize("step", [-MINUTE, -HOUR, HOUR, YEAR])
def test_a_clock_that_is_set_after_the_monitor_was_started_anew(tmp_path: Path, step: float) -> None:
    """A computer without a clock of its own: it goes on where it was switched off, until the network tells the time."""
    file = tmp_path / "s.db"
    fill(file, [reading(0), offline(0, 601)])
    fill(file, [offline(620, 621), offline(620 + step, 1221 + step)], [reading(1300 + step)])
    assert told(file) == [(step, 1300 + step, True)]


def test_an_outage_after_the_clock_was_set_is_another_one(tmp_path: Path) -> None:
    """Also if it begins at the very time by the clock at which one began before."""
    file = tmp_path / "s.db"
    fill(file, [reading(0), offline(0, 5), reading(10), reading(0, soc=1.0), offline(0, 7), offline(0, 9)])
    assert told(file) == [(0, 10, True), (0.001, 9, False)]
    fill(file, [reading(12)])
    assert told(file) == [(0, 10, True), (0.001, 12, True)]


def test_readings_that_were_dropped_join_no_outages(tmp_path: Path) -> None:
    """The second one is younger than the first was already: there was a reading in between."""
    file = tmp_path / "s.db"
    fill(file, [reading(0), offline(0, 601)], [offline(7200, 7210)])
    assert told(file) == [(0, 601, True), (7200, 7210, False)]


def test_all_that_an_older_version_left_open_ends_with_the_next_reading(tmp_path: Path) -> None:
    """It made two of one when the clock was set back."""
    file = tmp_path / "s.db"
    fill(file, [reading(0), offline(0, 601)])
    with database(file) as link:
        link.execute("INSERT INTO offline SELECT battery, since + 100, until + 3600000, reason, 0 FROM offline")
    fill(file, [reading(620)])
    assert told(file) == [(0, 620, True), (0.1, 4201, True)]


def test_what_was_said_to_have_failed_but_was_stored_changes_nothing_when_it_comes_again(tmp_path: Path) -> None:
    """A sink that is given up goes on in its thread; the same then comes again, in other batches, with what is newer.
    Here with a clock that is set meanwhile."""
    file = tmp_path / "s.db"
    events = [reading(0), offline(0, 1), offline(-HOUR, -HOUR + 601), reading(-HOUR + 700)]
    events += [offline(-HOUR + 700, -HOUR + 701), offline(0, 300)]
    wanted = [(-HOUR, -HOUR + 700, True), (0, 300, False)]

    async def work() -> None:
        sink = store(file)
        await sink.take(events)
        assert told(file) == wanted
        for size in (1, 2, 4, 6):
            for first in range(0, len(events), size):
                await sink.take(events[first : first + size])
                assert told(file) == wanted
        await sink.close()

    run(work())


def test_what_was_not_stored_is_not_known(tmp_path: Path) -> None:
    """The transaction failed: what comes again is new."""
    file = tmp_path / "s.db"

    async def work() -> None:
        sink = store(file)
        await sink.take([reading(0), offline(0, 10)])
        with database(file) as link:
            link.execute("CREATE TRIGGER no BEFORE INSERT ON raw BEGIN SELECT raise(ABORT, 'no'); END")
        events = [offline(HOUR, HOUR + 20), reading(HOUR + 50), offline(HOUR + 50, HOUR + 90)]
        with pytest.raises(SinkError):
            await sink.take(events)
        assert told(file) == [(0, 10, False)]
        with database(file) as link:
            link.execute("DROP TRIGGER no")
        await sink.take(events[:1])
        assert told(file) == [(HOUR, HOUR + 20, False)]
        await sink.take(events)
        assert told(file) == [(HOUR, HOUR + 50, True), (HOUR + 50, HOUR + 90, False)]
        await sink.close()

    run(work())


# ---- anything that may happen


@dataclass
class Known:
    """What must be known of an outage: for how long and until when by the clock, s; and of a restart, only that."""

    since: float
    lasted: float
    until: float
    ended: bool = False
    restarted: bool = False


@dataclass
class Computer:
    """Tells what a monitor would, by a clock that is set now and then, and notes what is true. Times in s."""

    runs: list[list[Event]] = field(default_factory=lambda: [[]])
    """What is told in each run of the monitor."""
    true: float = 0.0
    ahead: float = 0.0
    since: dict[str, float] = field(default_factory=dict)
    """Battery → its newest reading, or first attempt, of which this run knows."""
    known: dict[str, list[Known]] = field(default_factory=lambda: {name: [] for name in NAMES})

    def read(self, battery: str) -> None:
        self.true += 1
        time = self.true + self.ahead
        self.runs[-1].append(reading(time, battery, uptime=int(self.true)))
        self.since[battery] = self.true
        for one in self.going_on(battery):
            more = time - one.until
            if 0 <= more <= UNWATCHED:
                one.lasted += more
            one.ended = True

    def fail(self, battery: str) -> None:
        self.true += 1
        since = self.since.setdefault(battery, self.true)
        self.true += 7
        until = self.true + self.ahead
        self.runs[-1].append(offline(since + self.ahead, until, battery))
        found = self.going_on(battery)
        if not found:
            found = [Known(since, 0, until)]
            self.known[battery] += found
        for one in found:
            one.lasted, one.until = self.true - one.since, until

    def wait(self, seconds: float) -> None:
        self.true += seconds

    def set_clock(self, by: float) -> None:
        self.ahead += by

    def start_anew(self, by: float) -> None:
        """The clock may be set back meanwhile. If it is set ahead, it is as if nobody had watched for so long."""
        names = [name for name in NAMES if self.going_on(name)]
        for name in names:
            self.fail(name)
        self.runs.append([])
        self.since.clear()
        self.set_clock(by)
        for name in names:
            self.fail(name)
            for one in self.going_on(name):
                one.restarted = True

    def going_on(self, battery: str) -> list[Known]:
        return [one for one in self.known[battery] if not one.ended]


NAMES = ("garage", "shed", "hut")
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.sampled_from(NAMES)),
        st.tuples(st.just("fail"), st.sampled_from(NAMES)),
        st.tuples(st.just("fail"), st.sampled_from(NAMES)),
        st.tuples(st.just("wait"), st.sampled_from([3, 250])),
        st.tuples(
            st.just("set_clock"),
            st.sampled_from([-5, 5, -MINUTE, MINUTE, -700, 700, -HOUR, HOUR, -YEAR, YEAR]),
        ),
        st.tuples(st.just("start_anew"), st.sampled_from([0, -5, -MINUTE, -HOUR, -YEAR])),
    ),
    max_size=20,
)


@settings(max_examples=60)
@given(ACTIONS, st.lists(st.integers(1, 6), min_size=20, max_size=20))
def test_whatever_happens(actions: Sequence[tuple[Any, ...]], cuts: Sequence[int]) -> None:
    computer = Computer()
    for action, *details in actions:
        getattr(computer, action)(*details)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        for events in computer.runs:
            fill(file, *batches(events, cuts))
        names = {event.battery for events in computer.runs for event in events}
        for name in names:
            found = sorted((until - since, ended) for since, until, ended in told(file, name))
            known = sorted(computer.known[name], key=lambda one: one.lasted)
            assert len(found) == len(known)
            assert sum(not ended for _, ended in found) == len(computer.going_on(name))
            if not any(one.restarted for one in known):
                assert [lasted for lasted, _ in found] == pytest.approx([one.lasted for one in known], abs=0.1)


def batches(events: Sequence[Event], cuts: Sequence[int]) -> Iterator[Sequence[Event]]:
    """Every batch comes twice; of some it only looked as if they had failed, and they come again with more."""
    for cut in cuts:
        yield from [events[:cut]] * 2
        if cut % 3 == 0:
            yield events[: cut + 2]
        events = events[cut:]
