"""A simulated board of `ant-legacy` keeps the rules of real ones: the password in parts, echoes, apply."""

import pytest
from board_talk import LegacyTalk

from antbms.protocol.ant_legacy.settings import SETTINGS
from antbms.protocol.settings import Danger, Setting

LOCKED = {"model": "ANT24C"}
READABLE = [row for row in SETTINGS.values() if row.danger is not Danger.SECRET]
SECRET = [row.address for row in SETTINGS.values() if row.danger is Danger.SECRET]


def test_writes_want_the_password_and_reads_do_not() -> None:
    talk = LegacyTalk(**LOCKED)
    assert talk.snapshot().cells
    assert talk.read(3) == 4250
    assert not talk.write(0xFA, 0)
    assert not talk.write(3, 4200)
    assert not talk.write(0xFF)
    talk.wait(1)
    assert talk.on("charge")
    assert not talk.password("12345679")
    assert not talk.write(0xFA, 0)
    assert talk.password("12345678")
    assert talk.write(0xFA, 0)
    talk.wait(1)
    assert talk.on("charge") is False


def test_a_wrong_password_closes_a_board_that_was_open() -> None:
    """ant24c-rfcomm-writes, from 44 s on."""
    talk = LegacyTalk(**LOCKED)
    assert talk.password("12345678")
    assert not talk.password("12345679", is_open=True)
    assert not talk.write(0xFA, 0)
    assert talk.password("12345678")


def test_a_password_in_another_order_is_wrong() -> None:
    talk = LegacyTalk(**LOCKED)
    for part in (0xF4, 0xF1, 0xF2, 0xF3):
        assert talk.send(0xA5, part, 0x3132 + 0x0202 * (part - 0xF1)) == (0xA5, 0xF5, 1)
    assert not talk.write(0xFA, 0)


@pytest.mark.parametrize(("address", "switch"), [(0xF9, "discharge"), (0xFA, "charge")])
def test_switches(address: int, switch: str) -> None:
    talk = LegacyTalk()
    assert talk.write(address, 0)
    talk.wait(1)
    state = talk.snapshot().switches[switch]
    assert (state.on, state.code) == (False, 15)
    assert talk.write(address, 1)
    talk.wait(1)
    assert talk.on(switch)
    assert not talk.write(address, 2)


def test_balancing_is_turned_round_and_the_echo_tells() -> None:
    talk = LegacyTalk()
    wanted = talk.device.plant.asked("balance")
    for _ in range(3):
        wanted = not wanted
        assert talk.send(0xA5, 0xFC) == (0xA5, 0xFC, int(wanted))
        talk.wait(1)
        assert talk.snapshot()
        assert talk.device.plant.asked("balance") == wanted


@pytest.mark.parametrize(
    "row", [row for row in READABLE if row.size == 2 and row.name != "run_time"], ids=lambda row: row.name
)
def test_every_parameter_is_told_written_and_lost_without_apply(row: Setting) -> None:
    address = row.address
    talk = LegacyTalk(cells="24")
    before = talk.read(address)
    assert talk.write(address, before ^ 1)
    assert talk.read(address) == before ^ 1
    assert talk.write(0xFE)
    talk.wait(3)
    assert talk.read(address) == before
    talk.write(address, before ^ 1)
    assert talk.write(0xFF)
    assert talk.write(0xFE)
    talk.wait(3)
    assert talk.read(address) == before ^ 1


def test_thresholds_act_only_when_applied() -> None:
    talk = LegacyTalk(soc="60")
    assert talk.write(3, 3500)
    assert talk.write(5, 3400)
    talk.wait(30)
    assert not talk.snapshot().alarms
    assert talk.write(0xFF)
    talk.wait(30)
    assert [alarm.text for alarm in talk.snapshot().alarms] == ["charge: cell overvoltage"]


def test_capacity_takes_two_writes() -> None:
    talk = LegacyTalk()
    capacity = 60_000_000
    assert talk.write(31, capacity & 0xFFFF)
    assert talk.write(32, capacity >> 16)
    assert talk.write(0xFF)
    assert talk.snapshot().capacity == 60.0


@pytest.mark.parametrize("address", SECRET)
def test_passwords_are_not_told_and_not_written(address: int) -> None:
    talk = LegacyTalk()
    assert talk.read(address) == 0xFFFF
    assert not talk.write(address, 0x3131)


@pytest.mark.parametrize("address", [43, 45, 80, 99])
def test_what_it_does_not_have(address: int) -> None:
    talk = LegacyTalk()
    assert talk.read(address) == 0xFFFF
    assert not talk.write(address, 1)


def test_keep_alive_and_handshake() -> None:
    talk = LegacyTalk()
    assert talk.send(0x5A, 0xFF) == (0x5A, 0xFF, 0)
    assert talk.send(0x5A, 0x5A) == (0x5A, 0x5A, 0x2EE6), "handshake-ant-ble20a"
    assert talk.send(0xDB, 0x01) is None


def test_a_restart_forgets_the_password() -> None:
    talk = LegacyTalk(**LOCKED)
    talk.password("12345678")
    assert talk.write(0xFE)
    talk.wait(3)
    assert not talk.write(0xFA, 0)


@pytest.mark.parametrize("faults", ["lie", "refuse", "mute:1"])
def test_manners(faults: str) -> None:
    talk = LegacyTalk(faults=faults)
    if faults == "mute:1":
        assert talk.send(0xA5, 0xFA, 0) is None
    else:
        assert talk.write(0xFA, 0) == (faults == "lie")
    talk.wait(1)
    assert talk.on("charge") == (faults != "mute:1")
