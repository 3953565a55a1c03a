"""Whether the readings that a monitor stored are what the simulated batteries truly said, by the `media_notes` of both.

A reading is right if an answer that reached the client between request and reply said just that: voltage, current,
state of charge, cells and temperatures; for `jbd`, whose status has two answers, each half for itself. Two things no
program can see, as requests and answers bear no number, and a plain sum lets some damage through. They are counted:

- late: the answer was given before it was asked for, and came after. A fault must have delayed it (`DELAYS`);
- forged: a damaged answer had a right checksum. A fault must have damaged it by chance (`DAMAGES`), and not the CRC of
  `ant` but a sum must have been deceived.
"""

from __future__ import annotations

import gzip
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from media_notes import HALVES, Answer, Asked, Values, answers_of, half, requests_of
from trouble import LATE, Fault

from antbms.model import Snapshot
from antbms.sinks.store.rows import milliseconds

DELAYS = {"late": LATE, "slow": 0.4, "twice": 0.5, "weak": 0.0}
"""Kinds of faults that let an answer come later than a request that follows it; s for which what is late holds up what
follows it after the fault, since nothing overtakes on a wire."""
DAMAGES = {"weak": 0.0}
SUMS = ("ant-legacy", "jbd")
BACK = 60.0
"""s that are looked back for the answer that a wrong reading is."""
FINEST = 0.002
"""s: the store has ms."""
SHOWN = 5
"""Wrong readings of a battery that are shown."""


@dataclass
class Comparison:
    """Of the readings of some batteries with what these said. oldest: s from an answer to its reading, at most."""

    readings: int = 0
    wrong: int = 0
    late: Counter[str] = field(default_factory=Counter)
    """By the kind of fault."""
    oldest: float = 0.0
    forged: int = 0
    undoubted: int = 0
    """Of the forged ones, those that bear no doubt."""
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = "".join(f"{kind}: {number}, " for kind, number in sorted(self.late.items()))
        return (
            f"{self.readings} readings compared with what the batteries said: {self.wrong} wrong,"
            f" {self.late.total()} of an answer from before the request ({kinds}{self.oldest:.1f} s at most),"
            f" {self.forged} of a damaged answer with a right checksum ({self.undoubted} without a doubt)"
        )

    def __iadd__(self, other: Comparison) -> Comparison:
        for name in ("readings", "wrong", "late", "forged", "undoubted", "problems"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.oldest = max(self.oldest, other.oldest)
        return self


def compare(
    readings: Iterable[Snapshot], answers: Iterable[Answer], asked: Iterable[Asked], faults: Sequence[Fault] = ()
) -> Comparison:
    """Of one battery; everything in the order of time, and as a stream."""
    found, notes, requests = Comparison(), Window(answers), deque[Asked]()
    judge = partial(_judge, faults)
    more = iter(asked)
    for snapshot in readings:
        found.readings += 1
        time = milliseconds(snapshot.time) / 1000
        while requests and requests[0].end < time - FINEST / 4:
            requests.popleft()
        halves = HALVES[snapshot.protocol]
        while len(requests) <= len(halves) and (request := next(more, None)) is not None:
            if request.end > time - FINEST / 4:
                requests.append(request)
        complaint, forged = "", found.forged
        for message, request in zip(halves, requests, strict=False):
            read = half(snapshot, snapshot.protocol, message)
            complaint = complaint or judge(found, read, snapshot.protocol, message, request, notes)
        found.undoubted += found.forged > forged and not snapshot.doubts
        if len(requests) < len(halves) or abs(requests[0].end - time) > FINEST / 4:
            complaint = "was not asked for"
        if complaint:
            found.wrong += 1
            if found.wrong <= SHOWN:
                found.problems.append(f"{snapshot.battery}: the reading at {time:.3f} {complaint}")
    if found.wrong > SHOWN:
        found.problems.append(f"{snapshot.battery}: {found.wrong} wrong readings in all")
    return found


class Window:
    """The answers that reached the client not long ago."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = iter(answers)
        self._next = next(self._answers, None)
        self._here = deque[Answer]()

    def until(self, request: Asked) -> Iterator[Answer]:
        """Those of the last minute, the latest first."""
        while self._next is not None and self._next.heard <= request.end + FINEST:
            self._here.append(self._next)
            self._next = next(self._answers, None)
        while self._here and self._here[0].heard < request.start - BACK:
            self._here.popleft()
        return reversed(self._here)


def _judge(
    faults: Sequence[Fault],
    found: Comparison,
    read: Values,
    protocol: str,
    message: str,
    request: Asked,
    notes: Window,
) -> str:
    """What is wrong with a half of a reading, if anything is."""
    candidates = [answer for answer in notes.until(request) if answer.message == message]
    reached = [one for one in candidates if request.start - FINEST <= one.reached <= request.end + FINEST]
    same = [answer for answer in reached if answer.values == read]
    true = [answer.given for answer in same if answer.given is not None]
    if not same:
        return _what(read, request, reached, candidates)
    if not true:
        found.forged += 1
        by_chance = protocol in SUMS and any(_during(fault, one.heard, DAMAGES) for fault in faults for one in same)
        return "" if by_chance else "is of a damaged answer, which must not pass"
    given = max(true)
    if given >= request.start - FINEST:
        return ""
    for fault in faults:
        if _during(fault, given, DELAYS):
            found.late[fault.kind] += 1
            found.oldest = max(found.oldest, request.end - given)
            return ""
    return f"is what it said {request.end - given:.1f} s before, without a fault that delays answers"


def _during(fault: Fault, time: float, kinds: Mapping[str, float]) -> bool:
    return fault.kind in kinds and fault.start - FINEST <= time <= fault.end + kinds[fault.kind] + FINEST


def _what(read: Values, request: Asked, reached: Sequence[Answer], candidates: Sequence[Answer]) -> str:
    for answer in candidates:
        if answer.values == read:
            return f"is an answer that came {request.end - answer.reached:.1f} s before"
    if not reached:
        return "came without an answer"
    said = reached[0].values
    return ", ".join(f"has {name} {read[name]}, not {said[name]}" for name in read if read[name] != said[name])


def stored(name: str, readings: Iterable[Snapshot], folder: Path, faults: Sequence[Fault] = ()) -> Comparison:
    """As `compare`, with the notes in the folder."""
    own = [fault for fault in faults if fault.battery == name]
    return compare(readings, _lines(answers_of(name, folder), Answer), _lines(requests_of(name, folder), Asked), own)


def _lines(file: Path, kind: type[Any]) -> Iterator[Any]:
    decode = msgspec.json.Decoder(kind).decode
    if file.exists():
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            yield from map(decode, lines)
