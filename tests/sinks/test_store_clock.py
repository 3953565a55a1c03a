"""A clock that is wrong, for a while or until it is set, removes no history."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from store_data import BEGINNING, database, reading, run

from antbms.sinks.store import Config, Store, make
from antbms.sinks.store.present import FASTER, LOOK, followed
from antbms.timing import Timing

DAY = 86_400.0
HOUR = 3600.0


class Computer:
    """A wall clock that can be set, and a steady one that begins anew with every start."""

    def __init__(self, file: Path, **config: float) -> None:
        self.wall, self.steady = BEGINNING, 0.0
        self._config = Config(file=str(file), **config)  # type: ignore[arg-type]

    def store(self) -> Store:
        return make(self._config, {}, Timing(now=lambda: self.wall, monotonic=lambda: self.steady))

    async def work(self, sink: Store, seconds: float, every: float = 60.0) -> None:
        """Readings at the time of the wall clock."""
        for _ in range(int(seconds / every)):
            self.wall += timedelta(seconds=every)
            self.steady += every
            await sink.take([reading(time=self.wall)])

    @contextmanager
    def set_to(self, wall: datetime) -> Iterator[None]:
        """A wrong time for a while."""
        right, since = self.wall, self.steady
        self.wall = wall
        yield
        self.wall = right + timedelta(seconds=self.steady - since)


def rows(file: Path, table: str = "raw") -> int:
    with database(file) as link:
        count: int = link.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return count


def test_minutes_in_2038_remove_next_to_nothing(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    computer = Computer(file, raw_days=1.0, minute_days=1.0)

    async def work() -> None:
        sink = computer.store()
        await computer.work(sink, DAY, 300)
        before = rows(file), rows(file, "minute")
        with computer.set_to(datetime(2038, 1, 1, tzinfo=UTC)):
            await computer.work(sink, 120, 1)
            await sink.close()
            sink = computer.store()  # a start in between changes nothing
            await computer.work(sink, 120, 1)
        assert before[0] + 240 - rows(file) < 5 * 24 / 5 + 2
        assert before[1] + 4 - rows(file, "minute") < 5 * 24 / 5 + 3
        await computer.work(sink, 3 * HOUR, 300)
        # The clock is right again: readings are kept for a day once more, with those from 2038.
        assert abs(rows(file) - (DAY / 300 + 240)) < 5 * 24 / 5 + 3
        await sink.close()

    run(work())


def test_a_computer_without_a_clock_of_its_own(tmp_path: Path) -> None:
    """It starts in 1970, or where it was switched off; days later the network tells the time."""
    file = tmp_path / "s.db"
    computer = Computer(file, raw_days=7.0)

    async def work() -> None:
        sink = computer.store()
        with computer.set_to(datetime(1970, 1, 1, tzinfo=UTC)):
            await computer.work(sink, 600)
        await computer.work(sink, 2 * HOUR)
        await sink.close()
        assert rows(file) >= 120
        off = timedelta(days=9)
        computer.steady = 0.0
        sink = computer.store()
        await computer.work(sink, 600)
        computer.wall += off
        await computer.work(sink, HOUR)
        assert rows(file) >= 120 + 10 + 60, "an hour counts as a day: nothing is older than a week yet"
        await computer.work(sink, 12 * HOUR)
        assert rows(file) == 13 * 60, "all that was there before is older"
        await sink.close()

    run(work())


def test_it_keeps_up_with_a_computer_that_runs_some_hours_a_day(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    computer = Computer(file, raw_days=2.0)

    async def work() -> None:
        for _ in range(8):
            computer.steady = 0.0
            sink = computer.store()
            await computer.work(sink, 3 * HOUR, 300)
            await sink.close()
            computer.wall += timedelta(hours=21)
        assert rows(file) <= 2 * 36 + 36

    run(work())


@given(st.integers(0, 10**14), st.integers(0, 10**14), st.integers(0, 10**8))
def test_how_fast_it_follows(time: int, now: int, elapsed: int) -> None:
    after = followed(time, now, elapsed)
    assert min(time, now) <= after <= max(time, now)
    assert abs(after - time) <= elapsed + (FASTER - 1) * LOOK
    if elapsed >= abs(now - time):
        assert after == now
