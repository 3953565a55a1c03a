"""The live view and the board of the monitor: what they show, at every width; nothing old looks new."""

from datetime import timedelta
from typing import Any

import pytest
from cli_data import ALARMED, EMPTY, TIME, snapshot
from msgspec.structs import replace
from rich.console import Console

from antbms.cli.bars import LINES, PLAIN
from antbms.cli.live import Session, quality
from antbms.cli.shown import draw
from antbms.cli.trends import LETTERS, Trend, spark
from antbms.errors import OpenError
from antbms.model import Offline
from antbms.timing import Timing

COUNTERS = {"requests": 200, "answers": 150, "stale": 1, "opens": 2, "losses": 1, "rejected.checksum": 3}
OFFLINE = Offline(time=TIME, battery="garage", since=TIME - timedelta(seconds=75), reason="not found in 10 s")


class FakeWatch:
    name, protocol, took, info = "garage", "ant", 0.12, None
    error: Any = None
    counters = COUNTERS


def session(*events: Any) -> Session:
    """Events a second apart."""
    clock = iter(range(10_000))
    one = Session(FakeWatch(), 1.0, ["a remark"], Timing(now=lambda: TIME, monotonic=lambda: float(next(clock))))  # type: ignore[arg-type]
    for event in events:
        one.add(event)
    return one


def text(drawn: Any, width: int = 80) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(drawn)
    return captured.get()


def readings(count: int) -> list[Any]:
    return [
        replace(snapshot(current=-float(n), power=-13.0 * n), time=TIME + timedelta(seconds=n))
        for n in range(1, count + 1)
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 100])
@pytest.mark.parametrize("style", [LINES, PLAIN], ids=["letters", "plain"])
def test_it_fits_at_every_width(width: int, style: Any) -> None:
    one = session(*readings(300), ALARMED)
    lines = text(one.draw(width, style), width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("protection.1" in line for line in lines)
    one.add(OFFLINE)
    assert "OFFLINE for 1 min 15 s" in text(one.draw(width, style), width)


def test_what_it_shows() -> None:
    shown = text(session(*readings(60)).draw(80))
    for part in ("garage", "64.5 %", "13.25 V", "-60.00 A", "Cell spread", "Warmest", "28.0 °C", "-60.00 to -1.00"):
        assert part in shown, part
    for part in (
        "readings 1.0 a second",
        "answered in 0.12 s",
        "150 of 200 requests answered (75%)",
        "checksum 3",
        "a remark",
    ):
        assert part in " ".join(shown.split()), part
    assert "out 0.500 Ah" in shown


def test_before_the_first_reading() -> None:
    assert "connecting" in text(session().draw(80))
    assert "connecting" not in text(session(EMPTY).draw(80))


def test_being_offline_is_told_with_the_way_out() -> None:
    one = session(*readings(3), OFFLINE)
    one.watch.error = OpenError("garage: not found in 10 s", "Is it on?")
    shown = text(one.draw(80))
    assert "not found in 10 s" in shown
    assert "Is it on?" in shown


def test_counters_in_words() -> None:
    words = dict(quality(COUNTERS))
    assert words == {
        "150 of 200 requests answered (75%)": True,
        "lost 1 times": True,
        "rejected: checksum 3": True,
        "1 answers too late": True,
    }
    assert not list(quality(dict.fromkeys(COUNTERS, 0) | {"rejected.checksum": 0}))[1:]


# ---- trends


def test_a_rise_is_a_rise_and_noise_is_flat() -> None:
    assert spark(range(8), 1.0) == LETTERS
    assert len(set(spark([3.30, 3.301, 3.299], 0.1))) == 1
    assert spark([0.0, None, 7.0], 1.0) == f"{LETTERS[0]} {LETTERS[-1]}"
    assert spark([None, None], 1.0) == "  "
    assert spark([0.0, 7.0], 1.0, PLAIN).isascii()


def test_a_trend_keeps_to_its_width_and_holds_all() -> None:
    trend = Trend(1.0)
    for number in range(1000):
        trend.add(float(number))
        assert len(trend.draw(30, LINES)) <= 30
    assert trend.ends == (0.0, 999.0)
    drawn = trend.draw(30, LINES)
    assert drawn == "".join(sorted(drawn))
    assert len(drawn) >= 15


# ---- the board of the monitor


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_board_has_a_line_a_battery(width: int) -> None:
    lines = text(draw({"garage": ALARMED, "boat": OFFLINE, "shed": None}, TIME, width, LINES), width).splitlines()
    assert len(lines) == 4
    garage, boat, shed = lines[1:]
    assert "64.5 %" in garage
    assert "64.5" not in boat
    assert "offline: not" in boat or width < 80
    assert "connecting" in shed or width < 80
    assert "cell overvoltage" in garage or width < 80
