"""`antbms doctor` without Bluetooth: this computer, serial ports, where it stops, and what `--redact` leaves out."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

import antbms
from antbms.cli.main import run
from antbms.doctor import Report, Step, computer
from antbms.doctor.redact import Redactor
from antbms.errors import NoAnswer, OpenError
from antbms.timing import Timing
from antbms.transport.ports import Port
from antbms.transport.rfcomm import KnownDevice

Printed = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch

USB = Port(
    device="/dev/ttyUSB7", description="USB Serial", kind="usb", serial_number="A50285BI",
    link="/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0",
)  # fmt: skip


@pytest.fixture(autouse=True)
def bluetooth(monkeypatch: Patch) -> None:
    """A computer with Bluetooth, where all is well."""

    async def known_devices(_: Timing) -> list[KnownDevice]:
        return [KnownDevice("AA:BB:CC:DD:EE:01", "BMS-ANT24S", True)]

    async def listen(_: float) -> list[Any]:
        return []

    monkeypatch.setattr(computer, "known_devices", known_devices)
    monkeypatch.setattr(computer, "listen", listen)
    monkeypatch.setattr(computer, "list_ports", list)


def broken(monkeypatch: Patch) -> None:
    async def known_devices(_: Timing) -> list[KnownDevice]:
        raise OpenError("rfcomm: Bluetooth is switched off", "bluetoothctl power on")

    async def listen(_: float) -> list[Any]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(computer, "known_devices", known_devices)
    monkeypatch.setattr(computer, "listen", listen)


def doctor(capsys: Printed, *args: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status, and the steps by name."""
    status = run(["doctor", *args, "--json"])
    records = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    return status, {record["step"]: record for record in records}


# ---- this computer


def test_a_computer_where_all_is_well(capsys: Printed) -> None:
    status, steps = doctor(capsys)
    assert status == 0
    assert {step["part"] for step in steps.values()} == {"This computer"}
    assert steps["antbms"]["text"].startswith(f"{antbms.__version__} in ")
    assert ".".join(map(str, sys.version_info[:3])) in steps["python"]["text"]
    assert f"msgspec {msgspec.__version__}" in steps["libraries"]["text"]
    assert "missing" not in steps["libraries"]["text"]
    assert steps["classic Bluetooth"]["text"] == "1 known device, 1 with a serial port"
    assert steps["Bluetooth LE"]["text"].startswith("0 devices heard")
    assert steps["serial ports"]["outcome"] == "skipped"
    assert "BMS-ANT24S" not in str(steps)


def test_a_library_that_is_missing(monkeypatch: Patch, capsys: Printed) -> None:
    monkeypatch.setattr(computer, "_LIBRARIES", ("msgspec", "no-such-library"))
    monkeypatch.setitem(computer.EXTRAS, "good", ("msgspec", ""))
    monkeypatch.setitem(computer.EXTRAS, "bad", ("no-such-library", ""))
    _, steps = doctor(capsys)
    assert "no-such-library missing" in steps["libraries"]["text"]
    assert steps["extra good"]["outcome"] == "ok"
    assert (steps["extra bad"]["outcome"], steps["extra bad"]["text"]) == (
        "skipped",
        "not installed: only if you need it",
    )


def test_bluetooth_that_fails_says_how_to_help_it(monkeypatch: Patch, capsys: Printed) -> None:
    broken(monkeypatch)
    status, steps = doctor(capsys)
    assert status == 1
    classic, low_energy = steps["classic Bluetooth"], steps["Bluetooth LE"]
    assert (classic["outcome"], classic["text"]) == ("failed", "Bluetooth is switched off")
    assert classic["hints"] == ["bluetoothctl power on"]
    assert (low_energy["outcome"], low_energy["text"]) == ("failed", "no permission to use Bluetooth")
    assert list(steps)[-1] == "serial ports", "the report goes on"


def test_bluetooth_does_not_matter_to_who_needs_none(monkeypatch: Patch, capsys: Printed) -> None:
    broken(monkeypatch)
    status, steps = doctor(capsys, "sim:")
    assert status == 0
    assert steps["classic Bluetooth"]["outcome"] == steps["Bluetooth LE"]["outcome"] == "skipped"
    status, steps = doctor(capsys, "rfcomm:AA:BB:CC:DD:EE:01")
    assert status == 1
    assert steps["Bluetooth LE"]["outcome"] == "skipped"
    assert steps["classic Bluetooth"]["outcome"] == "failed"
    assert "opens" not in steps


def test_ports(monkeypatch: Patch, capsys: Printed) -> None:
    monkeypatch.setattr(computer, "list_ports", lambda: [USB])
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr("antbms.transport.serial_errors.holder", lambda _: None)
    _, steps = doctor(capsys)
    assert steps[USB.device]["text"] == f"usb, USB Serial, {USB.link}"
    assert steps[USB.device]["outcome"] == "ok"


@pytest.mark.skipif(sys.platform != "linux", reason="groups and /proc are Linux")
def test_a_port_that_may_not_be_opened(monkeypatch: Patch, capsys: Printed) -> None:
    monkeypatch.setattr(computer, "list_ports", lambda: [USB])
    monkeypatch.setattr(os, "access", lambda *_: False)
    status, steps = doctor(capsys)
    assert (status, steps[USB.device]["outcome"]) == (0, "skipped")
    assert "usermod -aG dialout" in steps[USB.device]["hints"][0]
    status, steps = doctor(capsys, USB.device)
    assert (status, steps[USB.device]["outcome"]) == (1, "failed")
    assert "opens" not in steps


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux")
def test_who_holds_a_port(monkeypatch: Patch, capsys: Printed, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    try:
        held = Port(device=os.ttyname(theirs), description="x", kind="other")
        monkeypatch.setattr(computer, "list_ports", lambda: [held])
        _, steps = doctor(capsys)
        assert f"(process {os.getpid()})" in steps[held.device]["text"]
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.skipif(sys.platform != "linux", reason="/sys is Linux")
def test_adapters(monkeypatch: Patch, capsys: Printed, tmp_path: Path) -> None:
    monkeypatch.setattr(computer, "_ADAPTERS", tmp_path)
    assert doctor(capsys)[1]["adapters"]["outcome"] == "skipped"
    for adapter, soft in (("hci0", "0"), ("hci1", "1")):
        switch = tmp_path / adapter / "rfkill3"
        switch.mkdir(parents=True)
        (switch / "soft").write_text(f"{soft}\n")
        (switch / "hard").write_text("0\n")
    (tmp_path / "hci0:64").mkdir()
    assert doctor(capsys)[1]["adapters"]["text"] == "hci0, hci1 (blocked: rfkill)"


# ---- a device


@pytest.mark.parametrize("protocol", ["ant", "ant-legacy", "jbd"])
def test_a_battery_where_all_is_well(protocol: str, capsys: Printed) -> None:
    status, steps = doctor(capsys, f"sim:{protocol}")
    assert status == 0
    assert [step for step in steps.values() if step["part"] == f"sim:{protocol}"] == list(steps.values())[-8:]
    assert [*steps][-8:-4] == ["address", "opens", "answers", "protocol"]
    assert steps["protocol"]["text"] == protocol
    assert " V, " in steps["reading"]["text"]
    assert "65 %" in steps["reading"]["text"]
    assert "cells" in steps["reading"]["text"]
    assert steps["link"]["text"].startswith("5 readings of 0.0")
    assert steps["link"]["text"].endswith("none lost")
    levels = {"ant": "5: reads and may change settings and switches", "jbd": "jbd has none"}
    assert steps["password level"]["text"] == levels.get(protocol, "ant-legacy has none")


@pytest.mark.parametrize(
    ("args", "status", "step", "text"),
    [
        (["nonsense:x"], 2, "address", "is no kind of address"),
        (["sim:", "-o", "nonsense=1"], 2, "address", "has no option 'nonsense'"),
        (["sim:nonsense"], 2, "opens", "there is no such simulated battery"),
        (["replay:no-such-file"], 1, "opens", "no such file or directory"),
        (["sim:ant", "--protocol", "jbd"], 1, "reading", "no valid answer in 3 tries"),
        (["sim:", "-o", "password_env=NO_SUCH_VARIABLE"], 2, "opens", "NO_SUCH_VARIABLE"),
    ],
)
def test_it_stops_at_the_first_failure(args: list[str], status: int, step: str, text: str, capsys: Printed) -> None:
    came, steps = doctor(capsys, *args)
    assert came == status
    last = [*steps.values()][-1]
    assert (last["step"], last["outcome"]) == (step, "failed")
    assert text in last["text"]
    assert [one["step"] for one in steps.values() if one["outcome"] == "failed"] == [step]


def test_a_recording_is_read_once(tmp_path: Path, capsys: Printed) -> None:
    file = tmp_path / "a.cap"
    assert run(["record", "sim:jbd", str(file), "--count", "1"]) == 0
    capsys.readouterr()
    status, steps = doctor(capsys, f"replay:{file}")
    assert status == 0
    assert "link" not in steps


# ---- how it looks


def test_the_text(capsys: Printed) -> None:
    assert run(["doctor", "sim:"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("This computer\n ✓ system")
    assert "\n\nsim:\n ✓ address            a simulated battery\n" in out
    assert out.endswith("\n\nAll is well.\n")
    assert "\x1b" not in out
    assert err == ""


def test_a_failure_is_a_mark_a_cause_and_the_way_out(monkeypatch: Patch, capsys: Printed) -> None:
    broken(monkeypatch)
    assert run(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "\n ✗ classic Bluetooth  Bluetooth is switched off\n                      bluetoothctl power on\n" in out
    assert out.endswith("\n\nFailed: classic Bluetooth, Bluetooth LE.\n")


def test_plain_letters_where_others_cannot_be_shown(monkeypatch: Patch, capsys: Printed) -> None:
    broken(monkeypatch)
    monkeypatch.setattr("antbms.cli.doctor.can_show", lambda _: False)
    run(["doctor"])
    out = capsys.readouterr().out
    assert " ok     system" in out
    assert " FAILED classic Bluetooth" in out


def test_it_fits_a_terminal(monkeypatch: Patch, capsys: Printed) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    run(["doctor", "nonsense:x"])
    run(["doctor", "sim:"])
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 80


# ---- what is left out


def test_redacted_words() -> None:
    hide = Redactor()
    assert hide("at AA:BB:CC:DD:EE:FF, again aa-bb-cc-dd-ee-ff, dev_AA_BB_CC_DD_EE_F0") == (
        "at <address 1>, again <address 1>, dev_<address 2>"
    )
    assert hide("24AB4B59-9F74-4E62-A0A4-BA39A7B73B72") == "<address 3>"
    assert hide("service 0000ffe0-0000-1000-8000-00805f9b34fb") == "service 0000ffe0-0000-1000-8000-00805f9b34fb"
    assert hide("socket://192.168.1.20:8899, Linux 6.1.0") == "socket://<address 4>:8899, Linux 6.1.0"
    assert hide("Garage (S/N 4711)", ["Garage", "4711"]) == "<name 1> (S/N <name 2>)"
    assert hide("Garage again, not Garages") == "<name 1> again, not Garages"
    assert hide("In reach: Sara's Phone (-50 dBm), x") == "In reach: <devices>"
    assert hide("it is a b", ["a"]) == "it is a b", "one letter tells nobody"


def test_redacted_self(monkeypatch: Patch) -> None:
    monkeypatch.setenv("HOME", "/home/sara")
    monkeypatch.setenv("USERPROFILE", "/home/sara")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "sara")
    monkeypatch.setattr(socket, "gethostname", lambda: "sarasbox")
    home = str(Path.home())
    text = Redactor()(f"{home}/antbms on sarasbox of sara; saras")
    assert text == "~/antbms on <computer> of <user>; saras"


def test_redacted_ports_and_files(monkeypatch: Patch, tmp_path: Path, capsys: Printed) -> None:
    port = msgspec.structs.replace(USB, name="Sara's battery")
    monkeypatch.setattr(computer, "list_ports", lambda: [port])
    file = tmp_path / "sara.cap"
    for device in (USB.device, f"replay:{file}", "socket://saras-bridge:7000"):
        run(["doctor", device, "--redact"])
        out = capsys.readouterr().out
        assert "This computer" in out
        assert not [word for word in ("Sara", "sara", "A50285BI") if word in out], out


# ---- the report itself


def test_a_report_remembers_its_first_failure() -> None:
    begun: list[str] = []
    ended: list[Step] = []
    report = Report(begun.append, ended.append)
    report.part = "x"
    with report.step("good") as step:
        step.says("yes", "secret", None)
    with report.step("needless", needed=False):
        raise OpenError("x: away", "hint")
    assert report.failure is None
    first = NoAnswer("x: silent")
    for error in (first, OpenError("x: later")):
        with report.step("bad"):
            raise error
    assert report.failure is first
    assert begun == ["good", "needless", "bad", "bad"]
    assert [(step.outcome, step.text) for step in ended] == [
        ("ok", "yes"), ("skipped", "away"), ("failed", "silent"), ("failed", "later"),
    ]  # fmt: skip
    assert ended[0].private == ("secret",)
    assert ended[1].hints == ("hint",)


def test_what_it_says_and_hears_is_recorded(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "out.cap"
    assert run(["doctor", "sim:jbd", "--record", str(path), "--redact"]) == 0
    assert "sim:…" in path.read_text("utf-8").splitlines()[0]
    assert run(["read", f"replay:{path}", "--protocol", "jbd", "--json"]) == 0
    capsys.readouterr()
    assert run(["doctor", "sim:jbd", "--record", str(path)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert run(["doctor", "--record", "x.cap"]) == 2
    assert "needs a DEVICE" in capsys.readouterr().err
