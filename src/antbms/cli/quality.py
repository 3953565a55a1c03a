"""How good the link of a watched battery is, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..watching import Watch
from .wording import duration, several, times

BEAT = 3
"""Readings from which their rate is told."""


def pace(moments: Sequence[float], every: float, took: float) -> Iterator[str]:
    """How often it is read, from the moments (s) of the latest readings, and how long one takes.

    The first one came when the link was ready, so it is off the beat of the others.
    """
    if len(moments) > BEAT:
        seconds = (moments[-1] - moments[1]) / (len(moments) - 2)
        is_slow = seconds >= 1.05 or every > 1
        yield f"readings every {seconds:.1f} s" if is_slow else f"readings {1 / seconds:.1f} a second"
        yield f"answered in {took:.2f} s"


def attempts(watch: Watch, now: float) -> Iterator[str]:
    """How often it was tried in vain, and when it is tried again; now: s on the clock of the watch."""
    if watch.failures:
        yield f"tried in vain {times(watch.failures)}"
    if watch.next_try is not None:
        yield f"next attempt in {duration(max(0.0, watch.next_try - now) + 0.999)}"
    elif watch.failures:
        yield "trying again now"


def quality(counters: Mapping[str, int]) -> Iterator[tuple[str, bool]]:
    """Counters of a link in words, and whether each tells of a trouble."""
    asked, answered = counters["requests"], counters["answers"]
    if asked:
        percent = 100 * answered // asked  # not rounded up: 100 % are all
        yield f"{answered} of {asked} requests answered ({percent} %)", answered < 0.9 * asked
    if counters["losses"]:
        yield f"lost {times(counters['losses'])}", True
    rejected = {name.partition(".")[2]: count for name, count in counters.items() if name.startswith("rejected.")}
    if rejected:
        yield "rejected: " + ", ".join(f"{reason} {count}" for reason, count in rejected.items()), True
    if counters["stale"]:
        yield f"{several(counters['stale'], 'answer')} too late", True
