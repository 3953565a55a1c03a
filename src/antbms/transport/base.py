"""What every transport is to the rest of the house: bytes in, bytes out, and one way to be gone."""

from __future__ import annotations

from typing import Protocol

from ..protocol.packet import Medium

__all__ = ["Medium", "Pipe"]


class Pipe(Protocol):
    """An open, two-way stream of bytes. One reader and one writer at a time."""

    @property
    def medium(self) -> Medium:
        """What lies between us and the battery."""

    @property
    def address(self) -> str | None:
        """The device's own Bluetooth address; None where the transport does not know it."""

    @property
    def expects(self) -> str | None:
        """The protocol that the device's service belongs to; None where the transport tells nothing."""

    async def read(self) -> bytes:
        """Wait for the next bytes: at least one. Raises `LinkLost` when the link is gone.

        Bytes that are there already are returned at once: no other task runs before that. Cancelling it loses no
        bytes: they come with the next call.
        """

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        """Send. `secret` marks a password: a recorder leaves it and its answer out. Raises `LinkLost`."""

    async def set_baud(self, baud: int) -> None:
        """Change the speed of a wire; does nothing where there is none."""

    async def close(self) -> None:
        """Release everything. Never raises, may be called twice, and ends in `Timing.close` seconds at most."""
