"""Discovery messages, held against the rules that Home Assistant documents, and against its restarts.

The rules are those of https://www.home-assistant.io/integrations/mqtt/ (device discovery, sensor, binary sensor,
switch, button) and of `DEVICE_CLASS_UNITS`, `DEVICE_CLASS_STATE_CLASSES` in homeassistant/components/sensor/const.py.
"""

import json
import re
from typing import Any

import jinja2
import pytest
from msgspec.structs import replace
from sink_data import NOON, full, info

from antbms.model import QUANTITIES, DeviceInfo, Kind, Snapshot, SwitchState
from antbms.sinks.mqtt.home_assistant import Device, device_id, discovery_topic, message, parts
from antbms.sinks.mqtt.topics import Topics

ENTITY = {
    "availability", "availability_mode", "availability_template", "availability_topic", "default_entity_id",
    "enabled_by_default", "encoding", "entity_category", "entity_picture", "icon", "json_attributes_template",
    "json_attributes_topic", "name", "payload_available", "payload_not_available", "platform", "qos", "unique_id",
}  # fmt: skip
STATE = {"state_topic", "value_template", "device_class"}
PLATFORMS = {
    "sensor": ENTITY | STATE | {
        "expire_after", "force_update", "last_reset_value_template", "options", "state_class",
        "suggested_display_precision", "unit_of_measurement",
    },
    "binary_sensor": ENTITY | STATE | {"expire_after", "force_update", "off_delay", "payload_on", "payload_off"},
    "switch": ENTITY | STATE | {
        "command_topic", "command_template", "optimistic", "payload_on", "payload_off", "retain", "state_on",
        "state_off",
    },
    "button": ENTITY | {"command_topic", "command_template", "device_class", "payload_press", "retain"},
}  # fmt: skip
REQUIRED = {
    "sensor": {"unique_id", "name", "value_template"},
    "binary_sensor": {"unique_id", "name", "value_template", "payload_on", "payload_off"},
    "switch": {"unique_id", "name", "value_template", "command_topic", "state_on", "state_off"},
    "button": {"unique_id", "name", "command_topic", "payload_press"},
}
ROOT = {"device", "origin", "components", "availability", "availability_mode", "state_topic", "qos", "encoding"}
DEVICE = {
    "identifiers", "name", "manufacturer", "model", "hw_version", "sw_version", "serial_number", "connections",
    "configuration_url", "suggested_area", "via_device", "model_id",
}  # fmt: skip
ENERGY = {"J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh", "cal", "kcal", "Mcal", "Gcal"}
UNITS: dict[str, set[str | None]] = {
    "battery": {"%"},
    "current": {"A", "mA"},
    "distance": {"km", "m", "cm", "mm", "mi", "nmi", "yd", "ft", "in"},
    "duration": {"d", "h", "min", "s", "ms"},
    "energy": {*ENERGY},
    "energy_storage": {*ENERGY},
    "humidity": {"%"},
    "power": {"W", "kW", "MW", "GW", "TW", "mW"},
    "temperature": {"°C", "°F", "K"},
    "voltage": {"V", "mV", "µV", "kV", "MV"},
}
MEASUREMENT, TOTALS = {"measurement"}, {"total", "total_increasing"}
STATE_CLASSES = {
    "battery": MEASUREMENT,
    "current": MEASUREMENT,
    "distance": MEASUREMENT | TOTALS,
    "duration": MEASUREMENT | TOTALS,
    "energy": TOTALS,
    "energy_storage": MEASUREMENT,
    "humidity": MEASUREMENT,
    "power": MEASUREMENT,
    "temperature": MEASUREMENT,
    "voltage": MEASUREMENT,
}
CLASSES = {"binary_sensor": {"problem"}, "switch": {"switch", "outlet"}, "button": {"identify", "restart", "update"}}
CATEGORIES = {
    "sensor": {"diagnostic"},
    "binary_sensor": {"diagnostic"},
    "switch": {"config", "diagnostic"},
    "button": {"config", "diagnostic"},
}
TEMPLATES = jinja2.Environment(undefined=jinja2.StrictUndefined)

EMPTY = Snapshot(time=NOON, battery="garage", protocol="jbd")
LINK = {"reason": None, "losses": 3, "rejected": 2, "online": True}


def device(**changes: Any) -> Device:
    plain = Device("antbms_aabb", "garage", info(), Topics("antbms", ["garage"]), 300)
    return replace(plain, **changes)


CONTROLLED = device(switches=frozenset({"charge", "balance"}), commands={"restart": "Restart"})
PAYLOADS = {
    "full": message(device(), parts(full())),
    "controlled": message(CONTROLLED, parts(full())),
    "empty": message(device(info=None), parts(EMPTY)),
    "removing": message(device(), parts(full()), {"old_switch": "switch"}),
}
ALL = [
    pytest.param(component, id=f"{kind} {name}")
    for kind, payload in PAYLOADS.items()
    for name, component in payload["components"].items()
    if len(component) > 1
]


def check_device(payload: dict[str, Any]) -> None:
    assert payload.keys() <= ROOT
    assert payload["device"].keys() <= DEVICE
    assert payload["device"]["identifiers"]
    assert payload["origin"].keys() <= {"name", "sw_version", "support_url"}
    assert payload["origin"]["name"] == "antbms"
    assert payload["availability_mode"] == "all"
    assert [one["topic"] for one in payload["availability"]] == [
        "antbms/bridge/availability",
        "antbms/garage/availability",
    ]
    ids = [component["unique_id"] for component in payload["components"].values() if len(component) > 1]
    assert len(ids) == len(set(ids))
    assert json.loads(json.dumps(payload)) == payload


@pytest.mark.parametrize("kind", PAYLOADS)
def test_the_message_of_a_device(kind: str) -> None:
    check_device(PAYLOADS[kind])


@pytest.mark.parametrize("component", ALL)
def test_every_entity_keeps_the_rules(component: dict[str, Any]) -> None:
    platform = component["platform"]
    assert component.keys() <= PLATFORMS[platform]
    assert component.keys() >= REQUIRED[platform]
    assert all(value is not None for value in component.values())
    assert component.get("entity_category", "diagnostic") in CATEGORIES[platform] | {"diagnostic"}
    for key, value in component.items():
        if key.endswith("_topic"):
            assert not set(value) & set("+#")
    kind = component.get("device_class")
    if platform != "sensor":
        assert kind is None or kind in CLASSES[platform]
        assert component.get("retain", False) is False
        assert component.get("optimistic", False) is False
        return
    state_class = component.get("state_class")
    assert state_class in {None, *MEASUREMENT, *TOTALS}
    if kind is not None:
        assert component.get("unit_of_measurement") in UNITS[kind]
        assert state_class is None or state_class in STATE_CLASSES[kind]
    if "unit_of_measurement" in component or "suggested_display_precision" in component:
        assert state_class, "a number that is not recorded"
    assert component.get("expire_after", 1) > 0
    assert component.get("suggested_display_precision", 0) >= 0


def render(template: str, snapshot: Snapshot, component: dict[str, Any]) -> str:
    is_link = component.get("state_topic", "").endswith("/link")
    return TEMPLATES.from_string(template).render(value_json=LINK if is_link else json.loads(snapshot.to_json()))


@pytest.mark.parametrize("component", ALL)
def test_every_template_renders_what_its_platform_takes(component: dict[str, Any]) -> None:
    """Also for a snapshot in which everything is missing: as `None`, which is unknown to Home Assistant."""
    for snapshot in (full(), EMPTY):
        if "json_attributes_template" in component:
            assert isinstance(json.loads(render(component["json_attributes_template"], snapshot, component)), dict)
        if component["platform"] == "button":
            continue
        shown = render(component["value_template"], snapshot, component)
        if component["platform"] == "sensor":
            if component.get("state_class") and shown != "None":
                float(shown)
            assert len(shown) < 256
        else:
            names = (
                ("payload_on", "payload_off") if component["platform"] == "binary_sensor" else ("state_on", "state_off")
            )
            assert shown in {"None", *(component[name] for name in names)}


def test_every_quantity_of_the_catalogue_is_there() -> None:
    made = PAYLOADS["full"]["components"]
    many = {
        "cells": {"cell_1", "cell_2", "cell_3", "cell_4"},
        "temperatures": {"temperature_t1", "temperature_mosfet"},
        "switches": {"charge_state", "balance_state"},
        "flags": {"alarms"},
    }
    for name, row in QUANTITIES.items():
        wanted = many.get(name, {name})
        assert wanted <= made.keys(), name
        for component in (made[one] for one in wanted):
            if component["platform"] == "sensor":
                assert component.get("unit_of_measurement", "") == row.unit
                if row.kind is Kind.COUNTER:
                    assert component["state_class"] == "total_increasing"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("voltage", {"device_class": "voltage", "state_class": "measurement", "suggested_display_precision": 2}),
        ("current", {"device_class": "current", "unit_of_measurement": "A"}),
        ("power", {"device_class": "power", "unit_of_measurement": "W"}),
        ("soc", {"device_class": "battery", "unit_of_measurement": "%"}),
        ("soh", {"unit_of_measurement": "%", "state_class": "measurement"}),
        ("charged", {"unit_of_measurement": "Ah", "state_class": "total_increasing"}),
        ("uptime", {"device_class": "duration", "state_class": "total_increasing", "entity_category": "diagnostic"}),
        ("cell_3", {"device_class": "voltage", "entity_category": "diagnostic", "suggested_display_precision": 3}),
        ("temperature_mosfet", {"device_class": "temperature", "name": "Temperature mosfet"}),
        ("temperature_t1", {"name": "Temperature 1"}),
        ("humidity", {"device_class": "humidity"}),
        ("link_losses", {"entity_category": "diagnostic", "state_topic": "antbms/garage/link"}),
        ("alarms", {"platform": "binary_sensor", "device_class": "problem"}),
    ],
)
def test_classes(name: str, expected: dict[str, Any]) -> None:
    assert expected.items() <= PAYLOADS["full"]["components"][name].items()


def test_energy_counts_for_the_energy_dashboard() -> None:
    rows = [row for row in QUANTITIES.values() if row.unit == "kWh" and row.kind is Kind.COUNTER]
    for row in rows:
        component = PAYLOADS["full"]["components"][row.name]
        assert (component["device_class"], component["state_class"]) == ("energy", "total_increasing")


def test_values_and_attributes_are_those_of_the_snapshot() -> None:
    made = PAYLOADS["controlled"]["components"]

    def shown(name: str, key: str = "value_template", snapshot: Snapshot | None = None) -> str:
        return render(made[name][key], snapshot or full(), made[name])

    assert shown("voltage") == str(full().voltage)
    assert shown("cell_2") == "3.301"
    assert shown("cell_4") == "None"
    assert shown("cell_4", snapshot=full(cells=(3.3,))) == "None"
    assert shown("temperature_mosfet") == "-3.0"
    assert shown("time_to_full") == str(full().details["time_to_full"])
    assert shown("alarms") == "True"
    assert json.loads(shown("alarms", "json_attributes_template")) == {
        "alarms": ['cell "over"\nvoltage \\', "hot"],
        "codes": ["protection.1", "warning.0"],
        "flags": ["full"],
    }
    assert shown("charge_switch") == made["charge_switch"]["state_on"]
    off = full(switches={"charge": SwitchState(False, 15, "off")})
    assert shown("charge_switch", snapshot=off) == made["charge_switch"]["state_off"]
    assert shown("balance_switch") == shown("balance_switch", snapshot=off) == "None"


def test_a_long_reason_fits_into_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    component = PAYLOADS["full"]["components"]["link_reason"]
    assert render(component["value_template"], full(), component) == "None"
    monkeypatch.setitem(LINK, "reason", "no answer " * 50)
    assert 200 < len(render(component["value_template"], full(), component)) < 256
    monkeypatch.setitem(LINK, "reason", "no answer")
    assert render(component["value_template"], full(), component) == "no answer"


def test_what_is_null_has_no_entity() -> None:
    assert parts(EMPTY) == []
    assert "temperatures.t2" not in parts(full())
    assert "soh" not in parts(full(soh=None))


def test_commands_cannot_come_late() -> None:
    made = PAYLOADS["controlled"]["components"]
    for name, topic in (
        ("charge_switch", "antbms/garage/switch/charge/set"),
        ("restart_button", "antbms/garage/command/restart/set"),
    ):
        assert made[name]["command_topic"] == topic
        assert (made[name]["qos"], made[name]["retain"]) == (0, False)


def test_an_entity_that_is_gone_is_removed_by_its_platform_alone() -> None:
    assert PAYLOADS["removing"]["components"]["old_switch"] == {"platform": "switch"}


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (info(), ("antbms_aabbccddeeff", True)),
        (info(address=None, serial="2024 7"), ("antbms_ant_2024_7_6b0d3e", True)),
        (info(address=None, serial="20247"), ("antbms_ant_20247", True)),
        (info(address=None), ("antbms_garage", False)),
        (None, ("antbms_garage", False)),
    ],
)
def test_ids_come_from_the_device(about: DeviceInfo | None, expected: tuple[str, bool]) -> None:
    found, is_own = device_id(about, "garage")
    assert is_own == expected[1]
    assert found == expected[0] or (
        found.startswith("antbms_ant_2024_7_") and expected[0].startswith("antbms_ant_2024_7_")
    )


@pytest.mark.parametrize("name", ["garage", "Гараж", "Погреб", "a/b", "COM5", ""])
def test_ids_make_valid_topics(name: str) -> None:
    topic = discovery_topic("homeassistant", device_id(None, name)[0])
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", topic)


def test_names_that_differ_have_ids_that_differ() -> None:
    names = ["Гараж", "Погреб", "a b", "a/b", "a_b", ""]
    assert len({device_id(None, name)[0] for name in names}) == len(names)
