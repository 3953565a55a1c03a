"""The protocol of JBD boards, and of the seed's document (`../shared/protocols/jbd.md`)."""

from __future__ import annotations

from collections.abc import Sequence

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
from .frame import MODULE_HEAD, NAME, SHAPES
from .login import login
from .messages import (
    BASIC_REQUEST,
    CELLS_REQUEST,
    COUNTERS_REQUEST,
    MODEL_REQUEST,
    answer,
    explain,
    failure,
    pack,
    text,
    unpack,
)
from .settings import SETTINGS

BAUD = 9600
PATIENCE = 2.0
"""s: the slowest first notification in the recordings came after 1.6 s."""
PAUSE = 0.065
"""s between requests: the shortest that the vendor's application leaves."""
STATUS: tuple[tuple[Request, ...], ...] = ((BASIC_REQUEST,), (CELLS_REQUEST,))
INFO: tuple[Request, ...] = (MODEL_REQUEST,)
IDENTITY: tuple[Request, ...] = ()
COUNTERS: Request | None = COUNTERS_REQUEST
SECRETS = (b"\xdd\x5a\x06", b"\xdd\x5a\x07", b"\xdd\x5a\x09", MODULE_HEAD)
"""Passwords of the board, and everything that its Bluetooth module is asked."""

to_snapshot = status.to_snapshot


def from_snapshot(snapshot: Snapshot) -> list[Packet]:
    """The two answers that say what `snapshot` says."""
    basic, cells = status.from_snapshot(snapshot)
    return [answer(status.BASIC_REGISTER, basic), answer(status.CELLS_REGISTER, cells)]


def to_info(packets: Sequence[Packet]) -> DeviceInfo:
    """What the answers 03 and 05 tell about the device; maker and serial number need factory mode, which is a write."""
    known = {packet.message: packet for packet in packets}
    basic = known["status"].fields
    model = text(known["model"]) or None if "model" in known else None
    return DeviceInfo(
        protocol=NAME,
        manufacturer="JBD",
        model=model,
        hardware=model,
        software=f"{basic['software'] >> 4}.{basic['software'] & 15}",
        produced=status.production_date(basic["produced"]),
        cells=basic["cell_count"],
    )
