"""What a file is, told by its beginning; and who said what is in it, as `decode` and `replay:` see it."""

import io
import json
import os
import threading
from pathlib import Path

import pytest
from phone_log import BATTERY, OTHER, RECEIVED, SENT, Log

import antbms
import patience
from antbms.capture import Chunk, read_capture, read_stream, write_chunk
from antbms.capture.btsnoop import Damage
from antbms.cli.main import run
from antbms.protocol import dialect
from antbms.sim import make_device

Printed = pytest.CaptureFixture[str]

CELLS = "DD 04 00 04 0D 03 0D 01 FF DE 77"
RAW = bytes.fromhex(CELLS)
LINE = Chunk("<", RAW)


def log_of(*devices: tuple[str, str, int]) -> Log:
    """A log in which a phone reads devices: address, protocol, state of charge."""
    log = Log()
    for handle, (address, _, _) in enumerate(devices, 1):
        log.connect(handle, address, 0x0A)
    for handle, (_, protocol, soc) in enumerate(devices, 1):
        if not protocol:
            log.att(handle, 0x1B, 0x21, b"no battery", RECEIVED)
            continue
        device, spoken = make_device(protocol, {"soc": str(soc)}), dialect(protocol)
        for step in spoken.STATUS:
            log.att(handle, 0x52, 0x15, step[0].raw, SENT)
            answer = device.receive(step[0].raw, 0.0)
            for at in range(0, len(answer), 20):
                log.att(handle, 0x1B, 0x11, answer[at : at + 20], RECEIVED)
    return log


LOG = log_of((OTHER, "", 0), (BATTERY, "jbd", 42), ("66:55:44:33:22:11", "ant", 17))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"# nothing\n\n# yet", []),
        (f"# t=1.5\n< {CELLS}\n".encode(), [Chunk("<", RAW, 1.5, 2)]),
        (f"< {CELLS}\r\n>{CELLS}".encode(), [Chunk("<", RAW, None, 1), Chunk(">", RAW, None, 2)]),
        (f"#\n\n{CELLS}\n".encode(), [Chunk("?", RAW, None, 3)]),
        (RAW.hex().encode(), [Chunk("?", RAW, None, 1)]),
        (b"0xDD, 0x04", [Chunk("?", b"\xdd\x04", None, 1)]),
        (RAW, [Chunk("?", RAW)]),
        (b"\n#\n" + RAW, [Chunk("?", b"\n#\n" + RAW)]),
        (b"< \xdd\x04\0", [Chunk("?", b"< \xdd\x04\0")]),
        (b"btsnoop", [Chunk("?", b"btsnoop")]),
    ],
)  # fmt: skip
def test_the_beginning_tells(tmp_path: Path, content: bytes, expected: list[Chunk]) -> None:
    path = tmp_path / "any.thing"
    path.write_bytes(content)
    assert list(read_capture(path)) == expected
    assert list(read_stream(io.BufferedReader(io.BytesIO(content)), "x")) == expected  # type: ignore[arg-type]


def test_a_log_and_its_damage(tmp_path: Path) -> None:
    path = tmp_path / "any.thing"
    path.write_bytes(LOG.raw + b"half a record")
    lost: list[Damage] = []
    chunks = list(read_capture(path, lost.append))
    assert {chunk.source for chunk in chunks} >= {f"{BATTERY}, ATT 0x0011", f"{BATTERY}, ATT 0x0015"}
    assert [piece.reason for piece in lost] == ["an incomplete record at the end"]
    assert list(read_capture(path)) == chunks


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    seen = threading.Event()

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            pipe.write(write_chunk(LINE).encode())
            assert seen.wait(20)
            pipe.write(write_chunk(LINE).encode())

    writer = threading.Thread(target=write)
    writer.start()
    chunks = read_capture(path)
    assert next(chunks).data == RAW  # the second is not written yet
    seen.set()
    assert [chunk.data for chunk in chunks] == [RAW]
    writer.join()


def test_decode_says_who_carried_a_frame(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "btsnoop_hci.log"
    path.write_bytes(LOG.raw)
    assert run(["decode", str(path), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    frames = [(record["source"], record["direction"], record["message"]) for record in found if "message" in record]
    assert frames == [
        (f"{BATTERY}, ATT 0x0015", ">", "status request"),
        (f"{BATTERY}, ATT 0x0011", "<", "status"),
        (f"{BATTERY}, ATT 0x0015", ">", "cells request"),
        (f"{BATTERY}, ATT 0x0011", "<", "cells"),
        ("66:55:44:33:22:11, ATT 0x0015", ">", "status request"),
        ("66:55:44:33:22:11, ATT 0x0011", "<", "status"),
    ]
    assert list(found[0]) == ["frame", "direction", "at", "source", "protocol", "message", "status_request"]
    assert [record["source"] for record in found if "rejected" in record] == [f"{OTHER}, ATT 0x0021"]
    assert run(["decode", str(path)]) == 0
    assert f"  jbd status  34 bytes  {BATTERY}, ATT 0x0011\n" in capsys.readouterr().out


def test_a_summary_of_each_device(tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("phone.log").write_bytes(LOG.raw)
    assert run(["decode", "--summary", "--json", "phone.log"]) == 0
    links = json.loads(capsys.readouterr().out)["links"]
    assert [(link["source"], link["device"], link["frames"]) for link in links] == [
        ("phone.log", OTHER, 0),
        ("phone.log", BATTERY, 4),
        ("phone.log", "66:55:44:33:22:11", 2),
    ]
    assert run(["decode", "--summary", "phone.log"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines.count(f" {BATTERY}") == 1
    assert lines[-1] == f" no valid frame from · {OTHER}"


def test_the_first_battery_of_a_log_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "btsnoop_hci.log"
    path.write_bytes(LOG.raw)

    async def read(address: str) -> antbms.Snapshot:
        async with antbms.open(address) as battery:
            return await battery.read()

    snapshot = patience.run(read(f"replay:{path}"))
    assert (snapshot.protocol, snapshot.soc) == ("jbd", 42)
    path.write_bytes(log_of((OTHER, "ant", 17), (BATTERY, "jbd", 42)).raw)
    assert patience.run(read(f"replay:{path}")).soc == 17


def test_damage_of_one_kind_is_one_line(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "btsnoop_hci.log"
    log = log_of((BATTERY, "jbd", 42))
    first = len(log.raw)
    for _ in range(3):
        log.acl(1, b"no beginning", RECEIVED, first=1)
    path.write_bytes(log.raw + b"half a record")
    for options in (["--json"], ["--summary"]):
        assert run(["decode", str(path), *options]) == 0
        assert capsys.readouterr().err.splitlines()[:2] == [
            f"antbms: {path}: 3 × a packet whose beginning is missing: 36 bytes, the first at byte {first}",
            f"antbms: {path}: byte {len(log.raw)}: 13 bytes, an incomplete record at the end",
        ]
