"""What Prometheus reads: judged by its own parsers, and by promtool where it is installed."""

import asyncio
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families
from sink_data import NOON, full, info, offline, sources

import patience
from antbms.errors import SinkError, UsageError
from antbms.model import QUANTITIES, Event, Kind
from antbms.sinks.base import need
from antbms.sinks.prometheus import LISTS, UNITS, Config, Prometheus, make, metric_name
from antbms.timing import Timing
from conftest import missing
from ports import free_port

COUNTERS = {"requests": 10, "answers": 9, "stale": 1, "opens": 2, "losses": 1, "rejected.checksum": 4}
BASE_UNITS = {"volts", "amperes", "watts", "ohms", "celsius", "ratio", "coulombs", "joules", "seconds", "meters"}


def timing(seconds: float = 0.0) -> Timing:
    return Timing(now=lambda: NOON + timedelta(seconds=seconds))


def sink(*events: Event, seconds: float = 0.0, names: Iterable[str] = ("garage",)) -> Prometheus:
    """A sink that has taken events; it listens nowhere."""
    made = make(Config(), sources(*names, info=info(), counters=COUNTERS), timing(seconds))
    made._stop = lambda: None
    patience.run(made.take(events))
    return made


def text(made: Prometheus) -> str:
    registry = CollectorRegistry()
    registry.register(made)
    return generate_latest(registry).decode()


def families(made: Prometheus) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text(made))}


def values(made: Prometheus, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Labels (without the battery) → value, of all samples of one name."""
    return {
        tuple(sorted((k, v) for k, v in sample.labels.items() if k != "battery")): sample.value
        for family in families(made).values()
        for sample in family.samples
        if sample.name == name
    }


def test_every_unit_of_the_catalogue_has_a_base_unit() -> None:
    assert {row.unit for row in QUANTITIES.values()} <= UNITS.keys()
    assert {unit for unit, _, _ in UNITS.values()} - {""} <= BASE_UNITS


def test_every_quantity_is_there_once_under_a_conventional_name() -> None:
    found = families(sink(full()))
    for row in QUANTITIES.values():
        if row.name in LISTS:
            continue
        family = found[metric_name(row)]
        assert family.type == ("counter" if row.kind is Kind.COUNTER else "gauge"), row.name
        assert len(family.samples) == 1
        assert family.samples[0].name.endswith("_total") == (row.kind is Kind.COUNTER)
        assert family.documentation.startswith(row.label)
        if row.unit:
            assert family.name.rsplit("_", 1)[1] in BASE_UNITS


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({"voltage": 52.98}, "antbms_voltage_volts", 52.98),
        ({"current": -12.4}, "antbms_current_amperes", -12.4),
        ({"soc": 57.0}, "antbms_soc_ratio", 0.57),
        ({"charged": 1.5}, "antbms_charged_coulombs_total", 5400.0),
        ({"uptime": 104447}, "antbms_uptime_seconds_total", 104447.0),
        ({"cycles": 12}, "antbms_cycles_total", 12.0),
        ({"details": {"licence_hours": 2}}, "antbms_licence_seconds", 7200.0),
        ({"details": {"tire_length": 1500}}, "antbms_tire_length_meters", 1.5),
        ({"details": {"line_resistance": 0.0004}}, "antbms_line_resistance_ohms", 0.0004),
    ],
)
def test_values_are_in_base_units(changes: dict[str, Any], name: str, expected: float) -> None:
    assert values(sink(full(**changes)), name) == {(): expected}


def test_words_are_labels() -> None:
    made = sink(full(state="charging"))
    assert values(made, "antbms_state") == {(("state", "charging"),): 1}
    assert values(made, "antbms_chemistry") == {(("chemistry", "lfp"),): 1}


def test_cells_sensors_switches_and_alarms_have_labels_and_what_is_unknown_is_left_out() -> None:
    made = sink(full())
    assert values(made, "antbms_cell_volts") == {
        (("cell", "1"),): 3.3,
        (("cell", "2"),): 3.301,
        (("cell", "3"),): 3.302,
    }
    assert [value for _, value in sorted(values(made, "antbms_cell_balancing").items())] == [0, 1, 0, 0]
    assert values(made, "antbms_temperature_celsius") == {(("sensor", "t1"),): 21.5, (("sensor", "mosfet"),): -3.0}
    assert values(made, "antbms_switch_on") == {(("switch", "charge"),): 1}
    assert values(made, "antbms_alarms") == {(("severity", "protection"),): 1, (("severity", "warning"),): 1}
    assert (("code", "protection.1"), ("severity", "protection"), ("text", 'cell "over"\nvoltage \\')) in values(
        made, "antbms_alarm_active"
    )
    assert values(made, "antbms_flag_active") == {(("code", "warning.17"), ("text", "full")): 1}
    assert values(made, "antbms_doubted_values") == {(): 1}


def test_a_value_that_is_null_has_no_sample() -> None:
    found = families(sink(full(voltage=None, soc=None)))
    assert "antbms_voltage_volts" not in found
    assert "antbms_soc_ratio" not in found


def test_who_the_battery_is_and_how_its_link_does() -> None:
    made = sink(full())
    (labels,) = values(made, "antbms_battery_info")
    assert dict(labels)["model"] == "ANT 24S"
    assert dict(labels)["serial"] == ""
    assert values(made, "antbms_link_requests_total") == {(): 10}
    assert values(made, "antbms_link_rejected_total") == {(("reason", "checksum"),): 4}
    assert values(made, "antbms_last_sample_timestamp_seconds") == {(): NOON.timestamp()}


def test_a_battery_that_is_offline_shows_no_old_values() -> None:
    made = sink(full(), offline(5))
    found = families(made)
    assert values(made, "antbms_up") == {(): 0}
    assert values(made, "antbms_last_sample_timestamp_seconds") == {(): NOON.timestamp()}
    assert values(made, "antbms_link_losses_total") == {(): 1}
    assert "antbms_voltage_volts" not in found
    assert not found["antbms_cell_volts"].samples


def test_a_reading_expires() -> None:
    assert values(sink(full(), seconds=300), "antbms_up") == {(): 1}
    made = sink(full(), seconds=301)
    assert values(made, "antbms_up") == {(): 0}
    assert "antbms_voltage_volts" not in families(made)


def test_a_battery_that_never_answered_is_down() -> None:
    made = sink(full(), names=("garage", "shed"))
    up = {sample.labels["battery"]: sample.value for sample in families(made)["antbms_up"].samples}
    assert up == {"garage": 1, "shed": 0}


def test_its_own_parsers_accept_it() -> None:
    made = sink(full(), full(battery="shed", soc=None), offline(battery="hut"), names=("garage", "shed", "hut"))
    registry = CollectorRegistry()
    registry.register(made)
    strict = list(openmetrics_parser.text_string_to_metric_families(openmetrics.generate_latest(registry).decode()))
    assert {metric_name(row) for row in QUANTITIES.values() if row.name not in LISTS} <= {f.name for f in strict}
    assert all(family.type != "unknown" for family in strict)
    seen = [(sample.name, tuple(sorted(sample.labels.items()))) for family in strict for sample in family.samples]
    assert len(seen) == len(set(seen))


def test_promtool_accepts_it() -> None:
    if shutil.which("promtool") is None:
        missing("promtool is not installed (Debian's package prometheus has it)")
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text(sink(full())), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def get(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=patience.LONG) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        body: bytes = answer.read()
        return body.decode()


def threads() -> set[str]:
    """Those that run, without the executor's."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


def test_it_is_served_until_it_is_closed() -> None:
    async def main() -> None:
        before = threads()
        made = make(Config(port=free_port()), sources(), timing())
        await made.take([full(voltage=52.98)])
        assert 'antbms_voltage_volts{battery="garage"} 52.98' in await asyncio.to_thread(get, made.port)
        await made.take([full(1, voltage=53.0)])
        assert 'antbms_voltage_volts{battery="garage"} 53.0' in await asyncio.to_thread(get, made.port)
        await made.close()
        await made.close()
        with pytest.raises(OSError, match="refused"):
            await asyncio.to_thread(get, made.port)
        async with asyncio.timeout(patience.LONG):
            while threads() != before:  # noqa: ASYNC110  # one that answers has told us all before it ends
                await asyncio.sleep(0.001)

    patience.run(main())


def test_a_port_that_is_taken_is_told_and_tried_again() -> None:
    async def main() -> None:
        port = free_port()
        with socket.create_server(("127.0.0.1", port)):
            made = make(Config(port=port), sources(), timing())
            with pytest.raises(SinkError, match=r"cannot listen on 127\.0\.0\.1") as caught:
                await made.take([full()])
            assert "Next:" in caught.value.text()
        await made.take([full()])
        assert "antbms_up" in await asyncio.to_thread(get, made.port)
        await made.close()

    patience.run(main())


def test_a_library_that_is_not_installed_is_told() -> None:
    with pytest.raises(UsageError, match=r"^\[prometheus\]: .* not installed$") as caught:
        need("prometheus", "no_such_module_of_ours")
    assert "pip install 'antbms[prometheus]'" in caught.value.text()


def test_close_without_a_reading() -> None:
    patience.run(make(Config(), sources(), timing()).close())
