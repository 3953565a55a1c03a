"""The live view and the board of the monitor: what they show, at every width; nothing old looks new."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from cli_data import ALARMED, COUNTERS, DOUBTED, EMPTY, OFFLINE, TIME, FakeWatch, snapshot
from msgspec.structs import replace
from rich.console import Console

import virtual_time
from antbms.cli.bars import LINES, PLAIN
from antbms.cli.board import draw
from antbms.cli.live import Session
from antbms.cli.picture import picture
from antbms.cli.plain_line import plain_line
from antbms.cli.quality import pace, quality
from antbms.cli.shown import Board
from antbms.cli.trends import LETTERS, Trend, spark
from antbms.errors import OpenError
from antbms.model import Alarm
from antbms.timing import Timing


def session(*events: Any) -> Session:
    """Events a second apart."""
    clock = iter(range(10_000))
    timing = Timing(now=lambda: TIME, monotonic=lambda: float(next(clock)))
    one = Session(FakeWatch(), 1.0, ["a remark"], lambda: "7 rows", timing)  # type: ignore[arg-type]
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
        "150 of 200 requests answered (75 %)",
        "checksum 3",
        "7 rows",
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


def test_a_battery_that_is_away_has_no_rate_but_attempts() -> None:
    one = session(*readings(4))
    assert "a second" in text(one.draw(80))
    one.add(OFFLINE)
    one.watch.failures, one.watch.next_try = 3, 100.0  # type: ignore[misc]
    shown = text(one.draw(80))
    assert "a second" not in shown
    assert "answered in" not in shown
    assert re.search(r"tried in vain 3 times · next attempt in 1 min 3\d s", shown)


def test_a_rate_is_told_when_it_is_known() -> None:
    """The first reading comes when the link is ready, the next ones on the beat again."""
    beat = [0.6, 1.0, 2.0, 3.0]
    for count in range(4):
        assert not list(pace(beat[:count], 1.0, 0.12))
    assert next(pace(beat, 1.0, 0.12)) == "readings 1.0 a second"
    assert next(pace([0.0, 0.1, 2.1, 4.1, 6.1], 1.0, 0.12)) == "readings every 2.0 s"


def test_how_to_end_it_is_told_while_it_runs() -> None:
    for one in (session(*readings(3)), session(OFFLINE)):
        for style in (LINES, PLAIN):
            assert "Ctrl-C ends" in text(one.draw(80, style, 40)).splitlines()[1]
        assert "Ctrl-C ends" in text(one.draw(30, LINES, 40), 30)
        assert "Ctrl-C" not in text(one.draw(80))  # the last picture


def test_a_battery_that_was_never_read_has_attempts_as_well() -> None:
    one = session(OFFLINE)
    one.watch.counters = dict.fromkeys(COUNTERS, 0)  # type: ignore[misc]
    one.watch.failures = 1  # type: ignore[misc]
    shown = text(one.draw(80))
    assert "tried in vain once · trying again now" in shown


# ---- in a small window

CELLS = tuple(3.3 + n / 1000 for n in range(32))
PACK = snapshot(cells=CELLS, cell_min=CELLS[0], cell_max=CELLS[-1], cell_spread=0.031, voltage=105.34, power=-2769.9)
SIZES = [(40, 12), (60, 24), (80, 12), (80, 24), (100, 30), (120, 40), (30, 8), (80, 5)]


def fitted(one: Session, width: int, rows: int) -> list[str]:
    lines = text(one.draw(width, LINES, rows), width).splitlines()
    assert len(lines) <= rows
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize(("width", "rows"), SIZES)
@pytest.mark.parametrize(
    "last", [snapshot(), PACK, ALARMED, DOUBTED, OFFLINE], ids=["4", "32", "alarm", "doubt", "off"]
)
def test_it_fits_into_every_window_and_no_number_is_cut(width: int, rows: int, last: Any) -> None:
    lines = fitted(session(*readings(70), last), width, rows)
    assert not any("…" in line for line in lines)
    shown = " ".join(" ".join(lines).split())
    if rows >= 12 and last in (snapshot(), ALARMED):
        for part in ("64.5 %", "13.25 V", "-2.50 A"):
            assert part in shown, part
    if last is OFFLINE:
        assert "not found in 10 s" in shown


@pytest.mark.parametrize(("width", "rows"), [(80, 24), (80, 12), (40, 20), (60, 16)])
def test_what_matters_most_stays(width: int, rows: int) -> None:
    shown = " ".join(" ".join(fitted(session(*readings(70), PACK), width, rows)).split())
    for part in ("garage", "64.5 %", "105.34 V", "-2.50 A", "charge off", "none", "150 of 200", "75 %"):
        assert part in shown, part
    for number, cell in enumerate(CELLS, 1):
        assert f"{number} {cell:.3f}" in shown


def test_what_is_left_out_is_said_and_repeated_things_go_first() -> None:
    sixteen = session(*readings(70), snapshot(cells=CELLS[:16]))
    assert not any("higher window" in line for line in fitted(sixteen, 80, 24))
    assert any("▁" in line or "█" in line for line in fitted(sixteen, 80, 24))  # trends of what stands nowhere else
    for rows in (5, 8, 12):
        assert any("higher window" in line for line in fitted(sixteen, 80, rows))
    high = text(sixteen.draw(80, LINES, 60))
    assert high.replace(" Ctrl-C ends", "─" * 12) == text(sixteen.draw(80))


def test_nothing_is_left_on_the_terminal_before_anything_is_known() -> None:
    assert not session().has_begun
    assert session(OFFLINE).has_begun
    assert session(EMPTY).has_begun


def test_a_remark_goes_before_a_value() -> None:
    one = session(*readings(70), PACK)
    one._notes = ["a long remark " * 12]
    assert "a long remark" in "\n".join(fitted(one, 80, 40))
    for rows in range(12, 20):
        small = "\n".join(fitted(one, 80, rows))
        assert "7 rows" in small
        assert "28.0 °C" in small or "a long remark" not in small


def test_alarms_stay_in_the_smallest_window() -> None:
    shown = "\n".join(fitted(session(*readings(70), ALARMED), 60, 10))
    for part in ("PROTECTION", "WARNING", "64.5 %", "13.25 V", "3.309", "3.313", "charge off"):
        assert part in shown, part


def test_a_battery_that_does_not_tell_its_state_has_one_in_the_view() -> None:
    for current, word in ((-18.8, "discharging"), (2.0, "charging"), (0.03, "idle"), (-0.03, "idle")):
        head = text(session(snapshot(current=current, state=None)).draw(80)).splitlines()[0]
        assert f"  {word} " in head
        assert word in plain_line(snapshot(current=current, state=None))
    assert "balancing at night" in text(session(snapshot(state="balancing at night")).draw(80))


def test_a_line_of_words_says_all_that_matters() -> None:
    line = plain_line(ALARMED)
    for part in ("garage", "64.5 %", "13.25 V", "-2.50 A", "PROTECTION cell overvoltage"):
        assert part in line
    assert "DOUBT" in plain_line(DOUBTED)
    for width in (30, 40, 60, 80):
        lines = plain_line(replace(HEAVY, state="discharging"), width).splitlines()
        assert max(map(len, lines)) < width
        for part in ("100.0 %", "105.34 V", "-152.60 A", "-16075.4 W"):
            assert any(part in line for line in lines), part
    assert plain_line(OFFLINE).endswith("garage  offline: not found in 10 s")


def test_counters_in_words() -> None:
    words = dict(quality(COUNTERS))
    assert words == {
        "150 of 200 requests answered (75 %)": True,
        "lost once": True,
        "rejected: checksum 3": True,
        "1 answer too late": True,
    }
    assert "lost 2 times" in dict(quality(COUNTERS | {"losses": 2}))
    assert "(99 %)" in next(quality(COUNTERS | {"answers": 1999, "requests": 2000}))[0]  # 100 % are all
    assert not list(quality(dict.fromkeys(COUNTERS, 0) | {"rejected.checksum": 0}))[1:]


# ---- how long it has been away, and what is worst


class Clocks:
    """A wall clock, which is set now and then, and a steady one, in s."""

    wall = steady = 0.0

    def timing(self) -> Timing:
        return Timing(now=self.now, monotonic=lambda: self.steady)

    def now(self) -> datetime:
        return TIME + timedelta(seconds=self.wall)

    def go(self, seconds: float, set_by: float = 0.0) -> None:
        self.steady += seconds
        self.wall += seconds + set_by


@pytest.mark.parametrize("set_by", [0.0, 86400.0, -3600.0])
def test_a_clock_that_is_set_changes_not_how_long_it_has_been_away(
    set_by: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks()
    one = Session(FakeWatch(), 1.0, timing=clocks.timing())  # type: ignore[arg-type]
    one.add(OFFLINE)
    monkeypatch.setattr("antbms.cli.shown.Worker", lambda _: virtual_time.AtOnce("test"))
    many = Board(["garage", "boat"], clocks.timing())

    async def take() -> None:
        await many.take([OFFLINE])
        await many.close()

    monkeypatch.setattr(Board, "_draw", lambda _: None)
    virtual_time.run(take())
    for set_now in (0.0, set_by, 0.0):
        clocks.go(10, set_now)
        for shown in (text(one.draw(80)), text(many.picture(80, LINES, 20))):
            assert f"for 1 min {15 + clocks.steady:.0f} s" in shown.replace("OFFLINE", "")


def test_no_time_is_negative() -> None:
    ahead = replace(OFFLINE, since=TIME + timedelta(seconds=90))
    assert "OFFLINE for 0 s" in text(session(ahead).draw(80))
    assert "offline for 0 s" in " ".join(board({"garage": ahead}, 80))


MIXED = snapshot(
    alarms=(
        *(Alarm(f"warning.{bit}", "warning", f"high {bit}") for bit in range(5)),
        Alarm("protection.1", "protection", "cell overvoltage"),
    ),
    doubts=DOUBTED.doubts,
)
"""No protocol gives them in this order today."""


def test_the_worst_is_named_first() -> None:
    names = ("protection.1", "warning.0", "warning.4", "DOUBT")
    for shown in (text(session(MIXED).draw(80)), text(picture(MIXED, 80))):
        places = [shown.index(name) for name in names]
        assert places == sorted(places)
    words = ("PROTECTION", "WARNING", "DOUBT")
    line = plain_line(MIXED, 1000)
    assert [line.index(word) for word in words] == sorted(line.index(word) for word in words)
    assert "cell overvoltage, high 0, high 1" in " ".join(board({"garage": MIXED}, 80))


@pytest.mark.parametrize(("width", "rows"), [(40, 12), (40, 6), (40, 4), (80, 7)])
def test_the_worst_stays_in_the_smallest_window(width: int, rows: int) -> None:
    lines = fitted(session(*readings(70), MIXED), width, rows)
    assert any("PROTECTION" in line and "cell overvoltage" in line for line in lines)
    assert any("more" in line for line in lines)


def test_a_board_that_is_too_high_begins_with_what_is_worst() -> None:
    warned = snapshot(alarms=(Alarm("warning.0", "warning", "cell overvoltage"),))
    events = {"fine": snapshot(), "doubt": DOUBTED, "warned": warned, "off": OFFLINE, "alarm": ALARMED}
    shown = [line.split()[0] for line in board(events, 100, 5)]
    assert shown == ["Battery", "alarm", "off", "warned", "and"]


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


LONG_NAME = "socket://verylonghostname.example.org:8899"
HEAVY = replace(PACK, current=-152.60, power=-16075.4, soc=100.0)


def board(latest: Any, width: int, rows: int | None = None) -> list[str]:
    lines = text(draw(latest, TIME, width, LINES, rows), width).splitlines()
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_the_board_has_a_line_a_battery(width: int) -> None:
    lines = board({"garage": ALARMED, "boat": OFFLINE, "shed": None, "jbd": snapshot(state=None)}, width)
    shown = " ".join(" ".join(lines).split())
    (boat,) = (line for line in lines if line.startswith("boat"))
    assert "64.5" not in boat
    assert "offline for 1 min 15 s: not found in 10 s" in shown
    assert "cell overvoltage" in shown
    assert shown.count("overvoltage") == 1
    assert "connecting" in shown
    assert "discharging" in shown or width < 60


@pytest.mark.parametrize("width", [30, 40, 50, 60, 70, 80, 100, 120])
def test_no_number_of_the_board_is_cut_however_long_a_name_is(width: int) -> None:
    lines = board({LONG_NAME: HEAVY, "garage": snapshot(), "boat": replace(OFFLINE, battery=LONG_NAME)}, width)
    numbers = set(re.findall(r"-?\d+\.\d+ [%VAW]", "\n".join(lines[1:3])))
    assert numbers <= {"100.0 %", "105.34 V", "-152.60 A", "-16075.4 W", "0.031 V"} | {
        "64.5 %", "13.25 V", "-2.50 A", "-33.1 W", "0.004 V"
    }  # fmt: skip
    assert {"100.0 %", "64.5 %"} <= numbers
    assert {"105.34 V", "-152.60 A"} <= numbers or width < 60
    assert "…" not in "".join(lines).replace(lines[1].split()[0], "")
    assert lines[1].startswith("socket")
    assert "not found in 10 s" in " ".join(" ".join(lines).split())


def test_a_board_that_is_too_high_begins_with_what_is_wrong() -> None:
    many: dict[str, Any] = {f"b{number}": snapshot() for number in range(100)} | {"b77": OFFLINE}
    lines = board(many, 80, 10)
    assert len(lines) <= 10
    assert lines[1].startswith("b77")
    assert lines[-1] == f"and {100 - (len(lines) - 2)} more: a higher window"


@pytest.mark.parametrize("last", [PACK, DOUBTED, OFFLINE, EMPTY], ids=["32", "doubt", "off", "empty"])
def test_no_window_is_too_small_to_be_drawn_in(last: Any) -> None:
    for width in (1, 5, 13, 21, 33):
        for rows in (1, 2, 3, 7, 20):
            fitted(session(*readings(2), last), width, rows)
