"""A jbd board that refuses some of its registers, in factory mode."""

from memory_board import MemoryBoard, jbd_frame

from antbms.protocol.packet import Packet


class Denying(MemoryBoard):
    """refusals: name of a setting → the status that refuses it, in factory mode; lost: those without an answer."""

    def __init__(self, *denied: str, lost: tuple[str, ...] = (), **refusals: int) -> None:
        super().__init__("jbd")
        rows = self.spoken.SETTINGS
        self.refusals = {
            rows[name].address: status for name, status in {**dict.fromkeys(denied, 0x81), **refusals}.items()
        }
        self.lost = {rows[name].address for name in lost}
        self.ends_with: int | None = None  # asked for this register, it leaves its factory mode first

    def _jbd_register(self, raw: bytes, packet: Packet) -> bytes | None:
        register = packet.envelope["register"]
        if register == self.ends_with:
            self.factory = False
        if register in self.lost:
            return b""
        if register in self.refusals and (self.factory or self.refusals[register] == 0x80):
            return jbd_frame(register, self.refusals[register])
        return super()._jbd_register(raw, packet)
