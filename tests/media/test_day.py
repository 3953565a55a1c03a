"""24 simulated hours of the monitor, with its store, on each medium, with random faults of every kind.

What is real: sockets on loopback, ptys, threads, SQLite's file, the D-Bus daemon, serialx, aio-rfcomm, dbus-fast, bleak
above its backends; and all of antbms. What is not: the clock, which jumps when none of these is busy (`media_time`);
the batteries (`antbms.sim`, 10 times as slow); below `rfcomm:` BlueZ and the radio (`fake_bluez`, bumble), below
`ble:` the platform's backend and the radio (bumble). So a link's own time is not in it: speeds, congestion, radio.
`rfc2217://` is missing, since ser2net waits by a clock of its own: `bench/soak.py` has it, for a real hour.
Each medium has another protocol: see `MEDIA`.

Proved, by the rules in `outages`: every injected outage was found and ended, and there was no other; every snapshot
that was read is in the store exactly once, and says what the battery had said (`truth`); neither tasks nor descriptors
grew; nothing was restarted.
"""

import shutil
import sys
from pathlib import Path
from unittest import mock

import pytest

if sys.platform != "linux":
    pytest.skip("ptys, BlueZ and /proc", allow_module_level=True)

sys.path.append(str(Path(__file__).parent.parent / "bluetooth"))

from media_day import Day, play
from outages import Told, judge
from trouble import KINDS, Fault, Kind, each

from antbms.link import Link
from antbms.sinks.store import rows
from conftest import missing

HOURS = 24.0
EVERY = 60.0


@pytest.mark.timeout(300)  # a day takes 10 s, but CI may have other things to do
@pytest.mark.parametrize("medium", ["tcp", "pty", "classic", "ble"])
def test_a_day_on_a_medium(medium: str) -> None:
    if medium == "classic" and shutil.which("dbus-daemon") is None:
        missing("no dbus-daemon; on Debian: apt install dbus-daemon")
    day = play({medium: 1}, HOURS, EVERY)
    verdict = day.verdicts[medium]
    assert not verdict.problems
    assert not day.comparison.problems
    assert day.comparison.readings == verdict.readings
    assert verdict.faults.keys() == KINDS.keys()
    assert verdict.readings > 0.9 * HOURS * 3600 / EVERY
    assert verdict.found == verdict.long > 3
    assert verdict.ended + verdict.joined == verdict.outages > 40
    assert verdict.joined < 3
    half = len(day.samples) // 2
    for what in (1, 2):
        early, late = ([one[what] for one in part] for part in (day.samples[:half], day.samples[half:]))
        assert max(late) <= max(early) + 1


# ---- that wrong numbers are found


def lying(data: bytes) -> bytes:
    """Two bytes have changed places: a sum stays right."""
    return data[:5] + data[6:7] + data[5:6] + data[7:]


def played(kind: str, row: Kind) -> Day:
    """An hour with faults of this kind only: `jbd` and `ant-legacy`."""
    with mock.patch.dict(KINDS, {kind: row}, clear=True):
        return play({"tcp": 2}, 1.0, 5.0)


def test_a_battery_that_lies_is_found() -> None:
    day = played("lying", Kind(hurt=each(lying), reads=True))
    assert day.comparison.wrong > 10
    assert "is of a damaged answer, which must not pass" in day.comparison.problems[0]
    assert not day.verdicts["tcp"].problems  # nothing else sees it


def test_answers_that_are_late_by_one_are_found() -> None:
    """As they were, for ever after one that came twice, before a link took away what had come meanwhile."""

    async def leave(link: Link) -> None:
        """Take nothing away."""

    with mock.patch.object(Link, "_clear", leave):
        day = played("twice", KINDS["twice"])
    assert day.comparison.wrong > 500
    assert "is an answer that came 4.5 s before" in "".join(day.comparison.problems)
    assert not day.verdicts["tcp"].problems


def test_numbers_that_are_stored_wrong_are_found() -> None:
    def unsigned(value: float | None, scale: int) -> int | None:
        return None if value is None else abs(round(value * scale))

    with mock.patch.object(rows, "_scaled", unsigned):
        day = played("slow", KINDS["slow"])
    assert day.comparison.wrong > 500
    assert "has current 18.64, not -18.64" in day.comparison.problems[0]


# ---- the judge


WELL = [float(time) for time in range(0, 1000, 10)]


def told(gap: tuple[float, float], offline: tuple[float, ...] = ()) -> Told:
    """Read every 10 s, but for a gap."""
    found = Told()
    found.read.extend(time for time in WELL if not gap[0] <= time < gap[1])
    found.offline.extend(offline)
    return found


@pytest.mark.parametrize(
    ("gap", "offline", "complaint"),
    [
        ((300, 420), (305.0,), ""),
        ((300, 420), (305.0, 900.0), "offline at 900.0 without a fault"),
        ((300, 420), (), "not found"),
        ((300, 420), (395.0,), "not found"),
        ((0, 0), (), "read at 310.0"),
        ((300, 990), (305.0,), "not ended by"),
    ],
)
def test_the_judge_finds_what_is_wrong(gap: tuple[float, float], offline: tuple[float, ...], complaint: str) -> None:
    verdict = judge(told(gap, offline), [Fault("garage", "silent", 300.0, 400.0)], 10.0)
    assert bool(verdict.problems) == bool(complaint)
    assert complaint in "".join(verdict.problems)


def test_the_judge_knows_what_lets_a_battery_be_read() -> None:
    slow = [Fault("garage", "slow", 300.0, 400.0)]
    assert not judge(told((0, 0)), slow, 10.0).problems
    assert "was an outage" in "".join(judge(told((310, 350), (320.0,)), slow, 10.0).problems)


def test_the_judge_joins_outages_with_nothing_read_between() -> None:
    faults = [Fault("garage", "gone", 300.0, 400.0), Fault("garage", "silent", 420.0, 500.0)]
    verdict = judge(told((300, 520), (305.0,)), faults, 10.0)
    assert not verdict.problems
    assert (verdict.outages, verdict.ended, verdict.joined, verdict.slowest) == (2, 1, 1, 20.0)


def test_the_judge_sees_a_reading_that_came_twice() -> None:
    twice = told((0, 0))
    twice.read.append(50.0)
    assert judge(twice, [], 10.0).problems == ["2 readings at 50.000"]
