"""A board that says who it is, what a run that is cut off leaves behind, and the notes of that."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from memory_board import MemoryBoard, answer_of, ant_frame, jbd_frame

from antbms.battery import Battery
from antbms.errors import LinkError, Unconfirmed
from antbms.journal import Note
from antbms.protocol import ant
from antbms.protocol.packet import Packet

LOWER = {"cell_overvoltage": 3.6}
CHIP = bytes.fromhex("40703B18DC8F9E1137428401")


class Named(MemoryBoard):
    """Says who it is: a model (jbd, ant), a chip (ant), a number of cells."""

    def __init__(
        self, protocol: str, model: str = "one", chip: bytes | None = None, cells: int = 8, **more: Any
    ) -> None:
        super().__init__(protocol, **more)
        self.model = model
        self.chip = chip
        self.cells = cells
        self.heard: list[bytes] = []

    def snapshot(self) -> Any:
        from msgspec.structs import replace

        shown = super().snapshot()
        return replace(shown, cells=(shown.cells * 2)[: self.cells])

    def _jbd_register(self, raw: bytes, packet: Packet) -> bytes | None:
        self.heard.append(raw)
        if packet.envelope["register"] == 0x05:
            return jbd_frame(0x05, 0, self.model.encode())
        return super()._jbd_register(raw, packet)

    def _ant_register(self, raw: bytes, packet: Packet) -> bytes | None:
        self.heard.append(raw)
        if raw == ant.IDENTITY[0].raw:
            return ant_frame(0x14, 0, self.chip) if self.chip else b""
        if raw == ant.INFO[0].raw:
            return ant_frame(0x12, 620, self.model.encode().ljust(32, b"\0"), (0xFF, 0x0B, b""))
        return super()._ant_register(raw, packet)


def read(battery: Battery) -> Awaitable[Any]:
    return battery.read()


def write(battery: Battery) -> Awaitable[Any]:
    return battery.settings.write(LOWER)


def cut_off(board: MemoryBoard, value: float = 3.6) -> None:
    """The link goes away when the first write has reached the board."""
    store = board._store

    def then_away(address: int, data: bytes, step: int) -> None:
        store(address, data, step)
        board.cut_at = board.crossed

    board._store = then_away  # type: ignore[method-assign]
    error = answer_of(board, lambda battery: battery.settings.write({"cell_overvoltage": value}))
    assert isinstance(error, Unconfirmed | LinkError)
    board._store = store  # type: ignore[method-assign]
    board.cut_at = None
    board._framer.flush()


def files(state: Path) -> list[str]:
    return sorted(file.name for file in (state / "journal").iterdir())


def note_of(state: Path) -> Note:
    import msgspec

    (file,) = (state / "journal").iterdir()
    return msgspec.json.decode(file.read_bytes(), type=Note)


def forget_device(state: Path) -> None:
    """As a note of an antbms that did not note it."""
    import msgspec

    (file,) = (state / "journal").iterdir()
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(note_of(state), device={})))
