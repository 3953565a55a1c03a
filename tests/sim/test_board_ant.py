"""A simulated board of `ant` keeps the rules of real ones: levels, results, flash, delays."""

from pathlib import Path

import pytest
from board_talk import AntTalk

from antbms.capture import read_capture
from antbms.protocol.ant.frame import close_envelope
from antbms.protocol.ant.settings import PAGES, SETTINGS

DONE, REFUSED, UNKNOWN = 1, 3, 4
NEW = {"model": "24CBUB"}
"""2023 firmware: begins at level 1."""
VENDOR_PAGES = ((0, 52), (56, 44), (104, 32), (140, 12), (152, 142), (298, 34), (378, 18), (378, 30), (470, 32),
                (592, 28), (700, 8), (784, 4), (262, 32), (528, 16), (576, 16), (620, 32))  # fmt: skip


def test_pages_are_hidden_below_level_2_except_who_it_is() -> None:
    talk = AntTalk(**NEW)
    assert talk.snapshot().level == 1
    for address, size in PAGES:
        if address not in (528, 620, 592):
            assert talk.page(address, size) == b"\xff" * size
    assert talk.page(620, 32).startswith(b"24ZHE6TB130A\0")
    assert talk.password(362, "123456789abc", 12) == (5, 0)
    assert talk.page(0, 2) == round(1000 * talk.device.rig.bms.thresholds.cell_overvoltage).to_bytes(2, "little")


def test_a_level_lasts_five_minutes() -> None:
    talk = AntTalk(**NEW)
    talk.password(362, "123456789abc", 12)
    talk.wait(295)
    assert talk.snapshot().level == 5
    talk.wait(6)
    assert talk.snapshot().level == 1
    assert talk.command(1) == REFUSED


def test_a_wrong_password_lowers_nothing() -> None:
    talk = AntTalk(**NEW)
    assert talk.password(330, "87654321", 8) == (1, 5)
    assert talk.password(346, "12345678", 8) == (1, 5), "has no password: nothing opens it"
    talk.password(362, "123456789abc", 12)
    assert talk.password(362, "123456789abx", 12) == (5, 5)
    assert talk.password(330, "12345678", 8) == (5, 0)
    assert talk.password(374, "12345678", 8) == (5, 4), "no slot"


def test_writing_and_commanding_need_level_3() -> None:
    talk = AntTalk(**NEW)
    assert talk.write(0, 4300) == (1, bytes.fromhex("00 00 03 00")), "as 20s-113ah-24cbub was refused"
    assert talk.command(7) == REFUSED
    talk.password(362, "123456789abc", 12)
    assert talk.write(0, 4300) == (0x0A, b"")
    assert talk.command(7) == DONE


@pytest.mark.parametrize(
    ("address", "value", "code", "about"),
    [
        (0, 3650, 0x0A, ""),
        (0, 499, 2, "00 00 F4 01"),
        (0, 5001, 3, "00 00 88 13"),
        (2, 60000, 3, "02 00 88 13"),
        (72, -41, 2, "48 00 D8 FF"),
        (152, 0x1234, 5, "98 00 00 00"),
        (152, 0xFAF1, 0x0A, ""),
        (1, 3650, 4, "01 00"),
        (52, 1, 4, "34 00"),
        (790, 1, 4, "16 03"),
        (330, 0x3131, 1, "4A 01 09 00"),
    ],
)
def test_results_of_writing(address: int, value: int, code: int, about: str) -> None:
    talk = AntTalk()
    before = talk.page(address // 2 * 2)
    assert talk.write(address, value) == (code, bytes.fromhex(about))
    written = value.to_bytes(2, "little", signed=value < 0)
    assert talk.page(address // 2 * 2) == (written if code == 0x0A else before)


def test_four_bytes_in_one_frame() -> None:
    talk = AntTalk()
    address = SETTINGS["capacity"].address
    assert talk.write(address, 300_000_000, 4) == (0x0A, b"")
    assert int.from_bytes(talk.page(address, 4), "little") == 300_000_000
    assert talk.snapshot().capacity == 300.0


def test_what_is_not_saved_is_lost_at_a_restart() -> None:
    talk = AntTalk()
    before = talk.page(0)
    talk.write(0, 3600)
    assert talk.command(9) == DONE
    assert talk.ask(close_envelope({"function": 0x01, "register": 0, "wanted": 0xBE})) is None, "it restarts"
    talk.wait(3)
    assert talk.page(0) == before
    talk.write(0, 3600)
    assert talk.command(7) == DONE
    talk.command(9)
    talk.wait(3)
    assert talk.page(0) == (3600).to_bytes(2, "little")


def test_the_bms_acts_by_what_is_written() -> None:
    talk = AntTalk(soc="60")
    assert talk.on("charge")
    assert not talk.snapshot().alarms
    talk.write(0, 3000)
    talk.write(2, 2900)
    talk.wait(30)
    assert "cell overvoltage" in [alarm.text for alarm in talk.snapshot().alarms]
    assert not talk.on("charge")


@pytest.mark.parametrize(("off", "on", "switch"), [(1, 3, "discharge"), (4, 6, "charge")])
def test_a_switch_is_acknowledged_at_once_and_shows_later(off: int, on: int, switch: str) -> None:
    for seed in range(5):
        talk = AntTalk(seed=str(seed))
        assert talk.on(switch)
        assert talk.command(off) == DONE
        start = talk.at
        assert talk.on(switch), "not before 0.6 s"
        while talk.on(switch):
            pass
        assert 0.5 <= talk.at - start <= 6.2
        state = talk.snapshot().switches[switch]
        assert (state.code, state.reason) == (15, "off by command")
        assert f"{switch} switched off by command" in [flag.text for flag in talk.snapshot().flags]
        assert talk.command(on) == DONE
        talk.wait(6.1)
        assert talk.on(switch)


def test_balancing_on_is_acknowledged_while_the_status_stays_off() -> None:
    talk = AntTalk(soc="30")
    assert talk.command(13) == DONE
    talk.wait(10)
    assert talk.on("balance") is False


@pytest.mark.parametrize(
    ("number", "result"), [(30, DONE), (31, DONE), (8, DONE), (15, REFUSED), (2, UNKNOWN), (99, UNKNOWN)]
)
def test_results_of_commands_at_level_5(number: int, result: int) -> None:
    """15: 16s-280ah-16zmub refuses to clear the log at level 5."""
    talk = AntTalk()
    before = talk.snapshot().switches
    assert talk.command(number) == result
    talk.wait(7)
    assert talk.snapshot().switches == before


def test_counters_and_totals_can_be_cleared() -> None:
    talk = AntTalk()
    assert talk.snapshot().charged > 0
    for number in (32, 33, 34, 35, 37):
        assert talk.command(number) == DONE
    talk.wait(6.1)
    snapshot = talk.snapshot()
    assert snapshot.charged < 1
    assert snapshot.discharged < 1
    assert snapshot.charge_time < 60
    assert snapshot.discharge_time < 60


@pytest.mark.parametrize("number", [11, 12])
def test_dangerous_commands_do_what_they_say(number: int) -> None:
    talk = AntTalk()
    talk.write(0, 3600)
    talk.command(7)
    assert talk.command(number) == DONE
    talk.wait(10)
    if number == 11:
        assert talk.ask(close_envelope({"function": 0x01, "register": 0, "wanted": 0xBE})) is None
    else:
        assert talk.page(0) != (3600).to_bytes(2, "little")


def test_presets_overwrite_thresholds() -> None:
    talk = AntTalk()
    talk.command(38)
    assert int.from_bytes(talk.page(0), "little") == 2800
    assert talk.page(152) == (0xFAF3).to_bytes(2, "little")


@pytest.mark.parametrize("function", [0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x59, 0x70, 0x86])
def test_firmware_upgrades_and_the_sampling_chip_are_not_there(function: int) -> None:
    assert AntTalk().ask(close_envelope({"function": function, "register": 0}, b"\x01\x02")) is None


def test_uart_firmware_has_no_results() -> None:
    talk = AntTalk(model="ANT-UART")
    answer = talk.ask(close_envelope({"function": 0x22, "register": 0}, b"\x42\x0e"))
    assert answer
    assert "segments" not in answer.envelope
    assert talk.page(0) == b"\x42\x0e"


@pytest.mark.parametrize(("address", "size"), VENDOR_PAGES)
def test_the_pages_as_the_vendor_reads_them(address: int, size: int) -> None:
    talk = AntTalk()
    answer = talk.ask(close_envelope({"function": 0x02, "register": address, "wanted": size}))
    assert answer
    assert len(answer.data) == size
    assert answer.envelope["segments"] == ((0xFF, 0x0B, b""),)
    if address == 298:
        assert answer.data[32:] == b"\xff\xff", "the first bytes of a password"


def test_every_request_of_the_vendors_tool_is_answered(captures: Path) -> None:
    chunks = list(read_capture(captures / "ant" / "settings-read-requests.txt"))
    talk = AntTalk()
    assert len(chunks) == 56
    for chunk in chunks:
        answer = talk.ask(chunk.data)
        assert answer
        assert answer.envelope["function"] == chunk.data[2] + 0x10
        assert len(answer.data) == chunk.data[5]


def test_no_page_holds_a_password() -> None:
    talk = AntTalk()
    everything = b"".join(talk.page(address, 128) for address in range(0, 768, 128))
    for password in talk.device.personality.passwords.values():
        assert password.encode() not in everything


def test_the_tail_of_newer_firmware() -> None:
    new, old = AntTalk(**NEW), AntTalk(model="16ZMUB")
    assert "fast_current" in new.snapshot().details
    assert new.snapshot().details["fast_current"] == new.snapshot().current
    assert "fast_current" not in old.snapshot().details


@pytest.mark.parametrize("faults", ["lie", "refuse", "mute:1", "slow:20"])
def test_manners(faults: str) -> None:
    talk = AntTalk(faults=faults)
    before = talk.page(0)
    raw = close_envelope({"function": 0x22, "register": 0}, b"\x10\x0e")
    answer = talk.ask(raw)
    if faults == "mute:1":
        assert answer is None
    else:
        assert answer
        assert answer.envelope["segments"][0][1] == (1 if faults == "refuse" else 0x0A)
    assert (talk.page(0) != before) == (faults == "mute:1")
    talk.wait(21)
    assert (talk.page(0) != before) == (faults in ("mute:1", "slow:20"))
    if faults != "mute:1":
        assert talk.command(1) == (REFUSED if faults == "refuse" else DONE)
        talk.wait(6.2)
        assert talk.on("discharge")
        talk.wait(20)
        assert talk.on("discharge") == (faults != "slow:20")
