"""`scan` and `doctor` over virtual classic Bluetooth, through aio-rfcomm, D-Bus and a small BlueZ."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

if sys.platform != "linux":
    pytest.skip("BlueZ is Linux only", allow_module_level=True)

import ble_radio
from classic_radio import SERIAL_PORT
from classic_world import PROTOCOLS, World, address, new_world
from fake_bluez import NO_BLUEZ, system_bus
from neighbourhood import World as Neighbourhood
from neighbourhood import ble_world, command_line
from test_discover_bluetooth import by_address, steps

Printed = pytest.CaptureFixture[str]
NAMES = {"ant": "BMS-ANT16S", "ant-legacy": "BMS-ANT24S", "jbd": "JBD-SP08S"}
HEADPHONES, GPS, HEARD, OUT_OF_REACH = (address(0x20 + number) for number in range(4))
CLASSIC = ("scan", "--kind", "classic")


@pytest.fixture(autouse=True)
def bus() -> Iterator[None]:
    with system_bus():
        yield


def paired_world(met: list[World] | None = None) -> Neighbourhood:
    """A paired battery of each protocol, headphones, and a serial port that nobody takes for a battery."""

    @asynccontextmanager
    async def world() -> AsyncIterator[None]:
        async with new_world() as made:
            for number, protocol in enumerate(PROTOCOLS):
                module = await made.battery(protocol, number=number, known=False)
                made.bluez.add(module.address, NAMES[protocol], [SERIAL_PORT])
            made.bluez.add(HEADPHONES, "Headphones")
            made.bluez.add(GPS, "GPS receiver", [SERIAL_PORT])
            if met is not None:
                met.append(made)
            yield

    return world


def test_scan_lists_known_devices(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    met: list[World] = []
    assert command_line(monkeypatch, paired_world(met))(*CLASSIC, "--json") == 0
    found = by_address(capsys.readouterr().out)
    assert len(found) == 5
    assert {one["name"]: one["candidate"] for one in found.values()} == {
        **dict.fromkeys(NAMES.values(), True),
        "Headphones": False,
        "GPS receiver": False,
    }
    assert all(address.count(":") == 5 for address in found)
    assert all(one["kind"] == "classic" and one["signal"] is None for one in found.values())
    assert not any(module.heard for module in met[0].radio.air.modules.values())


def test_probe_asks_those_that_look_like_batteries(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    assert command_line(monkeypatch, paired_world())(*CLASSIC, "--probe", f"rfcomm:{GPS}", "--json") == 0
    found = by_address(capsys.readouterr().out)
    assert {one["name"]: one["protocol"] for one in found.values() if one["protocol"]} == {
        "BMS-ANT16S": "ant",
        "BMS-ANT24S": "ant-legacy",
        "JBD-SP08S": "jbd",
    }
    assert {one["name"]: one["problem"] for one in found.values() if one["problem"]} == {
        "GPS receiver": "the device does not answer"
    }


def test_what_is_only_heard_is_listed_once(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    """BlueZ knows also the Bluetooth LE devices that it heard lately."""
    heard = ble_world(lambda air: {HEARD: ble_radio.Battery(air, address=HEARD)})

    @asynccontextmanager
    async def world() -> AsyncIterator[None]:
        async with new_world() as made, heard():
            made.bluez.add(HEARD, "ANT-BLE16ZMUB")
            made.bluez.add(OUT_OF_REACH, "ANT-BLE20A")
            yield

    antbms_in_world = command_line(monkeypatch, world)
    assert antbms_in_world("scan", "--kind", "classic", "--kind", "ble", "--seconds", "0.4", "--json") == 0
    found = by_address(capsys.readouterr().out)
    assert {address: one["kind"] for address, one in found.items()} == {HEARD: "ble", OUT_OF_REACH: "classic"}
    assert found[OUT_OF_REACH]["likely"] is None, "nothing says that it has a serial port"


@pytest.mark.parametrize(("number", "protocol"), [*enumerate(PROTOCOLS)])
def test_doctor_over_rfcomm(number: int, protocol: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    assert command_line(monkeypatch, paired_world())("doctor", f"rfcomm:{address(number)}", "--json") == 0
    done = steps(capsys.readouterr().out)
    assert "failed" not in {outcome for outcome, _ in done.values()}
    assert done["classic Bluetooth"] == ("ok", "5 known devices, 4 with a serial port")
    assert done["paired"] == ("ok", f"{NAMES[protocol]}, with a serial port")
    assert done["protocol"] == ("ok", protocol)
    assert "65 %" in done["reading"][1]


def test_doctor_stops_where_it_fails(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    antbms_in_world = command_line(monkeypatch, paired_world())
    assert antbms_in_world("doctor", f"rfcomm:{HEADPHONES}") == 1
    text = capsys.readouterr().out
    assert "✓ paired" in text
    assert "✗ opens" in text
    assert "answers" not in text
    assert antbms_in_world("doctor", f"rfcomm:{HEADPHONES}", "--redact", "--json") == 1
    text = capsys.readouterr().out
    assert HEADPHONES not in text
    assert "Headphones" not in text


def test_what_is_denied_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    antbms_in_world = command_line(monkeypatch, new_world)
    with system_bus(NO_BLUEZ):
        assert antbms_in_world(*CLASSIC) == 0
        assert "usermod -aG bluetooth" in capsys.readouterr().err
        assert antbms_in_world("doctor", f"rfcomm:{address()}", "--json") == 1
    done = steps(capsys.readouterr().out)
    assert done["classic Bluetooth"] == ("failed", "no permission to use Bluetooth")
    assert "opens" not in done, "nothing of the battery is tried after that"
