"""A moment that keeps its distance from now."""

from datetime import UTC, datetime, timedelta

from antbms.timing import Past, Timing

BEGINNING = datetime(2026, 11, 22, tzinfo=UTC)


class Clocks:
    """A wall clock and a steady one, each in s since the beginning."""

    wall = steady = 0.0

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.wall)

    def timing(self) -> Timing:
        return Timing(now=self.now, monotonic=lambda: self.steady)

    def go(self, seconds: float, drift: float = 0.0, set_by: float = 0.0) -> None:
        self.steady += seconds
        self.wall += seconds * (1 + drift) + set_by


def test_two_clocks_that_drift_apart_move_it_never() -> None:
    clocks = Clocks()
    past = Past(BEGINNING, clocks.timing())
    for _ in range(1000):
        clocks.go(600, drift=-50e-6)
        assert past.time(clocks.now()) == BEGINNING


def test_a_clock_that_is_set_moves_it_once() -> None:
    clocks = Clocks()
    clocks.go(10)
    past = Past(BEGINNING, clocks.timing())
    clocks.go(600, set_by=86400)
    assert past.time(clocks.now()) == BEGINNING + timedelta(days=1)
    clocks.go(600)
    assert past.time(clocks.now()) == BEGINNING + timedelta(days=1)
    clocks.go(600, set_by=-86400 - 5)
    assert past.time(clocks.now()) == BEGINNING - timedelta(seconds=5)
    clocks.go(0, set_by=-86400)
    assert past.time(clocks.now()) == BEGINNING - timedelta(seconds=86405)


def test_it_is_never_after_now() -> None:
    clocks = Clocks()
    past = Past(BEGINNING + timedelta(seconds=5), clocks.timing())
    assert past.time(clocks.now()) == BEGINNING
