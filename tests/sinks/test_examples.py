"""The examples are held against what antbms says of itself: names of metrics, ids of entities, topics of the broker."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from mosquitto import Broker, certificates, observer, program, run, wait
from sink_data import day_after, full, info, sources

import patience
from antbms.model import Outcome
from antbms.sinks.mqtt import Config, make
from antbms.sinks.mqtt.home_assistant import Device, message, parts
from antbms.sinks.mqtt.topics import Topics
from antbms.sinks.prometheus import Latest, metrics
from conftest import ROOT, missing

EXAMPLES = ROOT / "examples"
DASHBOARD = json.loads((EXAMPLES / "grafana" / "antbms.json").read_text("utf-8"))
COUNTERS = {"requests": 1, "answers": 1, "stale": 1, "opens": 1, "losses": 1, "rejected.checksum": 1}


def samples() -> dict[str, set[str]]:
    """Metric → its labels, for a battery that has everything."""
    found: dict[str, set[str]] = {}
    latest = {"garage": Latest(full(), full().time, info(), COUNTERS)}
    for family in metrics(latest, full().time, 300):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    there = samples()
    for expression in [*expressions(), DASHBOARD["templating"]["list"][1]["definition"]]:
        names = set(re.findall(r"\bantbms_\w+", expression))
        assert names, expression
        assert names <= there.keys(), expression


def test_its_legends_use_labels_that_there_are() -> None:
    there = samples()
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            (name,) = re.findall(r"\bantbms_\w+", target["expr"])
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= there[name], target


def test_its_panels_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_prometheus_understands_its_expressions(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        missing("promtool is not installed (Debian's package prometheus has it)")
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# Home Assistant


def entity_ids() -> set[str]:
    """As Home Assistant makes them: of the device's name and the entity's."""
    topics = Topics("antbms", ["garage"])
    made = message(Device("antbms_1", "garage", info(), topics, 300), parts(full()))
    components = made["components"].values()
    return {f"{one['platform']}.{slug(made['device']['name'] + ' ' + one['name'])}" for one in components}


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def strings(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for value in node.values() for text in strings(value)]
    if isinstance(node, list):
        return [text for value in node for text in strings(value)]
    return [node] if isinstance(node, str) else []


@pytest.mark.parametrize("name", ["card.yaml", "automations.yaml"])
def test_the_entities_of_the_examples_exist(name: str) -> None:
    loaded = yaml.safe_load((EXAMPLES / "home-assistant" / name).read_text("utf-8"))
    used = {found for text in strings(loaded) for found in re.findall(r"\b(?:binary_sensor|sensor|switch)\.\w+", text)}
    assert len(used) > 2
    assert used <= entity_ids()


def test_the_automations_are_automations() -> None:
    loaded = yaml.safe_load((EXAMPLES / "home-assistant" / "automations.yaml").read_text("utf-8"))
    assert len({one["id"] for one in loaded}) == len(loaded)
    for one in loaded:
        assert one.keys() == {"id", "alias", "mode", "triggers", "actions"}
        assert all(trigger["trigger"] in ("state", "numeric_state") for trigger in one["triggers"])
        for text in strings(one["actions"]):
            jinja2.Environment().parse(text)


def test_the_message_of_an_alarm_reads_well() -> None:
    """With what the discovery message makes of a snapshot."""
    loaded = yaml.safe_load((EXAMPLES / "home-assistant" / "automations.yaml").read_text("utf-8"))
    topics = Topics("antbms", ["garage"])
    alarms = message(Device("antbms_1", "garage", info(), topics, 300), parts(full()))["components"]["alarms"]
    template = jinja2.Environment().from_string(alarms["json_attributes_template"])
    attributes = json.loads(template.render(value_json=json.loads(full().to_json())))
    environment = jinja2.Environment()
    environment.globals["state_attr"] = lambda entity, name: attributes[name]
    text = environment.from_string(loaded[0]["actions"][0]["data"]["message"]).render()
    assert text == 'cell "over"\nvoltage \\, hot'


# The broker


def installed(folder: Path, tls: bool) -> Broker:
    """mosquitto with the configuration of the example, its paths moved to `folder`; with TLS as its comment says."""
    made = Broker(folder)
    text = (EXAMPLES / "mosquitto" / "mosquitto.conf").read_text("utf-8")
    if tls:
        text = text.replace("listener 1883 127.0.0.1\n", "").replace("#listener 8883", "listener 1883 127.0.0.1")
        text = re.sub(r"^#(cafile|certfile|keyfile)", r"\1", text, flags=re.MULTILINE)
        certificates(folder, "localhost")
    text = text.replace("listener 1883", f"listener {made.port}").replace("/var/lib/mosquitto/", f"{folder}/")
    text = text.replace("/etc/mosquitto/certs", str(folder)).replace("/etc/mosquitto", str(folder))
    assert "/etc/" not in re.sub(r"^#.*", "", text, flags=re.MULTILINE)
    (folder / "mosquitto.conf").write_text(text + "user root\nlog_dest none\n")
    shutil.copy(EXAMPLES / "mosquitto" / "acl", folder / "acl")
    (folder / "acl").chmod(0o600)
    (folder / "passwords").touch(mode=0o600)
    for user in ("antbms", "homeassistant"):
        run(folder, program("mosquitto_passwd"), "-b", "passwords", user, "secret")
    return made


@pytest.mark.parametrize("tls", [False, True])
def test_the_broker_of_the_example_lets_through_what_is_needed(
    tmp_path: Path, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    async def control(kind: str, name: str, value: bool | None, until: float | None = None) -> Outcome:
        asked.append(name)
        return Outcome(what=name, before=None, wanted=value, seen=value, confirmed=True, text="done")

    made = installed(tmp_path / "mosquitto", tls)
    (tmp_path / "secret").write_text("secret")
    config = Config(
        host="localhost", port=made.port, user="antbms", password_file=str(tmp_path / "secret"),
        file=str(tmp_path / "spool"), tls=tls, ca=str(tmp_path / "mosquitto" / "ca.crt") if tls else None,
    )  # fmt: skip

    async def main(after: Any) -> None:
        sink = make(config, sources(info=info(), control=control), patience.timing(now=day_after, broker=8.0))
        await sink.take([full()])
        async with asyncio.timeout(20):
            while sink.problem is not None or sink.waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.to_thread(after)
        await sink.close()

    def as_home_assistant() -> None:
        with observer(made.port, user="homeassistant", password="secret") as seen:
            wait(lambda: [m for m in seen.messages if m.topic.startswith("homeassistant/device/")])
            wait(lambda: seen.on("antbms/garage/state"))
            before = len(seen.messages)
            seen.publish("homeassistant/status", "online")
            wait(lambda: len(seen.messages) > before + 3)
            seen.publish("antbms/garage/switch/charge/set", "OFF")
            wait(lambda: seen.on("antbms/garage/result"))

    made.start()
    try:
        patience.run(main((lambda: None) if tls else as_home_assistant))
    finally:
        made.stop()
    assert asked == ([] if tls else ["charge"])
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
