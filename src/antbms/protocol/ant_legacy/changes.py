"""How `ant-legacy` is changed (ant-legacy.md §3, §4, §8): switches, commands, and the exchanges of its settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..packet import Packet, Request
from ..settings import (
    NO_CHARGING,
    NO_SUPPLY,
    Command,
    Danger,
    Factory,
    Page,
    Raw,
    Setting,
    Shows,
    Switch,
    pack_raw,
    table,
    unpack_raw,
)
from .frame import READ, WRITE, short_frame
from .settings import SETTINGS

REFUSED = bytes((WRITE, WRITE, 0xF5))
REGISTER_PATIENCE = 0.5
"""s for a register: writes are echoed within 90 ms."""
WRITE_PATIENCE = 2.0
"""s for an acknowledgement: 30 to 90 ms in the recordings."""
FACTORY: Factory | None = None
"""There is no mode to enter."""


def control_request(name: str, address: int, value: int = 0) -> Request:
    """A write: echoed when done, answered with a refusal when a password is wanted."""
    frame = short_frame(WRITE, address, value)
    return Request(name, frame, (frame[:3], REFUSED))


SAVE: Request | None = control_request("apply settings", 0xFF)
"""Thresholds take effect with it."""

WRITES = "ant24c-rfcomm-writes"
SWITCHES: Mapping[str, Switch] = table(
    Switch(name="charge", text="lets the battery be charged", risk=NO_CHARGING, source=WRITES),
    Switch(name="discharge", text="lets the battery be discharged", risk=NO_SUPPLY, source=WRITES),
    Switch(name="balance", text="balances the cells by itself", shows=Shows.ACTIVE, toggles=True),
)
_ADDRESSES = {"discharge": 0xF9, "charge": 0xFA, "balance": 0xFC}

COMMANDS: Mapping[str, Command] = table(
    Command(name="zero_current", text="Takes the current that it measures now for zero.", at_rest=True,
            request=control_request("zero_current", 0xF8)),
    Command(name="restart", text="Restarts the board.", ends=True, request=control_request("restart", 0xFE)),
    Command(name="power_off", text="Switches the board off.", dangerous=True, ends=True,
            request=control_request("power_off", 0xF7)),
    Command(name="factory_reset", text="Sets everything back to what the factory gave.", dangerous=True, ends=True,
            request=control_request("factory_reset", 0xFD)),
    Command(name="change_bluetooth_address", text="Gives the board another Bluetooth address.", dangerous=True,
            ends=True, request=control_request("change_bluetooth_address", 0xF6)),
    Command(name="load_presets_f0", text="Overwrites all thresholds; sources disagree for which chemistry.",
            dangerous=True, request=control_request("load_presets_f0", 0xF0)),
    Command(name="load_presets_fb", text="Overwrites all thresholds; sources disagree for which chemistry.",
            dangerous=True, request=control_request("load_presets_fb", 0xFB)),
)  # fmt: skip
"""The firmware upgrade (EF) is not here, and never will be."""


def switch_request(name: str, on: bool, shown: Mapping[str, bool | None]) -> Request:
    """Charge and discharge are set; balancing is turned round, whatever `on` says."""
    value = 0 if SWITCHES[name].toggles else int(on)
    return control_request(f"{name} {'on' if on else 'off'}", _ADDRESSES[name], value)


def settings_for(status: Packet) -> Mapping[str, Setting]:
    """The rows that mean something for a device with this status: as many wires as it has cells."""
    cells: int = status.fields["cell_count"]
    wires = SETTINGS["wire_resistance_1"].address + cells
    return {name: row for name, row in SETTINGS.items() if row.group != "wires" or row.address < wires}


def hidden(status: Packet) -> str | None:
    """This protocol has no levels."""
    return None


def pages(rows: Iterable[Setting], *, factory: bool = False) -> list[Page]:
    """How to read these settings: one request a register; `factory` has no meaning here."""
    return [
        Page(tuple(_read_request(row.name, row.address + word) for word in range(row.size // 2)), (row,))
        for row in rows
        if row.danger is not Danger.SECRET
    ]


def _read_request(name: str, address: int) -> Request:
    frame = short_frame(READ, address)
    return Request(name, frame, (frame[:3],))


def raws(page: Page, packets: Sequence[Packet]) -> dict[str, Raw]:
    """The raw value in the answers to a page, unless the board says that it does not have it."""
    (row,) = page.rows
    words = b"".join(packet.envelope["value"].to_bytes(2, "big") for packet in packets)
    raw = unpack_raw(">", row, words)
    return {} if raw == row.missing else {row.name: raw}


def write_requests(row: Setting, raw: int, register: bytes = b"") -> tuple[Request, ...]:
    """One frame for each 16 bits, low word first. `register` has no meaning here."""
    data = pack_raw(">", row, raw)
    return tuple(
        control_request(f"write of {row.name}", row.address + at // 2, int.from_bytes(data[at : at + 2], "big"))
        for at in range(0, len(data), 2)
    )


def lacks(packet: Packet) -> bool:
    """A register that the board does not have reads FFFF: no refusal says so."""
    return False


def wants_password(packet: Packet) -> bool:
    """Whether a refusal is for want of a password: it always is."""
    return packet.message == "refusal"


def turned(packet: Packet) -> bool | None:
    """The echo carries the new state (ant-legacy.md §3; no recording)."""
    return bool(packet.envelope["value"])
