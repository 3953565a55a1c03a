"""Whether a watched battery did what it must: every outage found and ended, and nothing read that could not be.

The rules, for a fault in which nothing can be read, from `start` to `end`:

- nothing: no reading has a time from `start` + `UNDER_WAY` to `end` (what was answered before may still be under way);
- found: if it lasts longer than `every` + `FOUND`, the battery is known to be offline so long after its start: the last
  that was said of it by then is `Offline`;
- ended: it is read again within `every` + `ended` s of the end. If the next fault comes sooner, and nothing was read
  before it, both are one outage, and its end counts.

A fault that lets the battery be read is never said to be an outage, if it had come back from the one before. Whenever
it is said to be offline there is a fault, or was one less than `every` + `ended` s ago. No reading's time comes twice.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from trouble import KINDS, Fault

UNDER_WAY = 1.5
FOUND = 30.0 + 10.0
"""s: `Timing.watchdog`, and what reading and closing take besides."""
ENDED = 60.0 * 1.25 + 25.0
"""s: the longest wait between two tries, and `Timing.open`."""


@dataclass
class Told:
    """What was said of one battery: times in s."""

    read: array[float] = field(default_factory=lambda: array("d"))
    offline: array[float] = field(default_factory=lambda: array("d"))


@dataclass
class Verdict:
    """The faults of some batteries: how many, of these outages longer than `FOUND`, and what became of them."""

    readings: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    long: int = 0
    found: int = 0
    outages: int = 0
    ended: int = 0
    joined: int = 0
    """Of the outages, those that the next fault made longer."""
    slowest: float = 0.0
    """s from the end of a fault to the next reading, at most."""
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.readings} readings; {self.faults.total()} faults of {len(self.faults)} kinds;"
            f" {self.outages} outages: {self.ended} ended, in {self.slowest:.0f} s at most,"
            f" {self.joined} ran into the next fault; {self.found} of {self.long} long ones were found;"
            f" {len(self.problems)} problems"
        )

    def __iadd__(self, other: Verdict) -> Verdict:
        for name in ("readings", "faults", "long", "found", "outages", "ended", "joined", "problems"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.slowest = max(self.slowest, other.slowest)
        return self


def judge(told: Told, faults: Sequence[Fault], every: float, ended: float = ENDED) -> Verdict:
    """The verdict on one battery that is read every so many s; faults in the order of time."""
    ended += every
    verdict = Verdict(len(told.read), Counter(fault.kind for fault in faults))
    says = verdict.problems.append
    for time, number in Counter(told.read).items():
        if number > 1:
            says(f"{number} readings at {time:.3f}")
    for index, fault in enumerate(faults):
        previous = faults[index - 1].end if index else float("-inf")
        following = faults[index + 1].start if index + 1 < len(faults) else float("inf")
        what = f"{fault.battery} {fault.kind} from {fault.start:.1f} to {fault.end:.1f}"
        again = first(told.read, fault.end)
        if KINDS[fault.kind].reads is False:
            verdict.outages += 1
            during = [time for time in told.read if fault.start + UNDER_WAY < time < fault.end]
            if during:
                says(f"{what}: read at {during[0]:.1f}")
            if fault.end - fault.start > every + FOUND:
                verdict.long += 1
                by = fault.start + every + FOUND
                if last(told.offline, by) > last(told.read, by):
                    verdict.found += 1
                else:
                    says(f"{what}: not found")
        was_back = any(previous < time < fault.start for time in told.read)
        if KINDS[fault.kind].reads and was_back and any(fault.start < time < fault.end for time in told.offline):
            says(f"{what}: was an outage")
        if again <= min(fault.end + ended, following):
            verdict.ended += KINDS[fault.kind].reads is False
            verdict.slowest = max(verdict.slowest, again - fault.end)
        elif following < fault.end + ended:
            verdict.joined += KINDS[fault.kind].reads is False
        else:
            says(f"{what}: not ended by {fault.end + ended:.1f}")
    for time in told.offline:
        if not any(fault.start <= time <= fault.end + ended for fault in faults):
            says(f"offline at {time:.1f} without a fault")
    return verdict


def first(times: Iterable[float], since: float) -> float:
    return min((time for time in times if time >= since), default=float("inf"))


def last(times: Iterable[float], by: float) -> float:
    return max((time for time in times if time <= by), default=float("-inf"))
