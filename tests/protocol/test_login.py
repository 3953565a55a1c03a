"""Passwords, held against the recorded exchanges."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from antbms.errors import Refused, UsageError, WrongPassword
from antbms.protocol import dialect, parse
from antbms.protocol.jbd.login import board_login, mixed, module_login
from antbms.protocol.login import Login

MODULE = "A4:C1:37:04:2D:BE"


def hexes(text: str) -> bytes:
    return bytes.fromhex(text)


def play(exchange: Login, answers: list[str]) -> list[bytes]:
    """Run an exchange against these answers; what it sent."""
    sent = [next(exchange).raw]
    for answer in answers:
        packet = parse(hexes(answer))
        try:
            request = exchange.send(packet)
        except StopIteration:
            break
        sent.append(request.raw)
    else:
        pytest.fail(f"wants another answer to {sent[-1].hex(' ')}")
    return sent


def recorded(path: Path) -> Iterator[tuple[str, bytes]]:
    for line in path.read_text().splitlines():
        if line[0] in "<>" and line[2:].startswith("FF AA"):
            yield line[0], hexes(line[2:])


def test_every_recorded_unlocking_of_a_module(captures: Path) -> None:
    """Four passwords: two wrong, two right; the root password after each right one."""
    traffic = list(recorded(captures / "jbd" / "4s-sp04s034-ffaa-auth.txt"))
    starts = [at for at, (_, frame) in enumerate(traffic) if frame.startswith(hexes("FF AA 15")) and frame[3] == 6]
    outcomes = []
    for start, password in zip(starts, ("000000", "111111", "123412", "123123"), strict=True):
        exchange = module_login(password, address=MODULE)
        request = next(exchange)
        try:
            for direction, frame in traffic[start:]:
                if direction == ">":
                    assert request.raw == frame
                else:
                    assert frame.startswith(request.answers)
                    request = exchange.send(parse(frame))
        except StopIteration:
            outcomes.append("unlocked")
        except WrongPassword:
            outcomes.append("wrong")
    assert outcomes == ["wrong", "wrong", "unlocked", "unlocked"]


@pytest.mark.parametrize(
    ("challenge", "answer"),
    [
        (0x61, "4F E4 D4 C7 BA 2F D8 C5 82 A1 84 93 91 93 94"),
        (0x37, "25 BA AA 9D 90 05 AE 9B 58 77 5A 69 67 69 6A"),
    ],
)
def test_the_configuration_password(challenge: int, answer: str) -> None:
    assert mixed(b"JBDbtpwd!@#2023", MODULE, challenge) == hexes(answer)


def test_a_module_without_a_password_is_asked_nothing_more() -> None:
    assert len(play(module_login("123456", None), ["FF AA 15 01 02 18"])) == 1


def test_a_module_that_rejects_applications() -> None:
    exchange = module_login("123456", address=MODULE)
    next(exchange)
    with pytest.raises(Refused):
        exchange.send(parse(hexes("FF AA 15 01 01 17")))


def test_a_module_whose_address_is_not_known() -> None:
    exchange = module_login("123456", None)
    next(exchange)
    with pytest.raises(UsageError, match="address"):
        exchange.send(parse(hexes("FF AA 15 01 00 16")))


def test_the_password_of_a_board() -> None:
    """The vendor's example, 765828, and the refusal of the reference."""
    assert play(board_login("765828"), ["DD 06 00 00 00 00 77"]) == [hexes("DD 5A 06 07 06 07 06 05 08 02 08 FF C9 77")]
    exchange = board_login("765828")
    next(exchange)
    with pytest.raises(WrongPassword):
        exchange.send(parse(hexes("DD 06 83 00 FF 7D 77")))


@pytest.mark.parametrize(
    ("password", "request_", "answer"),
    [
        (
            "12345678",
            "7E A1 23 4A 01 08 31 32 33 34 35 36 37 38 DB 50 AA 55",
            "7E A1 43 4A 01 02 01 00 9D 5B FF 05 00 00 20 31 AA 55",
        ),
        (
            "123456789abc",
            "7E A1 23 6A 01 0C 31 32 33 34 35 36 37 38 39 61 62 63 20 62 AA 55",
            "7E A1 43 6A 01 02 05 00 1E 5C AA 55",
        ),
    ],
)
def test_levels_of_ant(password: str, request_: str, answer: str) -> None:
    """20s-113ah-24cbub and uart-acks; the level counts, not the code of the segment."""
    assert play(dialect("ant").login(password), [answer]) == [hexes(request_)]


def test_a_wrong_password_of_ant_does_not_lower_the_level() -> None:
    exchange = dialect("ant").login("00000000", 3)
    request = next(exchange)
    assert request.answers == (hexes("7E A1 43 5A 01"),)
    with pytest.raises(WrongPassword, match="level 1"):
        exchange.send(parse(hexes("7E A1 43 4A 01 02 01 00 9D 5B FF 05 00 00 20 31 AA 55")))


def test_the_password_of_ant_legacy() -> None:
    """ant24c-rfcomm-writes: three refusals, then the echo."""
    refusal = "A5 A5 F5 00 01 F6"
    sent = play(dialect("ant-legacy").login("12345678"), [refusal, refusal, refusal, "A5 A5 F4 37 38 63"])
    assert sent == [
        hexes(text) for text in ("A5 A5 F1 31 32 54", "A5 A5 F2 33 34 59", "A5 A5 F3 35 36 5E", "A5 A5 F4 37 38 63")
    ]
    exchange = dialect("ant-legacy").login("12345678")
    next(exchange)
    for _ in range(3):
        exchange.send(parse(hexes(refusal)))
    with pytest.raises(WrongPassword):
        exchange.send(parse(hexes(refusal)))


@pytest.mark.parametrize(
    ("protocol", "password"), [("ant", "1234567890123"), ("ant-legacy", "1234567"), ("jbd", "12345")]
)
def test_a_password_that_cannot_be_one(protocol: str, password: str) -> None:
    with pytest.raises(UsageError) as caught:
        next(dialect(protocol).login(password))
    assert password not in str(caught.value)
