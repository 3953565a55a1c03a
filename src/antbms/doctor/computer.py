"""This computer: system, libraries, Bluetooth, serial ports, and what the user may do."""

from __future__ import annotations

import asyncio
import errno
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from .._version import __version__
from ..errors import AntbmsError
from ..extras import EXTRAS, how_to_install
from ..protocol.advertisement import likely_protocol
from ..timing import Timing
from ..transport import Address, serial_errors
from ..transport.ble import in_words
from ..transport.ble_scan import listen, turn
from ..transport.ports import Port, list_ports, same_port
from ..transport.rfcomm import known_devices
from . import Report, Step

LISTEN: Final = 3.0
"""s for hearing whether the radio hears anything."""

_LIBRARIES: Final = ("serialx", "bleak", "aio-rfcomm", "msgspec", "fastcrc", "click", "rich")
_OF_PLATFORM: Final = {"linux": "dbus-fast", "win32": "winrt-runtime", "darwin": "pyobjc-core"}
_GROUPS: Final = ("dialout", "uucp", "bluetooth")
"""Groups of Linux that open doors: ports on Debian, ports on Arch, Bluetooth."""
_ADAPTERS: Final = Path("/sys/class/bluetooth")


async def examine(report: Report, timing: Timing, where: Address | None = None) -> None:
    """Look at everything; what `where` does not need cannot fail. Without `where` all of it is needed."""
    report.part = "This computer"
    _software(report)
    _groups(report)
    if sys.platform == "linux":
        _adapters(report)
        await asyncio.to_thread(_bluez, report)
    await _classic(report, timing, where is None or where.scheme == "rfcomm")
    await _ble(report, timing, where is None or where.scheme == "ble")
    await asyncio.to_thread(_ports, report, where)


# ---- software


def _software(report: Report) -> None:
    with report.step("system") as step:
        step.says(f"{_system()}, {platform.machine()}")
    with report.step("python") as step:
        kind = ", virtual environment" if sys.prefix != sys.base_prefix else ""
        step.says(f"{platform.python_implementation()} {platform.python_version()}{kind}")
    with report.step("antbms") as step:
        step.says(f"{__version__} in {Path(__file__).parent.parent}")
    with report.step("libraries") as step:
        names = [*_LIBRARIES, *([_OF_PLATFORM[sys.platform]] if sys.platform in _OF_PLATFORM else [])]
        versions = {name: _version(name) for name in names}
        step.says(", ".join(f"{name} {version or 'missing'}" for name, version in versions.items()))
    for extra, (library, _) in EXTRAS.items():
        with report.step(f"extra {extra}") as step:
            if version := _version(library):
                step.says(f"{library} {version}")
            else:
                step.skips("not installed: only if you need it", *how_to_install(extra))


def _system() -> str:
    name = ""
    if sys.platform == "linux":
        with suppress(OSError, KeyError):
            name = f"{platform.freedesktop_os_release()['PRETTY_NAME']}, "
    return name + platform.platform(terse=True)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


# ---- Bluetooth


def _groups(report: Report) -> None:
    """Linux: those that open doors. Whether it matters is found out below, where something is denied."""
    if sys.platform != "linux":
        return
    import grp

    with report.step("groups") as step:
        mine = {*os.getgroups(), os.getegid()}
        names = [group.gr_name for group in grp.getgrall() if group.gr_gid in mine and group.gr_name in _GROUPS]
        if os.geteuid() == 0:
            step.says("root, who may do everything")
        elif names:
            step.says(", ".join(names))
        else:
            step.skips(f"in none of {', '.join(_GROUPS)}")


def _adapters(report: Report) -> None:
    with report.step("adapters") as step:
        found = sorted(path.name for path in _ADAPTERS.glob("hci*") if ":" not in path.name)
        if found:
            step.says(", ".join(f"{name}{' (blocked: rfkill)' if _is_blocked(name) else ''}" for name in found))
        else:
            step.skips("the kernel knows no Bluetooth adapter")


def _is_blocked(adapter: str) -> bool:
    switches = (_ADAPTERS / adapter).glob("rfkill*/*")
    return any(path.name in ("soft", "hard") and path.read_text().strip() == "1" for path in switches)


def _bluez(report: Report) -> None:
    with report.step("BlueZ") as step:
        try:
            done = subprocess.run(["bluetoothctl", "--version"], capture_output=True, text=True, timeout=5, check=False)
            step.says(done.stdout.strip().rpartition(" ")[2] or "version unknown")
        except (OSError, subprocess.TimeoutExpired):
            step.skips("there is no bluetoothctl", "sudo apt install bluez   if you need Bluetooth")


async def _classic(report: Report, timing: Timing, needed: bool) -> None:
    with report.step("classic Bluetooth", needed=needed) as step:
        known = await known_devices(timing)
        serial = sum(device.serial for device in known)
        step.says(f"{_count(len(known), 'known device')}, {serial} with a serial port")


async def _ble(report: Report, timing: Timing, needed: bool) -> None:
    with report.step("Bluetooth LE", needed=needed) as step:
        async with turn():
            with in_words(Address("ble", "", {}, "ble"), timing):
                async with asyncio.timeout(LISTEN + timing.open):
                    heard = await listen(LISTEN)
        batteries = sum(likely_protocol(one.name, one.services) is not None for one in heard)
        step.says(f"{_count(len(heard), 'device')} heard in {LISTEN:g} s, {batteries} with a battery's name or service")


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


# ---- serial ports


def _ports(report: Report, where: Address | None) -> None:
    ports = list_ports()
    if not ports:
        with report.step("serial ports") as step:
            step.skips("none")
    for port in ports:
        meant = where is not None and where.scheme == "serial" and same_port(port.device, where.target)
        with report.step(port.device, needed=meant) as step:
            _port(step, port)


def _port(step: Step, port: Port) -> None:
    """What it is; whether it may be opened, and who has it. Nothing is opened."""
    about = ", ".join(_words(port))
    private = (port.name, port.address, port.serial_number)
    if sys.platform != "win32" and not os.access(port.device, os.R_OK | os.W_OK):
        raise _denied(port.device)
    if sys.platform == "linux" and (holder := serial_errors.holder(port.device)):
        step.skips(f"{about}: in use by {holder}")
        step.private = tuple(filter(None, private))
    else:
        step.says(about, *private)


def _denied(device: str) -> AntbmsError:
    """The error that opening it would end with."""
    where = Address("serial", device, {}, device)
    return serial_errors.explain(where, PermissionError(errno.EACCES, "denied"), 0.0, sys.platform, ())


def _words(port: Port) -> Iterable[str]:
    yield port.kind
    if not port.device.endswith(port.description):
        yield port.description
    yield from filter(None, (port.manufacturer, port.name, port.address, port.link))
