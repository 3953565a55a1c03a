"""The request of the seed, its checksum and its rules of parsing, restated here from its document and nothing else.

request   DD A5 register length checksum(2) 77       read a register
answer    DD register status length data checksum(2) 77
checksum  the sum of all bytes from register (request) or status (answer) to the end of the data, its bits turned
          round, plus one; most significant byte first
"""

import asyncio
import socket
import sys
from collections.abc import Callable

import pytest

import patience
from antbms.serve import serve_pty, serve_tcp
from antbms.sim import make_device

HARDWARE_VERSION = bytes.fromhex("DD A5 05 00 FF FB 77")
BASIC_INFORMATION = bytes.fromhex("DD A5 03 00 FF FD 77")
CELL_VOLTAGES = bytes.fromhex("DD A5 04 00 FF FC 77")

Exchange = Callable[[bytes], bytes]


def checksum(data: bytes) -> int:
    return (~sum(data) + 1) & 0xFFFF


def data_of(answer: bytes, register: int) -> bytes:
    assert answer[0] == 0xDD
    assert answer[1] == register
    assert answer[2] == 0, "an error"
    length = answer[3]
    assert len(answer) == 4 + length + 3
    assert int.from_bytes(answer[-3:-1], "big") == checksum(answer[2:-3])
    assert answer[-1] == 0x77
    return answer[4:-3]


def number(data: bytes, at: int, *, signed: bool = False) -> int:
    return int.from_bytes(data[at : at + 2], "big", signed=signed)


def whole(receive: Callable[[int], bytes]) -> bytes:
    """One answer, byte by byte, as long as its length byte says."""
    answer = b""
    while len(answer) < 4 or len(answer) < 7 + answer[3]:
        byte = receive(1)
        assert byte, "the answer ends early"
        answer += byte
    return answer


def over_tcp(address: str) -> bytes:
    host, port = address.removeprefix("socket://").split(":")
    with socket.create_connection((host, int(port)), timeout=patience.LONG) as client:
        answers = b""
        for request in (HARDWARE_VERSION, BASIC_INFORMATION, CELL_VOLTAGES):
            client.sendall(request)
            answers += whole(client.recv)
        return answers


def over_port(path: str) -> bytes:
    import os

    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        answers = b""
        for request in (HARDWARE_VERSION, BASIC_INFORMATION, CELL_VOLTAGES):
            os.write(port, request)
            answers += whole(lambda size: os.read(port, size))
        return answers
    finally:
        os.close(port)


def split(answers: bytes) -> list[bytes]:
    parts = []
    while answers:
        size = 7 + answers[3]
        parts.append(answers[:size])
        answers = answers[size:]
    return parts


def test_the_checksum_of_the_request_is_that_of_the_rule() -> None:
    assert int.from_bytes(HARDWARE_VERSION[4:6], "big") == checksum(HARDWARE_VERSION[2:4])


@pytest.mark.parametrize(
    "where",
    ["tcp", pytest.param("pty", marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ptys"))],
)
def test_the_seed_reads_hardware_version_state_and_cells(where: str) -> None:
    device = make_device("jbd", {"cells": "10"})

    async def main() -> bytes:
        async with (serve_tcp if where == "tcp" else serve_pty)(device) as address:
            return await asyncio.to_thread(over_tcp if where == "tcp" else over_port, address)

    version, basic, cells = split(patience.run(main()))
    truth = device.snapshot()
    assert data_of(version, 0x05).decode("ascii") == device.personality.model
    state = data_of(basic, 0x03)
    assert truth.voltage is not None
    assert truth.current is not None
    assert number(state, 0) / 100 == pytest.approx(truth.voltage, abs=0.02)
    assert number(state, 2, signed=True) / 100 == pytest.approx(truth.current, abs=0.5)
    assert state[19] == truth.soc
    assert state[20] == 0b11  # both MOSFETs
    assert (state[21], state[22]) == (10, device.personality.sensors)
    assert [number(state, 23 + 2 * sensor) / 10 - 273.1 for sensor in range(state[22])] == pytest.approx(
        list(truth.temperatures.values()), abs=0.1
    )
    voltages = data_of(cells, 0x04)
    assert [number(voltages, 2 * cell) / 1000 for cell in range(10)] == pytest.approx(list(truth.cells), abs=0.002)
