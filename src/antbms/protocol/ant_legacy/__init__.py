"""The protocol of ANT boards of 2019 and 2020 (`../shared/protocols/ant-legacy.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ...model import DeviceInfo, Snapshot
from ..packet import Packet, Request
from . import status
from .changes import (
    COMMANDS,
    FACTORY,
    REGISTER_PATIENCE,
    SAVE,
    SWITCHES,
    WRITE_PATIENCE,
    hidden,
    lacks,
    pages,
    raws,
    settings_for,
    switch_request,
    turned,
    wants_password,
    write_requests,
)
from .frame import NAME, SHAPES
from .login import login
from .messages import BLUETOOTH_STATUS, WIRE_STATUS, explain, failure, pack, refusal, status_answer, unpack
from .settings import SETTINGS

BAUD = 19200
PATIENCE = 1.0
"""s: 140 bytes need 73 ms on the wire; answers came within 0.2 s."""
PAUSE = 0.05
"""s of silence before a request."""
STATUS: tuple[tuple[Request, ...], ...] = ((BLUETOOTH_STATUS, WIRE_STATUS),)
INFO: tuple[Request, ...] = ()
IDENTITY: tuple[Request, ...] = ()
COUNTERS: Request | None = None
SECRETS = (
    *(bytes((0xA5, 0xA5, address)) for address in range(0xF1, 0xF5)),
    *(bytes((head, head, address)) for head in (0xA5, 0x5A) for address in range(102, 106)),
)
"""The four parts of the password, and the registers that hold it, read or written."""


def to_snapshot(packets: Sequence[Packet], *, time: datetime, battery: str, apart: float = 0.0) -> Snapshot:
    """The contract of one status answer; `apart` has no meaning here."""
    return status.to_snapshot(packets[0], time=time, battery=battery)


def from_snapshot(snapshot: Snapshot) -> list[Packet]:
    """The answer that says what `snapshot` says."""
    return [status_answer(status.from_snapshot(snapshot))]


def to_info(packets: Sequence[Packet]) -> DeviceInfo:
    """What the status tells about the device: the protocol has no names or versions.

    A number of cells that the frame has no room for is not known.
    """
    counts = (packet.fields["cell_count"] for packet in packets if packet.message == "status")
    cells = next(counts, None)
    return DeviceInfo(
        protocol=NAME, manufacturer="ANT", cells=cells if cells is not None and cells <= status.INPUTS else None
    )
