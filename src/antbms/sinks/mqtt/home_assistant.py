"""Home Assistant's discovery: one message a device, with all of its entities. Pure.

Written after https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload and the pages of MQTT sensor,
binary sensor, switch and button. Values that are `null` or absent render as `None`, which shows as unknown.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from ..._version import __version__
from ...model import QUANTITIES, DeviceInfo, Kind, Quantity, Snapshot
from .topics import Topics

Component = dict[str, Any]
"""The configuration of one entity."""

CLASSES = {
    "V": "voltage",
    "A": "current",
    "W": "power",
    "°C": "temperature",
    "s": "duration",
    "h": "duration",
    "mm": "distance",
    "Wh": "energy",
    "kWh": "energy",
}
"""Unit → device class; where the unit does not say, the row of the catalogue does, or there is none."""
STATE_CLASSES = {Kind.MEASUREMENT: "measurement", Kind.COUNTER: "total_increasing"}

LISTS = {"cells", "temperatures", "switches", "alarms", "flags", "balancing"}
"""Quantities of many values: each has entities of its own below."""

LINK = {
    "losses": ("Link losses", "total_increasing"),
    "rejected": ("Rejected answers", "total_increasing"),
    "reason": ("Why offline", None),
}
"""Key of the message about the link → name and state class."""

BUTTON_CLASSES = {"restart": "restart"}


class Device(Struct, frozen=True):
    """A battery as Home Assistant is told of it.

    id: stable, of letters, digits, `_` and `-`. switches, commands: those that may be given (none without control).
    """

    id: str
    battery: str
    info: DeviceInfo | None
    topics: Topics
    expire_after: int
    switches: frozenset[str] = frozenset()
    commands: Mapping[str, str] = {}


def device_id(info: DeviceInfo | None, battery: str) -> tuple[str, bool]:
    """An id that stays when the battery is renamed, and whether it comes from the device.

    Of its address, else of its protocol and serial number; else only its name is left.
    """
    if info is not None and info.address:
        return f"antbms_{_slug(info.address.replace(':', '').lower())}", True
    if info is not None and info.serial:
        return f"antbms_{_slug(info.protocol)}_{_slug(info.serial)}", True
    return f"antbms_{_slug(battery)}", False


def discovery_topic(prefix: str, device: str) -> str:
    """Where the message of a device is retained."""
    return f"{prefix}/device/{device}/config"


def parts(snapshot: Snapshot) -> list[str]:
    """What a device has, as this snapshot shows it: `voltage`, `cells.3`, `temperatures.mosfet`, `switches.charge`.

    What is null may not exist at all, so it does not count.
    """
    scalars = (row.name for row in QUANTITIES.values() if row.name not in LISTS and _has(snapshot, row))
    return [
        *scalars,
        *(f"cells.{number}" for number in range(1, len(snapshot.cells) + 1)),
        *(f"temperatures.{name}" for name, value in snapshot.temperatures.items() if value is not None),
        *(f"switches.{name}" for name in snapshot.switches),
        *(("balancing",) if snapshot.cells else ()),
    ]


def message(device: Device, found: Iterable[str], former: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The whole message. former: entities (id → platform) that are there no longer, and are to be removed."""
    topics, info = device.topics, device.info
    about = {
        "identifiers": [device.id],
        "name": device.battery,
        "manufacturer": info.manufacturer if info else None,
        "model": info.model if info else None,
        "hw_version": info.hardware if info else None,
        "sw_version": info.software if info else None,
        "serial_number": info.serial if info else None,
    }
    return {
        "device": {key: value for key, value in about.items() if value},
        "origin": {"name": "antbms", "sw_version": __version__},
        "availability": [
            {"topic": topics.bridge("availability")},
            {"topic": topics.of(device.battery, "availability")},
        ],
        "availability_mode": "all",
        "state_topic": topics.of(device.battery, "state"),
        "components": {
            **{name: {"platform": platform} for name, platform in (former or {}).items()},
            **components(device, found),
        },
    }


def components(device: Device, found: Iterable[str]) -> dict[str, Component]:
    """Id → configuration, of every entity of a device that has these parts."""
    made: dict[str, Component] = {}
    for part in found:
        name, _, item = part.partition(".")
        made |= _many(device, name, item) if item else _one(device, name)
    made |= _always(device)
    for name, component in made.items():
        component["unique_id"] = f"{device.id}_{name}"
    return made


def _has(snapshot: Snapshot, row: Quantity) -> bool:
    value = snapshot.details.get(row.name) if row.detail else getattr(snapshot, row.name)
    return value is not None


def _one(device: Device, name: str) -> dict[str, Component]:
    """The entity of a quantity with one value."""
    if name == "balancing":
        return {name: _binary(device, "Balancing", "{{ value_json.balancing | length > 0 }}", diagnostic=True)}
    row = QUANTITIES.get(name)
    if row is None:  # remembered from a version that had it
        return {}
    value = f"value_json.details.get('{name}')" if row.detail else f"value_json.{name}"
    return {name: _sensor(device, row.label, row, f"{{{{ {value} }}}}", diagnostic=row.diagnostic)}


def _many(device: Device, name: str, item: str) -> dict[str, Component]:
    """The entity of one of many values."""
    row = QUANTITIES[name]
    if name == "cells":
        value = f"{{{{ value_json.cells[{int(item) - 1}] | default(none) }}}}"
        return {f"cell_{item}": _sensor(device, f"Cell {item}", row, value, diagnostic=True)}
    if name == "temperatures":
        value = f"{{{{ value_json.temperatures.get('{item}') }}}}"
        number = item.removeprefix("t")
        label = f"Temperature {number if number.isdigit() else item}"
        return {f"temperature_{_slug(item)}": _sensor(device, label, row, value)}
    return _switch(device, item)


def _switch(device: Device, name: str) -> dict[str, Component]:
    """A switch where it may be given; where it may not, its state."""
    label, key = name.capitalize(), _slug(name)
    value = f"{{{{ value_json.switches.get('{name}', {{}}).get('on') }}}}"
    if name not in device.switches:
        return {f"{key}_state": _binary(device, label, value)}
    return {
        f"{key}_switch": {
            "platform": "switch",
            "name": label,
            "value_template": value,
            "state_on": "True",
            "state_off": "False",
            "command_topic": device.topics.of(device.battery, "switch", name, "set"),
            "payload_on": "ON",
            "payload_off": "OFF",
            "optimistic": False,
            # A message of QoS 0 is given up while Home Assistant or the broker is away, and cannot come late.
            "qos": 0,
            "retain": False,
        }
    }


def _always(device: Device) -> dict[str, Component]:
    """What every device has: alarms, doubts, its link; and the commands that may be given."""
    state = device.topics.of(device.battery, "state")
    made = {
        "alarms": {
            **_binary(device, "Alarms", "{{ value_json.alarms | length > 0 }}"),
            "device_class": "problem",
            "json_attributes_topic": state,
            "json_attributes_template": (
                "{{ {'alarms': value_json.alarms | map(attribute='text') | list,"
                " 'codes': value_json.alarms | map(attribute='code') | list,"
                " 'flags': value_json.flags | map(attribute='text') | list} | tojson }}"
            ),
        },
        "doubts": {
            "platform": "sensor",
            "name": "Doubted values",
            "value_template": "{{ value_json.doubts | length }}",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "expire_after": device.expire_after,
            "json_attributes_topic": state,
            "json_attributes_template": "{{ {'doubts': value_json.doubts} | tojson }}",
        },
    }
    for key, (label, state_class) in LINK.items():
        made[f"link_{key}"] = {
            "platform": "sensor",
            "name": label,
            "state_topic": device.topics.of(device.battery, "link"),
            # A state has 255 characters at most.
            "value_template": f"{{{{ value_json.get('{key}') | string | truncate(250, true) }}}}",
            **({"state_class": state_class} if state_class else {}),
            "entity_category": "diagnostic",
            # These say why a battery cannot be read, so they stay when it cannot.
            "availability": [{"topic": device.topics.bridge("availability")}],
        }
    for name, label in device.commands.items():
        made[f"{_slug(name)}_button"] = {
            "platform": "button",
            "name": label,
            "command_topic": device.topics.of(device.battery, "command", name, "set"),
            "payload_press": "PRESS",
            "entity_category": "config",
            "qos": 0,
            "retain": False,
            **({"device_class": BUTTON_CLASSES[name]} if name in BUTTON_CLASSES else {}),
        }
    return made


def _sensor(device: Device, label: str, row: Quantity, value: str, *, diagnostic: bool = False) -> Component:
    fields = {
        "platform": "sensor",
        "name": label,
        "value_template": value,
        "device_class": row.device_class or CLASSES.get(row.unit),
        "unit_of_measurement": row.unit or None,
        "state_class": STATE_CLASSES.get(row.kind),
        "suggested_display_precision": row.digits if row.kind in STATE_CLASSES else None,
        "entity_category": "diagnostic" if diagnostic else None,
        "expire_after": device.expire_after,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _binary(device: Device, label: str, value: str, *, diagnostic: bool = False) -> Component:
    return {
        "platform": "binary_sensor",
        "name": label,
        "value_template": value,
        "payload_on": "True",
        "payload_off": "False",
        "expire_after": device.expire_after,
        **({"entity_category": "diagnostic"} if diagnostic else {}),
    }


def _slug(text: str) -> str:
    """Letters, digits, `_` and `-`; what differs in other characters still differs."""
    plain = re.sub(r"[^a-zA-Z0-9_-]", "_", text)
    return plain if plain == text else f"{plain}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"
