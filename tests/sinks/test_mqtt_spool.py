"""Readings that wait on the disk: bounds, damage, and that nothing is lost or doubled beyond the window."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosquitto import broker, observer, wait
from sink_data import NOON, day_after, full, sources

import patience
from antbms.errors import SinkError
from antbms.model.records import timestamp
from antbms.sinks.mqtt import Config, make
from antbms.sinks.mqtt.connection import WINDOW
from antbms.sinks.mqtt.spool import ROW, Announced, Reading, Spool

HOUR = timedelta(hours=1)


def reading(number: int, battery: str = "garage", size: int = 100) -> Reading:
    return Reading(battery, timestamp(NOON + timedelta(seconds=number)), bytes(size))


def spool(folder: Path, most_bytes: float = 1e6, most_days: float = 1.0) -> Spool:
    made = Spool(folder / "spool.sqlite", most_bytes, most_days)
    assert made.open(NOON) is None
    return made


def test_first_in_first_out_over_a_restart(tmp_path: Path) -> None:
    made = spool(tmp_path)
    made.append([reading(n) for n in range(5)], NOON)
    made.append([reading(5, "shed")], NOON)
    made.remove(made.first(2))
    made.close()
    again = spool(tmp_path)
    assert again.waiting == 4
    assert again.first(9) == [reading(2), reading(3), reading(4), reading(5, "shed")]
    again.close()


def test_a_reading_is_kept_once(tmp_path: Path) -> None:
    made = spool(tmp_path)
    made.append([reading(1), reading(1, "shed")], NOON)
    made.append([reading(1), reading(2)], NOON)
    assert made.waiting == 3
    made.remove([reading(1), reading(7)])
    assert made.first(9) == [reading(1, "shed"), reading(2)]
    made.close()


def test_what_is_too_much_is_dropped_oldest_first_and_counted(tmp_path: Path) -> None:
    made = spool(tmp_path, most_bytes=10 * (100 + ROW))
    assert made.append([reading(n) for n in range(10)], NOON) == 0
    assert made.append([reading(10), reading(11)], NOON) == 2
    assert made.first(1) == [reading(2)]
    assert (made.waiting, made.dropped) == (10, 2)
    made.close()
    again = spool(tmp_path, most_bytes=10 * (100 + ROW))
    assert (again.waiting, again.dropped) == (10, 2)
    again.close()


def test_what_is_too_old_is_dropped_and_counted(tmp_path: Path) -> None:
    made = spool(tmp_path, most_days=1.0)
    made.append([reading(n) for n in range(3)], NOON)
    assert made.append([reading(90000)], NOON + 24 * HOUR + timedelta(seconds=2)) == 2
    assert made.first(9) == [reading(2), reading(90000)]
    made.close()


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.lists(st.integers(0, 30), max_size=6)),
            st.tuples(st.just("remove"), st.integers(0, 6)),
            st.tuples(st.just("restart"), st.just(0)),
        ),
        max_size=12,
    )
)
def test_it_is_a_bounded_queue(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]) -> None:
    """The same as a list, whatever is done to it."""
    folder, room, queue, dropped = tmp_path_factory.mktemp("spool"), 8, [], 0
    made = spool(folder, most_bytes=room * (100 + ROW))
    for step, what in steps:
        if step == "append":
            assert isinstance(what, list)
            made.append([reading(n) for n in what], NOON)
            for number in what:
                if number not in queue:
                    queue.append(number)
            dropped += max(0, len(queue) - room)
            queue = queue[-room:]
        elif step == "remove":
            assert isinstance(what, int)
            made.remove(made.first(what))
            queue = queue[what:]
        else:
            made.close()
            made = spool(folder, most_bytes=room * (100 + ROW))
        assert made.first(99) == [reading(n) for n in queue]
        assert (made.waiting, made.dropped) == (len(queue), dropped)
    made.close()


def test_what_was_announced_is_remembered(tmp_path: Path) -> None:
    made = spool(tmp_path)
    record = Announced("antbms_aabb", ("voltage", "cells.1"), {"voltage": "sensor"})
    made.announce("garage", record)
    made.announce("shed", Announced())
    made.announce("shed", None)
    made.close()
    again = spool(tmp_path)
    assert again.announced() == {"garage": record}
    again.close()


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite").write_bytes(b"this is no database" * 100)
    made = Spool(tmp_path / "spool.sqlite", 1e6, 1.0)
    note = made.open(NOON)
    assert note is not None
    assert "is damaged" in note
    made.append([reading(1)], NOON)
    made.close()
    assert (tmp_path / "spool.sqlite.damaged-20261122T120000").read_bytes().startswith(b"this is no")


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "spool.sqlite") as base:
        base.execute("PRAGMA user_version = 99")
    base.close()
    with pytest.raises(SinkError, match="newer antbms"):
        Spool(tmp_path / "spool.sqlite", 1e6, 1.0).open(NOON)
    assert [file.name for file in tmp_path.iterdir()] == ["spool.sqlite"]


def test_two_programs_cannot_share_a_file(tmp_path: Path) -> None:
    made = spool(tmp_path)
    made.append([reading(1)], NOON)
    with pytest.raises(SinkError, match="locked") as caught:
        Spool(made.path, 1e6, 1.0).open(NOON)
    assert "another antbms" in caught.value.text()
    made.close()


def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path: Path) -> None:
    made = spool(tmp_path, most_bytes=1e9)
    made.append([reading(1)], NOON)
    assert made._base is not None
    pages = made._base.execute("PRAGMA page_count").fetchone()[0]
    made._base.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(SinkError, match="full"):
        made.append([reading(n, size=5000) for n in range(2, 30)], NOON)
    assert (made.waiting, made.first(9)) == (1, [reading(1)])
    made.append([reading(40)], NOON)
    assert made.waiting == 2
    made.close()


def test_after_an_outage_of_10000_readings_all_arrive_in_order(tmp_path: Path) -> None:
    """The broker is away at first; in the middle of the delivery it is restarted once."""
    count = 10_000
    quick = patience.timing(now=day_after, broker=5.0, broker_least=0.02, broker_most=0.1)
    snapshots = [full(number, cells=()) for number in range(count)]
    with broker(tmp_path / "mosquitto") as running, observer(running.port) as seen:
        running.stop()
        config = Config(host="127.0.0.1", port=running.port, file=str(tmp_path / "spool"), home_assistant=False)
        made = make(config, sources(), quick)

        async def main() -> None:
            for start in range(0, count, 500):
                await made.take(snapshots[start : start + 500])
            assert made.waiting == count
            await asyncio.to_thread(running.start)
            while len(seen.messages) < count / 2:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await asyncio.to_thread(lambda: (running.stop(), running.start()))
            while made.waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await made.close()

        patience.run(main())
        wait(lambda: seen.last("antbms/garage/history") == snapshots[-1].to_json())
        times = [json.loads(payload)["time"] for payload in seen.on("antbms/garage/history")]
    assert list(dict.fromkeys(times)) == [timestamp(one.time) for one in snapshots]
    assert len(times) <= count + WINDOW


CHILD = """
import asyncio, sys
sys.path[:0] = {path!r}
from antbms.sinks.mqtt import Config, make
from antbms.timing import Timing
from sink_data import day_after, full, sources

async def main():
    made = make(Config(host="127.0.0.1", port={port}, file={file!r}, home_assistant=False), sources(),
                Timing(now=day_after, broker=20.0, broker_least=0.02, broker_most=0.1))
    for number in range({first}, {last}):
        await made.take([full(number)])
        print(number, flush=True)
    while made.waiting:
        await asyncio.sleep(0.005)
    print("done", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_kill_9_loses_nothing_that_was_taken(tmp_path: Path) -> None:
    """Killed again and again while it hands over; what `take` returned for arrives, with few duplicates."""
    path = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    taken = kills = 0
    with broker(tmp_path / "mosquitto") as running, observer(running.port) as seen:
        for round_number in range(6):
            code = CHILD.format(
                path=path, port=running.port, file=str(tmp_path / "spool"), first=taken, last=taken + 300
            )
            if round_number % 2 == 0:  # by turns, readings wait on the disk at first
                running.stop()
            child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            assert child.stdout is not None
            for line in child.stdout:
                if line == "done\n":
                    break
                taken = int(line) + 1
                is_away = running.process is None or running.process.poll() is not None
                if taken % 150 == 75 and round_number % 2 == 0 and is_away:  # a second one would disturb the first
                    running.start()
                if round_number < 5 and taken % 300 == (100, 90, 200, 30, 150)[round_number % 5]:
                    break
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
            taken += len([line for line in child.stdout if line.strip().isdigit()])
            child.wait()
            child.stdout.close()
            if running.process is None or running.process.poll() is not None:
                running.start()
        expected = [timestamp(full(number).time) for number in range(taken)]
        wait(lambda: {json.loads(p)["time"] for p in seen.on("antbms/garage/history")} >= set(expected))
        times = [json.loads(payload)["time"] for payload in seen.on("antbms/garage/history")]
    assert list(dict.fromkeys(times))[: len(expected)] == expected
    assert len(times) <= len(set(times)) + WINDOW * kills
