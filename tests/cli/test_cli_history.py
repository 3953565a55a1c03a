"""`antbms history` and `export`: from a store to a picture, to figures and to lines for programs."""

import csv
import errno
import io
import json
import math
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from antbms import history
from antbms.cli import history_picture, stored
from antbms.cli.chart import Gap, Span, chart, columns_of, scale_for
from antbms.cli.main import run
from antbms.cli.moments import moment_of
from antbms.cli.time_axis import time_ticks
from antbms.errors import UsageError
from antbms.model import Event, Offline, Snapshot, SwitchState
from antbms.model.flat import as_text, flatten
from antbms.sinks.store import Config, make
from antbms.timing import DEFAULT

Printed = pytest.CaptureFixture[str]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOURS = 6
EVERY = 20
"""s between two readings."""


def reading(second: float, battery: str = "garage", cells: int = 4) -> Snapshot:
    share = second / (HOURS * 3600)
    return Snapshot(
        time=NOON + timedelta(seconds=second),
        battery=battery,
        protocol="ant",
        voltage=round(13 + share, 2),
        current=round(10 * math.sin(6.28 * share), 1),
        soc=50.0,
        uptime=int(second),
        cells=(3.3,) * cells,
        cell_min=3.3,
        temperatures={"mosfet": 28.0},
        switches={"charge": SwitchState(True, 1, "on")},
        details={"humidity": 40, "chemistry": "lfp"},
    )


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local times of these tests are UTC, where the system can be told so."""
    monkeypatch.delenv("ANTBMS_STORE", raising=False)
    monkeypatch.delenv("ANTBMS_CONFIG", raising=False)
    monkeypatch.setenv("TZ", "UTC")
    if sys.platform != "win32":
        time.tzset()
    yield
    monkeypatch.undo()
    if sys.platform != "win32":
        time.tzset()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Six hours of two batteries; garage was offline in the fourth."""
    import asyncio

    path = tmp_path / "s.db"
    events: list[Event] = [reading(second) for second in range(0, HOURS * 3600, EVERY) if not 3 <= second / 3600 < 4]
    events += [reading(second, "shed", 2) for second in range(0, 120, EVERY)]
    since, until = NOON + timedelta(hours=3), NOON + timedelta(hours=4)
    events.append(Offline(time=until, battery="garage", since=since, reason="no answer"))
    events.sort(key=lambda event: event.time)

    async def work() -> None:
        sink = make(Config(file=str(path), raw_days=36_500.0), {}, DEFAULT)
        await sink.take(events)
        await sink.take([])
        await sink.close()

    asyncio.run(work())
    return path


def lines(capsys: Printed, *args: object) -> list[str]:
    assert run([str(arg) for arg in args]) == 0
    return capsys.readouterr().out.splitlines()


def records(capsys: Printed, *args: object) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines(capsys, *args)]


def test_without_a_battery_it_lists_them(file: Path, capsys: Printed) -> None:
    text = lines(capsys, "history", "--store", file)
    assert [line.split()[0] for line in text] == ["Battery", "garage", "shed"]
    found = records(capsys, "history", "--store", file, "--json")
    assert [record["battery"] for record in found] == ["garage", "shed"]
    assert found[1]["last"] == "2026-11-22T12:01:40.000Z"


def test_the_picture(file: Path, capsys: Printed) -> None:
    text = lines(capsys, "history", "garage", "voltage", "uptime", "--store", file, "--from", "2026-11-22")
    assert text[0] == " garage  ant  minute rows"
    assert text[1].startswith(" 2026-11-22 00:00:00 UTC to 2026-11-22 17:59:40")
    assert max(map(len, text)) <= 80
    assert any("Voltage" in line for line in text)
    assert any(line.lstrip().startswith("14.0 V ┤") for line in text)
    figures = next(line for line in text if line.startswith(" Voltage ") and "13.00 V" in line)
    assert "14.00 V" in figures
    assert text[-2:] == [" Offline once, 1 h 0 min in all", "   2026-11-22 15:00:00 UTC, 1 h 0 min: no answer"]


def test_readings_of_a_clock_that_was_ahead_are_not_the_end(tmp_path: Path, capsys: Printed) -> None:
    import asyncio

    now = datetime.now(UTC)

    async def work() -> None:
        sink = make(Config(file=str(tmp_path / "s.db"), raw_days=36_500.0), {}, DEFAULT)
        for seconds in (-600, -300, 10**8):
            await sink.take([msgspec.structs.replace(reading(0), time=now + timedelta(seconds=seconds))])
        await sink.close()

    asyncio.run(work())
    found = records(capsys, "history", "garage", "voltage", "--store", tmp_path / "s.db", "--json")
    assert sum(int(str(record["count"])) for record in found) == 2
    assert len(lines(capsys, "export", "--store", tmp_path / "s.db", "--json")) == 2
    assert len(lines(capsys, "export", "--store", tmp_path / "s.db", "--json", "--to", "2099-01-01")) == 3


def test_the_first_hour_is_exported_while_it_is_not_over(tmp_path: Path, capsys: Printed) -> None:
    import asyncio

    async def work() -> None:
        sink = make(Config(file=str(tmp_path / "s.db"), raw_days=36_500.0), {}, DEFAULT)
        await sink.take([reading(700 + second) for second in range(9)])
        await sink.close()

    asyncio.run(work())
    (hour,) = records(capsys, "export", "--store", tmp_path / "s.db", "--resolution", "hour", "--json")
    assert hour["count"] == 9
    found = records(capsys, "history", "garage", "soc", "--store", tmp_path / "s.db", "--resolution", "hour", "--json")
    assert [point["count"] for point in found] == [9]


def test_an_outage_that_goes_on(file: Path, capsys: Printed) -> None:
    """Its beginning is the last reading, so it lies behind the end of the chart."""
    import asyncio

    now = datetime.now(UTC)

    def told(since: float, until: float) -> list[str]:
        async def work() -> None:
            sink = make(Config(file=str(file), raw_days=36_500.0), {}, DEFAULT)
            start, stated = (now - timedelta(seconds=seconds) for seconds in (since, until))
            last = msgspec.structs.replace(reading(0, "boat"), time=start)
            await sink.take([last, Offline(time=stated, battery="boat", since=start, reason="no answer")])
            await sink.close()

        asyncio.run(work())
        text = lines(capsys, "history", "boat", "soc", "--store", file, "--from", "-2d")
        return [line.split("UTC, ")[-1] for line in text[-3:]]

    text = " ".join(" ".join(told(90_000, 86_400)).split())
    row = r"1 h 0 min at least; nothing is known after (\S+ )?\d\d:\d\d: no answer"
    assert re.search(rf"Offline once, 1 h 0 min in all (.* UTC, )?{row}$", text)
    assert told(7200, 300) == [
        " Offline 2 times, 3 h 0 min in all",
        "1 h 0 min: no answer",
        "2 h 0 min so far: no answer",
    ]


def test_the_outage_that_goes_on_is_told_also_if_the_clock_was_ahead_before(capsys: Printed) -> None:
    """Then others, which are over and longer, lie behind it."""

    def outage(since: float, until: float, *, ended: bool = True) -> history.Outage:
        since_time, time = (NOON + timedelta(seconds=seconds) for seconds in (since, until))
        return history.Outage(time=time, battery="boat", since=since_time, reason=f"at {since:g}", ended=ended)

    now = NOON + timedelta(seconds=700)
    outages = [outage(0, 600, ended=False), *(outage(since, since + 5000) for since in (9000, 20_000, 30_000, 40_000))]
    text = list(history_picture._offline(outages, NOON, NOON + timedelta(days=1), now))
    assert [line.split(", ")[1] for line in text[1:]] == [
        "11 min 40 s so far: at 0",
        "1 h 23 min: at 9000",
        "1 h 23 min: at 20000",
    ]
    for until, lasted in ((0, "nobody knows how long"), (0.9, "nobody knows how long"), (1, "1 s at least")):
        (_, line) = history_picture._offline([outage(0, until, ended=False)], NOON, now, now + timedelta(hours=1))
        assert line.endswith(f", {lasted}; nothing is known after {NOON.astimezone():%H:%M}: at 0")


@pytest.mark.parametrize("width", [80, 120])
def test_gaps_are_gaps(file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(history_picture, "PIPED", width)
    span = ("--from", "2026-11-22T12:00Z", "--to", "2026-11-22T18:00Z")
    text = lines(capsys, "history", "garage", "soc", "--store", file, *span)
    room = width - 2 - history_picture.LABELS - 2
    (drawn,) = (line[history_picture.LABELS + 3 :] for line in text if "50.0 % ┤" in line)
    gap = range(round(room * 3 / 6) + 1, round(room * 4 / 6) - 1)
    assert all(drawn[at] == " " for at in gap)
    assert all(drawn[at] != " " for at in range(gap[0] - 3))
    assert len(drawn) >= room - 1


def drawn(gaps: list[Gap], width: int, *, every: float = 1.0, plain: bool = False) -> list[str]:
    """An hour of a battery that is read every so many seconds, but not in gaps: the lines of a chart of it."""
    room = width - 7
    step = max(1.0, 3600 / columns_of(width, 5, plain))
    seconds = [at * every for at in range(int(3600 / every))]
    read = [one for one in seconds if not any(gap.start < one / 3600 < gap.end for gap in gaps)]
    places = sorted({int(one / step) for one in read})
    spans = [Span((place + 0.5) * step / 3600, 5.0, 5.0, 5.0) for place in places]
    text = chart(
        spans,
        scale_for(1, 9, 1),
        width=width,
        height=9,
        margin=5,
        label=str,
        times=lambda room: [(0, "x")],
        plain=plain,
        reach=max(step * 1.5, every * 3) / 3600,
        gaps=gaps,
    )
    return [line.plain[7:].ljust(room) for line in text]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("at", [0.05, 0.3333, 0.71])
def test_a_short_outage_is_seen_at_any_width(width: int, plain: bool, at: float) -> None:
    text = drawn([Gap(at, at + 26 / 3600)], width, plain=plain)
    room, line, axis = width - 7, text[4], text[9]
    assert axis[:room].count("x" if plain else "░") in (1, 2)
    missing = [place for place in range(room) if line[place] == " "]
    assert missing == [place for place, letter in enumerate(axis) if letter in ("x", "░")]
    assert all(abs(place / room - at) < 1.5 / room for place in missing)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160])
@pytest.mark.parametrize("every", [1.0, 30.0, 60.0, 90.0])
def test_a_slow_pace_is_no_gap(width: int, every: float) -> None:
    line = drawn([], width, every=every)[4].rstrip()
    assert " " not in line.strip()
    assert len(line) >= (width - 7) * (1 - 2 * every / 3600) - 1


def test_an_outage_that_goes_on_is_named_where_there_is_room() -> None:
    gap = Gap(0.5, 1.0, ("offline since 22:14", "offline"))
    assert "offline since 22:14" in "".join(drawn([gap], 80))
    assert "offline" in "".join(drawn([gap], 30))
    assert "since" not in "".join(drawn([gap], 30))


def test_so_many_short_outages_that_nothing_would_be_left_are_marked_only() -> None:
    gaps = [Gap(at / 40, at / 40 + 0.002) for at in range(40)]
    text = drawn(gaps, 40)
    assert sum(letter != " " for letter in text[4]) > 25
    assert text[9].count("░") > 25


def watched(path: Path, ago: float, *, seconds: int = 3600, stated: float | None = None) -> None:
    """A battery that was read every 10 s up to so many seconds ago, and was said to be offline at `stated`."""
    import asyncio

    last = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=ago)
    events: list[Event] = [
        msgspec.structs.replace(
            reading(second),
            time=last - timedelta(seconds=seconds - second),
            charged=second / 1000,
            current=float(second),
        )
        for second in range(0, seconds + 1, 10)
    ]
    if stated is not None:
        moment = datetime.now(UTC) - timedelta(seconds=stated)
        events.append(Offline(time=moment, battery="garage", since=last, reason="link lost"))

    async def work() -> None:
        sink = make(Config(file=str(path)), {}, DEFAULT)
        await sink.take(events)
        await sink.close()

    asyncio.run(work())


def bounds(text: list[str]) -> tuple[datetime, datetime]:
    first, last = (datetime.fromisoformat(part.removesuffix(" UTC")) for part in text[1].strip().split(" to "))
    return first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)


@pytest.mark.skipif(sys.platform == "win32", reason="the zone of Windows cannot be set for a test")
@pytest.mark.parametrize(
    ("ago", "stated", "since", "to_now"),
    [(200, 30, None, True), (200, None, None, True), (7000, None, None, False), (7000, None, "-3h", True),
     (7000, 100, None, True), (7000, None, "yesterday", False)],
)  # fmt: skip
def test_a_chart_ends_now_where_somebody_watches(
    tmp_path: Path, capsys: Printed, ago: float, stated: float | None, since: str | None, to_now: bool
) -> None:
    path = tmp_path / "s.db"
    began, digit = datetime.now(UTC), timedelta(seconds=1)
    watched(path, ago, stated=stated)
    text = lines(capsys, "history", "garage", "soc", "--store", path, *(("--from", since) if since else ()))
    end = bounds(text)[1] + timedelta(seconds=0 if to_now else ago)
    assert began - digit <= end <= datetime.now(UTC) + digit  # however long it took
    assert any("offline since" in line for line in text) == (stated == 100)


def test_a_span_without_readings_tells_of_the_outage(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "s.db"
    watched(path, 3600, stated=60)
    assert run(["history", "garage", "--store", str(path), "--from", "-10min"]) == 1
    text = capsys.readouterr().err
    assert "Offline since 20" in text
    assert ": link lost." in text


def test_a_span_without_readings_tells_of_the_outage_that_goes_on(tmp_path: Path, capsys: Printed) -> None:
    """Also if one lies behind it that is over: the clock was ahead for a while."""
    import asyncio

    path = tmp_path / "s.db"
    now = datetime.now(UTC)

    def at(ago: float) -> datetime:
        return now - timedelta(seconds=ago)

    async def work() -> None:
        sink = make(Config(file=str(path), raw_days=36_500.0), {}, DEFAULT)
        one = reading(0, "boat")
        await sink.take([msgspec.structs.replace(one, time=at(7200))])
        await sink.take([Offline(time=at(200), battery="boat", since=at(300), reason="no answer")])
        await sink.take([msgspec.structs.replace(one, time=at(4000))])
        await sink.take([Offline(time=at(60), battery="boat", since=at(4000), reason="link lost")])
        await sink.close()

    asyncio.run(work())
    assert run(["history", "boat", "--store", str(path), "--from", "-10min"]) == 1
    assert ": link lost." in capsys.readouterr().err


def test_a_single_reading_is_drawn(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "s.db"
    watched(path, 3600, seconds=0)
    text = lines(capsys, "history", "garage", "soc", "charged", "cells", "--store", path)
    assert any(line.split()[:5] == ["State", "of", "charge", "50.0", "%"] for line in text)
    assert records(capsys, "history", "garage", "soc", "--store", path, "--json")[0]["count"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the zone of Windows cannot be set for a test")
def test_the_chart_begins_with_the_first_reading_and_figures_have_its_time(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "s.db"
    watched(path, 20_000, seconds=1200)
    text = lines(capsys, "history", "garage", "current", "charged", "--store", path)
    start, end = bounds(text)
    assert end - start == timedelta(seconds=1200)
    figures = next(line for line in text if line.startswith(" Current ") and " A " in line)
    assert figures.split()[3] == f"{start:%H:%M:%S}"
    assert figures.split()[6] == f"{end:%H:%M:%S}"
    assert next(line for line in text if "Charged in total  " in line).split()[3:] == ["1.200", "Ah", "1.200", "Ah"]
    found = records(capsys, "history", "--store", path, "--json")
    assert found[0]["first"] == f"{start:%Y-%m-%dT%H:%M:%S}.000Z"


def test_the_usual_chart_has_all_columns_at_80(file: Path, capsys: Printed) -> None:
    text = lines(capsys, "history", "garage", "--store", file)
    assert next(line for line in text if line.startswith(" Quantity")).split() == [
        "Quantity", "Lowest", "at", "Highest", "at", "Mean"
    ]  # fmt: skip
    assert max(map(len, text)) <= 80


def test_cells_share_a_scale_and_are_called_so(tmp_path: Path, capsys: Printed) -> None:
    import asyncio

    path = tmp_path / "s.db"

    async def work() -> None:
        sink = make(Config(file=str(path), raw_days=36_500.0), {}, DEFAULT)
        cells = [(3.2 + second / 1000, 3.301, 3.302) for second in range(60)]
        await sink.take([msgspec.structs.replace(reading(at), cells=cells[at], cell_min=3.2) for at in range(60)])
        await sink.close()

    asyncio.run(work())
    text = lines(capsys, "history", "garage", "cells", "temperatures", "--store", path)
    titles = [at for at, line in enumerate(text) if line.strip() in ("Cell 1", "Cell 2", "Cell 3")]
    assert len(titles) == 3
    scales = [[line.split("┤")[0] for line in text[at + 1 : at + 6]] for at in titles]
    assert scales[0] == scales[1] == scales[2]
    assert any(line.strip() == "Temperature mosfet" for line in text)


@pytest.mark.parametrize("width", [30, 40, 50, 60, 70, 72, 74, 76, 80, 120])
def test_a_narrow_terminal_has_all_the_figures_with_their_names(
    file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(history_picture, "PIPED", width)
    names = ("voltage", "current", "temperatures", "uptime")
    text = lines(capsys, "history", "garage", *names, "--store", file, "--to", "2026-11-22T18:00Z")
    assert max(map(len, text)) <= width
    end = next(at for at, line in enumerate(text) if "Offline" in line)
    figures = " ".join(" ".join(text[max(at for at, line in enumerate(text) if line.startswith("──")) : end]).split())
    for part in ("13.00 V", "14.00 V", "13.48 V", "-10.00 A", "+0.95 A", "Temperature mosfet", "5 h 59 min"):
        assert part in figures, part
    assert len(re.findall(r"\d\d:\d\d:\d\d", figures)) == 6
    is_table = "Lowest at Highest at Mean" in figures
    assert is_table == (width >= 80) or 60 < width < 80
    assert is_table or re.search(r"lowest 13.00 V at \S+( ·)? highest 14.00 V at \S+( ·)? mean 13.48 V", figures)
    assert "Last In this span" in figures or "last 5 h 59 min in this span 5 h 59 min" in figures


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_the_list_of_batteries_is_whole_at_every_width(
    file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(history_picture, "WIDEST", width)
    text = lines(capsys, "history", "--store", file)
    assert max(map(len, text)) <= width
    shown = " ".join(" ".join(text).split()).lower()
    for part in ("garage", "ant", "first", "every reading since", "last", "2026-11-22 17:59:40"):
        assert part in shown, part
    assert shown.count("2026-11-22 12:00:00") == 4


@pytest.mark.parametrize(("width", "beside"), [(40, 1), (60, 1), (80, 2), (120, 3), (160, 4)])
def test_many_charts_stand_side_by_side(
    file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, width: int, beside: int
) -> None:
    monkeypatch.setattr(history_picture, "PIPED", width)
    names = ("cells", "temperatures", "voltage", "current")
    text = lines(capsys, "history", "garage", *names, "--store", file, "--to", "2026-11-22T18:00Z")
    assert max(map(len, text)) <= width
    titles = next(line for line in text if line.startswith(" Cell 1"))
    assert titles.split() == [word for number in range(1, beside + 1) for word in ("Cell", str(number))]
    axes = next(line for line in text[3:] if "└" in line)
    assert axes.count("└") == beside
    assert axes.count("░") >= beside


@pytest.mark.parametrize(("resolution", "seconds"), [("raw", 20), ("minute", 60), ("hour", 3600)])
def test_points_of_a_resolution_are_rows_of_the_store(
    file: Path, capsys: Printed, resolution: str, seconds: int
) -> None:
    args = ("history", "garage", "voltage", "uptime", "--store", file, "--resolution", resolution, "--json")
    found = [record for record in records(capsys, *args) if record["quantity"] == "voltage"]
    times = [datetime.fromisoformat(str(record["time"])) for record in found]
    assert times[:3] == [NOON + timedelta(seconds=seconds * number) for number in range(3)]
    assert sum(int(str(record["count"])) for record in found) == 5 * 180
    if resolution == "raw":
        assert {record["count"] for record in found} == {1}


def test_points_without_a_resolution_begin_at_round_times(file: Path, capsys: Printed) -> None:
    found = records(capsys, "history", "garage", "voltage", "--store", file, "--json", "--from", "2026-11-22T12:03:07Z")
    times = [datetime.fromisoformat(str(record["time"])) for record in found]
    assert all(time.second == 0 and time.microsecond == 0 for time in times)
    assert times[0] == NOON + timedelta(minutes=4)  # the minute before has readings from before the span
    assert sum(int(str(record["count"])) for record in found) == 5 * 180 - 4 * 60 // EVERY


def test_what_is_not_rolled_up_yet_is_drawn_from_the_readings(tmp_path: Path, capsys: Printed) -> None:
    """A monitor that was started seconds ago has something to show."""
    import asyncio

    path = tmp_path / "new.db"

    async def work() -> None:
        sink = make(Config(file=str(path), raw_days=36_500.0), {}, DEFAULT)
        await sink.take([reading(second) for second in range(12)])
        await sink.close()

    asyncio.run(work())
    text = lines(capsys, "history", "garage", "voltage", "--store", path)
    assert text[0] == " garage  ant  raw rows"
    assert text[1] == " 2026-11-22 12:00:00 UTC to 2026-11-22 12:00:11 UTC"
    found = records(capsys, "history", "garage", "voltage", "--store", path, "--json", "--from", "2026-11-01")
    assert sum(int(str(record["count"])) for record in found) == 12


def test_letters_of_ascii(file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_picture, "can_show", lambda text: False)
    monkeypatch.setattr("antbms.cli.drawing.can_show", lambda text: False)
    text = lines(capsys, "history", "garage", "current", "--store", file, "--to", "2026-11-22")
    assert "\n".join(text).isascii()
    assert sum("*" in line for line in text) > 6


def test_all_of_a_group_and_details(file: Path, capsys: Printed) -> None:
    names = ("cells", "temperatures", "details.humidity")
    found = records(capsys, "history", "garage", *names, "--store", file, "--json", "--to", "2026-11-22T13:00Z")
    expected = ["cells.1", "cells.2", "cells.3", "cells.4", "temperatures.mosfet", "humidity"]
    assert list(dict.fromkeys(record["quantity"] for record in found)) == expected
    assert {record["mean"] for record in found} == {3.3, 28.0, 40.0}


def test_points_for_programs(file: Path, capsys: Printed) -> None:
    span = ("--from", "2026-11-22T12:00Z", "--to", "2026-11-22T12:02Z")
    found = records(capsys, "history", "garage", "voltage", "--store", file, "--json", *span)
    assert found[0] == {
        "time": "2026-11-22T12:00:00.000Z", "battery": "garage", "quantity": "voltage",
        "min": 13.0, "mean": 13.0, "max": 13.0, "count": 1,
    }  # fmt: skip
    assert len(found) == 6
    rows = list(csv.DictReader(lines(capsys, "history", "garage", "voltage", "--store", file, "--csv", *span)))
    assert [row["time"] for row in rows] == [record["time"] for record in found]
    by_hour = records(capsys, "history", "garage", "voltage", "--store", file, "--json", "--resolution", "hour")
    assert sum(int(str(record["count"])) for record in by_hour) == 5 * 180


def test_the_store_by_the_environment(file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["history"]) == 2
    assert "ANTBMS_STORE" in capsys.readouterr().err
    monkeypatch.setenv("ANTBMS_STORE", str(file))
    assert len(lines(capsys, "history")) == 3


def test_the_store_of_the_configuration(
    file: Path, tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "antbms.toml"
    config.write_text('[batteries.garage]\naddress = "sim:"\n', "utf-8")
    monkeypatch.setenv("ANTBMS_CONFIG", str(config))
    assert run(["history"]) == 2
    assert "The configuration names none" in capsys.readouterr().err
    with config.open("a", encoding="utf-8") as text:
        text.write(f"[store]\nfile = '{file}'\n")
    assert len(lines(capsys, "history")) == 3


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (["history", "garag"], 2, "garag: there is no such battery in this store\n  Did you mean garage?"),
        (["history", "garage", "volt"], 2, "volt: there is no such quantity\n  Did you mean voltage?"),
        (["history", "garage", "cell.3"], 2, "Did you mean cells.3?"),
        (["history", "garage", "mosfet"], 2, "Did you mean temperatures.mosfet?"),
        (["history", "garage", "nosuch"], 2, "It has: voltage, current, "),
        (["history", "garage", "nosuch"], 2, ", cells.1 to cells.4, "),
        (["history", "garage", "state"], 2, "is words"),
        (["history", "garage", "cells.9"], 2, "garage: has no cells.9"),
        (["history", "garage", "full_capacity"], 2, "garage: has no full_capacity"),
        (["history", "garage", "--from", "soon"], 2, "'soon': is no time"),
        (["history", "garage", "--from", "2026-11-23", "--to", "2026-11-22"], 2, "not after the beginning"),
        (["history", "garage", "--from", "2020-01-01", "--to", "2020-01-02"], 1, "no such readings of garage"),
        (["history", "garage", "--json", "--csv"], 2, "exclude"),
        (["export", "--battery", "shop"], 2, "shop: there is no such battery"),
    ],
)
def test_mistakes(file: Path, capsys: Printed, args: list[str], status: int, text: str) -> None:
    assert run([*args, "--store", str(file)]) == status
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("command", ["history", "export"])
def test_a_store_that_is_missing(tmp_path: Path, capsys: Printed, command: str) -> None:
    assert run([command, "--store", str(tmp_path / "s.db")]) == 1
    assert "there is no such file" in capsys.readouterr().err


def test_export_says_what_was_read(file: Path, capsys: Printed) -> None:
    found = lines(capsys, "export", "--store", file, "--json", "--battery", "shed")
    assert found == [reading(second, "shed", 2).to_json() for second in range(0, 120, EVERY)]
    rows = list(csv.reader(lines(capsys, "export", "--store", file)))
    first = flatten(reading(0))
    assert dict(zip(rows[0], rows[1], strict=True)) == {name: as_text(value) for name, value in first.items()}
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) == 1 + 5 * 180 + 6


@pytest.mark.parametrize("resolution", ["minute", "hour"])
def test_export_of_rollups(file: Path, capsys: Printed, resolution: str) -> None:
    args = ("export", "--store", file, "--battery", "garage", "--resolution", resolution)
    found = records(capsys, *args, "--json")
    assert sum(int(str(record["count"])) for record in found) == 5 * 180
    assert found[0]["soc"] == {"min": 50.0, "mean": 50.0, "max": 50.0}
    assert found[0]["switches"] == {"charge": {"on": True, "code": 1, "reason": "on"}}
    assert set(Snapshot.__struct_fields__) - {"doubts"} <= found[0].keys()
    rows = list(csv.DictReader(lines(capsys, *args)))
    assert len(rows) == len(found)
    assert (rows[0]["cell_4_mean"], rows[0]["temperature_mosfet_max"], rows[0]["humidity_min"]) == ("3.3", "28.0", "40")
    assert None not in rows[0]
    assert rows[-1]["uptime"] == str(HOURS * 3600 - EVERY)


def test_export_never_overwrites_the_store(file: Path, capsys: Printed) -> None:
    before = file.read_bytes()
    link = file.with_name("other.db")
    link.hardlink_to(file)
    for target in (file, link):
        assert run(["export", str(target), "--store", str(file), "--force"]) == 2
        assert "is the store itself" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_a_battery_is_no_file(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["export", "garage", "--store", str(file)]) == 2
    assert "--battery garage" in capsys.readouterr().err
    assert not Path("garage").exists()


def test_an_export_that_fails_leaves_the_old_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    target = tmp_path / "all.csv"
    target.write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("antbms.cli.export._write_csv", full)
    assert run(["export", str(target), "--store", str(file), "--force"]) == 1
    assert "no space left" in capsys.readouterr().err
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_export_to_a_device(file: Path, capsys: Printed) -> None:
    assert run(["export", "/dev/null", "--store", str(file), "--force"]) == 0
    assert run(["export", "/dev/full", "--store", str(file), "--force"]) == 1
    assert Path("/dev/full").is_char_device()


def test_export_to_a_file(file: Path, tmp_path: Path, capsys: Printed) -> None:
    target = tmp_path / "out.csv"
    assert run(["export", str(target), "--store", str(file), "--battery", "shed"]) == 0
    assert capsys.readouterr().out == ""
    assert len(target.read_text("utf-8").splitlines()) == 7
    assert run(["export", str(target), "--store", str(file)]) == 1
    assert "--force" in capsys.readouterr().err
    assert run(["export", str(target), "--store", str(file), "--force"]) == 0
    assert len(target.read_text("utf-8").splitlines()) > 7


def test_names_of_resolutions_are_those_of_the_store() -> None:
    assert tuple(history.RESOLUTIONS) == stored.RESOLUTIONS


NOW = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)


@pytest.mark.skipif(sys.platform == "win32", reason="the zone of Windows cannot be set for a test")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("-24h", NOW - timedelta(days=1)),
        ("90 min ago", NOW - timedelta(minutes=90)),
        ("2 days ago", NOW - timedelta(days=2)),
        ("1.5 hours", NOW - timedelta(minutes=90)),
        ("-1y", NOW - timedelta(days=365)),
        ("-30s", NOW - timedelta(seconds=30)),
        ("today", datetime(2026, 11, 22, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20 05:00", datetime(2026, 11, 20, 5, tzinfo=UTC)),
        ("05:00", datetime(2026, 11, 22, 5, tzinfo=UTC)),
        ("5:00:07", datetime(2026, 11, 22, 5, 0, 7, tzinfo=UTC)),
        ("17:30", NOW),
        ("17:31", NOW - timedelta(days=1) + timedelta(minutes=1)),
        ("2026-11-20T05:00:30+01:00", datetime(2026, 11, 20, 4, 0, 30, tzinfo=UTC)),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    assert moment_of(text, NOW) == moment


@pytest.mark.skipif(sys.platform == "win32", reason="the zone of Windows cannot be set for a test")
@pytest.mark.parametrize(
    ("since", "until", "start", "end"),
    [
        ("05:00", "06:00", "22 05:00", "22 06:00"),
        ("23:00", "01:00", "21 23:00", "22 01:00"),
        ("17:00", "23:59", "22 17:00", "22 23:59"),
    ],
)
def test_spans_of_times_of_the_day(since: str, until: str, start: str, end: str) -> None:
    known = [history.Stored("garage", "ant", NOW - timedelta(days=9), NOW, None, ())]
    found = stored.span_of(known, since, until, now=NOW)
    assert [f"{moment:%d %H:%M}" for moment in found] == [start, end]


def test_a_day_ends_where_the_next_begins() -> None:
    assert moment_of("2026-11-20", NOW, is_end=True) == moment_of("2026-11-21", NOW)
    assert moment_of("yesterday", NOW, is_end=True) == moment_of("today", NOW)
    assert moment_of("2026-11-20 05:00", NOW, is_end=True) == moment_of("2026-11-20 05:00", NOW)


@pytest.mark.parametrize("text", ["", "h", "24", "5 m", "3 fortnights", "2026-13-01", "99999999999 y", "24:00"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        moment_of(text, NOW)


@pytest.mark.parametrize(
    ("low", "high", "finest", "ticks"),
    [
        (13.1, 13.9, 0.01, [13.0, 13.2, 13.4, 13.6, 13.8, 14.0]),
        (-16.1, 46.0, 0.01, [-20, 0, 20, 40, 60]),
        (65.0, 65.0, 0.1, [64.9, 65.0, 65.1]),
        (0.0, 0.0, 1.0, [-1, 0, 1]),
        (3.309, 3.314, 0.001, [3.308, 3.31, 3.312, 3.314]),
    ],
)
def test_scales_are_round(low: float, high: float, finest: float, ticks: list[float]) -> None:
    assert scale_for(low, high, finest).ticks == pytest.approx(ticks)


@pytest.mark.parametrize("height", [5, 7, 9, 13])
@pytest.mark.parametrize("high", [2.0, 3.0, 4.0, 5.0])
def test_texts_of_the_scale_stand_at_their_values(height: int, high: float) -> None:
    scale = scale_for(0.0, high, 1.0)
    text = list(
        chart(
            [Span(0.5, 0.0, 0.0, high)],
            scale,
            width=40,
            height=height,
            margin=5,
            label=str,
            times=lambda _: [],
            plain=False,
        )
    )
    found = {row: float(line.plain[:5]) for row, line in enumerate(text[:height]) if line.plain[:5].strip()}
    assert {found[0], found[height - 1]} == {scale.low, scale.high}
    for row, value in found.items():
        assert abs((1 - row / (height - 1)) * scale.high - value) < 0.35 * scale.high / (height - 1)


@pytest.mark.parametrize("plain", [False, True])
def test_a_spike_between_means_is_seen(plain: bool) -> None:
    """The band reaches as far as the values went."""
    width = columns_of(60, 5, plain)
    spans = [Span((at + 0.5) / width, 1.0, 1.0, 9.0 if at == 20 else 1.0) for at in range(width)]
    lines = chart(
        spans,
        scale_for(1, 9, 1),
        width=60,
        height=9,
        margin=5,
        label=str,
        times=lambda room: [(0, "x")],
        plain=plain,
    )
    text = list(lines)
    above = [line.plain[7:].strip() for line in text[1:7]]
    assert all(above)
    assert all(len(line) == 1 for line in above)


@pytest.mark.parametrize(
    ("seconds", "texts"),
    [
        (60, ["05:00:00", "05:00:10"]),
        (3600, ["05:00", "05:10"]),
        (86400, ["06:00", "12:00", "18:00", "11-23"]),
        (86400 * 10, ["11-24", "11-26"]),
        (86400 * 365, ["2027-01", "03-01", "05-01"]),
        (86400 * 365 * 8, ["2028-01", "2030-01"]),
    ],
)
def test_ticks_are_round_local_times(seconds: int, texts: list[str]) -> None:
    start = datetime(2026, 11, 22, 5, tzinfo=UTC)
    found = time_ticks(start, start + timedelta(seconds=seconds), 70)
    assert [text for _, text in found][: len(texts)] == texts
    assert 2 <= len(found) <= 8
    assert [at for at, _ in found] == sorted({at for at, _ in found})


@pytest.mark.skipif(sys.platform == "win32", reason="the zone of Windows cannot be set for a test")
def test_ticks_when_the_clocks_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnight of the day of 25 hours
    found = {text: at for at, text in time_ticks(start, start + timedelta(hours=25), 75)}
    assert found["10-25"] == 0
    assert found["12:00"] == 13 * 3


def test_the_printer_of_csv_needs_no_terminal(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = io.StringIO()
    monkeypatch.setattr(sys, "stdout", target)
    assert run(["export", "--store", str(file), "--battery", "shed"]) == 0
    assert target.getvalue().count("\n") == 7
