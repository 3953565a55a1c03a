"""How `ant` is changed (ant.md §2, §5, §7, §12): switches, commands, and the exchanges of its settings."""

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
    take,
)
from .frame import COMMAND, close_envelope
from .messages import is_out_of_range, is_refused_by_level, read_request
from .settings import PAGES, SETTINGS

WRITE, WRITE_ANSWER = 0x22, b"\x42"
READABLE = 2
"""Permission level from which pages hold values: below it every register reads FFFF."""
WRITABLE = 3
"""Permission level from which the board takes writes and commands."""
REGISTER_PATIENCE = 1.0
"""s for a register: as for all answers."""
WRITE_PATIENCE = 4.0
"""s for an acknowledgement: on weak links answers take more than 2 s (ant.md §9)."""
FACTORY: Factory | None = None
"""There is no mode to enter."""


def command_request(name: str, number: int) -> Request:
    """A command: function 51, which the board acknowledges with 61."""
    frame = close_envelope({"function": COMMAND, "register": number})
    return Request(name, frame, (frame[:2] + b"\x61" + frame[3:5],))


SAVE: Request | None = command_request("save settings", 7)
"""Keeps written settings over a restart (16s-280ah-16zmub)."""

SWITCHED = "22s-80ah-24bhub-commands"
SWITCHES: Mapping[str, Switch] = table(
    Switch(name="charge", text="lets the battery be charged", risk=NO_CHARGING, source=SWITCHED),
    Switch(name="discharge", text="lets the battery be discharged", risk=NO_SUPPLY, source=SWITCHED),
    Switch(name="balance", text="balances the cells by itself", shows=Shows.ACTIVE, source=SWITCHED),
    Switch(name="buzzer", text="lets the board beep", shows=Shows.NEVER, source=SWITCHED),
)
_NUMBERS = {"discharge": (1, 3), "charge": (4, 6), "balance": (14, 13), "buzzer": (31, 30)}
"""Switch → the commands for off and on."""


def _command(number: int, name: str, text: str, *, dangerous: bool = False, at_rest: bool = False, ends: bool = False,
             source: str = "unproved") -> Command:  # fmt: skip
    request = command_request(name, number)
    return Command(
        name=name, text=text, request=request, dangerous=dangerous, at_rest=at_rest, ends=ends, source=source
    )


COMMANDS: Mapping[str, Command] = table(
    _command(8, "zero_current", "Takes the current that it measures now for zero.", at_rest=True),
    _command(9, "restart", "Restarts the board.", ends=True),
    _command(15, "clear_log", "Clears the log of events.", source="16s-280ah-16zmub: refused by level"),
    _command(32, "clear_discharged", "Sets the total discharge to zero."),
    _command(33, "clear_charged", "Sets the total charge to zero."),
    _command(34, "clear_discharge_time", "Sets the total discharge time to zero."),
    _command(35, "clear_charge_time", "Sets the total charge time to zero."),
    _command(36, "clear_uptime", "Sets the run time to zero."),
    _command(37, "clear_counters", "Sets the protection counters to zero."),
    _command(29, "bluetooth_on", "Switches the board's Bluetooth on."),
    _command(28, "bluetooth_off", "Switches the board's Bluetooth off: it cannot be reached by radio then.",
             dangerous=True, ends=True),
    _command(16, "bluetooth_reset", "Initialises the board's Bluetooth.", dangerous=True, ends=True),
    _command(52, "force_charging", "Charges in spite of protections.", dangerous=True),
    _command(11, "power_off", "Switches the board off.", dangerous=True, ends=True),
    _command(12, "factory_reset", "Sets everything back to what the factory gave.", dangerous=True, ends=True),
    _command(42, "restore_vendor_settings", "Restores the vendor's settings; the calibration may be lost.",
             dangerous=True),
    _command(44, "save_customer_data", "Keeps the settings as the customer's.", dangerous=True),
    _command(45, "save_user_parameters", "Keeps the settings as the user's.", dangerous=True),
    _command(38, "load_lto_presets", "Overwrites all thresholds with those for LTO.", dangerous=True),
    _command(39, "load_nmc_presets", "Overwrites all thresholds with those for NMC.", dangerous=True),
    _command(40, "load_lfp_presets", "Overwrites all thresholds with those for LFP.", dangerous=True),
    _command(53, "load_sodium_presets", "Overwrites all thresholds with those for sodium.", dangerous=True),
)  # fmt: skip
"""Firmware upgrades and the functions of the sampling chip are not here, and never will be."""


def switch_request(name: str, on: bool, shown: Mapping[str, bool | None]) -> Request:
    """Every switch has its own commands; `shown` has no meaning here."""
    return command_request(f"{name} {'on' if on else 'off'}", _NUMBERS[name][on])


def settings_for(status: Packet) -> Mapping[str, Setting]:
    """The rows that mean something for a device with this status: as many wires as it has cells."""
    cells: int = status.fields["cell_count"]
    wires = SETTINGS["wire_resistance_1"].address + 2 * cells
    return {name: row for name, row in SETTINGS.items() if row.group != "wires" or row.address < wires}


def hidden(status: Packet) -> str | None:
    """Why the board would not show its settings; None if it would."""
    level = status.fields["level"]
    return f"the permission level is {level}, settings need {READABLE}" if level < READABLE else None


def pages(rows: Iterable[Setting], *, factory: bool = False) -> list[Page]:
    """How to read these settings; `factory` has no meaning here. Secrets are left out: they lie in no page."""
    wanted = [row for row in rows if row.danger is not Danger.SECRET]
    found = []
    for start, length in PAGES:
        there = tuple(row for row in wanted if start <= row.address < start + length)
        if there:
            found.append(Page((read_request("settings", 0x02, start, length),), there))
    return found


def raws(page: Page, packets: Sequence[Packet]) -> dict[str, Raw]:
    """The raw values in the answer to a page, without those that the board says it does not have.

    A page of nothing but FF has none: the board hides it, or does not have it.
    """
    (packet,) = packets
    if not packet.data.strip(b"\xff"):
        return {}
    found = take("<", page.rows, packet.envelope["register"], packet.data)
    return {row.name: raw for row, raw in found if raw != row.missing and not _is_blank(raw)}


def _is_blank(raw: Raw) -> bool:
    return isinstance(raw, bytes) and not raw.strip(b"\xff")


def write_requests(row: Setting, raw: int, register: bytes = b"") -> tuple[Request, ...]:
    """One frame, for values of 4 bytes too. `register` has no meaning here."""
    frame = close_envelope({"function": WRITE, "register": row.address}, pack_raw("<", row, raw))
    return (Request(f"write of {row.name}", frame, (frame[:2] + WRITE_ANSWER + frame[3:5],)),)


def lacks(packet: Packet) -> bool:
    """Result 4: address out of range."""
    return is_out_of_range(packet)


def wants_password(packet: Packet) -> bool:
    """Whether a refusal is for want of permission, which a password gives."""
    return is_refused_by_level(packet)


def turned(packet: Packet) -> bool | None:
    """An acknowledgement names no state."""
    return None
