"""What an advertisement or a name tells about the protocol (protocols/README.md): a likelihood, never a fact."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

ANT_SERVICE = "0000ffe0-0000-1000-8000-00805f9b34fb"
"""Also of many other serial modules: it says nothing without the name."""
JBD_SERVICE = "0000ff00-0000-1000-8000-00805f9b34fb"

NAMES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), protocol)
    for pattern, protocol in (
        (r"ANT@BLE.*", "ant"),
        (r"ANT-BLE...", "ant-legacy"),  # exactly three characters: ANT-BLE16S, ANT-BLE20A
        (r"ANT-BLE...-.*", "ant-legacy"),  # ANT-BLE24C-001: the vendor's rule; disputed
        (r"ANT-BLE.+", "ant"),
        (r"BMS-ANT.*", "ant-legacy"),
        (r"JBD-.*|xiaoxiang.*|DP04S007.*|SP\d\dS\d.*|AP21S.*|OGR-.*|LSG-.*|SBL-.*", "jbd"),
    )
)
"""Whole names, the first that fits; boards are renamed by resellers, so a name that fits none says nothing."""

_PLACEHOLDER = 0x007B
"""Company id of newer `jbd` modules, whose payload is no address."""
_ADDRESS_SIZE = 6


def likely_protocol(name: str | None, services: Collection[str] = ()) -> str | None:
    """The protocol to expect of a device; None if nothing points to a battery.

    `services` are full UUIDs in lower case, as far as they were advertised.
    """
    if JBD_SERVICE in services:
        return "jbd"
    stripped = (name or "").strip()  # names may end with CR
    return next((protocol for pattern, protocol in NAMES if pattern.fullmatch(stripped)), None)


def advertised_address(manufacturer_data: Mapping[int, bytes]) -> str | None:
    """The Bluetooth address that a `jbd` module hides in its advertisement, for systems that do not tell it.

    It stands there backwards: its last two bytes are the company id, the payload begins with the rest.
    """
    for company, payload in manufacturer_data.items():
        if company != _PLACEHOLDER and len(payload) == _ADDRESS_SIZE - 2:
            return (payload[::-1] + company.to_bytes(2, "big")).hex(":").upper()
    return None
