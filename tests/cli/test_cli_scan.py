"""`antbms scan`: the table at every width, what is left out of it, and what a person is told next."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from antbms import discovery
from antbms.cli import scan
from antbms.cli.bars import LINES, PLAIN
from antbms.cli.main import run
from antbms.cli.progress import Progress
from antbms.discovery import Found

Printed = pytest.CaptureFixture[str]

JBD, ANT, NOBODY, NAMELESS = (f"ble:A5:C2:37:28:18:5{number}" for number in range(4))
ROWS = [
    Found(address=JBD, kind="ble", name="JBD-SP04S020", signal=-53, likely="jbd", candidate=True),
    Found(address=ANT, kind="ble", name="ANT-BLE16ZMUB", signal=-91, likely="ant", candidate=True),
    Found(address=NAMELESS, kind="ble", signal=-60, candidate=True, description="services FFE0"),
    Found(address="COM5", kind="serial", name="BMS-ANT24S", likely="ant-legacy", description="bluetooth outgoing"),
    Found(address="/dev/ttyUSB0", kind="serial", description="usb, USB Serial (QinHeng Electronics)"),
    Found(address="rfcomm:AA:BB:CC:DD:EE:F0", kind="classic", name="Sara's headphones"),
    Found(address=NOBODY, kind="ble", signal=-98),
]
ANSWERED = msgspec.structs.replace(ROWS[1], protocol="ant", model="16ZMUB00-211026A", soc=64.0)
REFUSED = msgspec.structs.replace(ROWS[0], problem="the battery's Bluetooth module wants its password")

Scanned = Callable[..., tuple[int, str, str]]


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> Scanned:
    """Runs `antbms scan` where there are these rows; also gives what `discover` was asked."""

    def run_scan(rows: list[Found], *args: str, width: int = 0) -> tuple[int, str, str]:
        async def discover(**asked: Any) -> list[Found]:
            arguments.update(asked)
            return rows

        arguments.clear()
        monkeypatch.setattr(discovery, "discover", discover)
        if width:
            monkeypatch.setenv("FORCE_COLOR", "1")
            monkeypatch.setenv("COLUMNS", str(width))
        status = run(["scan", *args])
        out, err = capsys.readouterr()
        assert width or out == click.unstyle(out), "colours only on a terminal"
        return status, click.unstyle(out), err

    return run_scan


arguments: dict[str, Any] = {}


def test_the_kinds_are_those_of_discovery() -> None:
    assert scan.KINDS == discovery.KINDS


def test_what_is_asked_for(scanned: Scanned) -> None:
    scanned(ROWS)
    assert arguments["kinds"] == discovery.KINDS
    assert (arguments["seconds"], arguments["probe"], arguments["also"]) == (5.0, False, ())
    scanned(ROWS, "COM5", "sim:", "--probe", "--seconds", "9", "--kind", "ble")
    assert arguments["kinds"] == ("ble",)
    assert (arguments["seconds"], arguments["probe"], arguments["also"]) == (9.0, True, ("COM5", "sim:"))


def test_json_is_a_line_a_device_and_leaves_nothing_out(scanned: Scanned) -> None:
    status, out, _ = scanned(ROWS, "--json")
    assert status == 0
    assert [msgspec.json.decode(line, type=Found) for line in out.splitlines()] == ROWS
    assert list(msgspec.json.decode(out.splitlines()[0])) == [
        "address", "kind", "name", "signal", "likely", "candidate", "description",
        "protocol", "model", "soc", "problem",
    ]  # fmt: skip


def test_the_table_has_a_line_a_device_where_it_is_piped(scanned: Scanned) -> None:
    status, out, _ = scanned([*ROWS[:1], ANSWERED, *ROWS[2:]])
    assert status == 0
    head, *lines = out.splitlines()
    assert head.split() == ["Address", "Kind", "Signal", "dBm", "Protocol", "SOC", "Name"]
    assert [line.split()[0] for line in lines[:-1]] == [row.address for row in ROWS[:-1]]
    assert lines[0].split() == [JBD, "LE", "━━━─", "-53", "jbd?", "JBD-SP04S020"]
    assert lines[1].split() == [ANT, "LE", "╸───", "-91", "ant", "64", "%", "ANT-BLE16ZMUB", "·", "16ZMUB00-211026A"]
    assert lines[2].endswith("  services FFE0")
    assert lines[3].endswith("BMS-ANT24S · bluetooth outgoing")
    assert lines[4].endswith("usb, USB Serial (QinHeng Electronics)")
    assert lines[-1] == "and 1 without a name (--all shows them)"
    assert not [line for line in out.splitlines() if line != line.rstrip()]


def test_all(scanned: Scanned) -> None:
    _, out, _ = scanned(ROWS, "--all")
    assert NOBODY in out
    assert "without a name" not in out


def test_only_nameless_ones(scanned: Scanned) -> None:
    _, out, _ = scanned(ROWS[-1:])
    assert out == "1 without a name (--all shows them)\n"


def test_empty_columns_are_left_out(scanned: Scanned) -> None:
    _, out, _ = scanned(ROWS[4:5])
    assert out.splitlines()[0].split() == ["Address", "Kind", "Name"]


@pytest.mark.parametrize("width", [80, 60, 100, 200])
def test_it_fits_a_terminal(width: int, scanned: Scanned) -> None:
    _, out, _ = scanned([REFUSED, ANSWERED, *ROWS[2:]], width=width)
    assert max(map(len, out.splitlines())) <= width
    assert all(row.address in out for row in ROWS[:-1]), "an address can be copied"
    assert "password" in out


def test_the_name_goes_below_where_addresses_are_long(scanned: Scanned) -> None:
    """As on macOS, where an address is a UUID."""
    row = msgspec.structs.replace(ANSWERED, address="ble:24AB4B59-9F74-4E62-A0A4-BA39A7B73B72")
    _, out, _ = scanned([row], width=80)
    _, first, second = out.splitlines()
    assert first.split() == [row.address, "╸───", "-91", "ant", "64", "%"]
    assert second == "  ANT-BLE16ZMUB · 16ZMUB00-211026A"


@pytest.mark.parametrize(
    ("signal", "filled", "colour"), [(-30, 4, "green"), (-70, 2, "green"), (-71, 2, "yellow"), (-86, 1, "red")]
)
def test_the_bar_of_the_signal(signal: int, filled: int, colour: str) -> None:
    text = scan._signal(signal, PLAIN)
    assert text.plain == "#" * filled + "." * (4 - filled) + f" {signal}"
    assert str(text.spans[0].style) == colour
    assert scan._signal(None, LINES).plain == ""


def test_nothing_found(scanned: Scanned) -> None:
    status, out, err = scanned([])
    assert (status, out) == (0, "")
    assert err.startswith("antbms: nothing was found\n")
    assert "phone app" in err
    assert "antbms read sim:" in err
    assert scanned([], "--json")[:2] == (0, "")


def test_what_did_not_answer_leads_to_the_doctor(scanned: Scanned) -> None:
    _, _, err = scanned([REFUSED], "--probe")
    assert f"antbms doctor {JBD}" in err


def test_progress_is_for_a_person_and_does_not_stay(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    progress = Progress()
    progress("listening")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    with progress:
        progress("listening")
        assert capsys.readouterr().err == "listening …"
        progress("asking ble:AA:BB:CC:DD:EE:FF")
        assert capsys.readouterr().err == f"\r{' ' * 11}\rasking ble:AA:BB:CC"
        progress.note("no Bluetooth")
        assert capsys.readouterr().err == f"\r{' ' * 19}\rantbms: no Bluetooth\n"
        progress("on")
        capsys.readouterr()
    assert capsys.readouterr().err == "\r    \r"


def test_wrong_usage(scanned: Scanned) -> None:
    for args in (("--kind", "usb"), ("--seconds", "0"), ("--seconds", "x")):
        status, _, err = scanned(ROWS, *args)
        assert status == 2
        assert err.startswith("antbms: scan: ")


def test_a_real_one(capsys: Printed) -> None:
    assert run(["scan", "sim:jbd", "--kind", "serial", "--json"]) == 0
    first = msgspec.json.decode(capsys.readouterr().out.splitlines()[0])
    assert (first["address"], first["protocol"], first["soc"]) == ("sim:jbd", "jbd", 65.0)


def test_a_device_that_does_not_answer_is_told_by_the_status(capsys: Printed) -> None:
    assert run(["scan", "replay:no-such.cap", "--kind", "serial"]) == 1
    assert "no such file" in capsys.readouterr().out
    assert run(["scan", "replay:no-such.cap", "sim:", "--kind", "serial"]) == 0


def test_what_was_asked_is_recorded(tmp_path: Path, capsys: Printed) -> None:
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        assert run(["scan", "sim:jbd", "sim:ant?soc=3", "--kind", "serial", "--record", str(folder)]) == 0
    names = ["sim-ant-soc-3-1.cap", "sim-ant-soc-3-2.cap", "sim-jbd-1.cap", "sim-jbd-2.cap"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert run(["decode", str(folder / names[0]), "--json"]) == 0
    (tmp_path / "file").touch()
    assert run(["scan", "--kind", "serial", "--record", str(tmp_path / "file")]) == 2
    assert run(["scan", "--kind", "serial", "--record", str(tmp_path / "file" / "x")]) == 1
    assert "not a directory" in capsys.readouterr().err
