"""A simulated JBD board keeps the rules of real ones: factory mode, passwords, switches, the locked module."""

import pytest
from board_talk import JbdTalk

from antbms.protocol.jbd.frame import close_envelope
from antbms.protocol.jbd.login import mixed
from antbms.protocol.jbd.settings import SETTINGS

OK, FAILED, DENIED, WRONG = 0x00, 0x80, 0x81, 0x83
REGISTERS = sorted({row.address for row in SETTINGS.values()})


def factory(talk: JbdTalk) -> JbdTalk:
    assert talk.write(0x00, "56 78") == OK
    return talk


@pytest.mark.parametrize("register", REGISTERS)
def test_registers_are_hidden_outside_of_factory_mode(register: int) -> None:
    talk = JbdTalk(cells="32")
    assert talk.read(register) == (DENIED, b"")
    assert talk.write(register, "00 01") == DENIED
    status, data = factory(talk).read(register)
    assert status == OK
    assert data
    assert talk.write(0x01, "00 00") == OK
    assert talk.read(register) == (DENIED, b"")


@pytest.mark.parametrize("register", [0x03, 0x04, 0x05, 0xAA])
def test_these_are_open(register: int) -> None:
    talk = JbdTalk()
    assert talk.read(register)[0] == OK
    assert factory(talk).read(register)[0] == OK


@pytest.mark.parametrize("register", [0x02, 0x50, 0xFA, 0xFB, 0x99])
def test_unknown_registers_are_met_with_silence(register: int) -> None:
    talk = JbdTalk()
    assert talk.read(register, "00 01 02" if register == 0xFA else "") == (None, b"")
    assert factory(talk).read(register, "00 01 02" if register == 0xFA else "") == (None, b"")


def test_the_wrong_key_opens_nothing() -> None:
    talk = JbdTalk()
    assert talk.write(0x00, "56 79") == FAILED
    assert talk.read(0x24)[0] == DENIED


@pytest.mark.parametrize(("leave", "saved"), [("28 28", True), ("00 00", False)])
def test_2828_saves_and_0000_does_not(leave: str, saved: bool) -> None:
    """0000: 4s-sp04s034-switches, whose app leaves so after every write, and bmstools, which writes the remaining
    capacity so: what was written must stay in force. Only a restart shows the difference."""
    talk = factory(JbdTalk())
    _, before = talk.read(0x24)
    assert talk.write(0x24, "0E 10") == OK
    assert talk.read(0x24) == (OK, b"\x0e\x10")
    assert talk.write(0x01, leave) == OK
    assert factory(talk).read(0x24)[1] == b"\x0e\x10"
    assert talk.write(0xE3, "00 00") == OK
    assert talk.read(0x03) == (None, b""), "it restarts"
    talk.wait(3)
    assert talk.read(0x24)[0] == DENIED, "a restart ends factory mode"
    assert factory(talk).read(0x24)[1] == (b"\x0e\x10" if saved else before)


def test_a_board_that_forgets_takes_back_what_was_not_saved() -> None:
    talk = factory(JbdTalk(model="JBD-FORGETS"))
    _, before = talk.read(0x24)
    talk.write(0x24, "0E 10")
    talk.write(0x01, "00 00")
    assert factory(talk).read(0x24)[1] == before


def test_2828_zeroes_the_counters() -> None:
    talk = JbdTalk(scenario="overvoltage")
    assert any(talk.read(0xAA)[1])
    factory(talk)
    talk.write(0x01, "00 00")
    assert any(talk.read(0xAA)[1])
    factory(talk)
    talk.write(0x01, "28 28")
    assert not any(talk.read(0xAA)[1])


def test_leaving_without_having_entered_changes_nothing() -> None:
    talk = JbdTalk(scenario="overvoltage")
    counts = talk.read(0xAA)
    assert talk.write(0x01, "28 28") == OK
    assert talk.read(0xAA) == counts


@pytest.mark.parametrize(
    ("mask", "charge", "discharge"), [(0, True, True), (1, False, True), (2, True, False), (3, False, False)]
)
def test_one_write_sets_both_switches(mask: int, charge: bool, discharge: bool) -> None:
    talk = JbdTalk()
    for before in range(4):
        assert talk.write(0xE1, f"00 0{before}") == OK
        assert talk.write(0xE1, f"00 0{mask}") == OK
        snapshot = talk.snapshot()
        assert (snapshot.switches["charge"].on, snapshot.switches["discharge"].on) == (charge, discharge)
        assert ("protection.12" in [flag.code for flag in snapshot.flags]) == bool(mask)


@pytest.mark.parametrize("data", ["00 04", "01 00", "00", "00 00 00"])
def test_impossible_switches(data: str) -> None:
    assert JbdTalk().write(0xE1, data) == FAILED


def test_the_boards_own_password() -> None:
    talk = JbdTalk(model="JBD-PASSWORD")
    assert talk.read(0x03)[0] == OK
    assert talk.write(0x00, "56 78") == DENIED
    assert talk.write(0x06, "06 01 02 03 04 05 07") == WRONG
    assert talk.write(0x00, "56 78") == DENIED
    assert talk.write(0x06, "06 01 02 03 04 05 06") == OK
    assert talk.write(0x00, "56 78") == OK


def test_a_board_without_a_password_takes_any() -> None:
    assert JbdTalk().write(0x06, "06 00 00 00 00 00 00") == OK


def test_the_password_can_be_changed_and_cleared() -> None:
    talk = JbdTalk(model="JBD-PASSWORD")
    assert talk.write(0x07, "0C 00 00 00 00 00 00 01 01 01 01 01 01") == WRONG
    assert talk.write(0x07, "0C 01 02 03 04 05 06 01 01 01 01 01 01") == OK
    talk.device.board.log_out()
    assert talk.write(0x06, "06 01 02 03 04 05 06") == WRONG
    assert talk.write(0x06, "06 01 01 01 01 01 01") == OK
    assert talk.write(0x09, "06 4A 31 42 32 44 34") == OK
    talk.device.board.log_out()
    assert talk.write(0x00, "56 78") == OK


def test_parameters_of_v11_boards_need_no_factory_mode() -> None:
    talk = JbdTalk(model="SP04S060")
    status, data = talk.read(0xFA, "00 00 02")
    assert (status, data[:3]) == (OK, b"\x00\x00\x02")
    assert int.from_bytes(data[3:5], "big") == 30400
    assert talk.write(0x0A, "02 00") == OK
    assert JbdTalk().write(0x0A, "02 00") is None


def test_texts_have_their_length_first() -> None:
    talk = factory(JbdTalk())
    _, name = talk.read(0xA1)
    assert (name[0], name[1:]) == (len(name) - 1, talk.device.personality.model.encode())
    assert talk.write(0xA0, "03 41 42 43") == OK
    assert talk.read(0xA0)[1] == b"\x03ABC"
    assert talk.write(0xA0, "09 41 42 43") == FAILED


def test_remaining_can_be_set() -> None:
    talk = factory(JbdTalk())
    assert talk.write(0xE0, "0F A0") == OK
    talk.write(0x01, "28 28")
    assert talk.snapshot().remaining == pytest.approx(40.0, abs=0.2)
    assert talk.snapshot().soc == 40


def module(talk: JbdTalk, command: int, data: bytes = b"") -> int | None:
    answer = talk.ask(close_envelope({"command": command}, data))
    if answer is None:
        return None
    assert answer.envelope == {"command": command}
    return answer.data[0]


def test_a_locked_module_lets_nothing_through() -> None:
    talk = JbdTalk(model="SP04S034-LOCKED")
    mac = talk.device.personality.address
    assert talk.read(0x03) == (None, b"")
    assert talk.write(0xE1, "00 03") is None
    assert module(talk, 0x15, b"000001") == 1, "another application key"
    assert module(talk, 0x15, b"000000") == 0, "wants the user's password"
    challenge = module(talk, 0x17)
    assert challenge is not None
    assert module(talk, 0x18, mixed(b"000000", mac, challenge)) == 1
    assert talk.read(0x03) == (None, b"")
    challenge = module(talk, 0x17)
    assert challenge is not None
    assert module(talk, 0x18, mixed(b"123456", mac, challenge)) == 0
    assert talk.read(0x03)[0] == OK
    assert talk.on("charge"), "what came before was not heard"


def test_a_board_without_such_a_module_does_not_know_its_frames() -> None:
    assert module(JbdTalk(), 0x15, b"000000") is None


@pytest.mark.parametrize("faults", ["lie", "refuse", "mute:1"])
def test_manners(faults: str) -> None:
    talk = factory(JbdTalk(faults=faults))
    _, before = talk.read(0x24)
    assert talk.write(0x24, "0E 10") == {"lie": OK, "refuse": DENIED, "mute:1": None}[faults]
    assert (talk.read(0x24)[1] != before) == (faults == "mute:1")
    assert talk.write(0xE1, "00 01") == {"lie": OK, "refuse": DENIED, "mute:1": None}[faults]
    assert talk.on("charge") == (faults != "mute:1")
