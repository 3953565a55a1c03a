"""Boards as the references describe real ones, by name: `-o model=24BHUB`. Names, firmware, cells, sensors, length of
the status, permission level and locks are theirs; what happens in them is the simulation's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from msgspec.structs import replace

from ..errors import UsageError
from .personality import PERSONALITIES, Personality

_V11 = {"humidity": 0, "full_capacity": 100.0, "balance_current": 0.0}
"""What the longer status of V11 boards adds."""


def _like(protocol: str, **changes: Any) -> Personality:
    return replace(PERSONALITIES[protocol], **changes)


MODELS: dict[str, Personality] = {
    "16ZMUB": _like(
        "ant", model="16ZM", software="16ZMUB00-211026A", cells=16, capacity=280.0, sensors=2, level=5,
        source="ant/16s-280ah-16zmub",
    ),
    "24BHUB": _like(
        "ant", model="24BH", software="24BHUB00-211026A", cells=22, capacity=80.0, sensors=4, chemistry="lto", level=5,
        current=60.0, source="ant/22s-80ah-24bhub-commands",
    ),
    "24CBUB": _like(
        "ant", model="24ZHE6TB130A", software="24CBUB02-240623C", cells=20, capacity=113.0, sensors=4, chemistry="nmc",
        level=1, has_tail=True, source="ant/20s-113ah-24cbub",
    ),
    "22AAUB": _like(
        "ant", model="22PHA1TB080A", software="22AAUB00-240401A", cells=20, capacity=45.0, sensors=4, chemistry="nmc",
        level=1, has_tail=True, current=60.0, source="ant/20s-45ah-22pha1",
    ),
    "32BHUB": _like(
        "ant", model="32BHA0TB120A", software="32BHUB00-211005A", cells=30, capacity=29.4, sensors=4, chemistry="nmc",
        current=25.0, source="ant/30s-29ah-32bha0",
    ),
    "ANT-UART": _like("ant", segments=False, source="ant/uart-acks"),
    "ANT24C": _like(
        "ant-legacy", cells=14, capacity=170.0, passwords={0: "12345678"}, source="ant-legacy/ant24c-rfcomm-writes",
    ),
    "ANT-BLE20A": _like("ant-legacy", cells=16, chemistry="lfp", source="ant-legacy/handshake-ant-ble20a"),
    "SP04S034": _like(
        "jbd", model="JBD-SP04S034-L4S-200A-B-U", software="8.0", cells=4, capacity=5.0, current=3.0, sensors=3,
        produced=date(2022, 3, 28), source="jbd/4s-sp04s034-switches",
    ),
    "SP04S034-LOCKED": _like(
        "jbd", model="JBD-SP04S034L4S200A", software="8.0", cells=4, capacity=280.0, sensors=3, has_module=True,
        module_password="123456", address="A4:C1:37:00:00:01", source="jbd/4s-sp04s034-ffaa-auth",
    ),
    "SP04S060": _like(
        "jbd", model="JBD-SP04S060-300A-L4S", software="2.5", cells=4, capacity=304.0, sensors=3,
        details=_V11 | {"full_capacity": 304.0}, parameters=True, source="jbd/4s-sp04s060-uart; FA: V11 document",
    ),
    "SP25S003": _like(
        "jbd", model="JBD-SP25S003-L16S-100A-100A-B", software="2.0", cells=16, capacity=100.0, sensors=0,
        source="jbd/16s-sp25s003-empty",
    ),
    "CHINS": _like(
        "jbd", model="J-12300-241118-069", software="2.9", cells=4, capacity=300.0, sensors=1,
        details=_V11 | {"full_capacity": 300.0}, source="jbd/4s-chins-300ah",
    ),
    "JBD-FORGETS": _like("jbd", forgets_unsaved=True, source="assumed: no board is known that does"),
    "JBD-PASSWORD": _like("jbd", passwords={0: "123456"}, source="jbd/error-answer"),
}  # fmt: skip
"""By name."""


def personality_of(protocol: str, options: Mapping[str, str]) -> Personality:
    """The personality that the option `model` names, else that of the protocol. Raises `UsageError`."""
    if "model" not in options:
        return PERSONALITIES[protocol]
    known = {name.casefold(): row for name, row in MODELS.items() if row.protocol == protocol}
    if (found := known.get(options["model"].casefold())) is None:
        there = [name for name, row in MODELS.items() if row.protocol == protocol]
        raise UsageError(
            f"model={options['model']}: no simulated {protocol} board is called so", f"There are: {', '.join(there)}."
        )
    return found
