"""The protocol of ANT boards from 2021 on (`../shared/protocols/ant.md`)."""

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
from .login import PASSWORDS, login
from .messages import (
    CHIP_ID_REQUEST,
    COUNTERS_REQUEST,
    PACK_ID_REQUEST,
    STATUS_REQUEST,
    VERSIONS_REQUEST,
    answer,
    explain,
    failure,
    pack,
    text,
    unpack,
)
from .settings import SETTINGS

BAUD = 19200
PATIENCE = 1.0
"""s for the answer to a read: 0.26 s at most in 750 recorded exchanges."""
PAUSE = 0.2
"""s between different commands, as the vendor's application leaves."""
STATUS: tuple[tuple[Request, ...], ...] = ((STATUS_REQUEST,),)
INFO: tuple[Request, ...] = (VERSIONS_REQUEST, PACK_ID_REQUEST)
IDENTITY: tuple[Request, ...] = (CHIP_ID_REQUEST,)
"""16s-280ah-16zmub: asked by the vendor's application."""
COUNTERS: Request | None = COUNTERS_REQUEST
SECRETS = (
    b"\x7e\xa1\x23",
    *(
        b"\x7e\xa1" + bytes((function,)) + address.to_bytes(2, "little")
        for function in (0x02, 0x12, 0x22, 0x42)
        for address in PASSWORDS
    ),
)
"""Password frames, and the registers that hold passwords, read or written."""


def to_snapshot(packets: Sequence[Packet], *, time: datetime, battery: str, apart: float = 0.0) -> Snapshot:
    """The contract of one status answer; `apart` has no meaning here."""
    return status.to_snapshot(packets[0], time=time, battery=battery)


def from_snapshot(snapshot: Snapshot) -> list[Packet]:
    """The answer that says what `snapshot` says."""
    return [answer(status.FUNCTION, 0, status.from_snapshot(snapshot))]


def to_info(packets: Sequence[Packet]) -> DeviceInfo:
    """What status, versions and pack id tell about the device; the latter two may be missing."""
    known = {packet.message: packet for packet in packets}
    versions, pack_id = known.get("versions"), known.get("pack id")
    model = text(versions, "hardware") if versions else None
    return DeviceInfo(
        protocol=NAME,
        manufacturer="ANT",
        model=model,
        hardware=model,
        software=text(versions, "software") if versions else None,
        pack_id=text(pack_id, "pack_id") if pack_id else None,
        cells=known["status"].fields["cell_count"],
    )
