"""Whatever comes down the line: only frames and rejections come out, nothing is lost, nothing wrong is accepted."""

from random import Random

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from recordings import frames, snapshot
from wire import ant_frame, ant_request, is_valid, jbd_frame, jbd_module, legacy_short, legacy_status

from antbms.errors import FrameError
from antbms.protocol import MODULES, dialect, framer, parse
from antbms.protocol.framing import Frame, Framer, Rejected
from antbms.protocol.packet import Request, values
from antbms.protocol.session import Session

HEADS = [b"\x7e\xa1", b"\x7e\xa1\x11\x00\x00", b"\xaa\x55\xaa\xff", b"\xaa\x55", b"\x5a\x5a", b"\xa5\xa5", b"\xdb\xdb",
         b"\xdd\x03\x00", b"\xdd\xa5", b"\xdd", b"\xff\xaa\x18", b"\xff\x0b\x00\x00", b"\x77"]  # fmt: skip
EVERY = {name: (name,) for name in MODULES} | {"all": tuple(MODULES)}
GOOD = {name: list(frames(name)) for name in MODULES}
ALL_GOOD = [raw for name in MODULES for raw in GOOD[name]]
HELD = 8192
"""Bytes that a framer may keep of a stream in which nothing is whole."""


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(st.sampled_from(ALL_GOOD)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        match draw(st.sampled_from(["flip", "cut", "insert", "repeat"])):
            case "flip" if raw:
                raw[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del raw[at : at + draw(st.integers(1, 40))]
            case "insert":
                raw[at:at] = draw(st.binary(max_size=8))
            case "repeat":
                raw[at:at] = raw[at : at + 20]
    return bytes(raw)


PIECE = st.one_of(st.binary(max_size=40), st.sampled_from(HEADS), st.sampled_from(ALL_GOOD), mutated())
STREAM = st.lists(PIECE, max_size=12).map(b"".join)
CUTS = st.lists(st.integers(1, 300), max_size=60)
NAMES = st.sampled_from(list(EVERY.values()))


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    return [*pieces, stream]


def feed(names: tuple[str, ...], pieces: list[bytes]) -> list[Frame | Rejected]:
    stream = framer(names)
    return [item for piece in pieces for item in stream.feed(piece)] + stream.flush()


def gaps_and_frames(items: list[Frame | Rejected]) -> list[Frame | bytes]:
    """Rejections that follow each other joined: how a gap is divided is nobody's business."""
    joined: list[Frame | bytes] = []
    for item in items:
        if isinstance(item, Frame):
            joined.append(item)
        elif joined and isinstance(joined[-1], bytes):
            joined[-1] += item.raw
        else:
            joined.append(item.raw)
    return joined


@given(STREAM, CUTS, NAMES)
def test_any_stream(stream: bytes, sizes: list[int], names: tuple[str, ...]) -> None:
    items = feed(names, cut(stream, sizes))
    assert b"".join(item.raw for item in items) == stream
    for item in items:
        assert item.raw
        if isinstance(item, Frame):
            assert item.protocol in names
            assert is_valid(item.protocol, item.raw)
        else:
            assert item.reason in ("junk", "length", "checksum", "trailer", "truncated")
            assert item.detail
            assert str(item).startswith(f"{len(item.raw)} bytes, ")
    for other in ([stream], [stream[n : n + 1] for n in range(len(stream))]):
        assert gaps_and_frames(feed(names, other)) == gaps_and_frames(items)


@given(st.one_of(mutated(), STREAM), NAMES)
def test_one_frame_or_an_error(raw: bytes, names: tuple[str, ...]) -> None:
    try:
        packet = parse(raw, names)
    except FrameError:
        assert not [name for name in names if raw in GOOD[name]]
    else:
        assert is_valid(packet.protocol, raw)
        assert dialect(packet.protocol).pack(packet) == raw


@pytest.mark.parametrize("protocol", MODULES)
def test_one_wrong_bit_is_enough(protocol: str) -> None:
    """No bit can be turned without notice, one frame of each kind; what comes out is another, valid frame at most."""
    kinds = {(parse(raw).message, len(parse(raw).envelope.get("segments", ()))): raw for raw in GOOD[protocol]}
    for raw in kinds.values():
        for bit in range(len(raw) * 8):
            wrong = bytearray(raw)
            wrong[bit // 8] ^= 1 << bit % 8
            for item in feed((protocol,), [bytes(wrong)]):
                assert isinstance(item, Rejected) or is_valid(protocol, item.raw), (raw.hex(" "), bit)


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(HEADS), mutated()), max_size=4).map(b"".join),
       st.sampled_from(ALL_GOOD), CUTS, st.booleans())  # fmt: skip
def test_a_good_frame_after_junk_is_found(junk: bytes, good: bytes, sizes: list[int], alone: bool) -> None:
    names = (parse(good).protocol,) if alone else tuple(MODULES)
    at = 0
    for item in feed(names, cut(junk + good, sizes)):
        end = at + len(item.raw)
        if isinstance(item, Frame) and at <= len(junk) < end:
            # The very frame, or a longer valid one that swallowed its beginning.
            assert item.raw == good or (at < len(junk) and is_valid(item.protocol, item.raw))
            return
        at = end
    pytest.fail("not found")


@pytest.mark.parametrize("names", EVERY.values(), ids=EVERY)
def test_reasons(names: tuple[str, ...]) -> None:
    for raw in [raw for name in names for raw in GOOD[name][:40]]:
        broken = bytearray(raw)
        broken[-3 if raw[0] == 0xDD else -1] ^= 1
        (item,) = feed(names, [bytes(broken)])
        assert isinstance(item, Rejected)
        assert item.reason == ("trailer" if raw[0] == 0x7E else "checksum")
        short = feed(names, [raw[:-1]])
        assert [item.reason for item in short if isinstance(item, Rejected)] == ["truncated"]
        assert f"{len(raw)}" in str(short[0]) or raw[0] == 0x7E
    assert [item.raw for item in feed(names, [b"\x01\x02"])] == [b"\x01\x02"]


ADVERSARIES = {
    "random": Random(1).randbytes(1 << 20),
    "zeros": bytes(1 << 20),
    "dd": b"\xdd" * (1 << 20),
    "dd 03 00": b"\xdd\x03\x00\xff" * (1 << 18),
    "dd a5": b"\xdd\xa5" * (1 << 19),
    "7e a1": b"\x7e\xa1" * (1 << 19),
    "7e a1 11": b"\x7e\xa1\x11\x00\x00\xff" * (1 << 17),
    "aa 55 aa ff": b"\xaa\x55\xaa\xff" * (1 << 18),
    "ff aa": b"\xff\xaa\x18\x20" * (1 << 18),
    "5a 5a": b"\x5a" * (1 << 20),
    "heads": b"".join(HEADS) * 25_000,
}


@pytest.mark.parametrize("kind", ADVERSARIES)
@pytest.mark.parametrize(
    ("names", "size", "total"),
    [*((names, 64, 1 << 16) for names in EVERY.values()), (tuple(MODULES), 1 << 14, 1 << 20)],
    ids=[*EVERY, "megabyte"],
)
def test_neither_memory_nor_time_run_away(kind: str, names: tuple[str, ...], size: int, total: int) -> None:
    """What is held stays small; and were the time not linear, the time-out would end it."""
    stream, source = framer(names), ADVERSARIES[kind][:total]
    given_out = 0
    for at in range(0, len(source), size):
        piece = source[at : at + size]
        for item in stream.feed(piece):
            given_out += len(item.raw)
            assert isinstance(item, Rejected) or is_valid(item.protocol, item.raw)
        assert at + len(piece) - given_out <= HELD + size
    given_out += sum(len(item.raw) for item in stream.flush())
    assert given_out == len(source)


# --- whatever a valid frame holds -------------------------------------------------------------------------------------

BYTE, WORD, DATA = st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=255)
SEGMENT = st.tuples(st.sampled_from([0xFE, 0xFF]), WORD, st.binary(max_size=40))
FUNCTION = st.sampled_from([0x11, 0x12, 0x13, 0x14, 0x15, 0x22, 0x23, 0x42, 0x43, 0x51, 0x61]) | st.integers(0x10, 255)
ANT = st.one_of(
    st.builds(ant_request, st.integers(0, 15), WORD, BYTE),
    st.builds(lambda f, r, data, parts: ant_frame(f, r, data, *parts), FUNCTION,
              st.sampled_from([0, 262, 528, 620, 0x1000, 0x1200]) | WORD, DATA, st.lists(SEGMENT, max_size=2)),
)  # fmt: skip
LEGACY = st.one_of(
    st.builds(legacy_short, st.sampled_from([0xDB, 0x5A, 0xA5]), BYTE, WORD),
    st.builds(legacy_status, st.binary(min_size=134, max_size=134)),
)
STATUS = st.sampled_from([0, 0x80, 0x81, 0x82, 0x83])
ANSWER = BYTE.filter(lambda register: register not in (0xA5, 0x5A))
JBD = st.one_of(
    st.builds(jbd_frame, st.sampled_from([0xA5, 0x5A]), BYTE, DATA),
    st.builds(jbd_frame, st.sampled_from([3, 4, 5, 0xAA, 0xA0, 0xFA, 0xE1]) | ANSWER, STATUS, DATA),
    st.builds(jbd_module, st.sampled_from([0x07, 0x15, 0x16, 0x17, 0x18, 0x1D, 0x21]), st.binary(max_size=20)),
)


@given(st.one_of(ANT, LEGACY, JBD))
def test_any_valid_frame(raw: bytes) -> None:
    packet = parse(raw)
    protocol = dialect(packet.protocol)
    assert protocol.pack(packet) == raw
    fields = list(protocol.explain(packet, raw))
    covered = {field.offset + n for field in fields for n in range(len(field.raw))}
    assert covered >= set(range(packet.start, packet.start + len(packet.data)))
    assert all(raw[field.offset : field.offset + len(field.raw)] == field.raw for field in fields)
    msgspec.json.encode(values(iter(fields)))
    assert protocol.failure(packet) is None or packet.direction != ">"
    if packet.whole and packet.message in ("status", "cells"):
        snapshot(raw).to_json()
    if packet.whole and packet.message == "status":
        protocol.to_info([packet]).to_json()


@given(st.binary(max_size=255), st.binary(min_size=134, max_size=134))
def test_any_status(data: bytes, legacy: bytes) -> None:
    """Rows that lie anywhere: a snapshot, or plain bytes that the packet calls not whole."""
    ranges = {"soc": (0, 100), "cell_min": (0.5, 5), "cell_max": (0.5, 5)}
    counted = bytes((data[0], data[1], data[2] % 8, data[3] % 33)) + data[4:] if len(data) > 3 else data
    for raw in (ant_frame(0x11, 0, counted), legacy_status(legacy), jbd_frame(3, 0, data), jbd_frame(4, 0, data)):
        if not parse(raw).whole:
            continue
        got = snapshot(raw)
        for name, (low, high) in ranges.items():
            value = getattr(got, name)
            assert value is None or low <= value <= high
        assert all(cell is None or 0.5 <= cell <= 5 for cell in got.cells)
        assert all(value is None or -40 <= value <= 150 for value in got.temperatures.values())
        for doubt in got.doubts:
            assert doubt.reason


# --- one request in flight --------------------------------------------------------------------------------------------


def session(*names: str) -> Session:
    return Session(shape for name in names or MODULES for shape in dialect(name).SHAPES)


def first(protocol: str, message: str, **envelope: int) -> bytes:
    wanted = envelope.items()
    return next(raw for raw in GOOD[protocol] if (p := parse(raw)).message == message and wanted <= p.envelope.items())


ANT_STATUS, ANT_VERSIONS = first("ant", "status"), first("ant", "versions")
LEGACY_STATUS, BASIC, CELLS = first("ant-legacy", "status"), first("jbd", "status"), first("jbd", "cells")
ANT_INFO = next(request for request in dialect("ant").INFO if request.name == "versions")
MATCHES = [
    (dialect("ant").STATUS[0][0], ANT_STATUS),
    (ANT_INFO, ANT_VERSIONS),
    (dialect("ant").COUNTERS, first("ant", "counters")),
    *((request, LEGACY_STATUS) for request in dialect("ant-legacy").STATUS[0]),
    (dialect("jbd").STATUS[0][0], BASIC),
    (dialect("jbd").STATUS[1][0], CELLS),
    (dialect("jbd").INFO[0], first("jbd", "model")),
    (dialect("jbd").COUNTERS, first("jbd", "counters")),
]
IDS = [parse(answer).protocol + " " + request.name for request, answer in MATCHES if request]


@pytest.mark.parametrize(("request_", "answer"), MATCHES, ids=IDS)
def test_its_own_answer_and_no_other(request_: Request, answer: bytes) -> None:
    others = [
        raw for raw in ALL_GOOD
        if (parse(raw).protocol, parse(raw).message) != (parse(answer).protocol, parse(answer).message)
    ][::7]  # fmt: skip
    link = session()
    assert link.send(request_) == request_.raw
    for number, other in enumerate([request_.raw, *others], 1):  # its own echo first
        assert link.receive(other) is None
        assert link.stale == number
    got = link.receive(answer)
    assert got is not None
    assert got[0] is request_
    assert got[1].raw == answer
    assert link.receive(answer) is None, "answered twice"
    assert link.stale == len(others) + 2
    assert not link.rejected


def test_other_register() -> None:
    """A late answer to another address is not taken for this one."""
    link = session()
    link.send(ANT_INFO)
    assert link.receive(ant_frame(0x12, 262, bytes(32))) is None
    assert link.receive(ant_frame(0x11, 620, bytes(32))) is None
    assert link.stale == 2
    assert link.receive(ant_frame(0x12, 620, bytes(32))) is not None


@given(st.sampled_from(MATCHES), st.data())
def test_lost_pieces_then_a_good_answer(case: tuple[Request, bytes], data: st.DataObject) -> None:
    request, answer = case
    at = data.draw(st.integers(1, len(answer) - 1))
    lost = data.draw(st.integers(1, len(answer) - at))
    torn = answer[:at] + answer[at + lost :]
    assume(len(torn) < 8 or not is_valid(parse(answer).protocol, torn))  # a segment that is lost as a whole
    link = session()
    link.send(request)
    assert link.receive(torn) is None
    got = link.receive(answer) or link.give_up()
    assert got is not None
    assert (got[0], got[1].raw) == (request, answer)
    assert link.rejected.total() >= 1
    assert link.last_rejected is not None


@given(st.sampled_from(MATCHES), CUTS)
def test_pieces(case: tuple[Request, bytes], sizes: list[int]) -> None:
    """The answer is there with its last byte, neither before nor later."""
    request, answer = case
    link = session()
    link.send(request)
    *early, last = [piece for piece in cut(answer, sizes) if piece]
    for piece in early:
        assert link.receive(piece) is None
    assert link.receive(last) is not None


def test_late_answers() -> None:
    old, new = dialect("jbd").STATUS[0][0], dialect("ant").STATUS[0][0]
    link = session()
    link.send(old)
    assert link.give_up() is None
    assert link.receive(BASIC) is None, "nobody waits any more"
    link.send(new)
    assert link.receive(BASIC) is None
    assert link.stale == 2
    link.send(new, late=(old,))
    got = link.receive(BASIC)
    assert got is not None
    assert got[0] is old
    both = link.send(*dialect("ant-legacy").STATUS[0])
    assert both == b"".join(request.raw for request in dialect("ant-legacy").STATUS[0])


def test_nothing_is_kept_from_one_request_to_the_next() -> None:
    link = session("ant")
    link.send(dialect("ant").STATUS[0][0])
    assert link.receive(ANT_STATUS[:100]) is None
    assert link.give_up() is None
    assert link.last_rejected is not None
    assert link.last_rejected.reason == "truncated"
    link.send(dialect("ant").STATUS[0][0])
    assert link.last_rejected is None
    assert link.receive(ANT_STATUS) is not None


def test_a_false_start_hides_an_answer_until_giving_up() -> None:
    link = session("jbd")
    link.send(dialect("jbd").STATUS[0][0])
    assert link.receive(b"\xdd\x04\x00\xff" + BASIC) is None
    got = link.give_up()
    assert got is not None
    assert got[1].raw == BASIC
    assert list(link.rejected) == ["truncated"]


def test_framers_are_independent() -> None:
    one, other = framer(("ant",)), Framer(dialect("ant").SHAPES)
    one.feed(ANT_STATUS[:50])
    assert [item.raw for item in other.feed(ANT_STATUS)] == [ANT_STATUS]
    assert [item.raw for item in one.feed(ANT_STATUS[50:])] == [ANT_STATUS]
