"""Every recorded frame: accepted or refused as the README of the recordings says, and taken apart without loss."""

from collections import Counter
from random import Random

import msgspec
import pytest
from recordings import CAPTURES, RECORDINGS, STREAMS, Recording, file_names, frames

from antbms.capture import read_capture
from antbms.errors import FrameError
from antbms.protocol import MODULES, dialect, framer, parse
from antbms.protocol.framing import Frame, Framer, Rejected
from antbms.protocol.packet import values

TOTALS = {"ant": 1126, "ant-legacy": 297, "jbd": 1209}
"""As the README adds them up, the two damaged ones of `ant` included."""


def named(recording: Recording) -> str:
    return recording.name


def take(stream: Framer, pieces: list[bytes]) -> list[Frame | Rejected]:
    return [item for piece in pieces for item in stream.feed(piece)] + stream.flush()


def raws(items: list[Frame | Rejected], kind: type) -> list[bytes]:
    return [item.raw for item in items if isinstance(item, kind)]


def random_pieces(data: bytes, seed: int) -> list[bytes]:
    random, pieces, at = Random(seed), [], 0
    while at < len(data):
        size = random.choice((1, 2, 3, 7, 20, 150, 1000))
        pieces.append(data[at : at + size])
        at += size
    return pieces


def test_the_readme_lists_every_recording() -> None:
    listed = [CAPTURES / name for name in [recording.name for recording in RECORDINGS] + STREAMS]
    assert sorted(listed) == file_names()


def test_totals() -> None:
    counted: Counter[str] = Counter()
    for recording in RECORDINGS:
        counted[recording.protocol] += len(recording.chunks)
    assert counted == TOTALS


@pytest.mark.parametrize("recording", RECORDINGS, ids=named)
def test_frames(recording: Recording) -> None:
    chunks = recording.chunks
    assert len(chunks) == recording.frames
    for chunk in chunks:
        raw = chunk.data
        if recording.damaged:
            for names in (tuple(MODULES), (recording.protocol,)):
                with pytest.raises(FrameError):
                    parse(raw, names)
            assert not raws(take(framer(), [raw]), Frame)
            continue
        packet = parse(raw)
        assert packet.protocol == recording.protocol
        assert parse(raw, (recording.protocol,)) == packet
        assert packet.whole
        assert dialect(packet.protocol).pack(packet) == raw
        assert packet.direction in (chunk.direction, "?")
        for cut in (raw[:-1], raw[1:], raw + b"\0"):
            with pytest.raises(FrameError):
                parse(cut)


@pytest.mark.parametrize("protocol", MODULES)
def test_explanations(protocol: str) -> None:
    for raw in frames(protocol):
        packet = parse(raw)
        fields = list(dialect(protocol).explain(packet, raw))
        at = 0
        for field in fields:
            assert field.offset >= at, f"{field.name} goes back in {raw.hex(' ')}"
            at = field.offset + len(field.raw)
            assert raw[field.offset : at] == field.raw
        covered = {field.offset + n for field in fields for n in range(len(field.raw))}
        assert covered >= set(range(packet.start, packet.start + len(packet.data)))
        assert len({field.name for field in fields}) == len(fields)
        msgspec.json.encode(values(iter(fields)))


@pytest.mark.parametrize("protocol", MODULES)
def test_no_other_protocol_takes_them(protocol: str) -> None:
    others = [name for name in MODULES if name != protocol]
    for raw in frames(protocol):
        with pytest.raises(FrameError):
            parse(raw, others)


@pytest.mark.parametrize("recording", RECORDINGS, ids=named)
@pytest.mark.parametrize("direction", "<>")
def test_one_line_after_the_other(recording: Recording, direction: str) -> None:
    """Answers that come merged, or in any pieces, come out one by one."""
    lines = [chunk.data for chunk in recording.chunks if chunk.direction == direction]
    stream = b"".join(lines)
    expected = [] if recording.damaged else lines
    for pieces in ([stream], [stream[n : n + 1] for n in range(len(stream))], random_pieces(stream, 1)):
        assert raws(take(framer(), pieces), Frame) == expected


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("direction", "<>")
def test_streams(name: str, direction: str) -> None:
    """The notifications and writes of a log give the frames of its twin, and besides only what is damaged there."""
    twin = CAPTURES / name.replace(".chunks", "")
    damaged = twin.with_name(twin.name.replace(".txt", "-damaged.txt"))
    protocol = twin.parent.name

    def side(path: str) -> list[bytes]:
        return [chunk.data for chunk in read_capture(CAPTURES / path) if chunk.direction == direction]

    pieces = side(name)
    stream = b"".join(pieces)
    rejected = b"".join(side(str(damaged))) if damaged.exists() else b""
    if protocol == "jbd" and direction == "<":
        rejected = b"\0" * pieces.count(b"\0")  # the first notification of a connection
    ways = [pieces, [stream], [stream[n : n + 1] for n in range(len(stream))]]
    ways += [random_pieces(stream, seed) for seed in range(3)]
    for way in ways:
        for names in ((protocol,), tuple(MODULES)):
            items = take(framer(names), way)
            assert raws(items, Frame) == side(str(twin))
            assert b"".join(raws(items, Rejected)) == rejected
