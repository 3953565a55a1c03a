"""A board that takes switches and commands as the simulated one does not yet: at once or late, refusing, lying."""

import asyncio
from collections.abc import Iterable

from battery_fakes import Line

from antbms.model import Flag, Snapshot, SwitchState
from antbms.protocol import dialect
from antbms.protocol.framing import Frame, Framer
from antbms.protocol.packet import Packet
from virtual_time import BEGINNING

DELAY = 0.05


class Board:
    """`effect`: s until a switch shows; None: never. `answers`: ok, refused, none, or link (it goes away)."""

    def __init__(self, protocol: str, *, effect: float | None = 0.6, answers: str = "ok") -> None:
        self.switches = {"charge": True, "discharge": True}
        self.tells_locks = True  # by protection bit 12 (jbd)
        self.current = 0.0
        self.protocol = protocol
        self.spoken = dialect(protocol)
        self.effect = effect
        self.answers = answers
        self.writes: list[bytes] = []
        self._framer = Framer(self.spoken.SHAPES)

    def __call__(self, data: bytes, line: Line) -> Iterable[tuple[float, bytes]]:
        for item in self._framer.feed(data):
            assert isinstance(item, Frame), item
            packet = self.spoken.unpack(item)
            if self._is_write(packet):
                yield from self._written(item.raw, packet, line)
            else:
                part = self.protocol == "jbd" and packet.envelope["register"] == 0x04
                yield DELAY, self.spoken.pack(self.spoken.from_snapshot(self.snapshot())[part])

    def snapshot(self) -> Snapshot:
        """The state now, with the codes that boards have for a switch that is on, or off by command."""
        states = {name: SwitchState(on, 1 if on else 15, "") for name, on in self.switches.items()}
        is_locked = self.protocol == "jbd" and self.tells_locks and not all(self.switches.values())
        states["balance"] = SwitchState(False, 0, "off")
        cells = (3.3,) * 8
        return Snapshot(
            time=BEGINNING, battery="", protocol=self.protocol, level=5, voltage=sum(cells), current=self.current,
            power=0.0, soc=50.0, soh=100.0, state="idle", capacity=100.0, remaining=50.0, cycles=3, throughput=300.0,
            charged=300.0, discharged=300.0, uptime=1000, charge_time=100, discharge_time=100, cells=cells,
            temperatures={"t1": 20.0, "t2": 21.0, "mosfet": 22.0, "balancer": 23.0}, switches=states,
            flags=(Flag("protection.12", ""),) if is_locked else (), details={"chemistry": "lfp", "board_type": 0},
        )  # fmt: skip

    def _is_write(self, packet: Packet) -> bool:
        envelope = packet.envelope
        return envelope.get("function") == 0x51 or envelope.get("head") == 0xA5 or envelope.get("action") == 0x5A

    def _written(self, raw: bytes, packet: Packet, line: Line) -> Iterable[tuple[float, bytes]]:
        self.writes.append(raw)
        if self.answers == "refused":
            yield DELAY, self._refusal(packet)
            return
        if self.effect is not None:
            asyncio.get_running_loop().call_later(self.effect, self._turn, packet)
        if self.answers == "link":
            line.lose()
        elif self.answers == "ok":
            yield DELAY, self._acknowledgement(raw, packet)

    def _turn(self, packet: Packet) -> None:
        switches = self.switches
        if self.protocol == "ant":
            number = packet.envelope["register"]
            if number in (1, 3):
                switches["discharge"] = number == 3
            elif number in (4, 6):
                switches["charge"] = number == 6
        elif self.protocol == "ant-legacy":
            address, value = packet.envelope["address"], packet.envelope["value"]
            if address == 0xF9:
                switches["discharge"] = bool(value)
            elif address == 0xFA:
                switches["charge"] = bool(value)
        elif packet.envelope["register"] == 0xE1:
            switches["charge"], switches["discharge"] = not packet.data[1] & 1, not packet.data[1] & 2

    def _acknowledgement(self, raw: bytes, packet: Packet) -> bytes:
        if self.protocol == "ant":
            return self._ant(packet, 1)
        if self.protocol == "jbd":
            from antbms.protocol.jbd.messages import answer

            return self.spoken.pack(answer(packet.envelope["register"], {}))
        return raw

    def _refusal(self, packet: Packet) -> bytes:
        if self.protocol == "ant":
            return self._ant(packet, 3)
        if self.protocol == "jbd":
            from antbms.protocol.jbd.messages import answer

            return self.spoken.pack(answer(packet.envelope["register"], {}, 0x83))
        return bytes.fromhex("A5A5F50001F6")

    def _ant(self, packet: Packet, result: int) -> bytes:
        from antbms.protocol.ant.messages import answer

        return self.spoken.pack(answer(0x61, packet.envelope["register"], {"result": result}))
