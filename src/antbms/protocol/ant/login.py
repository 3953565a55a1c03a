"""Permission levels of `ant` (ant.md §6): a password is written to the slot of the level that it gives."""

from __future__ import annotations

from typing import NamedTuple

from ...errors import UsageError, WrongPassword
from ..login import Login, secret_bytes
from ..packet import Medium, Request
from .frame import close_envelope

FUNCTION = 0x23


class Slot(NamedTuple):
    """Where the password of a level is checked, and how many bytes it has, filled up with NUL."""

    address: int
    size: int


SLOTS = {1: Slot(330, 8), 2: Slot(338, 8), 3: Slot(346, 8), 4: Slot(354, 8), 5: Slot(362, 12)}
"""By level. 330: 20s-113ah-24cbub; 362: uart-acks."""

PASSWORDS = range(330, 386)
"""Addresses of the registers that hold passwords (ant.md §7): never read, never written."""


def login(password: str, level: int | None = None, address: str | None = None, medium: Medium | None = None) -> Login:
    """Ask for a level: by default the one whose slot the password's length fits.

    `address` and `medium` have no meaning here.

    The answer holds the level that is now in force; a wrong password does not lower it.
    """
    secret = secret_bytes(password)
    level = level or (1 if len(secret) <= SLOTS[1].size else 5)
    if level not in SLOTS or len(secret) > SLOTS[level].size:
        raise UsageError(f"no password of {len(secret)} characters gives level {level}", "Levels are 1 to 5.")
    slot = SLOTS[level]
    data = secret.ljust(slot.size, b"\0")
    raw = close_envelope({"function": FUNCTION, "register": slot.address}, data)
    answer = yield Request("password", raw, (raw[:2] + bytes((FUNCTION + 0x20,)) + raw[3:5],))
    granted = answer.fields.get("level", 0)
    if granted < level:
        raise WrongPassword(f"the battery grants level {granted}, not {level}: the password is wrong")
