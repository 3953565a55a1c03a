"""Passwords while a battery is opened: a locked module, levels, and what is refused."""

import pytest
from battery_fakes import BASIC, Far, Line, battery_over, board, silent

from antbms.errors import NoAnswer, Refused, UsageError, WrongPassword
from antbms.protocol import ant, parse
from antbms.protocol.ant.messages import answer
from antbms.protocol.jbd.frame import close_envelope
from antbms.protocol.jbd.login import mixed
from antbms.sim import make_device
from antbms.transport import Medium
from virtual_time import now, run

MAC = "A4:C1:37:04:2D:BE"
PASSWORD = "123412"
CHALLENGE = 0x61


def module(password: str) -> Far:
    """A `jbd` board behind a module that lets nothing through before it has its password."""
    device = make_device("jbd")
    is_open = False

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        nonlocal is_open
        if not data.startswith(b"\xff\xaa"):
            return [(0.05, device.receive(data, now()))] if is_open else []
        packet = parse(data)
        command, given = packet.envelope["command"], packet.data
        if command == 0x18:
            is_open = given == mixed(password.encode(), MAC, CHALLENGE)
        answer = {0x15: 0, 0x17: CHALLENGE, 0x18: 0 if is_open else 1}[command]
        return [(0.05, close_envelope({"command": command}, bytes((answer,))))]

    return far


def line(far: Far, expects: str | None = "jbd") -> Line:
    made = Line(far, Medium.BLUETOOTH)
    made.address, made.expects = MAC, expects
    return made


def test_a_locked_module_is_named() -> None:
    async def main() -> None:
        with pytest.raises(Refused, match="wants its password") as caught:
            async with battery_over(line(module(PASSWORD))):
                pass
        assert any("password_env" in hint for hint in caught.value.hints)

    run(main())


def test_a_locked_module_is_unlocked() -> None:
    async def main() -> None:
        async with battery_over(line(module(PASSWORD)), password=PASSWORD) as battery:
            assert battery.protocol == "jbd"
            assert (await battery.read()).cells

    run(main())


def test_the_password_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with battery_over(line(module(PASSWORD)), options={"password_env": "PACK"}) as battery:
            assert (await battery.read()).cells

    monkeypatch.setenv("PACK", PASSWORD)
    run(main())
    monkeypatch.delenv("PACK")
    with pytest.raises(UsageError, match="PACK"):
        run(main())


def test_a_wrong_password_is_tried_once() -> None:
    far = line(module(PASSWORD))

    async def main() -> None:
        with pytest.raises(WrongPassword) as caught:
            async with battery_over(far, password="000000"):
                pass
        assert "000000" not in caught.value.text()

    run(main())
    assert sum(sent.startswith(b"\xff\xaa\x18") for sent in far.written) == 1


def test_no_module_is_asked_where_none_is_expected() -> None:
    """A password, or the question for one, is for devices that are known to be of the family."""
    for expects in (None, "ant"):
        far = line(silent, expects)

        async def main(far: Line = far) -> None:
            with pytest.raises(NoAnswer):
                async with battery_over(far, password=PASSWORD):
                    pass

        run(main())
        assert not any(sent.startswith(b"\xff\xaa") for sent in far.written)


def test_the_expected_protocol_is_asked_first() -> None:
    far = line(board("jbd"))

    async def main() -> None:
        async with battery_over(far) as battery:
            assert battery.protocol == "jbd"

    run(main())
    assert far.written[0] == BASIC
    assert len(far.written) == 1


def test_a_level_of_ant() -> None:
    """A board of 2023 begins at level 1; a password that it refuses is not asked for again by reading."""
    device = make_device("ant")

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        if data[2] != 0x23:
            return [(0.05, device.receive(data, now()))]
        register = data[3] | data[4] << 8
        return [(0.05, ant.pack(answer(0x43, register, {"level": 1})))]

    async def main() -> None:
        async with battery_over(Line(far), password="12345678") as battery:
            assert (await battery.read()).cells
            with pytest.raises(WrongPassword, match=r"COM9.*level 1"):
                await battery.login("11111111", 3)

    run(main())


def test_the_password_of_a_board_is_given_on_a_wire() -> None:
    """Also when the protocol was found by itself; 80 is no wrong password, but an old board."""
    device = make_device("jbd")
    answers = {"83": WrongPassword, "80": Refused}

    for status, kind in answers.items():

        def far(data: bytes, line: Line, status: str = status) -> list[tuple[float, bytes]]:
            if data.startswith(b"\xdd\x5a\x06"):
                return [(0.05, close_envelope({"register": 6, "status": int(status, 16)}))]
            answer = device.receive(data, now())
            return [(0.05, answer)] if answer else []

        async def main(far: Far = far, kind: type[Refused] = kind) -> None:
            with pytest.raises(kind) as caught:
                async with battery_over(Line(far, Medium.WIRE), password="123456"):
                    pass
            assert caught.type is kind

        run(main())


@pytest.mark.parametrize("state", [1, 2])
def test_a_module_that_wants_no_password_is_not_called_locked(state: int) -> None:
    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        is_lock = data.startswith(b"\xff\xaa\x15")
        return [(0.05, close_envelope({"command": 0x15}, bytes((state,))))] if is_lock else []

    async def main() -> None:
        with pytest.raises(NoAnswer):
            async with battery_over(line(far)):
                pass

    run(main())


@pytest.mark.parametrize("request_", ["5A 5A 00 00 00 00", "DB DB 00 00 00 00"])
def test_a_legacy_board_that_answers_one_request_only(request_: str) -> None:
    """On a medium that tells nothing both are sent, and nobody knows which one was answered."""
    device = make_device("ant-legacy")
    known = bytes.fromhex(request_)

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        return [(0.05, device.receive(known, now()))] if known in data else []

    async def main() -> None:
        async with battery_over(Line(far)) as battery:
            for _ in range(3):
                assert (await battery.read()).cells

    run(main())


@pytest.mark.parametrize("password", ["", "pässword"])
def test_what_cannot_be_a_password(password: str) -> None:
    async def main() -> None:
        with pytest.raises(UsageError) as caught:
            async with battery_over(Line(board("ant")), password=password):
                pass
        assert not password or password not in caught.value.text()

    run(main())


def test_an_answer_without_data() -> None:
    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        return [(0.05, close_envelope({"command": 0x15}))] if data.startswith(b"\xff\xaa\x15") else []

    async def main() -> None:
        with pytest.raises(NoAnswer):
            async with battery_over(line(far), password=PASSWORD):
                pass

    run(main())
