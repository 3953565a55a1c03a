"""Find batteries: serial ports, classic Bluetooth devices that the system knows, Bluetooth LE in reach; and ask them.

A list says where a battery could be. What a name or an advertisement promises is `likely`; only an answer is a fact.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from .battery import open_battery
from .errors import AntbmsError, FileError, OpenError
from .protocol.advertisement import ANT_SERVICE, JBD_SERVICE, likely_protocol
from .timing import DEFAULT, Timing
from .transport import Address, parse_address
from .transport.ble import in_words
from .transport.ble_scan import Heard, listen, turn
from .transport.gatt import short
from .transport.ports import Port, list_ports, same_port
from .transport.rfcomm import KnownDevice, known_devices

Kind = Literal["serial", "classic", "ble", "other"]

KINDS: Final[tuple[Kind, ...]] = ("serial", "classic", "ble")
"""What can be searched. `other` is what only a user can name: a simulated battery, a recording."""
SECONDS: Final = 5.0
"""For listening: a module advertises every 0.1 to 2 s, and some of it is missed."""

_BY_SCHEME: Final[dict[str, Kind]] = {"ble": "ble", "rfcomm": "classic", "sim": "other", "replay": "other"}
_WORDS: Final[dict[Kind, str]] = {"serial": "serial ports", "classic": "classic Bluetooth", "ble": "Bluetooth LE"}
_NO_SIGNAL: Final = -128


class Found(Struct, frozen=True, kw_only=True):
    """Where a battery could be, or is.

    address: what to type; signal: dBm; likely: the protocol that its name or advertisement promises; candidate: it is
    worth asking (`probe` does). Known after asking only: protocol, model, soc (%), and problem: why there is no answer.
    """

    address: str
    kind: Kind
    name: str | None = None
    signal: int | None = None
    likely: str | None = None
    candidate: bool = False
    description: str = ""
    protocol: str | None = None
    model: str | None = None
    soc: float | None = None
    problem: str | None = None


Told = Callable[[str], None]


def ignore(_: str) -> None:
    """Nobody wants to be told."""


async def discover(
    *,
    kinds: Collection[Kind] = KINDS,
    seconds: float = SECONDS,
    timing: Timing = DEFAULT,
    probe: bool = False,
    also: Sequence[str] = (),
    record: Path | None = None,
    on_note: Told = ignore,
    on_progress: Told = ignore,
) -> list[Found]:
    """Everything of these kinds that could be a battery, likely ones first, then by signal.

    seconds: how long to listen to Bluetooth LE. probe: ask each Bluetooth candidate, which only reads. also: addresses
    that are asked in any case; no other serial port is, unless it is an outgoing Bluetooth port. One is asked after the
    other, each for `timing.open` s at most. What cannot be searched is no error: `on_note` is told why, and the way out
    in further lines. `on_progress` is told what goes on now. record: a folder for new
    files with all that crosses each link that is asked. Raises `UsageError` for an address that means nothing, and
    `FileError` where that folder cannot be used.
    """
    if record is not None:
        _make_folder(record)
    named = [parse_address(text) for text in also]
    if kinds:
        on_progress(f"listening for {seconds:g} s" if "ble" in kinds else "looking")
    found, failed = await _search(kinds, seconds, timing)
    for remark in _remarks(failed):
        on_note(remark)
    found = [*found, *(_row(where) for where in named if not any(_is_same(one, where) for one in found))]
    asked = [one for one in found if (probe and one.candidate) or any(_is_same(one, where) for where in named)]
    for number, one in enumerate(asked, 1):
        on_progress(f"asking {one.address} ({number} of {len(asked)})")
        found[found.index(one)] = await _ask(one, timing, record)
    return sorted(found, key=_rank)


# ---- searching


async def _search(
    kinds: Collection[Kind], seconds: float, timing: Timing
) -> tuple[list[Found], dict[Kind, AntbmsError]]:
    """All kinds at once: what was found, and what went wrong."""
    searches: dict[Kind, Callable[[], Awaitable[list[Found]]]] = {
        "serial": _serial,
        "classic": lambda: _classic(timing),
        "ble": lambda: _ble(seconds, timing),
    }
    results: dict[Kind, list[Found]] = {}
    failed: dict[Kind, AntbmsError] = {}

    async def search(kind: Kind) -> None:
        try:
            results[kind] = await searches[kind]()
        except AntbmsError as error:
            failed[kind] = error

    async with asyncio.TaskGroup() as tasks:
        for kind in KINDS:
            if kind in kinds:
                tasks.create_task(search(kind))
    heard = {one.address.partition(":")[2] for one in results.get("ble", ())}
    return [one for kind in KINDS for one in results.get(kind, ()) if not _is_heard_only(one, heard)], failed


async def _serial() -> list[Found]:
    try:
        ports = await asyncio.to_thread(list_ports)
    except OSError as error:
        raise OpenError(f"serial ports: the system does not list them: {error}") from error
    return [_port(port) for port in ports]


def _port(port: Port) -> Found:
    words: list[str] = [port.kind]
    if not port.kind.startswith("bluetooth") and not port.device.endswith(port.description):
        maker = f" ({port.manufacturer})" if port.manufacturer and port.manufacturer not in port.description else ""
        words.append(port.description + maker)
    outgoing = port.kind == "bluetooth outgoing"
    return Found(
        address=port.device,
        kind="serial",
        name=port.name,
        likely=likely_protocol(port.name) if outgoing else None,
        candidate=outgoing,
        description=", ".join(words),
    )


async def _classic(timing: Timing) -> list[Found]:
    return [_known(device) for device in await known_devices(timing)]


def _known(device: KnownDevice) -> Found:
    likely = likely_protocol(device.name)
    return Found(
        address=f"rfcomm:{device.address}",
        kind="classic",
        name=device.name,
        likely=likely if device.serial else None,
        candidate=device.serial and likely is not None,
        description="serial port" if device.serial else "",
    )


def _is_heard_only(one: Found, heard: Collection[str]) -> bool:
    """Whether it is a Bluetooth LE device once more: BlueZ knows those that were heard lately as well."""
    return one.kind == "classic" and not one.description and one.address.partition(":")[2] in heard


async def _ble(seconds: float, timing: Timing) -> list[Found]:
    nowhere = Address("ble", "", {}, _WORDS["ble"])
    async with turn():
        with in_words(nowhere, timing):
            async with asyncio.timeout(seconds + timing.open):
                heard = await listen(seconds)
    return [_heard(device) for device in heard]


def _heard(device: Heard) -> Found:
    words = [f"services {', '.join(map(short, device.services))}"] if device.services else []
    if device.address and device.address != device.id.upper():  # macOS hides it, the module tells it
        words.append(f"address {device.address}")
    likely = likely_protocol(device.name, device.services)
    return Found(
        address=f"ble:{device.id}",
        kind="ble",
        name=device.name,
        signal=device.signal,
        likely=likely,
        candidate=likely is not None or not {ANT_SERVICE, JBD_SERVICE}.isdisjoint(device.services),
        description=", ".join(words),
    )


def _remarks(failed: dict[Kind, AntbmsError]) -> Iterator[str]:
    """What went wrong, once where both kinds of Bluetooth have the same way out."""
    both = "classic" in failed and "ble" in failed and failed["classic"].hints == failed["ble"].hints
    for kind, error in failed.items():
        if both and kind == "classic":
            continue
        subject = "Bluetooth" if both and kind == "ble" else _WORDS[kind]
        yield "\n  ".join((f"{subject}: {error.reason}", *error.hints))


# ---- asking


def _row(where: Address) -> Found:
    return Found(address=where.text, kind=_BY_SCHEME.get(where.scheme, "serial"))


def _is_same(one: Found, where: Address) -> bool:
    """Whether a user who named `where` meant it."""
    if one.address == where.text:
        return True
    if where.options or one.kind != _BY_SCHEME.get(where.scheme, "serial"):
        return False
    if where.scheme == "serial":
        return same_port(one.address, where.target)
    names = {one.address.partition(":")[2].upper(), (one.name or "").upper()}
    return where.target.strip().upper() in names or where.target.replace("-", ":").upper() in names


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: {(error.strerror or str(error)).lower()}") from error


def _new_file(folder: Path | None, address: str) -> Path | None:
    """A file of the folder that is not there yet, called like the address."""
    if folder is None:
        return None
    name = re.sub(r"[^A-Za-z0-9]+", "-", address).strip("-") or "device"
    return next(path for number in count(1) if not (path := folder / f"{name}-{number}.cap").exists())


async def _ask(one: Found, timing: Timing, record: Path | None) -> Found:
    """What it answers; nothing in it is changed."""
    known: dict[str, Any] = {}
    file = _new_file(record, one.address)
    try:
        async with asyncio.timeout(timing.open), open_battery(one.address, timing=timing, record=file) as battery:
            known["protocol"] = battery.protocol
            known["soc"] = (await battery.read()).soc
            known["model"] = (await battery.info()).model
    except TimeoutError:
        known["problem"] = f"took longer than {timing.open:.0f} s"
    except AntbmsError as error:
        known["problem"] = error.reason
    return replace(one, **known)


def _rank(one: Found) -> tuple[Any, ...]:
    place = KINDS.index(one.kind) if one.kind in KINDS else len(KINDS)
    signal = _NO_SIGNAL if one.signal is None else one.signal
    return one.protocol is None, not (one.likely or one.problem), not one.candidate, place, -signal
