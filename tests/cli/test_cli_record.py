"""`antbms record` and `sim`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from antbms.cli import record
from antbms.cli.main import run
from antbms.errors import LinkLost, NoAnswer

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def battery(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """The outcomes of the readings to come: None for a good one."""
    outcomes: list[BaseException | None] = []

    class Fake:
        async def read(self) -> None:
            if outcome := outcomes.pop(0):
                raise outcome

    @asynccontextmanager
    async def opened(device: str, *, record: Path, **_: Any) -> AsyncIterator[Fake]:
        record.write_text("# traffic\n", "utf-8")
        yield Fake()

    monkeypatch.setattr(record, "opened", opened)
    return outcomes


def recorded(path: Path, *args: str) -> int:
    return run(["record", "COM5", str(path), "--every", "0", *args])


def test_it_counts(tmp_path: Path, battery: list[BaseException | None], capsys: Printed) -> None:
    battery += [None, None, None]
    assert recorded(tmp_path / "a", "--count", "2") == 0
    assert len(battery) == 1
    assert capsys.readouterr().err.endswith(f"antbms: {tmp_path / 'a'}: 2 readings\n")


def test_a_reading_without_an_answer_does_not_end_it(
    tmp_path: Path, battery: list[BaseException | None], capsys: Printed
) -> None:
    battery += [NoAnswer("no"), None]
    assert recorded(tmp_path / "a", "--count", "2") == 0
    assert "1 reading, 1 without an answer" in capsys.readouterr().err


def test_no_reading_at_all_is_an_error(tmp_path: Path, battery: list[BaseException | None], capsys: Printed) -> None:
    battery += [NoAnswer("COM5: nothing"), NoAnswer("COM5: nothing still")]
    assert recorded(tmp_path / "a", "--count", "2") == 1
    assert capsys.readouterr().err.endswith("antbms: COM5: nothing still\n")


def test_a_lost_link_ends_it(tmp_path: Path, battery: list[BaseException | None], capsys: Printed) -> None:
    battery += [None, LinkLost("COM5: gone"), None]
    assert recorded(tmp_path / "a") == 1
    assert len(battery) == 1
    text = capsys.readouterr().err
    assert "1 reading\n" in text
    assert text.endswith("antbms: COM5: gone\n")


def test_ctrl_c_keeps_the_file_and_ends_with_130(
    tmp_path: Path, battery: list[BaseException | None], capsys: Printed
) -> None:
    battery += [None, KeyboardInterrupt()]
    assert recorded(tmp_path / "a") == 130
    assert "1 reading\n" in capsys.readouterr().err
    assert (tmp_path / "a").exists()


def test_duration(tmp_path: Path, battery: list[BaseException | None]) -> None:
    battery += [None, None]
    assert recorded(tmp_path / "a", "--duration", "0") == 0
    assert len(battery) == 1  # always at least one
    assert run(["record", "COM5", str(tmp_path / "b"), "--every", "9", "--duration", "5"]) == 0
    assert not battery  # a next one would come too late: it does not wait for that


def test_a_file_is_overwritten_on_request_only(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "a.cap"
    path.write_text("precious", "utf-8")
    assert run(["record", "sim:", str(path), "--count", "1"]) == 1
    assert "--force" in capsys.readouterr().err
    assert path.read_text("utf-8") == "precious"
    assert run(["record", "sim:", str(path), "--count", "1", "--force"]) == 0
    assert "precious" not in path.read_text("utf-8")
    assert run(["decode", str(path)]) == 0


@pytest.mark.parametrize("protocol", ["ant", "ant-legacy", "jbd"])
def test_a_recording_is_read_like_the_battery(protocol: str, tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "a.cap"
    assert run(["record", f"sim:{protocol}", str(path), "--count", "2", "--every", "0"]) == 0
    capsys.readouterr()
    assert run(["read", f"replay:{path}", "--field", "protocol"]) == 0
    assert capsys.readouterr().out == f"{protocol}\n"


def test_a_wrong_battery_to_simulate(capsys: Printed) -> None:
    assert run(["sim", "--tcp", "0", "-o", "cells=99"]) == 2
    assert run(["sim", "antt", "--tcp", "0"]) == 2
    assert "ant-legacy" in capsys.readouterr().err


def test_force_keeps_what_was_there_if_nothing_is_recorded(tmp_path: Path, capsys: Printed) -> None:
    """A battery that cannot be reached must not cost the recording of yesterday."""
    path = tmp_path / "x.cap"
    path.write_text("# of yesterday\n", "utf-8")
    assert run(["record", "replay:no-such.cap", str(path), "--force"]) == 1
    assert path.read_text("utf-8") == "# of yesterday\n"
    assert run(["record", "sim:", str(path), "--force", "--count", "1"]) == 0
    assert "yesterday" not in path.read_text("utf-8")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_force_is_for_files(capsys: Printed) -> None:
    assert run(["record", "sim:", "/dev/full", "--force"]) == 1
    assert capsys.readouterr().err.startswith("antbms: /dev/full: is no file that could be overwritten\n")
