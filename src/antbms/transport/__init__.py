"""From an address to an open pipe. The module of a transport is imported when one of its addresses is opened."""

from __future__ import annotations

from pathlib import Path

from ..timing import Timing
from .address import Address, parse_address
from .base import Medium, Pipe

__all__ = ["Address", "Medium", "Pipe", "open_pipe", "parse_address"]


async def open_pipe(
    address: Address, timing: Timing, baud: int, record: Path | None = None, *, redact: bool = False
) -> Pipe:
    """Open an address; `baud` is the speed of a wire to begin with.

    record: a new file for all that crosses it. redact: leave the address out of that file.

    Raises `OpenError` with cause and remedy, `UsageError` for an address that means nothing, `FileError`.
    """
    pipe = await _open(address, timing, baud)
    if record is None:
        return pipe
    from .recorder import record_to

    try:
        return record_to(record, pipe, timing, f"{address.scheme}:…" if redact else address.text)
    except BaseException:
        await pipe.close()
        raise


async def _open(address: Address, timing: Timing, baud: int) -> Pipe:
    match address.scheme:
        case "sim":
            from .sim import open_sim

            return open_sim(address, timing)
        case "replay":
            from .replay import Replay

            return Replay(Path(address.target))
        case "ble":
            from .ble import open_ble

            return await open_ble(address, timing)
        case "rfcomm":
            from .rfcomm import open_rfcomm

            return await open_rfcomm(address, timing)
        case _:
            from .serial import open_serial

            return await open_serial(address, timing, baud)
