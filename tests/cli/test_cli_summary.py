"""`antbms decode --summary`: counts, answer times, silence; and the bar while a long file is read."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from antbms.capture import Chunk, write_chunk
from antbms.cli import file_progress
from antbms.cli.main import run
from antbms.protocol import ant, ant_legacy, jbd
from antbms.sim import make_device

Printed = pytest.CaptureFixture[str]

BASIC, CELLS = (step[0].raw for step in jbd.STATUS)
STATUS = ant.STATUS[0][0].raw


def answer(request: bytes, protocol: str = "jbd") -> bytes:
    return make_device(protocol).receive(request, 0.0)


def write(path: Path, *chunks: tuple[float | None, str, str | bytes]) -> Path:
    """A recording of these: time, direction, bytes."""
    path.write_text(
        "".join(
            write_chunk(Chunk("<" if way == "<" else ">", bytes.fromhex(data) if isinstance(data, str) else data, at))
            for at, way, data in chunks
        ),
        "utf-8",
    )
    return path


def summary(capsys: Printed, *args: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(["decode", "--summary", "--json", *args]) == 0
    links: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["links"]
    return links


def answers(link: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {entry["request"]: tuple(entry.values())[2:] for entry in link["answers"]}


@pytest.fixture
def reading(tmp_path: Path) -> Path:
    """Two readings, an answer that never comes, silence, a bit that is wrong."""
    wrong = bytearray(answer(CELLS))
    wrong[6] ^= 1
    return write(
        tmp_path / "garage.cap",
        (0.0, ">", BASIC), (0.05, "<", answer(BASIC)[:20]), (0.08, "<", answer(BASIC)[20:]),
        (0.2, ">", CELLS), (0.24, "<", answer(CELLS)),
        (1.2, ">", BASIC), (1.32, "<", answer(BASIC)),
        (1.5, ">", CELLS), (1.54, "<", bytes(wrong)),
        (6.5, ">", CELLS), (6.56, "<", answer(CELLS)),
        (9.5, "<", "00 01 02"),
    )  # fmt: skip


def test_as_json(reading: Path, capsys: Printed) -> None:
    (link,) = summary(capsys, str(reading))
    assert link == {
        "source": str(reading),
        "device": None,
        "frames": 9,
        "rejected": {"checksum": 1, "junk": 1},
        "duration": 9.5,
        "silence": 4.96,
        "silent_since": 1.54,
        "pauses": 2,
        "messages": [
            {"direction": ">", "protocol": "jbd", "message": "status request", "frames": 2},
            {"direction": "<", "protocol": "jbd", "message": "status", "frames": 2},
            {"direction": ">", "protocol": "jbd", "message": "cells request", "frames": 3},
            {"direction": "<", "protocol": "jbd", "message": "cells", "frames": 2},
        ],
        "answers": [
            {
                "protocol": "jbd", "request": "status request", "asked": 2, "answered": 2,
                "median": 0.08, "p99": 0.12, "max": 0.12,
            },
            {
                "protocol": "jbd", "request": "cells request", "asked": 3, "answered": 2,
                "median": 0.04, "p99": 0.06, "max": 0.06,
            },
        ],
    }  # fmt: skip


def test_as_a_table(reading: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(reading.parent)
    capsys.readouterr()
    assert run(["decode", "--summary", reading.name]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        " garage.cap                                                               9.5 s",
        "─" * 80,
        "    Message             Frames  Answered  Median     p99     Max",
        " >  jbd status request       2         2   80 ms  120 ms  120 ms",
        " <  jbd status               2",
        " >  jbd cells request        3         2   40 ms   60 ms   60 ms",
        " <  jbd cells                2",
        "    rejected: checksum       1",
        "    rejected: junk           1",
        "",
        " longest silence 5.0 s (from 1.5 s) · 2 pauses above 2 s",
        "",
    ]


def test_answers_belong_to_requests_by_function_and_register(tmp_path: Path, capsys: Printed) -> None:
    legacy, refusal, keep_alive = ant_legacy.STATUS[0][0].raw, "A5 A5 F5 00 01 F6", "5A 5A FF 00 00 FF"
    path = write(
        tmp_path / "a.cap",
        (0.0, ">", STATUS), (0.0, ">", ant.messages.COUNTERS_REQUEST.raw),
        (0.1, "<", answer(STATUS, "ant")),
        (1.0, ">", legacy), (1.2, "<", answer(legacy, "ant-legacy")),
        (2.0, ">", keep_alive), (2.0, ">", keep_alive), (2.1, "<", keep_alive), (2.3, "<", keep_alive),
        (3.0, ">", "A5 A5 F1 31 32 54"), (3.0, ">", "A5 A5 F2 33 34 59"),
        (3.1, "<", refusal), (3.3, "<", "A5 A5 F2 33 34 59"),
        (4.0, ">", "FF AA 17 00 17"), (4.1, "<", "FF AA 17 01 62 7A"),
        (5.0, ">", BASIC), (5.1, "<", "DD 03 83 00 FF 7D 77"),
        (6.0, ">", BASIC), (18.0, "<", answer(BASIC)),
        (19.0, "<", answer(BASIC)),
    )  # fmt: skip
    (link,) = summary(capsys, str(path))
    assert {(entry["protocol"], entry["request"]): tuple(entry.values())[2:] for entry in link["answers"]} == {
        ("ant", "status request"): (1, 1, 0.1, 0.1, 0.1),
        ("ant", "counters request"): (1, 0, None, None, None),
        ("ant-legacy", "status request"): (1, 1, 0.2, 0.2, 0.2),
        ("ant-legacy", "keep-alive"): (2, 2, 0.1, 0.3, 0.3),
        ("ant-legacy", "write"): (2, 2, 0.1, 0.3, 0.3),
        ("jbd", "module challenge"): (1, 1, 0.1, 0.1, 0.1),
        ("jbd", "status request"): (2, 1, 0.1, 0.1, 0.1),  # 12 s later, and a second one, are no answers
    }


def test_a_lost_answer_does_not_shift_the_others(tmp_path: Path, capsys: Printed) -> None:
    chunks: list[tuple[float | None, str, str | bytes]] = [(0.0, ">", BASIC)]
    for second in range(1, 100):
        chunks += [(second, ">", BASIC), (second + 0.1, "<", answer(BASIC))]
    (link,) = summary(capsys, str(write(tmp_path / "a.cap", *chunks)))
    assert answers(link) == {"status request": (100, 99, 0.1, 0.1, 0.1)}


def test_p99_leaves_one_in_a_hundred_out(tmp_path: Path, capsys: Printed) -> None:
    chunks: list[tuple[float | None, str, str | bytes]] = []
    for second in range(200):
        chunks += [(second, ">", BASIC), (second + (0.9 if second == 77 else 0.1), "<", answer(BASIC))]
    (link,) = summary(capsys, str(write(tmp_path / "a.cap", *chunks)))
    assert answers(link) == {"status request": (200, 200, 0.1, 0.1, 0.9)}


def test_without_times(tmp_path: Path, capsys: Printed) -> None:
    (link,) = summary(capsys, str(write(tmp_path / "a.cap", (None, ">", BASIC), (None, "<", answer(BASIC)))))
    assert (link["duration"], link["silence"], link["silent_since"], link["pauses"]) == (None, None, None, 0)
    assert answers(link) == {"status request": (1, 1, None, None, None)}
    raw = tmp_path / "raw.bin"
    raw.write_bytes(BASIC + answer(BASIC))
    (link,) = summary(capsys, str(raw))
    assert answers(link) == {"status request": (1, 1, None, None, None)}


def test_recordings_that_were_put_together(tmp_path: Path, capsys: Printed) -> None:
    """Where the time goes back there is no silence."""
    again = [(9.0, ">", BASIC), (9.1, "<", answer(BASIC)), (0.0, ">", BASIC), (0.2, "<", answer(BASIC))]
    (link,) = summary(capsys, str(write(tmp_path / "a.cap", *again)))
    assert (link["duration"], link["silence"], link["pauses"]) == (0.3, 0.2, 0)


def test_several_files(reading: Path, tmp_path: Path, capsys: Printed) -> None:
    other = write(tmp_path / "other.cap", (0.0, ">", STATUS))
    found = summary(capsys, str(reading), str(other), "--hex", "DD A5 03 00 FF FD 77")
    assert [(link["source"], link["frames"]) for link in found] == [(str(reading), 9), (str(other), 1), ("--hex", 1)]


def test_a_long_name_is_cut_at_its_beginning(tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    assert run(["decode", "--summary", str(write(folder / "garage.cap", (0.0, ">", BASIC), (1.0, ">", BASIC)))]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head.startswith(" …")
    assert head.endswith("longlong/garage.cap  1.0 s".replace("/", folder.anchor[-1:]))
    assert len(head) == 79


def test_nothing_in_it(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"nothing of this is a frame")
    assert run(["decode", "--summary", str(path)]) == 1
    out, err = capsys.readouterr()
    assert "rejected: junk" in out
    assert "no valid frame" in err


def test_memory_does_not_grow(tmp_path: Path) -> None:
    import tracemalloc

    from antbms.cli.sources import Source
    from antbms.cli.summary import summarize

    request, reply = BASIC, answer(BASIC)

    def chunks(count: int) -> Iterator[Chunk]:
        for number in range(count):
            yield Chunk(">", request, number / 2)
            yield Chunk("<", reply, number / 2 + number % 400 / 1000)

    peaks = []
    for count in (500, 5000):
        tracemalloc.start()
        try:
            summarize(Source("x", None, chunks(count)), ["jbd"])
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 50_000


# --- the bar


def at_a_slow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is one, and the clock goes 1 s at each look."""
    clock = iter(range(10_000))
    monkeypatch.setattr(file_progress, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(file_progress, "OFTEN", 1)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize("option", ["--json", "--summary"])
def test_a_long_file_has_a_bar(option: str, reading: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_slow_terminal(monkeypatch)
    assert run(["decode", option, str(reading)]) == 0
    text = capsys.readouterr().err
    assert "garage.cap" in text
    assert "100%" in text
    assert "\x1b[2K" in text  # it is wiped away at the end


@pytest.mark.parametrize("way", ["no terminal", "text beside it", "hex"])
def test_there_is_no_bar_elsewhere(way: str, reading: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_slow_terminal(monkeypatch)
    args = [str(reading)]
    if way == "no terminal":
        monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    elif way == "text beside it":
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    else:
        args = ["--hex", "DD A5 03 00 FF FD 77"]
    assert run(["decode", *args]) == 0
    assert "%" not in capsys.readouterr().err


def test_every_recording_can_be_counted(captures: Path) -> None:
    """Also requests that nothing is known to answer."""
    from antbms.cli.main import run as run_command

    for path in sorted(captures.glob("*/*.txt")):
        if not path.name.endswith("damaged.txt"):
            assert run_command(["decode", "--summary", str(path)]) == 0, path
