"""Switches and commands of an open battery: announced by the outcome, sent once, and seen, or said not to be."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from battery_fakes import PROTOCOLS, Line, battery_over
from changing_board import Board

import antbms
from antbms.battery import Battery
from antbms.errors import AntbmsError, PasswordNeeded, Refused, Unconfirmed, UsageError
from antbms.model import Outcome
from virtual_time import now, run


def change(board: Board, what: Callable[[Battery], Awaitable[Outcome]]) -> tuple[Outcome | AntbmsError, float]:
    """What came of a change, and how long it took."""

    async def main() -> tuple[Outcome | AntbmsError, float]:
        async with battery_over(Line(board), protocol=board.protocol) as battery:
            start = now()
            try:
                return await what(battery), now() - start
            except AntbmsError as error:
                return error, now() - start

    return run(main())


def switch(board: Board, name: str = "charge", on: bool = False) -> tuple[Any, float]:
    return change(board, lambda battery: battery.switch(name, on))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ["charge", "discharge"])
@pytest.mark.parametrize("effect", [0.0, 0.6, 6.0])
def test_a_switch_is_confirmed_when_the_status_shows_it(protocol: str, name: str, effect: float) -> None:
    board = Board(protocol, effect=effect)
    outcome, took = switch(board, name)
    assert (outcome.what, outcome.before, outcome.wanted, outcome.seen, outcome.confirmed) == (
        name, True, False, False, True,
    )  # fmt: skip
    assert effect <= took < effect + 1.2
    assert outcome.text == f"{name}: off, as the battery's status shows"
    assert len(board.writes) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_on_again(protocol: str) -> None:
    board = Board(protocol)
    board.switches["charge"] = False
    outcome, _ = switch(board, "charge", True)
    assert (outcome.before, outcome.seen, outcome.confirmed) == (False, True, True)


@pytest.mark.parametrize("tells_locks", [True, False])
def test_the_other_switch_of_jbd_keeps_its_state(tells_locks: bool) -> None:
    """Also on a board that does not say that a command holds it off: only one is known to say so."""
    for other in (True, False):
        board = Board("jbd")
        board.tells_locks = tells_locks
        board.switches["discharge"] = other
        outcome, _ = switch(board)
        assert outcome.confirmed
        assert board.switches == {"charge": False, "discharge": other}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_lying_battery_is_found_out(protocol: str) -> None:
    board = Board(protocol, effect=None)
    error, took = switch(board)
    assert isinstance(error, Unconfirmed)
    assert error.status == 3
    assert str(error) == (
        "COM9: charge off was sent once (acknowledged), but its status still shows on after 8 s"
    )  # fmt: skip
    assert 8.0 <= took < 9.5
    assert len(board.writes) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_refusal_says_that_a_password_is_wanted(protocol: str) -> None:
    board = Board(protocol, answers="refused")
    error, _ = switch(board)
    assert isinstance(error, PasswordNeeded)
    assert str(error).startswith("COM9: the battery refused charge off: ")
    assert (" (permission level 5)" in str(error)) is (protocol == "ant")
    assert "password_env" in error.hints[0]
    assert len(board.writes) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_lost_acknowledgement_is_decided_by_the_status(protocol: str) -> None:
    board = Board(protocol, answers="none")
    outcome, _ = switch(board)
    assert outcome.confirmed
    assert outcome.text == "charge: off, as the battery's status shows (the acknowledgement was lost)"
    assert len(board.writes) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_lost_acknowledgement_without_effect_is_not_sent_again(protocol: str) -> None:
    board = Board(protocol, answers="none", effect=None)
    error, _ = switch(board)
    assert isinstance(error, Unconfirmed)
    assert "(the acknowledgement was lost)" in str(error)
    assert len(board.writes) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_link_that_goes_away_after_sending(protocol: str) -> None:
    board = Board(protocol, answers="link")
    error, _ = switch(board)
    assert isinstance(error, Unconfirmed)
    assert "was sent once, then the link was lost" in str(error)


def test_the_buzzer_has_no_state() -> None:
    board = Board("ant")
    outcome, took = switch(board, "buzzer", True)
    assert (outcome.before, outcome.seen, outcome.confirmed) == (None, None, False)
    assert outcome.text == "buzzer on: acknowledged; the battery has no state that shows it"
    assert took < 1


def test_the_buzzer_without_acknowledgement() -> None:
    error, _ = switch(Board("ant", answers="none"), "buzzer", True)
    assert isinstance(error, Unconfirmed)


def test_balancing_of_ant_is_shown_only_while_it_works() -> None:
    """22s-80ah-24bhub-commands: 13 is acknowledged while the status stays off."""
    outcome, took = switch(Board("ant"), "balance", True)
    assert (outcome.confirmed, outcome.seen) == (False, None)
    assert outcome.text == "balance on: acknowledged; the status shows it only while it is at work"
    assert took >= 8
    outcome, took = switch(Board("ant"), "balance", False)
    assert (outcome.confirmed, outcome.seen) == (False, None)
    assert took < 1


def test_balancing_of_ant_legacy_toggles_and_is_sent_only_where_it_must() -> None:
    board = Board("ant-legacy")
    outcome, _ = switch(board, "balance", False)
    assert not board.writes
    assert not outcome.confirmed
    error, _ = switch(board, "balance", True)  # its echo says 0: off
    assert isinstance(error, Unconfirmed)
    assert "the answer says off: it was on, waiting" in str(error)
    assert len(board.writes) == 1


def test_a_switch_that_is_not_there() -> None:
    error, _ = switch(Board("jbd"), "buzzer")
    assert isinstance(error, UsageError)
    assert error.hints == ("There are: charge, discharge.",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_command_is_acknowledged(protocol: str) -> None:
    board = Board(protocol)
    outcome, _ = change(board, lambda battery: battery.command("restart"))
    assert isinstance(outcome, Outcome)
    assert (outcome.what, outcome.confirmed) == ("restart", False)
    assert outcome.text == "restart: acknowledged; the battery has no state that shows it"
    assert board.writes == [board.spoken.COMMANDS["restart"].request.raw]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dangerous_commands_need_to_be_meant(protocol: str) -> None:
    board = Board(protocol)
    dangerous = [row.name for row in board.spoken.COMMANDS.values() if row.dangerous]
    assert "power_off" in dangerous
    for name in dangerous:
        error, _ = change(board, lambda battery, name=name: battery.command(name))  # type: ignore[misc]
        assert isinstance(error, UsageError)
    assert not board.writes
    outcome, _ = change(board, lambda battery: battery.command("power_off", dangerous=True))
    assert isinstance(outcome, Outcome)
    assert len(board.writes) == 1


@pytest.mark.parametrize(("current", "sent"), [(0.0, True), (0.4, True), (-0.6, False), (12.0, False)])
@pytest.mark.parametrize("protocol", ["ant", "ant-legacy"])
def test_the_current_is_zeroed_at_rest_only(protocol: str, current: float, sent: bool) -> None:
    board = Board(protocol)
    board.current = current
    result, _ = change(board, lambda battery: battery.command("zero_current"))
    assert isinstance(result, Outcome if sent else Refused)
    assert bool(board.writes) is sent
    assert sent or f"{current:+.1f} A flow" in str(result)


def test_a_command_without_acknowledgement_is_not_sent_again() -> None:
    board = Board("ant", answers="none")
    error, _ = change(board, lambda battery: battery.command("restart"))
    assert isinstance(error, Unconfirmed)
    assert len(board.writes) == 1


def test_changes_and_reads_of_several_tasks_take_turns() -> None:
    import asyncio

    async def main() -> list[Any]:
        async with battery_over(Line(Board("ant")), protocol="ant") as battery:
            return await asyncio.gather(battery.switch("charge", False), battery.read(), battery.switch("charge", True))

    off, snapshot, on = run(main())
    assert isinstance(snapshot, antbms.Snapshot)
    assert (off.seen, on.seen) == (False, True)
