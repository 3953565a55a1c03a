"""Boards that refuse all of their settings, and what is told of that; outside of a factory mode, and inside."""

from collections.abc import Callable
from pathlib import Path

import pytest
from battery_fakes import Line, battery_over
from denying_board import Denying
from memory_board import MemoryBoard, answer_of, ant_frame, at_hand

from antbms.battery import Battery
from antbms.cli.main import run as command
from antbms.errors import AntbmsError, Refused
from antbms.protocol.packet import Packet
from virtual_time import run

Printed = pytest.CaptureFixture[str]
REFUSAL = "the battery refused to tell its settings: battery type error or wrong password"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


class Unwilling(MemoryBoard):
    """An ant board that refuses the pages that begin with these registers, and is silent about others."""

    refuses: Callable[[int], bool] = staticmethod(lambda address: True)
    mute: tuple[int, ...] = ()

    def __init__(self) -> None:
        super().__init__("ant")

    def _ant_register(self, raw: bytes, packet: Packet) -> bytes | None:
        address = packet.envelope["register"]
        if packet.envelope["function"] == 0x02:
            if address in self.mute:
                return b""
            if self.refuses(address):
                return ant_frame(0x12, address, b"", (0xFF, 0x05, b""))
        return super()._ant_register(raw, packet)


def over(board: MemoryBoard, names: list[str] | None) -> object:

    async def main() -> object:
        async with battery_over(Line(board), protocol="ant") as battery:
            values = await battery.settings.read(names)
            return values, battery.settings.denied

    try:
        return run(main())
    except AntbmsError as error:
        return error


@pytest.mark.parametrize("mute", [(), (0,), (152,), (0, 152)])
@pytest.mark.parametrize("names", [None, ["cell_overvoltage"]])
def test_a_board_that_refuses_all_that_it_answers_is_not_said_to_tell_others(
    mute: tuple[int, ...], names: list[str] | None
) -> None:
    board = Unwilling()
    board.mute = mute
    error = over(board, names)
    assert isinstance(error, Refused)
    assert REFUSAL in str(error)
    assert not any("tells others" in hint for hint in error.hints)


def test_a_board_that_refuses_one_page_tells_the_others() -> None:
    board = Unwilling()
    board.refuses = lambda address: address == 152
    board.mute = (0,)
    values, denied = over(board, None)  # type: ignore[misc]
    assert values
    assert denied
    assert not denied & set(values)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[MemoryBoard]:
    """The board that `antbms` opens; without delays, for these tests wait for real."""
    return at_hand(monkeypatch)


@pytest.mark.parametrize("more", [(), ("--dangerous",)])
def test_nothing_is_restored_where_nothing_is_told(
    more: tuple[str, ...], plugged: list[MemoryBoard], capsys: Printed
) -> None:
    plugged.append(MemoryBoard("ant"))
    assert command(["settings", "COM9", "backup", "a.toml", "--protocol", "ant"]) == 0
    plugged.append(Unwilling())
    capsys.readouterr()
    assert command(["settings", "COM9", "restore", "a.toml", "--yes", *more, "--protocol", "ant"]) == 3
    err = capsys.readouterr().err
    assert REFUSAL in err
    assert "nothing to change" not in err
    assert "tells others" not in err


def test_nothing_is_restored_to_a_board_that_has_no_settings(plugged: list[MemoryBoard], capsys: Printed) -> None:
    plugged.append(MemoryBoard("jbd"))
    assert command(["settings", "COM9", "backup", "a.toml", "--protocol", "jbd"]) == 0
    plugged.append(Denying(**dict.fromkeys(plugged[0].spoken.SETTINGS, 0x80)))
    capsys.readouterr()
    assert command(["settings", "COM9", "restore", "a.toml", "--yes", "--protocol", "jbd"]) == 1
    assert "told no settings: nothing was restored" in capsys.readouterr().err


def test_the_next_register_may_not_be_there() -> None:
    """81 for the first, 80 for the second: the third one proves that the mode goes on."""
    rows = Denying().spoken.SETTINGS
    first, second, third, *_ = rows
    board = Denying(first, **{second: 0x80})

    async def look(battery: Battery) -> tuple[set[str], frozenset[str]]:
        return set(await battery.settings.read()), battery.settings.denied

    told, denied = answer_of(board, look)
    assert (denied, third in told) == ({first}, True)
    assert not {first, second} & told
