"""Recordings whose decode is written down: `antbms decode --json X.cap > X.expected.jsonl`, next to the recording.

Every such pair below the folder of recordings is compared with what `decode` says today.
"""

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from antbms.cli.main import run

ENDING = ".expected.jsonl"
Printed = pytest.CaptureFixture[str]


def pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Recordings and what they are to say. Raises if it is not clear which recording is meant."""
    for expected in sorted(folder.rglob(f"*{ENDING}")):
        stem = expected.name.removesuffix(ENDING)
        (recording,) = (path for path in expected.parent.glob(f"{stem}.*") if path.stem == stem and path != expected)
        yield recording, expected


def differences(recording: Path, expected: Path, capsys: Printed) -> list[str]:
    """Line and path of every value that is another one today."""
    capsys.readouterr()
    run(["decode", "--json", str(recording)])
    today = capsys.readouterr().out.splitlines()
    lines = zip_longest(expected.read_text("utf-8").splitlines(), today, fillvalue="null")
    return [
        f"{expected.name}:{number}: {difference}"
        for number, (then, now) in enumerate(lines, 1)
        for difference in _differences(json.loads(then), json.loads(now))
    ]


def _differences(then: Any, now: Any, path: str = "") -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in then | now:
            yield from _differences(then.get(key), now.get(key), f"{path}.{key}".lstrip("."))
    elif then != now:
        yield f"{path or 'frame'}: {then!r} is now {now!r}"


def test_recordings_say_what_they_said(captures: Path, capsys: Printed) -> None:
    found = [line for pair in pairs(captures) for line in differences(*pair, capsys)]
    assert not found, "\n".join(found)


@pytest.fixture
def pair(tmp_path: Path, capsys: Printed) -> tuple[Path, Path]:
    """A recording of the simulator, made into a test as CONTRIBUTING says."""
    recording, expected = tmp_path / "garage.cap", tmp_path / "garage.expected.jsonl"
    assert run(["record", "sim:jbd", str(recording), "--count", "2", "--every", "0"]) == 0
    capsys.readouterr()
    assert run(["decode", "--json", str(recording)]) == 0
    expected.write_text(capsys.readouterr().out, "utf-8")
    return recording, expected


def test_a_recording_with_its_neighbour_is_found(pair: tuple[Path, Path], tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "garage.chunks.txt").write_text("# another one", "utf-8")
    assert list(pairs(tmp_path)) == [pair]
    assert differences(*pair, capsys) == []


def test_a_changed_value_is_named(pair: tuple[Path, Path], capsys: Printed) -> None:
    expected = pair[1]
    lines = expected.read_text("utf-8").splitlines()
    number, record = next((at, json.loads(line)) for at, line in enumerate(lines) if '"message":"status"' in line)
    now = record["snapshot"]["soc"]
    record["snapshot"]["soc"] = 12.5
    lines[number] = json.dumps(record)
    expected.write_text("\n".join(lines), "utf-8")
    assert differences(*pair, capsys) == [f"garage.expected.jsonl:{number + 1}: snapshot.soc: 12.5 is now {now}"]


def test_frames_that_come_and_go_are_named(pair: tuple[Path, Path], capsys: Printed) -> None:
    recording, expected = pair
    with recording.open("a", encoding="utf-8") as file:
        file.write("> DD A5 03 00 FF FD 77\n")
    count = len(expected.read_text("utf-8").splitlines())
    (difference,) = differences(recording, expected, capsys)
    assert difference.startswith(f"garage.expected.jsonl:{count + 1}: frame: None is now {{'frame': 'DD A5 03")


def test_an_unclear_neighbour_is_an_error(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "garage.log").write_text("# which one?", "utf-8")
    with pytest.raises(ValueError, match="unpack"):
        list(pairs(tmp_path))
