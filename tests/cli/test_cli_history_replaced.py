"""`antbms history` and `export` as a stranger met them: a battery that was replaced, and easy mistakes."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from antbms import history
from antbms.cli import history_picture
from antbms.cli.main import run
from antbms.model import Event, Snapshot
from antbms.sinks.store import Config, make
from antbms.timing import DEFAULT

Printed = pytest.CaptureFixture[str]

NOON = datetime(2020, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def reading(time: datetime, cells: int, heats: tuple[str, ...], **details: float) -> Snapshot:
    return Snapshot(
        time=time,
        battery="garage",
        protocol="ant" if cells > 8 else "jbd",
        voltage=50.0,
        current=1.0,
        soc=50.0,
        uptime=63_750_000 + int((time - NOON).total_seconds()),
        cells=(3.3,) * cells,
        cell_min=3.3,
        temperatures=dict.fromkeys(heats, 20.0),
        details=dict(details),
    )


def old(time: datetime) -> Snapshot:
    return reading(time, 16, ("t1", "t2", "t3", "mosfet"), comparator=680)


def new(time: datetime) -> Snapshot:
    return reading(time, 8, ("t1", "t2"), humidity=40)


def stored(file: Path, *batches: list[Snapshot]) -> Path:
    async def work() -> None:
        sink = make(Config(file=str(file), raw_days=36_500.0), {}, DEFAULT)
        for batch in batches:
            events: list[Event] = [*batch]
            await sink.take(events)
        await sink.close()

    asyncio.run(work())
    return file


def replaced(file: Path) -> Path:
    """A big battery for three hours, then a small one of the same name."""
    first = [old(NOON + MINUTE * n) for n in range(180)]
    return stored(file, first, [new(NOON + MINUTE * n) for n in range(180, 360)])


def quantities(capsys: Printed, file: Path, *args: str) -> set[str]:
    assert run(["history", "garage", *args, "--store", str(file), "--json"]) == 0
    return {json.loads(line)["quantity"] for line in capsys.readouterr().out.splitlines()}


CELLS = {f"cells.{number}" for number in range(1, 17)}


def test_all_that_is_known_of_a_battery_that_was_replaced_by_a_smaller_one(tmp_path: Path, capsys: Printed) -> None:
    file = replaced(tmp_path / "s.db")
    assert quantities(capsys, file, "cells") == CELLS
    assert quantities(capsys, file, "temperatures") == {f"temperatures.{name}" for name in ("t1", "t2", "t3", "mosfet")}
    names = ("cells.12", "temperatures.mosfet", "comparator", "humidity")
    assert quantities(capsys, file, *names) == set(names)
    (battery,) = history.batteries(file)
    assert battery.protocol == "jbd"
    assert CELLS | set(names) <= set(battery.quantities)


@pytest.mark.parametrize("count", [1, 50])
def test_the_same_while_nothing_is_rolled_up(tmp_path: Path, capsys: Printed, count: int) -> None:
    """Within one minute, and so in readings only."""
    times = [NOON + timedelta(milliseconds=500 * n) for n in range(count * 2)]
    file = stored(tmp_path / "s.db", [old(time) for time in times[:count]] + [new(time) for time in times[count:]])
    assert quantities(capsys, file, "cells") == CELLS


def test_the_same_where_the_readings_are_gone(tmp_path: Path, capsys: Printed) -> None:
    """All that is left of the old one are minutes and hours."""
    later = NOON + timedelta(days=2)
    batches = [[old(NOON + MINUTE * n) for n in range(90)], [new(later + MINUTE * n) for n in range(90)]]
    file = stored(tmp_path / "s.db", *batches)
    with closing(sqlite3.connect(file)) as link, link:
        link.execute("DELETE FROM raw WHERE time < ?", (later.timestamp() * 1000,))
    (battery,) = history.batteries(file)
    assert battery.raw_since is not None
    assert battery.raw_since >= later
    assert quantities(capsys, file, "cells", "--from", "2020-11-01", "--to", "2020-11-30") == CELLS


def test_a_group_is_what_the_span_has(tmp_path: Path, capsys: Printed) -> None:
    """A chart of the last hour is not full of the cells of a battery that is gone."""
    file = replaced(tmp_path / "s.db")
    args = ("--from", "2020-11-22T16:00:00Z", "--to", "2020-11-22T17:00:00Z")
    assert quantities(capsys, file, "cells", *args) == {f"cells.{number}" for number in range(1, 9)}
    assert run(["history", "garage", "cells", "--store", str(file), *args]) == 0
    assert "no values" not in capsys.readouterr().out
    assert run(["history", "garage", "cells.12", "--store", str(file), *args]) == 1
    assert "no such readings of garage" in capsys.readouterr().err


def test_a_folder_is_no_store(tmp_path: Path, capsys: Printed) -> None:
    for command in ("history", "export"):
        assert run([command, "--store", str(tmp_path)]) == 1
        text = capsys.readouterr().err
        assert f"{tmp_path}: is a folder" in text
        assert "no such file" not in text


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_dash_is_standard_output(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, force: tuple[str, ...]
) -> None:
    file = stored(tmp_path / "s.db", [old(NOON)])
    monkeypatch.chdir(tmp_path)
    assert run(["export", "-", "--store", str(file), "--json", *force]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert not Path("-").exists()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="a name of POSIX")
def test_the_name_of_standard_output_has_a_hint(tmp_path: Path, capsys: Printed) -> None:
    file = stored(tmp_path / "s.db", [old(NOON)])
    assert run(["export", "/dev/stdout", "--store", str(file)]) == 1
    assert "antbms export -" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "meant"), [("sco", "soc"), ("ocs", "soc"), ("sho", "soh"), ("votlage", "voltage"), ("volt", "voltage")]
)
def test_letters_that_changed_places(tmp_path: Path, capsys: Printed, word: str, meant: str) -> None:
    file = stored(tmp_path / "s.db", [msgspec.structs.replace(old(NOON), soh=100.0)])
    assert run(["history", "garage", word, "--store", str(file)]) == 2
    assert f"Did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "texts"),
    [
        (0, {"737 d 20 h 19 min 59 s", "737 d 20 h 20 min", "737 d 20 h 20 min 1 s"}),
        (3 * 3600, {"737 d 20 h", "737 d 21 h", "737 d 22 h", "737 d 23 h", "738 d"}),
        (20 * 86400, {"735 d", "740 d", "745 d", "750 d", "755 d", "760 d"}),
    ],
)
def test_the_scale_of_durations_is_worded_as_the_table(
    tmp_path: Path, capsys: Printed, seconds: int, texts: set[str]
) -> None:
    times = [NOON, *([NOON + timedelta(seconds=seconds)] if seconds else [])]
    file = stored(tmp_path / "s.db", [old(time) for time in times])
    assert run(["history", "garage", "uptime", "--store", str(file), "--from", "2020-11-22T12:00:00Z"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = {line.partition("┤")[0].strip() for line in lines if "┤" in line}
    assert found
    assert found <= texts


def test_a_scale_of_durations_below_zero(tmp_path: Path, capsys: Printed) -> None:
    file = stored(tmp_path / "s.db", [msgspec.structs.replace(old(NOON), uptime=0)])
    assert run(["history", "garage", "uptime", "--store", str(file)]) == 0
    labels = [line.partition("┤")[0].strip() for line in capsys.readouterr().out.splitlines() if "┤" in line]
    assert labels == ["1 s", "0 s", "-1 s"]


def outage(reason: str = "no answer", lasted: float = 36) -> history.Outage:
    return history.Outage(
        time=NOON + timedelta(seconds=lasted), battery="garage", since=NOON, reason=reason, ended=False
    )


@pytest.mark.parametrize(
    ("lasted", "minutes", "text"),
    [
        (36, 15, "15 min 0 s so far: no answer"),
        (36, 16, "36 s at least; nothing is known after {0:%H:%M}: no answer"),
        (86400, 9999, "1 d 0 h at least; nothing is known after {0:%Y-%m-%d %H:%M}: no answer"),
    ],
)
def test_an_outage_that_nobody_watches_says_since_when(lasted: float, minutes: int, text: str) -> None:
    of = outage(lasted=lasted)
    now = NOON + MINUTE * minutes
    (_, line) = history_picture._offline([of], NOON, now, now)
    assert line.endswith(f", {text.format(of.time.astimezone())}")


@pytest.mark.parametrize("width", [60, 80])
def test_a_long_reason_keeps_its_indent(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    file = stored(tmp_path / "s.db", [old(NOON + MINUTE * n) for n in range(3)])
    monkeypatch.setattr(history_picture, "PIPED", width)
    found: Callable[..., list[history.Outage]] = lambda *_: [outage("the device does not answer, " * 6)]  # noqa: E731
    monkeypatch.setattr("antbms.history.outages", found)
    assert run(["history", "garage", "soc", "--store", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(" Offline once"))
    assert len(lines) > at + 2
    assert all(line.startswith("   ") and line[3] != " " and len(line) <= width for line in lines[at + 1 :])
