"""Talking to a simulated board frame by frame, at a time that the test says."""

from collections.abc import Callable
from typing import Any

from antbms.protocol import ant, ant_legacy, jbd, parse
from antbms.protocol.ant.frame import close_envelope as ant_frame
from antbms.protocol.ant_legacy.frame import short_frame
from antbms.protocol.jbd.frame import close_envelope as jbd_frame
from antbms.protocol.packet import Packet
from antbms.sim import Device, make_device

Ask = Callable[..., Any]
STATUS = {"ant": ant.STATUS, "ant-legacy": ant_legacy.STATUS, "jbd": jbd.STATUS}


class Talk:
    """at: the clock, s; `ask` takes a moment, `wait` as long as it is told."""

    def __init__(self, protocol: str, **options: str) -> None:
        self.device: Device = make_device(protocol, options)
        self.protocol = protocol
        self.at = 100.0

    def wait(self, seconds: float) -> None:
        self.at += seconds

    def ask(self, raw: bytes) -> Packet | None:
        """The answer, None if there is none; there is never more than one."""
        self.at += 0.05
        answer = self.device.receive(raw, self.at)
        return parse(answer) if answer else None

    def snapshot(self) -> Any:
        from antbms.timing import utc_now

        spoken: Any = {"ant": ant, "ant-legacy": ant_legacy, "jbd": jbd}[self.protocol]
        packets = [self.ask(step[0].raw) for step in STATUS[self.protocol]]
        assert all(packets), "silence"
        return spoken.to_snapshot(packets, time=utc_now(), battery="")

    def on(self, switch: str) -> bool | None:
        state: bool | None = self.snapshot().switches[switch].on
        return state


class AntTalk(Talk):
    def __init__(self, **options: str) -> None:
        super().__init__("ant", **options)

    def page(self, address: int, size: int = 2) -> bytes:
        answer = self.ask(ant_frame({"function": 0x02, "register": address, "wanted": size}))
        assert answer
        return answer.data

    def write(self, address: int, value: int, size: int = 2) -> tuple[int, bytes]:
        """Result code, and what the segment says more."""
        data = value.to_bytes(size, "little", signed=value < 0)
        answer = self.ask(ant_frame({"function": 0x22, "register": address}, data))
        assert answer
        assert (answer.envelope["function"], answer.envelope["register"], answer.data) == (0x42, address, data)
        ((kind, code, about),) = answer.envelope["segments"]
        assert kind == 0xFF
        return code, about

    def command(self, number: int) -> int:
        answer = self.ask(ant_frame({"function": 0x51, "register": number}))
        assert answer
        assert answer.envelope == {"function": 0x61, "register": number}
        result: int = answer.fields["result"]
        return result

    def password(self, slot: int, text: str, size: int) -> tuple[int, int]:
        """Level now, and result code."""
        data = text.encode().ljust(size, b"\0")
        answer = self.ask(ant_frame({"function": 0x23, "register": slot}, data))
        assert answer
        return answer.fields["level"], answer.envelope["segments"][0][1]


class JbdTalk(Talk):
    def __init__(self, **options: str) -> None:
        super().__init__("jbd", **options)

    def write(self, register: int, data: str) -> int | None:
        answer = self.ask(jbd_frame({"action": 0x5A, "register": register}, bytes.fromhex(data)))
        return self._status(register, answer)

    def read(self, register: int, data: str = "") -> tuple[int | None, bytes]:
        answer = self.ask(jbd_frame({"action": 0xA5, "register": register}, bytes.fromhex(data)))
        return self._status(register, answer), answer.data if answer else b""

    def _status(self, register: int, answer: Packet | None) -> int | None:
        assert answer is None or answer.envelope["register"] == register
        return answer.envelope["status"] if answer else None


class LegacyTalk(Talk):
    def __init__(self, **options: str) -> None:
        super().__init__("ant-legacy", **options)

    def send(self, head: int, address: int, value: int = 0) -> tuple[int, int, int] | None:
        answer = self.ask(short_frame(head, address, value))
        return (answer.envelope["head"], answer.envelope["address"], answer.envelope["value"]) if answer else None

    def write(self, address: int, value: int = 0) -> bool:
        """Whether it is echoed; otherwise it is refused."""
        answer = self.send(0xA5, address, value)
        assert answer in ((0xA5, address, value), (0xA5, 0xF5, 1)), answer
        return answer == (0xA5, address, value)

    def read(self, address: int) -> int:
        answer = self.send(0x5A, address)
        assert answer
        assert answer[:2] == (0x5A, address)
        return answer[2]

    def password(self, text: str, *, is_open: bool = False) -> bool:
        """Whether it is right; the answers to its first parts tell only whether the board is open already."""
        answers = [
            self.send(0xA5, 0xF1 + part, int.from_bytes(text[2 * part : 2 * part + 2].encode(), "big"))
            for part in range(4)
        ]
        assert [answer == (0xA5, 0xF5, 1) for answer in answers[:3]] == [not is_open] * 3
        return answers[3] != (0xA5, 0xF5, 1)
