"""Serial ports, and what pretends to be one over a network: `socket://`, `rfc2217://`, `esphome://`; by serialx.

Options: `baud` fixes the speed, so that detection does not change it. `dtr` and `rts` (serial ports only) are `on` (the
default: it feeds many isolated adapters), `off`, or `keep`, which leaves a line as it is, where the platform can.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from ..errors import LinkLost, UsageError
from ..timing import Timing
from .address import Address
from .base import Medium, Pipe
from .serial_errors import cause_of, explain, lost

if TYPE_CHECKING:
    from serialx import BaseSerialTransport

    from .ports import Port

_CHUNK: Final = 4096
_NETWORK: Final = {"socket": Medium.UNKNOWN, "rfc2217": Medium.WIRE, "esphome": Medium.WIRE}
_KINDS: Final[dict[str, Medium]] = {
    "usb": Medium.WIRE,
    "built-in": Medium.WIRE,
    "other": Medium.UNKNOWN,
    "bluetooth outgoing": Medium.BLUETOOTH,
    "bluetooth incoming": Medium.BLUETOOTH,
}
_ESPHOME_QUERY: Final = ("port_name", "port_instance", "port_serial_number", "mode")

_AGAIN: Final = 0.05
"""s between two attempts at a port that is busy."""
_leftovers: Final[set[asyncio.Future[Any]]] = set()
"""Openings that outlived their caller; asyncio itself holds them only weakly."""


async def open_serial(address: Address, timing: Timing, baud: int) -> Pipe:
    """Open `address` at `baud`, or at its own `baud` option.

    Raises `OpenError` with the cause and the way out; `UsageError` for a wrong option or a scheme of another transport.
    Takes `timing.open` at most, and when cancelled `timing.close`: a driver's blocking open (Windows, Bluetooth: up to
    20 s) cannot be interrupted; it then ends by itself in its thread, and its port is closed at once.
    """
    if address.scheme not in ("serial", *_NETWORK):
        raise UsageError(f"{address.text}: this version cannot open {address.scheme}: addresses")
    settings = _settings(address, baud)
    start = timing.monotonic()
    try:
        medium, mac = await asyncio.to_thread(_medium, address)
        transport, stream = await _within(timing, _once_free(address, settings, timing))
    except Exception as exc:
        seconds = timing.monotonic() - start
        raise explain(address, exc, seconds, sys.platform, await asyncio.to_thread(_ports)) from exc
    pipe = SerialPipe(address, timing, transport, stream)
    pipe.medium, pipe.address = medium, address.options.get("mac", mac)
    return pipe


class SerialPipe:
    """A `Pipe` over one serialx transport."""

    def __init__(self, address: Address, timing: Timing, transport: BaseSerialTransport, stream: Stream) -> None:
        self.medium = Medium.UNKNOWN
        self.expects: str | None = None
        self.address: str | None = None
        self._where = address
        self._timing = timing
        self._transport = transport
        self._stream = stream
        self._writer = asyncio.StreamWriter(transport, stream, stream.reader, asyncio.get_running_loop())
        self._closed = False
        self._fixed = "baud" in address.options

    async def read(self) -> bytes:
        """The next bytes. What came before a hang-up is still delivered, then `LinkLost`."""
        if data := await self._stream.reader.read(_CHUNK):
            return data
        raise self._lost()

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        """Send; `secret` concerns only a recorder around this pipe."""
        self._check()
        try:
            self._writer.write(data)
            await self._writer.drain()
        except Exception as exc:
            raise self._lost(exc) from exc
        self._check()  # serialx notes a failed write without raising

    async def set_baud(self, baud: int) -> None:
        """Change the speed, unless the address fixes it; a plain socket has none, and serialx knows that."""
        if self._fixed:
            return
        self._check()  # also because serialx would go on to use the number of a closed descriptor
        try:
            async with asyncio.timeout(self._timing.open):
                await self._transport.reconfigure_port(baudrate=baud)
        except Exception as exc:
            raise self._lost(exc) from exc

    async def close(self) -> None:
        """Close in order, which sends what is still queued; after half the time by force."""
        self._closed = True
        gone = asyncio.ensure_future(self._transport.wait_closed())
        try:
            for end in (self._transport.close, self._transport.abort):
                with suppress(Exception):
                    end()
                if (await asyncio.wait({gone}, timeout=self._timing.close / 2))[0]:
                    return
        finally:
            gone.cancel()

    def _check(self) -> None:
        if self._stream.ended or self._transport.is_closing():
            raise self._lost()

    def _lost(self, exc: Exception | None = None) -> LinkLost:
        if self._closed:
            return LinkLost(f"{self._where.text}: is closed")
        return lost(self._where, exc or self._stream.cause)


class Stream(asyncio.StreamReaderProtocol):
    """Keeps why the link ended, and lets the reader see a plain end of stream.

    A `StreamReader` that gets the exception itself would drop the bytes that came before it.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.reader = asyncio.StreamReader(loop=loop)
        self.ended = False
        self.cause: Exception | None = None
        super().__init__(self.reader, loop=loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called once by the transport, whoever closed it."""
        self.ended = True
        self.cause = exc
        super().connection_lost(None)


async def _once_free(address: Address, settings: dict[str, Any], timing: Timing) -> tuple[BaseSerialTransport, Stream]:
    """Connect, as soon as the port is free: who has just closed it may hold it for a moment more."""
    end = timing.monotonic() + timing.release
    while True:
        try:
            return await _connect(address, settings)
        except Exception as exc:
            is_busy = address.scheme == "serial" and cause_of(exc, sys.platform) == "busy"
            if not is_busy or timing.monotonic() >= end:
                raise
        await asyncio.sleep(_AGAIN)


async def _connect(address: Address, settings: dict[str, Any]) -> tuple[BaseSerialTransport, Stream]:
    from serialx import create_serial_connection

    if address.scheme == "rfc2217":
        from .rfc2217 import transport_class

        settings = {**settings, "transport_cls": transport_class()}
    stream = Stream()
    loop = asyncio.get_running_loop()
    transport, _ = await create_serial_connection(loop, lambda: stream, _url(address), **settings)
    return transport, stream


async def _within(
    timing: Timing, work: Coroutine[Any, Any, tuple[BaseSerialTransport, Stream]]
) -> tuple[BaseSerialTransport, Stream]:
    """The result of `work`, or `TimeoutError`, in time even if `work` does not let itself be cancelled."""
    task = asyncio.ensure_future(work)
    try:
        if not (await asyncio.wait({task}, timeout=timing.open))[0]:
            raise TimeoutError
        return task.result()
    except BaseException:
        _leftovers.add(task)
        task.add_done_callback(_drop)
        task.cancel()
        await asyncio.wait({task}, timeout=timing.close)
        raise


def _drop(task: asyncio.Future[tuple[BaseSerialTransport, Stream]]) -> None:
    """Close what was opened although nobody waits for it any more."""
    _leftovers.discard(task)
    if not task.cancelled() and task.exception() is None:
        task.result()[0].abort()


def _url(address: Address) -> str:
    """For serialx, which takes a bare `C:\\x` for a scheme: so ports get one of their own."""
    if address.scheme == "serial":
        return f"device://{address.target}"
    query = {key: value for key, value in address.options.items() if key in _ESPHOME_QUERY}
    target = address.target if "/" in address.target or not query else f"{address.target}/"
    return f"{address.scheme}://{target}" + (f"?{urlencode(query)}" if query else "")


def _settings(address: Address, baud: int) -> dict[str, Any]:
    """Keyword arguments for serialx; wrong options are a `UsageError` before anything is opened."""
    options = address.options
    speed = options.get("baud", str(baud))
    if not re.fullmatch(r"[1-9]\d{0,7}", speed):
        raise UsageError(
            f"{address.text}: baud must be a whole number from 1 to 99999999, not {speed!r}",
            "ANT boards have 19200, JBD boards 9600.",
        )
    settings: dict[str, Any] = {"baudrate": int(speed), **_pins(address)}
    for option, argument in ("password_env", "password"), ("key_env", "key"):
        if address.scheme == "esphome" and option in options:
            settings[argument] = _secret(address, option)
    return settings


def _pins(address: Address) -> dict[str, Any]:
    from serialx import PinState

    states = {"on": PinState.HIGH, "off": PinState.LOW, "keep": PinState.UNDEFINED}
    pins = {pin: address.options[pin] for pin in ("dtr", "rts") if pin in address.options}
    for pin, value in pins.items():
        if value not in states:
            raise UsageError(f"{address.text}: {pin} must be on, off or keep, not {value!r}")
    closing = ("dtr_on_close", "rts_on_close") if "keep" in pins.values() else ()  # POSIX can only do both or none
    return {f"{pin}_on_open": states[value] for pin, value in pins.items()} | dict.fromkeys(closing, PinState.UNDEFINED)


def _secret(address: Address, option: str) -> str:
    name = address.options[option]
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"{address.text}: the environment variable {name} ({option}) is not set")
    return value


def _medium(address: Address) -> tuple[Medium, str | None]:
    """What the address tells about the link, and the Bluetooth address behind it."""
    if address.scheme != "serial":
        return _NETWORK[address.scheme], None
    device = address.target if sys.platform == "win32" else os.path.realpath(address.target)
    if device.startswith("/dev/pts/"):
        return Medium.UNKNOWN, None
    from .ports import same_port

    port = next((port for port in _ports() if same_port(port.device, device)), None)
    return (_KINDS[port.kind], port.address) if port else (Medium.UNKNOWN, None)


def _ports() -> list[Port]:
    """The ports there are; a help for messages and a guess, so never an error of its own."""
    from .ports import list_ports

    try:
        return list_ports()
    except Exception:  # noqa: BLE001  whatever goes wrong while the system is asked: the port itself may be fine
        return []
