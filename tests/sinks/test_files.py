"""Files of readings: every line once and whole, whatever happens in between."""

import asyncio
import csv
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_data import BEGINNING, at, offline, reading, run

from antbms.errors import SinkError
from antbms.model import Event
from antbms.model.flat import as_text, flatten
from antbms.sinks import files
from antbms.sinks.files import Config, Files, file_name, make
from antbms.timing import DEFAULT
from full_disk import full_disk


def sink(folder: Path, **config: Any) -> Files:
    return make(Config(folder=str(folder / "logs"), **config), {}, DEFAULT)


def fill(folder: Path, *batches: list[Event], **config: Any) -> None:
    async def work() -> None:
        target = sink(folder, **config)
        for batch in batches:
            await target.take(batch)
        await target.close()

    run(work())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "logs").iterdir())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def times(path: Path) -> list[str]:
    return [row["time"] for row in rows(path)]


def stamp(seconds: float) -> str:
    return str(reading(seconds).to_dict()["time"])


def test_csv(tmp_path: Path) -> None:
    fill(tmp_path, [reading(0), reading(1), reading(0, "shed")], [offline(1, 2), reading(3)])
    assert names(tmp_path) == ["garage.csv", "shed.csv"]
    found = rows(tmp_path / "logs/garage.csv")
    assert [row["time"] for row in found] == [stamp(0), stamp(1), stamp(3)]
    assert found[0] == {name: as_text(value) for name, value in flatten(reading(0)).items()}


def test_json_lines(tmp_path: Path) -> None:
    events: list[Event] = [reading(0), offline(0, 5), reading(9)]
    fill(tmp_path, events, format="jsonl")
    text = (tmp_path / "logs/garage.jsonl").read_text("utf-8").splitlines()
    assert text == [event.to_json() for event in events]
    assert json.loads(text[1])["reason"] == "no answer"


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_file_from_before_is_continued_and_its_torn_line_ended(tmp_path: Path, ending: str) -> None:
    fill(tmp_path, [reading(0)], format=ending)
    path = tmp_path / f"logs/garage.{ending}"
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:20])
    fill(tmp_path, [reading(1)], format=ending)
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[:-2] == whole.splitlines(keepends=True)
    assert lines[-2] == whole.splitlines()[-1][:20] + b"\n"
    assert stamp(1).encode() in lines[-1]
    assert names(tmp_path) == [path.name]


def test_other_columns_begin_a_new_file(tmp_path: Path) -> None:
    fill(tmp_path, [reading(0), reading(1, cells=(3.3,) * 8), reading(2, cells=(3.3,) * 8)])
    old, new = names(tmp_path)
    assert old == f"garage.{at(1):%Y%m%dT%H%M%SZ}.csv"
    assert times(tmp_path / "logs" / old) == [stamp(0)]
    assert times(tmp_path / "logs" / new) == [stamp(1), stamp(2)]
    assert "cell_8" in rows(tmp_path / "logs" / new)[0]


def test_a_detail_that_comes_and_goes_begins_one_file_only(tmp_path: Path) -> None:
    changing = [reading(number, details={("humidity", "relay")[number % 2]: number}) for number in range(8)]
    fill(tmp_path, list(changing[:3]), list(changing[3:]))
    assert len(names(tmp_path)) == 2
    found = rows(tmp_path / "logs/garage.csv")
    assert [(row["relay"], row["humidity"]) for row in found[:2]] == [("1", ""), ("", "2")]


def test_a_full_file_is_ended_and_the_oldest_go(tmp_path: Path) -> None:
    events: list[Event] = [reading(number) for number in range(60)]
    length = len(reading(0).to_json()) + 1
    fill(tmp_path, events[:25], events[25:], format="jsonl", megabytes=length * 10.5 / 1e6, keep=3)
    found = names(tmp_path)
    assert len(found) == 4
    text = "".join((tmp_path / "logs" / name).read_text("utf-8") for name in found)
    assert text.splitlines() == [event.to_json() for event in events[20:]]


@pytest.mark.skipif(sys.platform == "win32", reason="the zone of Windows cannot be set for a test")
def test_a_new_day_begins_a_new_file(tmp_path: Path) -> None:
    days: list[Event] = [reading(86400 * number / 2) for number in range(6)]
    fill(tmp_path, days[:3], days[3:], daily=True)
    assert len(names(tmp_path)) in (3, 4)
    for name in names(tmp_path):
        found = {(BEGINNING.fromisoformat(time)).astimezone().date() for time in times(tmp_path / "logs" / name)}
        assert len(found) == 1


def test_the_file_of_yesterday_is_ended_after_a_restart(tmp_path: Path) -> None:
    fill(tmp_path, [reading(0)], daily=True)
    before = (at(0) - timedelta(days=2)).timestamp()
    os.utime(tmp_path / "logs/garage.csv", (before, before))
    fill(tmp_path, [reading(1)], daily=True)
    assert len(names(tmp_path)) == 2


@pytest.mark.parametrize("quietly", [True, False])
def test_a_full_disk_leaves_no_half_lines_and_nothing_comes_twice(tmp_path: Path, quietly: bool) -> None:
    """The second of two files fails half way; then the whole batch comes again, and more."""

    async def work() -> None:
        target = sink(tmp_path)
        await target.take([reading(0), reading(0, "shed")])
        batch: list[Event] = [reading(1), reading(1, "shed")]
        with full_disk("shed.csv", quietly=quietly):
            for _ in range(2):
                with pytest.raises(SinkError, match=r"shed.csv: the disk is full") as caught:
                    await target.take(batch)
                assert "make room" in caught.value.hints[0]
        await target.take([*batch, reading(2), reading(2, "shed")])
        await target.take([reading(3), reading(3, "shed")])
        await target.close()

    run(work())
    for name in ("garage", "shed"):
        assert times(tmp_path / f"logs/{name}.csv") == [stamp(number) for number in range(4)]


def test_a_foreign_file_is_kept_as_it_is_beside_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    foreign = "x" * 200_000  # longer than a field of CSV may be, and without an end of line
    (tmp_path / "logs/garage.csv").write_text(foreign)
    fill(tmp_path, [reading(0), reading(0, "shed")])
    assert times(tmp_path / "logs/garage.csv") == times(tmp_path / "logs/shed.csv") == [stamp(0)]
    (kept,) = (path for path in (tmp_path / "logs").iterdir() if path.stem.startswith("garage."))
    assert kept.read_text() == foreign


def test_a_batch_that_was_given_up_is_written_once(tmp_path: Path) -> None:
    async def work() -> None:
        target = sink(tmp_path)
        batch: list[Event] = [reading(number) for number in range(5)]
        task = asyncio.create_task(target.take(batch))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await target.take([*batch, reading(5)])
        await target.close()

    run(work())
    assert times(tmp_path / "logs/garage.csv") == [stamp(number) for number in range(6)]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file", "utf-8")

    async def work() -> None:
        target = sink(tmp_path)
        with pytest.raises(SinkError, match="logs: ") as caught:
            await target.take([reading()])
        assert "look at the folder" in caught.value.hints[0]
        await target.close()
        await target.close()

    run(work())


def test_a_file_that_others_take_away_is_begun_anew(tmp_path: Path) -> None:
    async def work() -> None:
        target = sink(tmp_path)
        await target.take([reading(0)])
        (tmp_path / "logs/garage.csv").rename(tmp_path / "taken.csv")
        await target.take([reading(1)])
        await target.close()

    run(work())
    assert times(tmp_path / "taken.csv") == [stamp(0)]
    assert times(tmp_path / "logs/garage.csv") == [stamp(1)]


@given(st.text(max_size=90))
def test_names_are_names_of_files_everywhere(battery: str) -> None:
    name = file_name(battery)
    assert 0 < len(name) < 100
    assert not set(name) & set('<>:"/\\|?* \0')
    assert name.strip(".") == name
    assert not files._RESERVED.fullmatch(name)


@pytest.mark.parametrize(
    ("battery", "pattern"), [("garage", "garage"), ("COM5", "COM5-"), ("ble:AA:BB", "ble_AA_BB-"), ("../x", "x-")]
)
def test_names_stay_readable(battery: str, pattern: str) -> None:
    assert file_name(battery).startswith(pattern)
    assert file_name("a:b") != file_name("a_b") != file_name("a/b") != file_name("a:b")


def test_two_batteries_never_share_a_file(tmp_path: Path) -> None:
    """Also where the system does not tell small letters from large ones."""
    fill(tmp_path, [reading(0, "Garage"), reading(1, "garage"), reading(2, "GARAGE")])
    assert len({name.casefold() for name in names(tmp_path)}) == 3
