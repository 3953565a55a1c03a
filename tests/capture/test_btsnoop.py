"""Bluetooth logs: the recorded ones give their text twins, damaged ones give the rest, built ones the rarer shapes."""

import io
import random
import struct
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from phone_log import BATTERY, OTHER, RECEIVED, REQUEST, SENT, Log, read, uih

from antbms.capture import Chunk, read_capture
from antbms.capture.btsnoop import BLOCK, MAGIC, Damage, is_btsnoop, read_btsnoop
from antbms.errors import FileError
from antbms.protocol import framer
from antbms.protocol.framing import Frame, Framer
from conftest import captures_dir

CAPTURES = captures_dir()
LOGS = CAPTURES / "btsnoop"
TWINS = {
    "ant/16s-280ah-16zmub": "btsnoop_hci_ANT-BLE16ZMUB.log",
    "ant/22s-80ah-24bhub-commands": "btsnoop_hci_ANT-BLE24BHUB-commands.log",
    "ant-legacy/ant24c-rfcomm-writes": "btsnoop_hci_model2019-BMS-ANT24C-rfcomm.log",
    "jbd/4s-sp04s034-config": "btsnoop_hci_jbd-sp04s034-l4s-200a-b-u.log",
    "jbd/4s-sp04s034-switches": "btsnoop_hci-balancer-onoff.log",
    "jbd/4s-sp04s034-ffaa-auth": "JBD-SP04S034L4S200A-btsnoop_hci.log",
}
BEGINNING = "btsnoop_hci-mosfets-onoff.log"
"""The seventh log: the first part of that of `switches`."""

RFCOMM_LOG = "btsnoop_hci_model2019-BMS-ANT24C-rfcomm.log"
H1_LOG = "JBD-SP04S034L4S200A-btsnoop_hci.log"
SMALL = [RFCOMM_LOG, H1_LOG]
MILLISECOND = 0.001001


def frames(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The frames of each source and direction, as chunks, in the order in which they become whole."""
    framers: dict[tuple[str, str], Framer] = {}
    for chunk in chunks:
        key = chunk.source, chunk.direction
        if key not in framers:
            framers[key] = framer()
        for item in framers[key].feed(chunk.data):
            if isinstance(item, Frame):
                yield Chunk(chunk.direction, item.raw, chunk.at)


def assert_same(got: Iterable[Chunk], expected: Iterable[Chunk]) -> None:
    got, expected = list(got), list(expected)
    assert [(chunk.direction, chunk.data) for chunk in got] == [(chunk.direction, chunk.data) for chunk in expected]
    times = [(chunk.at, twin.at) for chunk, twin in zip(got, expected, strict=True)]
    assert all(at is not None and twin is not None and abs(at - twin) < MILLISECOND for at, twin in times)


# --- the recorded logs


@pytest.mark.parametrize("twin", TWINS)
def test_log_gives_the_frames_of_its_twin(twin: str) -> None:
    chunks, damage = read((LOGS / TWINS[twin]).read_bytes())
    assert damage == []
    assert_same(frames(chunks), read_capture(CAPTURES / f"{twin}.txt"))


@pytest.mark.parametrize("twin", [twin for twin in TWINS if (CAPTURES / f"{twin}.chunks.txt").exists()])
def test_log_gives_the_chunks_of_its_twin(twin: str) -> None:
    chunks, _ = read((LOGS / TWINS[twin]).read_bytes())
    assert_same(chunks, read_capture(CAPTURES / f"{twin}.chunks.txt"))


def test_seventh_log_is_the_beginning_of_another() -> None:
    part, damage = read((LOGS / BEGINNING).read_bytes())
    whole, _ = read((LOGS / TWINS["jbd/4s-sp04s034-switches"]).read_bytes())
    assert damage == []
    assert len(part) > 300
    assert part == whole[: len(part)]


def test_all_logs_are_tested() -> None:
    assert {path.name for path in LOGS.glob("*.log")} == {*TWINS.values(), BEGINNING}


def test_sources_of_the_recorded_logs() -> None:
    sources = {log: {chunk.source for chunk in read((LOGS / log).read_bytes())[0]} for log in SMALL}
    assert sources[RFCOMM_LOG] == {"connection 0x0002, RFCOMM 2"}
    handles = (0x4B, 0x4C, 0x4D, 0x4F)
    assert sources[H1_LOG] == {f"connection 0x{n:04X}, ATT 0x00{a}" for n in handles for a in (11, 15)}


# --- damage


def offsets(log: bytes) -> list[int]:
    """Where the records of an undamaged log begin, and its end."""
    found = [16]
    while found[-1] < len(log):
        found.append(found[-1] + 24 + int.from_bytes(log[found[-1] + 4 : found[-1] + 8]))
    assert found[-1] == len(log)
    return found


@pytest.mark.parametrize("name", SMALL)
def test_truncated_log_gives_its_beginning(name: str) -> None:
    log = (LOGS / name).read_bytes()
    whole, _ = read(log)
    records = offsets(log)
    for number, offset in enumerate(records):
        there = read(log[:offset])
        assert there[1] == []
        assert there[0] == whole[: len(there[0])]
        for more in (1, 7, 23, 24, 25, 28):
            end = offset + more
            if number + 1 < len(records) and end < records[number + 1]:
                chunks, damage = read(log[:end])
                assert chunks == there[0]
                assert damage == [Damage(offset, more, "an incomplete record at the end")]
    assert read(log[: records[-1]])[0] == whole


def test_file_that_ends_in_its_header_is_no_log() -> None:
    log = (LOGS / H1_LOG).read_bytes()
    for end in range(16):
        with pytest.raises(FileError, match=r"test\.log: no btsnoop log"):
            read(log[:end])


@pytest.mark.parametrize(
    "head", [b"", b"# protocol: ant\n", b"\xdd\xa5\x03\0\xff\xfd\x77" * 3, b"btsnoop\x01" + bytes(8)]
)
def test_other_files_are_no_logs(head: bytes) -> None:
    assert not is_btsnoop(head)
    with pytest.raises(FileError, match="no btsnoop log"):
        read(head)


def test_log_of_another_datalink_is_refused() -> None:
    log = MAGIC + struct.pack(">II", 1, 2001)
    assert is_btsnoop(log)
    with pytest.raises(FileError, match="datalink 2001"):
        read(log)


@pytest.mark.parametrize("name", SMALL)
def test_a_flipped_bit_costs_one_record_at_most(name: str) -> None:
    log = (LOGS / name).read_bytes()
    records = offsets(log)
    whole = [(chunk.direction, chunk.data) for chunk in read(log)[0]]
    carries = [len(read(log[:offset])[0]) for offset in records]  # chunks that end before each record
    signals = 30 if name == RFCOMM_LOG else 0  # the channel is opened in these: what follows depends on them
    numbers = range(signals, len(records) - 1)
    for number, bit in ((n, b) for n in numbers for b in random.Random(n).sample(range(24 * 8 + 72), 5)):
        broken = bytearray(log)
        broken[records[number] + bit // 8] ^= 1 << bit % 8
        got = [(chunk.direction, chunk.data) for chunk in read(bytes(broken))[0]]
        before, after = whole[: carries[number]], whole[carries[number + 1] :]
        assert got[: len(before)] == before
        assert got[len(got) - len(after) :] == after
        assert len(before) + len(after) <= len(got) <= len(before) + len(after) + 1


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("seed", range(20))
def test_many_flipped_bits_are_survived(name: str, seed: int) -> None:
    log = (LOGS / name).read_bytes()
    chance = random.Random(seed)
    broken = bytearray(log)
    for _ in range(len(log) // 100):
        broken[chance.randrange(16, len(log))] ^= 1 << chance.randrange(8)
    _, damage = read(bytes(broken))
    assert all(16 <= piece.offset < len(log) and 0 <= piece.size <= len(log) for piece in damage)
    assert damage


@pytest.mark.parametrize("garbage", [bytes(1000), b"\xff" * 1000, random.Random(1).randbytes(5000), b"btsnoop\0" * 9])
def test_garbage_is_named_and_the_rest_is_read(garbage: bytes) -> None:
    log = (LOGS / H1_LOG).read_bytes()
    whole, _ = read(log)
    middle = offsets(log)[100]
    chunks, damage = read(log[:middle] + garbage + log[middle:] + garbage)
    assert chunks == whole
    assert damage == [
        Damage(middle, len(garbage), "no record"),
        Damage(len(log) + len(garbage), len(garbage), "no record"),
    ]
    assert str(damage[0]) == f"byte {middle}: {len(garbage)} bytes, no record"


@pytest.mark.parametrize("length", [0, 0xFFFF, 0x1FFFF, 0x7FFFFFFF, 0xFFFFFFFF])
def test_wrong_length_of_a_record_costs_that_record(length: int) -> None:
    log = (LOGS / H1_LOG).read_bytes()
    whole, _ = read(log)
    records = offsets(log)
    for number in (20, 100, len(records) - 2):
        at, after = records[number], records[number + 1]
        broken = log[:at] + struct.pack(">II", length, length) + log[at + 8 :]
        chunks, damage = read(broken)
        rest = whole[: len(read(log[:at])[0])] + whole[len(read(log[:after])[0]) :]
        assert [chunk.data for chunk in chunks] == [chunk.data for chunk in rest]
        assert [(piece.offset, piece.size) for piece in damage] == [(at, after - at)]


class Endless(io.RawIOBase):
    """A log of `blocks` blocks that are all the same, and never in memory together."""

    def __init__(self, block: bytes, blocks: int) -> None:
        self._head, self._block, self._left = MAGIC + struct.pack(">II", 1, 1002), block, blocks

    def read(self, size: int = -1) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        self._left -= 1
        return self._block if self._left >= 0 else b""


@pytest.mark.parametrize(
    "block",
    [
        bytes(BLOCK),
        random.Random(2).randbytes(BLOCK),
        struct.pack(">IIIIq", 60, 60, 0, 0, 0xE0 << 48) * (BLOCK // 24),
        (LOGS / RFCOMM_LOG).read_bytes()[16:] * 5,
    ],
    ids=["zeros", "random", "headers", "records"],
)
def test_memory_is_bounded(block: bytes) -> None:
    tracemalloc.start()
    try:
        for _ in read_btsnoop(Endless(block, 6), "test.log", lambda damage: None):  # type: ignore[arg-type]
            pass
        assert tracemalloc.get_traced_memory()[1] < 4 * BLOCK
    finally:
        tracemalloc.stop()


# --- built logs: what the recorded ones do not have


def test_builder_makes_what_a_phone_logged() -> None:
    assert uih(2, bytes.fromhex("5AA5"), 3).hex() == "0bff05035aa586"
    log = (LOGS / RFCOMM_LOG).read_bytes()
    assert uih(2, bytes.fromhex("5A5AFF0000FF"), 3) in log
    assert uih(2, bytes.fromhex("5A5AFF0000FF")) in log


@pytest.mark.parametrize("datalink", [1001, 1002])
@pytest.mark.parametrize("size", [1, 3, 4, 5, 20, 27])
def test_fragments_are_joined(datalink: int, size: int) -> None:
    log = Log(datalink)
    log.att(5, 0x12, 0x15, REQUEST * 20, SENT, size)
    log.att(5, 0x1B, 0x11, REQUEST[::-1] * 20, RECEIVED, size)
    expected = [
        ("connection 0x0005, ATT 0x0015", ">", REQUEST * 20),
        ("connection 0x0005, ATT 0x0011", "<", REQUEST[::-1] * 20),
    ]
    assert log.read() == (expected, [])


def test_fragments_of_two_devices_and_directions_interleave() -> None:
    log = Log()
    log.acl(1, bytes.fromhex("0500 0400 1B"), RECEIVED)
    log.acl(2, bytes.fromhex("0600 0400 1B11"), RECEIVED)
    log.acl(1, bytes.fromhex("0500 0400 52"), SENT, first=0)
    log.acl(1, bytes.fromhex("1100 AABB"), RECEIVED, first=1)
    log.acl(1, bytes.fromhex("1500 1234"), SENT, first=1)
    log.acl(2, bytes.fromhex("00 CCDDEE"), RECEIVED, first=1)
    expected = [
        ("connection 0x0001, ATT 0x0011", "<", b"\xaa\xbb"),
        ("connection 0x0001, ATT 0x0015", ">", b"\x12\x34"),
        ("connection 0x0002, ATT 0x0011", "<", b"\xcc\xdd\xee"),
    ]
    assert log.read() == (expected, [])


def test_missing_fragments_are_named() -> None:
    log = Log()
    log.acl(1, b"no beginning", RECEIVED, first=1)
    log.acl(1, bytes.fromhex("0900 0400 1B 1100"), RECEIVED)
    log.att(1, 0x1B, 0x11, REQUEST, RECEIVED)
    log.acl(1, bytes.fromhex("0400 0400 1B 1100 00 00"), RECEIVED)
    log.acl(1, bytes.fromhex("0900 0400 1B 1100"), RECEIVED)
    log.connect(1, BATTERY, 0x01)
    log.acl(2, bytes.fromhex("0900"), RECEIVED)
    assert log.read() == (
        [("connection 0x0001, ATT 0x0011", "<", REQUEST)],
        [
            "a packet whose beginning is missing",
            "a packet whose end is missing",
            "a packet longer than it says",
            "a packet whose end is missing",
            "a packet whose end is missing",
        ],
    )


@pytest.mark.parametrize(("code", "received"), [(0x12, SENT), (0x52, SENT), (0x1B, RECEIVED), (0x1D, RECEIVED)])
@pytest.mark.parametrize("attribute", [1, 0x15, 0xFFFF])
def test_att_packets_with_a_value(code: int, received: bool, attribute: int) -> None:
    log = Log()
    log.att(1, code, attribute, REQUEST, received)
    log.att(1, code, attribute, b"\x01", received)
    log.att(1, code, attribute, b"", received)
    source = f"connection 0x0001, ATT 0x{attribute:04X}"
    direction = "<" if received else ">"
    assert log.read() == ([(source, direction, REQUEST), (source, direction, b"\x01")], [])


def test_other_att_packets_and_subscriptions_are_no_data() -> None:
    log = Log()
    for code in set(range(256)) - {0x12, 0x52, 0x1B, 0x1D}:
        log.att(1, code, 0x11, REQUEST, RECEIVED)
    for value in (b"\0\0", b"\1\0", b"\2\0"):
        log.att(1, 0x12, 0x12, value, SENT)
    log.l2cap(1, 4, b"", SENT)
    log.l2cap(1, 5, REQUEST, SENT)
    log.packet(1, bytes.fromhex("030C00"), SENT)
    log.packet(3, bytes.fromhex("010003AABBCC"), RECEIVED)
    log.event(0xFF, REQUEST)
    log.event(0x3E, b"")
    assert log.read() == ([], [])


@pytest.mark.parametrize("datalink", [1001, 1002])
@pytest.mark.parametrize("form", [0x01, 0x0A, 0x29])
def test_two_devices_le_and_classic_together(datalink: int, form: int) -> None:
    log = Log(datalink)
    log.connect(1, BATTERY, form)
    log.connect(2, OTHER, 0x03)
    log.open(2, 3, 0x41, 0x42)
    log.att(1, 0x52, 0x15, REQUEST, SENT)
    log.l2cap(2, 0x42, uih(2, b"to"), SENT)
    log.att(1, 0x1B, 0x11, b"from", RECEIVED)
    log.l2cap(2, 0x41, uih(2, b"back"), RECEIVED)
    assert log.read() == (
        [
            (f"{BATTERY}, ATT 0x0015", ">", REQUEST),
            (f"{OTHER}, RFCOMM 2", ">", b"to"),
            (f"{BATTERY}, ATT 0x0011", "<", b"from"),
            (f"{OTHER}, RFCOMM 2", "<", b"back"),
        ],
        [],
    )


def test_a_handle_can_go_to_another_device() -> None:
    log = Log()
    log.connect(1, BATTERY, 0x0A)
    log.connect(1, OTHER, 0x0A, status=0x3E)  # it failed
    log.att(1, 0x52, 0x15, b"a", SENT)
    log.event(0x05, struct.pack("<BHB", 0, 1, 0x13))
    log.att(1, 0x52, 0x15, b"b", SENT)
    log.connect(1, OTHER, 0x01)
    log.att(1, 0x52, 0x15, b"c", SENT)
    assert [source for source, _, _ in log.read()[0]] == [
        f"{BATTERY}, ATT 0x0015",
        "connection 0x0001, ATT 0x0015",
        f"{OTHER}, ATT 0x0015",
    ]


@pytest.mark.parametrize("credits", [None, 0, 7, 255])
@pytest.mark.parametrize("dlci", [1, 2, 61])
@pytest.mark.parametrize("length", [1, 127, 128, 600])
@pytest.mark.parametrize("opened", [True, False], ids=["opened", "opened before the log"])
def test_rfcomm(credits: int | None, dlci: int, length: int, opened: bool) -> None:
    log = Log()
    if opened:
        log.open(2, 3, 0x41, 0x42)
    data = bytes(n & 0xFF for n in range(length))
    log.l2cap(2, 0x42, uih(dlci, data, credits), SENT, size=100)
    log.l2cap(2, 0x41, uih(dlci, b"", 3), RECEIVED)
    log.l2cap(2, 0x41, uih(0, b"\xe3\5\x0b\x8d"), RECEIVED)
    log.l2cap(2, 0x41, bytes.fromhex("03 73 01 D7"), RECEIVED)
    log.l2cap(2, 0x41, uih(dlci, data[::-1], credits), RECEIVED)
    source = f"connection 0x0002, RFCOMM {dlci}"
    assert log.read() == ([(source, ">", data), (source, "<", data[::-1])], [])


def test_channels_for_other_services_are_no_rfcomm() -> None:
    log = Log()
    log.open(2, 1, 0x41, 0x42)
    log.l2cap(2, 0x42, uih(2, b"looks like it"), SENT)
    log.l2cap(2, 0x50, REQUEST, SENT)  # opened before the log began
    log.l2cap(2, 0x50, uih(2, b"nearly")[:-1] + b"\0", SENT)
    assert log.read() == ([], [])
    log.open(2, 3, 0x43, 0x42, result=1)  # not yet
    log.l2cap(2, 1, struct.pack("<BBHHHHH", 3, 7, 8, 0x42, 0x43, 0, 0) + b"\2", RECEIVED)
    log.l2cap(2, 0x42, uih(2, b"it is"), SENT)
    assert log.read() == ([("connection 0x0002, RFCOMM 2", ">", b"it is")], [])


def test_broken_frames_on_an_rfcomm_channel_are_named() -> None:
    log = Log()
    log.open(2, 3, 0x41, 0x42)
    log.l2cap(2, 0x42, uih(2, b"data")[:-1] + b"\0", SENT)
    log.l2cap(2, 0x42, uih(2, b"data")[:-2], SENT)
    assert log.read() == ([], ["a broken RFCOMM frame"] * 2)


def test_signals_cut_anywhere_are_survived() -> None:
    signals = struct.pack("<BBHHH", 2, 7, 4, 3, 0x41) + struct.pack("<BBHHHHH", 3, 7, 8, 0x42, 0x41, 0, 0)
    for end in range(len(signals)):
        log = Log()
        log.l2cap(2, 1, signals[:end], SENT)
        log.l2cap(2, 1, signals[:end], RECEIVED)
        assert log.read() == ([], [])


def test_packets_cut_by_the_logger_are_named() -> None:
    log = Log()
    log.att(1, 0x52, 0x15, b"a", SENT)
    whole = struct.pack("<HHHHBH", 1, 11, 7, 4, 0x1B, 0x11) + b"data"
    log.packet(2, whole[:-2], RECEIVED, whole=len(whole) + 1)
    log.att(1, 0x52, 0x15, b"b", SENT)
    log.packet(9, b"of another kind", RECEIVED)
    log.att(1, 0x52, 0x15, b"c", SENT)
    chunks, reasons = log.read()
    assert [data for _, _, data in chunks] == [b"a", b"b", b"c"]
    assert reasons == ["a packet that the logger cut short", "a packet of no known kind or length"]


def test_time_is_that_of_the_fragment_that_completes_the_chunk() -> None:
    log = Log()
    log.event(0xFF, b"")
    log.att(1, 0x52, 0x15, b"a", SENT)
    log.att(1, 0x1B, 0x11, REQUEST, RECEIVED, size=5)
    log.att(2, 0x1B, 0x11, b"b", RECEIVED)
    chunks, _ = read(bytes(log.raw))
    assert [chunk.at for chunk in chunks] == [0, 0.003, 0.004]


@pytest.mark.parametrize("name", SMALL)
def test_blocks_may_end_anywhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = (LOGS / name).read_bytes()
    whole = read(log)
    for size in (1, 17, 1000):
        monkeypatch.setattr("antbms.capture.btsnoop.BLOCK", size)
        assert read(log) == whole


def test_file_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "copy.log"
    path.write_bytes((LOGS / H1_LOG).read_bytes())
    with path.open("rb") as file:
        assert len(list(read_btsnoop(file, str(path)))) == 93
