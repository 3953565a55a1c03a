"""Exceptions → causes → sentences and remedies, for each platform on any platform."""

import errno
import os
import socket
import sys
from pathlib import Path

import pytest
from serialx import SerialException
from serialx.common import UnknownUriScheme

from antbms.errors import OpenError
from antbms.transport.address import parse_address
from antbms.transport.ports import Port
from antbms.transport.serial_errors import _HINTS, _SENTENCES, cause_of, explain, holder, lost

PORTS = [
    Port(device="COM5", description="Bluetooth serial port", kind="bluetooth outgoing", name="ANT-BLE16"),
    Port(device="COM3", description="CH340", kind="usb"),
]


class WindowsError(OSError):
    """As serialx raises it there: `winerror` exists only on Windows."""

    def __init__(self, winerror: int) -> None:
        super().__init__(errno.EINVAL, "whatever the language of Windows says")
        self.winerror = winerror


def told(text: str, exc: Exception, platform: str, seconds: float = 1.0) -> str:
    error = explain(parse_address(text), exc, seconds, platform, PORTS)
    assert isinstance(error, OpenError)
    assert str(error).startswith(text + ": ")
    assert "{" not in error.text()
    return error.text()


@pytest.mark.parametrize(
    ("exc", "platform", "cause"),
    [
        (FileNotFoundError(errno.ENOENT, ""), "linux", "missing"),
        (OSError(errno.EBUSY, ""), "linux", "busy"),
        (PermissionError(errno.EACCES, ""), "darwin", "permission"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] …"), "linux", "refused"),
        (OSError("Multiple exceptions: [WinError 1225] …, [WinError 1225] …"), "win32", "refused"),
        (TimeoutError(), "linux", "timeout"),
        (TimeoutError(errno.ETIMEDOUT, ""), "linux", "timeout"),
        (socket.gaierror(-2, "Name or service not known"), "linux", "host"),
        (socket.gaierror(2, "2 is ENOENT elsewhere"), "linux", "host"),
        (WindowsError(2), "win32", "missing"),
        (WindowsError(5), "win32", "busy"),
        (WindowsError(121), "win32", "away"),
        (WindowsError(99999), "win32", "other"),
        (OSError(errno.EHOSTDOWN, ""), "linux", "away"),
        (ValueError("embedded null byte"), "linux", "other"),
        (SerialException("Server refused COM-PORT-OPTION"), "linux", "other"),
    ],
)
def test_cause(exc: Exception, platform: str, cause: str) -> None:
    assert cause_of(exc, platform) == cause


def test_windows() -> None:
    missing = told("COM7", WindowsError(2), "win32")
    assert missing.splitlines()[0] == "COM7: there is no such port"
    assert "COM5 (ANT-BLE16, bluetooth outgoing), COM3 (CH340, usb)" in missing
    assert "*outgoing*" in missing
    assert "paired" in missing
    assert "On Windows a port is COM" in told("/dev/ttyUSB0", WindowsError(3), "win32")
    assert "in use by another program" in told("COM3", WindowsError(5), "win32")
    away = told("COM5", WindowsError(121), "win32")
    assert "does not answer" in away
    assert "battery on, in range" in away
    assert "*outgoing*" in told("COM5", TimeoutError(), "win32")


@pytest.mark.skipif(sys.platform == "win32", reason="files have groups on POSIX only")
def test_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = tmp_path / "port"
    port.touch()
    monkeypatch.setattr(Path, "group", lambda _: "uucp")
    assert "sudo usermod -aG uucp $USER" in told(str(port), PermissionError(errno.EACCES, ""), "linux")
    monkeypatch.setattr(Path, "group", lambda _: "root")
    assert "-aG dialout" in told(str(port), PermissionError(errno.EACCES, ""), "linux")
    monkeypatch.undo()
    assert "-aG dialout" in told("/dev/nowhere", PermissionError(errno.EACCES, ""), "linux")
    assert "Windows names" in told("COM5", FileNotFoundError(errno.ENOENT, ""), "linux")
    assert "Windows names" not in told("/dev/ttyUSB7", FileNotFoundError(errno.ENOENT, ""), "linux")
    assert "is a directory" in told("/tmp", IsADirectoryError(errno.EISDIR, ""), "linux")
    assert "replay:/dev/null" in told("/dev/null", OSError(errno.ENOTTY, ""), "linux")


def test_darwin() -> None:
    assert "/dev/cu.*, not /dev/tty.*" in told("/dev/tty.usbserial", FileNotFoundError(errno.ENOENT, ""), "darwin")


def test_network() -> None:
    assert "unknown host" in told("socket://nowhere:1", socket.gaierror(-2, ""), "linux")
    assert "serve one client" in told("socket://host:1", ConnectionRefusedError(errno.ECONNREFUSED, ""), "win32")
    slow = told("rfc2217://host:1", TimeoutError(), "win32", 5.02)
    assert "longer than 5 s" in slow
    assert "socket://host:1" in slow
    assert "COM" not in slow.replace("COM-PORT", "")
    assert "antbms[esphome]" in told("esphome://host/?port_name=a", UnknownUriScheme("…"), "linux")
    assert "key_env" in told("esphome://host/?port_name=a", SerialException("encryption required"), "linux")


def test_no_ports_and_many_ports() -> None:
    missing = FileNotFoundError(errno.ENOENT, "")
    assert "no serial port now" in explain(parse_address("COM7"), missing, 0, "win32", []).text()
    many = [Port(device=f"COM{n}", description="x", kind="usb") for n in range(9)]
    text = explain(parse_address("COM77"), missing, 0, "win32", many).text()
    assert "COM5 (x, usb), and 3 more" in text


def test_every_hint_belongs_to_a_cause_and_a_platform() -> None:
    assert {cause for cause, _ in _HINTS} <= _SENTENCES.keys()
    assert {platform for _, platform in _HINTS} == {"", "linux", "win32", "darwin"}


def test_lost_says_why() -> None:
    assert (
        str(lost(parse_address("COM5"), OSError(errno.EIO, "x")))
        == "COM5: link lost: the port went away (unplugged, or out of range)"
    )
    assert "other side closed" in str(lost(parse_address("socket://h:1"), None))
    assert "reset by peer" in str(
        lost(parse_address("socket://h:1"), ConnectionResetError(errno.ECONNRESET, "reset by peer"))
    )


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux has /proc")
def test_holder_is_found_by_its_open_file(tmp_path: Path) -> None:
    port = tmp_path / "port"
    link = tmp_path / "link"
    link.symlink_to(port)
    with port.open("w"):
        assert f"(process {os.getpid()})" in (holder(str(link)) or "")
    assert holder(str(link)) is None
