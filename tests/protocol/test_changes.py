"""Every recorded write and command is made by our tables byte for byte, and its acknowledgement is understood."""

from collections.abc import Iterator

import pytest
from recordings import frames
from wire import ant_frame

from antbms.protocol import MODULES, dialect, parse
from antbms.protocol.packet import Packet, Request
from antbms.protocol.settings import Setting, raw_of, unpack_raw

NEVER = {0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x59, 0x70, 0x86}
"""Functions of ant: firmware upgrades and the sampling chip."""


def ours(protocol: str) -> dict[bytes, str]:
    """Bytes → name of every write that the tables can make, without values of settings."""
    spoken = dialect(protocol)
    made = {command.request.raw: command.name for command in spoken.COMMANDS.values()}
    for switch in spoken.SWITCHES.values():
        for on in (False, True):
            for other in (False, True):
                shown = dict.fromkeys(switch.together, other)
                request = spoken.switch_request(switch.name, on, shown)
                made.setdefault(request.raw, request.name)
    if spoken.SAVE:
        made[spoken.SAVE.raw] = "save"
    if spoken.FACTORY:
        made[spoken.FACTORY.enter.raw] = "enter"
        made[spoken.FACTORY.leave.raw] = "leave"
        made[spoken.FACTORY.keep.raw] = "keep"
    return made


def recorded_writes(protocol: str) -> list[bytes]:
    """What the recordings wrote: passwords and the echoes of ant-legacy's device left out."""
    return [raw for raw in frames(protocol) if _is_write(parse(raw))]


def _is_write(packet: Packet) -> bool:
    if packet.message.startswith("password"):
        return False
    if packet.message == "write":
        return packet.envelope["address"] not in range(0xF1, 0xF5)
    return packet.message in ("write request", "command request") or packet.envelope.get("action") == 0x5A


@pytest.mark.parametrize("protocol", MODULES)
def test_recorded_writes_are_made_byte_for_byte(protocol: str) -> None:
    spoken, made = dialect(protocol), ours(protocol)
    writes = recorded_writes(protocol)
    assert writes
    for raw in writes:
        if raw in made:
            continue
        packet = parse(raw)
        register = packet.envelope["register"]
        (row,) = [row for row in spoken.SETTINGS.values() if row.address == register]
        value = unpack_raw("<" if protocol == "ant" else ">", row, packet.data)
        assert isinstance(value, int)
        assert [request.raw for request in spoken.write_requests(row, value)] == [raw]


EXCHANGES = [
    # protocol, our request, the recorded answer, why it is refused, whether a password would help
    ("ant", "discharge off", "7E A1 61 01 00 02 01 00 3E 2B AA 55", None, False),
    ("ant", "charge off", "7E A1 61 04 00 02 01 00 F2 2B AA 55", None, False),
    ("ant", "charge on", "7E A1 61 06 00 02 01 00 8B EB AA 55", None, False),
    ("ant", "buzzer on", "7E A1 61 1E 00 02 01 00 AB E9 AA 55", None, False),
    ("ant", "save", "7E A1 61 07 00 02 01 00 B6 2B AA 55", None, False),
    ("ant", "clear_log", "7E A1 61 0F 00 02 03 00 56 8A AA 55", "no permission", True),
    ("ant-legacy", "charge on", "A5 A5 FA 00 01 FB", None, False),
    ("ant-legacy", "charge on", "A5 A5 F5 00 01 F6", "password needed", True),
    ("jbd", "enter", "DD 00 00 00 00 00 77", None, False),
    ("jbd", "enter", "DD 00 81 00 00 00 77", "denied: not in factory mode, or not unlocked", True),
    ("jbd", "charge off", "DD E1 00 00 00 00 77", None, False),
    ("jbd", "leave", "DD 01 00 00 00 00 77", None, False),
    ("jbd", "reset_capacity", "DD 0A 00 00 00 00 77", None, False),
]


@pytest.mark.parametrize(("protocol", "name", "answer", "failure", "password"), EXCHANGES)
def test_recorded_acknowledgements_are_understood(
    protocol: str, name: str, answer: str, failure: str | None, password: bool
) -> None:
    spoken = dialect(protocol)
    packet = parse(bytes.fromhex(answer))
    assert spoken.failure(packet) == failure
    assert spoken.wants_password(packet) is password
    request = next(request for request in _requests(protocol) if ours(protocol)[request.raw] == name)
    assert bytes.fromhex(answer).startswith(request.answers)


def _requests(protocol: str) -> Iterator[Request]:
    spoken = dialect(protocol)
    yield from (command.request for command in spoken.COMMANDS.values())
    for switch in spoken.SWITCHES.values():
        for on in (False, True):
            for other in (False, True):
                yield spoken.switch_request(switch.name, on, dict.fromkeys(switch.together, other))
    if spoken.SAVE:
        yield spoken.SAVE
    if spoken.FACTORY:
        yield from (spoken.FACTORY.enter, spoken.FACTORY.leave, spoken.FACTORY.keep)


def test_what_the_documents_call_switches_of_jbd() -> None:
    """jbd.md §3: 1 charge off, 2 discharge off, 3 both; the other switch is never flipped."""
    spoken = dialect("jbd")
    masks = {
        (name, on, other): spoken.switch_request(name, on, {"charge": other, "discharge": other}).raw[5]
        for name in ("charge", "discharge")
        for on in (True, False)
        for other in (True, False)
    }
    assert masks == {
        ("charge", True, True): 0, ("charge", False, True): 1, ("charge", True, False): 2, ("charge", False, False): 3,
        ("discharge", True, True): 0, ("discharge", False, True): 2, ("discharge", True, False): 1,
        ("discharge", False, False): 3,
    }  # fmt: skip


@pytest.mark.parametrize(("code", "words"), [(2, "below minimum 2.500 V of cell_overvoltage"), (1, "no permission")])
def test_a_refused_write_says_the_limit(code: int, words: str) -> None:
    """42 echoes the data even when refused; the segment holds the address and the limit (ant.md §2)."""
    spoken = dialect("ant")
    packet = parse(ant_frame(0x42, 0, b"\xcc\x10", (0xFF, code, b"\0\0" + (2500).to_bytes(2, "little"))))
    assert spoken.failure(packet) == words
    assert spoken.wants_password(packet) is (code == 1)


def test_the_described_refusal_of_a_real_board() -> None:
    raw = bytes.fromhex("7E A1 42 00 00 02 CC 10 51 E4 FF 01 00 04 00 00 03 00 EE FF AA 55")
    assert dialect("ant").failure(parse(raw)) == "no permission"
    row: Setting = dialect("ant").SETTINGS["cell_overvoltage"]
    (request,) = dialect("ant").write_requests(row, raw_of(row, 4.3))
    assert request.raw == bytes.fromhex("7E A1 22 00 00 02 CC 10 58 44 AA 55")
    assert raw.startswith(request.answers)


def test_4_bytes_go_in_one_frame() -> None:
    row = dialect("ant").SETTINGS["capacity"]
    (request,) = dialect("ant").write_requests(row, raw_of(row, 280.0))
    assert request.raw[3:10] == b"\xa2\x00\x04" + (280_000_000).to_bytes(4, "little")


def test_one_byte_of_a_register_leaves_the_other_as_it_is() -> None:
    rows = dialect("jbd").SETTINGS
    requests = {
        name: dialect("jbd").write_requests(rows[name], 7, b"\x0a\x1e")[0].raw[4:6].hex()
        for name in ("charge_overcurrent_delay", "charge_overcurrent_release")
    }
    assert requests == {"charge_overcurrent_delay": "071e", "charge_overcurrent_release": "0a07"}


def test_what_must_never_be_sent_is_in_no_table() -> None:
    for raw in ours("ant"):
        assert raw[2] not in NEVER
    assert not [raw for raw in ours("ant-legacy") if raw[2] == 0xEF]
    assert not [raw for raw in ours("jbd") if raw[2] in (0x07, 0x09)]
