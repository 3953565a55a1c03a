"""`antbms.discover`: what is listed, what is asked, in which order, and what is only a remark."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

import antbms
import patience
from antbms import discovery
from antbms.discovery import Found, discover
from antbms.errors import OpenError, UsageError
from antbms.timing import Timing
from antbms.transport.ports import Port

USB = Port(device="/dev/ttyUSB0", description="USB Serial", kind="usb", manufacturer="QinHeng")
OUTGOING = Port(
    device="COM5", description="Bluetooth serial port", kind="bluetooth outgoing", name="BMS-ANT24S", address="A0:00"
)
UNNAMED = Port(device="COM7", description="Bluetooth serial port", kind="bluetooth outgoing")
INCOMING = Port(device="COM4", description="Bluetooth serial port", kind="bluetooth incoming")

Ports = Callable[..., None]


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> Ports:
    """Says which serial ports there are."""
    return lambda *ports: monkeypatch.setattr(discovery, "list_ports", lambda: [*ports])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that are opened; behind each is a simulated battery."""
    opened: list[str] = []
    real = discovery.open_battery

    def open_battery(address: str, **options: Any) -> Any:
        opened.append(address)
        return real(address if address.startswith("replay:") else "sim:", **options)

    monkeypatch.setattr(discovery, "open_battery", open_battery)
    return opened


def found(**arguments: Any) -> list[Found]:
    return patience.run(discover(**{"kinds": ["serial"], **arguments}))


def test_ports_are_listed_the_likeliest_first(ports: Ports, asked: list[str]) -> None:
    ports(UNNAMED, USB, INCOMING, OUTGOING)
    rows = found()
    assert [row.address for row in rows] == ["COM5", "COM7", "/dev/ttyUSB0", "COM4"]
    assert [row.likely for row in rows] == ["ant-legacy", None, None, None]
    assert [row.candidate for row in rows] == [True, True, False, False]
    assert rows[0].name == "BMS-ANT24S"
    assert [row.description for row in rows[1:]] == [
        "bluetooth outgoing",
        "usb, USB Serial (QinHeng)",
        "bluetooth incoming",
    ]
    assert asked == []


def test_probe_asks_no_port_that_nobody_named(ports: Ports, asked: list[str]) -> None:
    ports(USB, INCOMING, OUTGOING)
    rows = found(probe=True)
    assert asked == ["COM5"]
    assert [(row.address, row.protocol) for row in rows if row.protocol] == [("COM5", "ant")]


@pytest.mark.parametrize("name", ["com4", r"\\.\COM4"])
def test_a_named_port_is_asked_and_listed_once(name: str, ports: Ports, asked: list[str]) -> None:
    ports(USB, INCOMING)
    rows = found(also=[name])
    assert asked == ["COM4"]
    assert [row.address for row in rows] == ["COM4", "/dev/ttyUSB0"]


def test_what_is_named_but_not_found_is_a_row_as_well(ports: Ports, asked: list[str]) -> None:
    ports(USB)
    rows = found(also=["COM9", "socket://host:7000", "/dev/ttyUSB0?baud=9600"])
    assert asked == ["COM9", "socket://host:7000", "/dev/ttyUSB0?baud=9600"]
    assert {row.address: row.protocol for row in rows} == {**dict.fromkeys(asked, "ant"), "/dev/ttyUSB0": None}


def test_answers(ports: Ports) -> None:
    ports()
    jbd, nothing = found(also=["replay:no-such-file.cap", "sim:jbd"])
    assert (jbd.address, jbd.kind, jbd.protocol, jbd.soc) == ("sim:jbd", "other", "jbd", 65.0)
    assert jbd.model == "SIM-SP08S-100A"
    assert jbd.problem is None
    assert (nothing.protocol, nothing.problem) == (None, "no such file or directory")


def test_each_is_asked_for_a_bounded_time(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    ports()
    monkeypatch.setattr("antbms.battery.open_pipe", hang)
    (row,) = found(also=["COM9"], timing=Timing(open=0.05))
    assert row.problem == "took longer than 0 s"


def test_a_wrong_address_is_refused_before_anything_is_done(ports: Ports, asked: list[str]) -> None:
    with pytest.raises(UsageError):
        found(also=["sim:", "nonsense:x"])
    assert asked == []


def test_what_fails_is_a_remark(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_bluetooth(*_: object) -> list[Found]:
        raise OpenError("rfcomm: Bluetooth is switched off", "Switch it on.")

    async def other(*_: object) -> list[Found]:
        raise OpenError("Bluetooth LE: Bluetooth is off", "Switch it on.")

    ports(USB)
    notes: list[str] = []
    monkeypatch.setattr(discovery, "_classic", no_bluetooth)
    monkeypatch.setattr(discovery, "_ble", other)
    assert [row.address for row in found(kinds=discovery.KINDS, on_note=notes.append)] == ["/dev/ttyUSB0"]
    assert notes == ["Bluetooth: Bluetooth is off\n  Switch it on."], "one remark where both have the same way out"
    notes.clear()
    assert found(kinds=["classic"], on_note=notes.append) == []
    assert notes == ["classic Bluetooth: Bluetooth is switched off\n  Switch it on."]

    def broken() -> list[Port]:
        raise OSError("registry")

    monkeypatch.setattr(discovery, "list_ports", broken)
    notes.clear()
    assert found(on_note=notes.append) == []
    assert notes == ["serial ports: the system does not list them: registry"]


@pytest.mark.skipif(sys.platform != "linux", reason="D-Bus is Linux")
def test_a_computer_without_bluetooth(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the real libraries."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")
    ports(USB)
    notes: list[str] = []
    rows = found(kinds=discovery.KINDS, seconds=0.1, on_note=notes.append)
    assert [row.address for row in rows] == ["/dev/ttyUSB0"]
    (note,) = notes
    assert note.startswith("Bluetooth: D-Bus")
    assert "apt install dbus bluez" in note


def test_progress(ports: Ports, asked: list[str]) -> None:
    ports()
    texts: list[str] = []
    found(also=["COM8", "COM9"], on_progress=texts.append)
    assert texts == ["looking", "asking COM8 (1 of 2)", "asking COM9 (2 of 2)"]


def test_it_is_public() -> None:
    assert antbms.discover is discover
    assert antbms.Found is Found
