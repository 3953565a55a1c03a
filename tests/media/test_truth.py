"""The judge of values: what it takes for right, and what it finds."""

import gzip
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from media_notes import Answer, Asked, Notes, Values, answers_of, trembling
from trouble import Fault
from truth import Comparison, compare, stored

from antbms.model import Doubt, Snapshot
from antbms.protocol import dialect
from antbms.sim import Piece, make_device
from antbms.timing import Timing

BEGINNING = 1_000_000.0
SAID: Values = {
    "cells": [3.301, 3.302],
    "voltage": 6.6,
    "current": -1.5,
    "soc": 50.0,
    "temperatures": {"t1": 20.0, "t2": None},
}
BEFORE = SAID | {"cells": [3.300, 3.301]}


def answer(at: float, values: Values = SAID, given: float | None = 0.0, message: str = "status") -> Answer:
    """given: s before it came; None: never."""
    when = None if given is None else BEGINNING + at - given
    return Answer(BEGINNING + at, BEGINNING + at, when, message, values)


def reading(at: float = 10.0, protocol: str = "ant", **fields: object) -> Snapshot:
    known = SAID | {"cells": tuple(SAID["cells"])} | fields
    return Snapshot(time=datetime.fromtimestamp(BEGINNING + at, UTC), battery="garage", protocol=protocol, **known)


def judged(snapshot: Snapshot, *answers: Answer, kind: str = "", start: float = 9.5) -> Comparison:
    """Of a reading that was asked for 0.5 s before; kind: of a fault from 5 to 20 s."""
    faults = [Fault("garage", kind, BEGINNING + 5, BEGINNING + 20)] if kind else []
    asked = [Asked(BEGINNING + start, BEGINNING + 10.0), Asked(BEGINNING + 10.1, BEGINNING + 10.2)]
    return compare([snapshot], answers, asked, faults)


def test_what_the_battery_said_is_right() -> None:
    found = judged(reading(), answer(4.0, BEFORE), answer(9.9), answer(10.1, BEFORE))
    assert not found.problems
    assert (found.readings, found.wrong, found.late.total(), found.forged) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"voltage": 6.7}, "has voltage 6.7, not 6.6"),
        ({"voltage": None}, "has voltage None, not 6.6"),
        ({"current": 1.5}, "has current 1.5, not -1.5"),
        ({"soc": 51.0}, "has soc 51.0, not 50.0"),
        ({"cells": (3.302, 3.301)}, "has cells"),
        ({"cells": (3.301,)}, "has cells"),
        ({"temperatures": {"t1": 20.0, "t2": 20.0}}, "has temperatures"),
        ({"temperatures": {"t2": 20.0, "t1": None}}, "has temperatures"),
    ],
)
def test_another_value_is_wrong(fields: dict[str, object], complaint: str) -> None:
    found = judged(reading(**fields), answer(9.9))
    assert found.wrong == 1
    assert complaint in found.problems[0]


def test_what_it_said_before_is_wrong() -> None:
    found = judged(reading(), answer(9.0), answer(9.9, BEFORE))
    assert found.problems == ["garage: the reading at 1000010.000 is an answer that came 1.0 s before"]


def test_what_it_said_afterwards_is_wrong() -> None:
    found = judged(reading(), answer(9.9, BEFORE), answer(10.1))
    assert found.wrong == 1


def test_a_reading_needs_an_answer_and_a_request() -> None:
    assert "came without an answer" in judged(reading(), answer(20.0)).problems[0]
    assert "was not asked for" in judged(reading(9.7), answer(9.6)).problems[0]
    assert "was not asked for" in judged(reading(10.05), answer(10.0)).problems[0]
    assert "was not asked for" in compare([reading()], [answer(9.9)], []).problems[0]


def test_a_late_answer_counts_and_needs_a_fault_that_delays() -> None:
    late = answer(9.9, given=3.0)
    found = judged(reading(), late, kind="late")
    assert not found.problems
    assert (found.late, round(found.oldest, 1)) == ({"late": 1}, 3.1)
    for kind in ("", "damaged"):
        assert "without a fault that delays" in judged(reading(), late, kind=kind).problems[0]
    assert judged(reading(), answer(9.9, given=7.0), kind="late").wrong == 1  # given before the fault


def test_what_is_late_holds_up_what_follows_it() -> None:
    asked = [Asked(BEGINNING + 9.5, BEGINNING + 10.0)]
    for kind, wrong in (("late", 0), ("slow", 1)):
        faults = [Fault("garage", kind, BEGINNING, BEGINNING + 5.0)]
        assert compare([reading()], [answer(9.9, given=2.5)], asked, faults).wrong == wrong


def test_a_damaged_answer_passes_for_a_sum_only_and_by_chance_only() -> None:
    forged = answer(9.9, given=None)
    found = judged(reading(protocol="ant-legacy"), forged, kind="weak")
    assert not found.problems
    assert (found.forged, found.undoubted) == (1, 1)
    doubted = reading(protocol="ant-legacy", doubts=(Doubt("soc", 120.0, "outside"),))
    assert judged(doubted, forged, kind="weak").undoubted == 0
    assert judged(reading(protocol="ant-legacy"), forged, kind="damaged").wrong == 1
    assert judged(reading(protocol="ant"), forged, kind="weak").wrong == 1


def test_the_halves_of_jbd_are_compared_each_for_itself() -> None:
    rest, cells = {name: SAID[name] for name in SAID if name != "cells"}, {"cells": SAID["cells"]}
    right = answer(9.9, rest), answer(10.15, cells, message="cells")
    assert not judged(reading(protocol="jbd"), *right).problems
    old = answer(9.0, cells, message="cells"), right[0], answer(10.15, {"cells": [3.2, 3.2]}, message="cells")
    assert "is an answer that came 1.2 s before" in judged(reading(protocol="jbd"), *old).problems[0]


def test_many_wrong_readings_are_told_in_few_lines() -> None:
    asked = [Asked(BEGINNING + at - 0.5, BEGINNING + at) for at in range(100)]
    found = compare([reading(at) for at in range(100)], [answer(at, BEFORE) for at in range(100)], asked)
    assert found.wrong == 100
    assert len(found.problems) == 6


# ---- the notes


@pytest.mark.parametrize("protocol", ["ant", "ant-legacy", "jbd"])
def test_measurements_tremble_on_the_grid_of_the_protocol(protocol: str) -> None:
    device = make_device(protocol, {"seed": "1"})
    device.advance(0.0)
    measured = device.snapshot()
    many = [trembling(measured, number, 2, 1, 0) for number in range(1000)]
    for one, other in pairwise(many):
        assert one.voltage != other.voltage
        assert one.current != other.current
        assert all(cell != its for cell, its in zip(one.cells, other.cells, strict=True))
    assert len({one.cells for one in many}) > 600
    assert max(abs((one.voltage or 0) - sum(cell or 0 for cell in one.cells)) for one in many) < 0.2


@pytest.mark.parametrize(("protocol", "halves"), [("ant", 1), ("ant-legacy", 1), ("jbd", 2)])
def test_what_a_client_gets_is_noted(tmp_path: Path, protocol: str, halves: int) -> None:
    """Each answer at the time when it is there, what is damaged not, and what was never said without a time."""
    device = make_device(protocol, {"seed": "1"})
    clock = Timing(now=lambda: datetime.fromtimestamp(BEGINNING, UTC))
    notes = Notes(device, "garage", tmp_path, clock)
    raws = [device.receive(step[0].raw, 5.0) or device.receive(step[-1].raw, 5.0) for step in dialect(protocol).STATUS]
    for raw in raws:
        notes.sent([Piece(7.0, raw[:20]), Piece(8.0, raw[20:])], 5.0)
        notes.sent([Piece(5.0, raw[:10]), Piece(5.0, b"!" + raw[11:])], 5.0)
    forged = bytearray(raws[0])
    forged[4:8] = forged[6:8] + forged[4:6]
    notes.sent([Piece(5.0, bytes(forged))], 5.0)
    notes.close()
    with gzip.open(answers_of("garage", tmp_path)) as lines:
        found = [msgspec.json.decode(line, type=Answer) for line in lines]
    assert [one.given for one in found] == [BEGINNING] * halves + [None] * (protocol != "ant")
    assert [one.reached - BEGINNING for one in found[:halves]] == [3.0] * halves
    assert stored("garage", [], tmp_path).readings == 0
