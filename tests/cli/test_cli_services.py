"""`antbms services`: the table. What it lists of a device is tested in tests/bluetooth."""

import click
import msgspec
import pytest

from antbms.cli import services
from antbms.cli.main import run
from antbms.cli.services import Row

Printed = pytest.CaptureFixture[str]


def uuid(number: int) -> str:
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"


OWN = "02f00000-0000-0000-0000-00000000fe00"
ROWS = [
    Row(uuid(0x1800), uuid(0x2A00), 3, ["read"], "Device Name", []),
    Row(uuid(0xFFE0), uuid(0xFFE1), 5, ["notify", "read", "write-without-response"], None, ["notify", "write"]),
    Row(uuid(0xFFE0), uuid(0xFFE2), 7, ["write"], None, []),
    Row(OWN, OWN.replace("fe00", "ff01"), 9, ["indicate"], None, []),
]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """What the device has."""
    found = [*ROWS]

    async def _rows(*_: object) -> list[Row]:
        return found

    monkeypatch.setattr(services, "_rows", _rows)
    return found


def test_the_table(rows: list[Row], capsys: Printed) -> None:
    assert run(["services", "ble:X"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["Service,", "characteristic", "Used", "to", "Properties"]
    assert lines[:-1] == [
        "1800",
        "  2A00                                                 read · Device Name",
        "FFE0",
        "  FFE1                                  notify, write  notify, read, write-without-response",
        "  FFE2                                                 write",
        OWN,
    ]
    assert lines[-1].split() == [OWN.replace("fe00", "ff01"), "indicate"]


def test_a_device_of_no_known_kind(rows: list[Row], capsys: Printed) -> None:
    del rows[1]
    assert run(["services", "ble:X"]) == 0
    assert services.NOTHING in capsys.readouterr().out
    rows.clear()
    assert run(["services", "ble:X"]) == 0
    assert capsys.readouterr().out == f"{services.NOTHING}\n"


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_a_terminal(width: int, rows: list[Row], monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    run(["services", "ble:X"])
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= width
    assert OWN in map(str.strip, lines), "it can be copied"


def test_json(rows: list[Row], capsys: Printed) -> None:
    assert run(["services", "ble:X", "--json"]) == 0
    records = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    assert records[1] == {
        "service": uuid(0xFFE0),
        "characteristic": uuid(0xFFE1),
        "handle": 5,
        "properties": ["notify", "read", "write-without-response"],
        "name": None,
        "use": ["notify", "write"],
    }
    assert len(records) == len(ROWS)


def test_only_bluetooth_le_has_services(capsys: Printed) -> None:
    assert run(["services", "COM5"]) == 2
    assert capsys.readouterr().err == (
        "antbms: COM5: only Bluetooth LE devices have services\n  Next: antbms scan --kind ble\n"
    )
