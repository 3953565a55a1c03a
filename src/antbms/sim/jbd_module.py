"""The Bluetooth module in front of a JBD board: `FF AA` frames and its lock (jbd.md §6)."""

from __future__ import annotations

from ..protocol.jbd.frame import close_envelope
from ..protocol.jbd.login import APP_KEY, NEEDS_PASSWORD, NO_PASSWORD, REJECTED, ROOT_PASSWORD, mixed
from ..protocol.packet import Packet
from .faults import LinkState

RIGHT, WRONG = 0, 1


class Module:
    """password: None where it is not locked. address: its own, which the answer to a challenge is mixed with."""

    def __init__(self, password: str | None, address: str, link: LinkState) -> None:
        self.password = password
        self.address = address
        self.is_open = password is None
        self._app_key = APP_KEY
        self._challenge = 0
        self._link = link

    def answer(self, request: Packet) -> list[bytes]:
        """One byte for every command that it knows."""
        command, data = request.envelope["command"], request.data
        if request.direction != ">":
            return []
        match command:
            case 0x15:
                said = REJECTED if data != self._app_key else NEEDS_PASSWORD if self.password else NO_PASSWORD
            case 0x17:
                said = self._challenge = self._link.chance.randrange(256)
            case 0x18:
                said = self._compare(data, (self.password or "").encode())
                self.is_open = self.is_open or said == RIGHT
            case 0x1D:
                said = self._compare(data, ROOT_PASSWORD) if self.is_open else WRONG
            case 0x16 if self.is_open:
                self.password, said = data.decode("ascii", "replace"), RIGHT
            case 0x21 if self.is_open:
                self._app_key, said = data, RIGHT
            case 0x07 if self.is_open:
                said = RIGHT
            case _:
                said = WRONG
        return [close_envelope({"command": command}, bytes((said,)))]

    def _compare(self, data: bytes, password: bytes) -> int:
        return RIGHT if password and data == mixed(password, self.address, self._challenge) else WRONG
