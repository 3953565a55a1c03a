"""The settings of an open battery, in all three protocols: read, checked, written one by one, kept, given back."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from battery_fakes import PROTOCOLS, Line, battery_over
from memory_board import VALUES, MemoryBoard, value_in, with_board

from antbms.backup import check_same, differences, load, save, to_restore
from antbms.battery import Battery
from antbms.errors import AntbmsError, FileError, NoAnswer, PasswordNeeded, Refused, Unconfirmed, UsageError
from antbms.model import DeviceInfo
from virtual_time import now, run

T = TypeVar("T")
Setter = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder of this test's own."""
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def error_of(board: MemoryBoard, work: Callable[[Battery], Awaitable[Any]]) -> AntbmsError:
    with pytest.raises(AntbmsError) as caught:
        with_board(board, work)
    return caught.value


def boards() -> list[Any]:
    made = [(protocol, False) for protocol in PROTOCOLS] + [("jbd", True)]
    return [pytest.param(*kind, id=f"{kind[0]}{' with FA' * kind[1]}") for kind in made]


every = pytest.mark.parametrize(("protocol", "fa"), boards())


def board_of(protocol: str, fa: bool = False, **more: Any) -> MemoryBoard:
    return MemoryBoard(protocol, knows_fa=fa, **more)


def held(board: MemoryBoard) -> dict[str, Any]:
    return {name: value_in(board.protocol, name) for name in VALUES if name in board.spoken.SETTINGS}


LOWER = {"cell_overvoltage": 3.5, "cell_overvoltage_recovery": 3.45}


@every
def test_all_settings_are_read(protocol: str, fa: bool) -> None:
    board = board_of(protocol, fa)
    values = with_board(board, lambda battery: battery.settings.read(complete=True))
    assert held(board).items() <= values.items()
    assert not board.writes
    assert not board.factory


@every
def test_named_settings_are_read(protocol: str, fa: bool) -> None:
    values = with_board(board_of(protocol, fa), lambda battery: battery.settings.read(["cell_overvoltage", "capacity"]))
    assert values == {"cell_overvoltage": 3.65, "capacity": 100.0}


def test_fa_is_read_without_factory_mode() -> None:
    board = board_of("jbd", True)
    line = Line(board)

    async def main() -> dict[str, Any]:
        async with battery_over(line, protocol="jbd") as battery:
            return await battery.settings.read()

    values = run(main())
    assert values["cell_overvoltage"] == 3.65
    assert "charge_overcurrent_delay" not in values
    assert not [raw for raw in line.written if raw[:2] == b"\xdd\x5a"]


def test_a_level_below_2_hides_the_settings() -> None:
    error = error_of(board_of("ant", level=1), lambda battery: battery.settings.read())
    assert isinstance(error, PasswordNeeded)
    assert str(error) == (
        "COM9: the battery does not show its settings: the permission level is 1, settings need 2"
    )  # fmt: skip


@pytest.mark.parametrize("name", ["password_330", "nonsense"])
def test_secret_and_unknown_names(name: str) -> None:
    assert isinstance(error_of(board_of("ant"), lambda battery: battery.settings.read([name])), UsageError)


def test_a_line_that_repeats_what_is_sent_has_no_settings() -> None:
    board = board_of("ant-legacy")
    board.registers = dict.fromkeys(board.registers, b"\0\0")
    assert isinstance(error_of(board, lambda battery: battery.settings.read()), NoAnswer)


@every
def test_values_are_written_read_back_saved_and_read_back_again(protocol: str, fa: bool, state: Path) -> None:
    board, notes = board_of(protocol, fa), list[str]()
    told: list[str] = []
    outcomes = with_board(
        board,
        lambda battery: battery.settings.write(
            {"cell_overvoltage": 3.5, "cell_overvoltage_recovery": 3.45, "capacity": 100.0}
            if protocol != "ant-legacy" else LOWER,
            on_outcome=lambda outcome: told.append(outcome.text),
        ),
        notes,
    )  # fmt: skip
    assert told == [
        "cell_overvoltage_recovery: 3.550 V → 3.450 V",
        "cell_overvoltage: 3.650 V → 3.500 V",
    ]
    assert [(o.what, o.before, o.wanted, o.seen, o.confirmed) for o in outcomes][:2] == [
        ("cell_overvoltage_recovery", 3.55, 3.45, 3.45, True),
        ("cell_overvoltage", 3.65, 3.5, 3.5, True),
    ]
    assert len(board.writes) == 2
    assert board.saved == 1
    assert not board.factory
    board.restart()
    values = with_board(board, lambda battery: battery.settings.read(["cell_overvoltage"]))
    assert values == {"cell_overvoltage": 3.5}
    (made,) = (state / "backups").iterdir()
    assert notes[-1] == f"backup of all settings: {made}"
    assert load(made).settings["cell_overvoltage"] == 3.65
    assert not list((state / "journal").iterdir())


def test_one_byte_of_a_shared_register() -> None:
    board = board_of("jbd")

    async def work(battery: Battery) -> None:
        await battery.settings.write({"charge_overcurrent_delay": 12, "charge_overcurrent_release": 32})
        assert board.registers[0x3E] == bytes((12, 32))
        await battery.settings.write({"charge_overcurrent_release": 33})
        assert board.registers[0x3E] == bytes((12, 33))

    with_board(board, work)


def test_nothing_to_do_writes_nothing(state: Path) -> None:
    board = board_of("jbd")
    (outcome,) = with_board(board, lambda battery: battery.settings.write({"cell_overvoltage": 3.65}))
    assert outcome.confirmed
    assert (board.writes, board.saved, board.factory) == ([], 0, False)
    assert not (state / "backups").exists()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cell_overvoltage": 9.9}, r"not from 0\.500 V to 5\.000 V"),
    ({"cell_overvoltage": 3.5}, r"cell_overvoltage_recovery = 3\.550 V would lie above cell_overvoltage = 3\.500 V"),
    ({"cell_undervoltage": 2.8}, "cell_undervoltage = 2.800 V would lie above cell_undervoltage_recovery"),
    ({"cell_overvoltage": 4.2}, "is not for lfp cells"),
    ({"pack_overvoltage": 60.0}, r"is not for lfp cells: 14\.40 to 30\.40 V"),
    ({"cell_count": 9}, "cell_count is dangerous"),
    ({"cell_overvoltage": "high"}, "no number"),
    ({"nonsense": 1.0}, "no setting 'nonsense'"),
]


@pytest.mark.parametrize(("values", "words"), WRONG)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(
    protocol: str, values: dict[str, Any], words: str
) -> None:
    import re

    board = board_of(protocol)
    error = error_of(board, lambda battery: battery.settings.write(values))
    assert isinstance(error, UsageError)
    assert re.search(words, str(error))
    assert (board.writes, board.factory) == ([], False)


def test_shown_only_and_secret_settings_are_never_written() -> None:
    for name in ("throughput", "password_330", "ant_address"):
        error = error_of(
            board_of("ant"), lambda battery, name=name: battery.settings.write({name: 1}, dangerous=True)  # type: ignore[misc]
        )  # fmt: skip
        assert isinstance(error, UsageError)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dangerous_settings_need_to_be_meant(protocol: str) -> None:
    board = board_of(protocol)
    with_board(board, lambda battery: battery.settings.write({"cell_count": 7}, dangerous=True))
    assert len(board.writes) == 1


def test_32_bits_of_ant_go_in_one_frame_and_of_ant_legacy_in_two() -> None:
    for protocol, frames in (("ant", 1), ("ant-legacy", 2)):
        board = board_of(protocol)
        with_board(board, lambda battery: battery.settings.write({"capacity": 280.0}, dangerous=True))
        assert len(board.writes) == frames
        assert with_board(board, lambda battery: battery.settings.read(["capacity"])) == {"capacity": 280.0}


@every
def test_a_lying_battery_is_found_out(protocol: str, fa: bool) -> None:
    board = board_of(protocol, fa, lies=True)
    error = error_of(board, lambda battery: battery.settings.write(LOWER))
    assert isinstance(error, Unconfirmed)
    assert error.status == 3
    assert str(error) == (
        "COM9: stopped after 0 of 2 settings: cell_overvoltage_recovery was written once (acknowledged) as 3.450 V, "
        "and reads 3.550 V"
    )
    assert error.hints[:2] == (
        "Written once, not as wanted: cell_overvoltage_recovery reads 3.550 V instead of 3.450 V.",
        "Not written: cell_overvoltage: 3.650 V → 3.500 V.",
    )
    assert len(board.writes) == 1
    assert not board.factory


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_lost_acknowledgement_is_decided_by_reading(protocol: str) -> None:
    board = board_of(protocol)
    board.answers = "none"
    outcomes = with_board(board, lambda battery: battery.settings.write(LOWER))
    assert all(outcome.confirmed for outcome in outcomes)
    assert len(board.writes) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_refused_write_says_what_was_written_before(protocol: str) -> None:
    board = board_of(protocol)
    board.refuses_register = board.spoken.SETTINGS["cell_overvoltage"].address
    error = error_of(board, lambda battery: battery.settings.write(LOWER))
    assert isinstance(error, Unconfirmed)
    assert str(error).startswith(
        "COM9: stopped after 1 of 2 settings: the battery refused to write cell_overvoltage: "
    )  # fmt: skip
    assert error.hints[0] == "Written and read back: cell_overvoltage_recovery: 3.550 V → 3.450 V."
    assert error.hints[1] == "Not written: cell_overvoltage: 3.650 V → 3.500 V."
    assert len(board.writes) == 2
    assert not board.factory


def test_ant_says_the_limit_that_a_write_breaks() -> None:
    board = board_of("ant")
    board.refuses_register = 0
    error = error_of(board, lambda battery: battery.settings.write({"cell_overvoltage": 3.6}))
    assert type(error) is Refused
    assert str(error) == (
        "COM9: the battery refused to write cell_overvoltage: below minimum 3.500 V of cell_overvoltage"
    )  # fmt: skip


def test_too_low_a_level_is_told_from_a_wrong_password() -> None:
    board = board_of("ant", level=2)
    error = error_of(board, lambda battery: battery.settings.write({"cell_overvoltage": 3.6}))
    assert isinstance(error, PasswordNeeded)
    assert "no permission" in str(error)
    board = board_of("jbd")
    board.answers = "refused"
    assert isinstance(error_of(board, lambda battery: battery.settings.read()), PasswordNeeded)
    board = board_of("ant-legacy")
    board.answers = "refused"
    error = error_of(board, lambda battery: battery.settings.write({"cell_overvoltage": 3.6}))
    assert isinstance(error, PasswordNeeded)
    assert len(board.writes) == 1


@every
def test_backup_diff_and_restore(protocol: str, fa: bool, tmp_path: Path) -> None:
    board = board_of(protocol, fa)
    file = tmp_path / "a.toml"

    async def work(battery: Battery) -> None:
        made, rows = await battery.settings.backup()
        save(file, made, rows)
        saved = load(file)
        assert saved.settings == made.settings
        assert saved.device == made.device
        assert not differences(saved, rows, await battery.settings.read(complete=True))
        await battery.settings.write(LOWER)
        found = differences(saved, rows, await battery.settings.read(complete=True))
        assert {item.row.name for item in found} == set(LOWER)
        wanted = to_restore(found, only=None, dangerous=False)
        assert wanted == {name: VALUES[name] for name in LOWER}
        assert not to_restore(found, only="temperature", dangerous=False)
        await battery.settings.write(wanted)
        assert not differences(saved, rows, await battery.settings.read(complete=True))

    with_board(board, work)
    text = file.read_text("utf-8")
    assert "cell_overvoltage = 3.650  # V Cell overvoltage" in text
    assert "# temperature\n" in text


def test_a_backup_of_another_battery_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"

    async def work(battery: Battery) -> None:
        made, rows = await battery.settings.backup()
        save(file, made, rows)
        saved = load(file)
        check_same(file, saved, await battery.info())
        for other in (
            DeviceInfo(protocol="jbd", cells=8),
            DeviceInfo(protocol="ant", cells=7),
            DeviceInfo(protocol="ant", cells=8, model="X"),
        ):
            with pytest.raises(UsageError, match="a backup of another battery"):
                check_same(file, saved, other)
        with pytest.raises(FileError, match="exists already"):
            save(file, made, rows)

    with_board(board_of("ant"), work)


@pytest.mark.parametrize(
    "text", ["", "x = [", "[backup]\nformat = 2\n", "[backup]\nformat = 1\n[settings]\nx = [1]\n", "\xff"]
)
def test_what_is_no_backup(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="no backup"):
        load(file)
    with pytest.raises(FileError):
        load(tmp_path / "none.toml")


def test_nothing_is_written_without_a_place_for_the_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "file"))
    for protocol in PROTOCOLS:
        board = board_of(protocol)
        assert isinstance(error_of(board, lambda battery: battery.settings.write(LOWER)), FileError)
        assert (board.writes, board.factory) == ([], False)


def test_reading_takes_no_longer_than_it_must() -> None:
    """In virtual time: pages of ant, and one register after the other elsewhere. jbd: silent about four."""
    for protocol, seconds in (("ant", 5.0), ("ant-legacy", 12.0), ("jbd", 20.0)):

        async def work(battery: Battery) -> float:
            start = now()
            await battery.settings.read()
            return now() - start

        assert with_board(board_of(protocol), work) < seconds
