"""Pure bytes ⇄ messages, for three protocols. Each is a module with the same names: see `Dialect`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Protocol, cast

from ..errors import UsageError
from ..model import DeviceInfo, Snapshot
from .framing import Frame, Framer, Shape, whole_frame
from .login import Login
from .packet import Explained, Medium, Packet, Request
from .settings import Command, Factory, Page, Raw, Setting, Switch

MODULES = {"ant": "ant", "ant-legacy": "ant_legacy", "jbd": "jbd"}
"""Protocol → module, in the order of detection: a 2021 board may answer `ant-legacy` as well, with less to say."""


class Dialect(Protocol):
    """What a protocol module offers. Every function is pure."""

    NAME: str
    BAUD: int
    """On wires; 8N1."""
    PATIENCE: float
    """s that an answer may take."""
    PAUSE: float
    """s of silence between two requests."""
    SHAPES: tuple[Shape, ...]
    STATUS: tuple[tuple[Request, ...], ...]
    """The requests of a snapshot, in order; of each, the alternatives by medium. The first ones are the probes."""
    INFO: tuple[Request, ...]
    """Further requests that a device need not answer."""
    IDENTITY: tuple[Request, ...]
    """Those whose answers hold what no other device has, such as a chip's number; they need not be answered either."""
    COUNTERS: Request | None
    """The request for the protection counters; None where the protocol has none."""
    SECRETS: tuple[bytes, ...]
    """How requests begin that hold a password, or whose answers help to guess one."""

    SETTINGS: Mapping[str, Setting]
    """Every stored parameter by name, secrets too."""
    SWITCHES: Mapping[str, Switch]
    COMMANDS: Mapping[str, Command]
    """By name. What may never be sent is not among them."""
    WRITE_PATIENCE: float
    """s that an acknowledgement may take."""
    REGISTER_PATIENCE: float
    """s that a register may take; some boards answer those that they do not have with silence."""
    SAVE: Request | None
    """Keeps written settings, or puts them into effect; None where leaving the factory mode does it."""
    FACTORY: Factory | None
    """The mode that settings are written in; None where there is none."""

    def settings_for(self, status: Packet) -> Mapping[str, Setting]:
        """The rows that mean something for the device with this status, in its units."""

    def hidden(self, status: Packet) -> str | None:
        """Why the device would not show its settings now; None if it would."""

    def pages(self, rows: Iterable[Setting], *, factory: bool = False) -> list[Page]:
        """How to read these settings, secrets left out. factory: in that mode; else as far as they can be without."""

    def raws(self, page: Page, packets: Sequence[Packet]) -> dict[str, Raw]:
        """Name → raw value, from the answers to the requests of a page; without those that the device lacks."""

    def write_requests(self, row: Setting, raw: int, register: bytes = b"") -> tuple[Request, ...]:
        """The writes that set one value, to be acknowledged one after the other; `failure` says whether it refused.

        register: its bytes as they are now, for a row that is a part of it.
        """

    def switch_request(self, name: str, on: bool, shown: Mapping[str, bool | None]) -> Request:
        """The write that turns a switch. shown: the states that the other switches of the same write shall keep."""

    def turned(self, packet: Packet) -> bool | None:
        """The state that the acknowledgement of a switch names; None where it names none."""

    def lacks(self, packet: Packet) -> bool:
        """Whether `packet` refuses because the device does not have what was asked for."""

    def wants_password(self, packet: Packet) -> bool:
        """Whether `packet` refuses for want of a password, or of the permission level that one gives."""

    def login(
        self, password: str, level: int | None = None, address: str | None = None, medium: Medium | None = None
    ) -> Login:
        """Give a password over `medium`; see `protocol.login`. `address` is the device's own Bluetooth address."""

    def unpack(self, frame: Frame) -> Packet:
        """Take a frame apart."""

    def pack(self, packet: Packet) -> bytes:
        """The exact inverse of `unpack`."""

    def explain(self, packet: Packet, raw: bytes) -> Iterator[Explained]:
        """The fields of a frame, in the order of the wire."""

    def failure(self, packet: Packet) -> str | None:
        """Why the device refused; None if it did not."""

    def to_snapshot(self, packets: Sequence[Packet], *, time: datetime, battery: str, apart: float = 0.0) -> Snapshot:
        """The contract of the answers to STATUS, taken `apart` seconds from each other."""

    def from_snapshot(self, snapshot: Snapshot) -> list[Packet]:
        """The answers to STATUS that say what `snapshot` says: the inverse of `to_snapshot` on the wire's grid."""

    def to_info(self, packets: Sequence[Packet]) -> DeviceInfo:
        """Who the device is, from the answers to STATUS and to those of INFO that came."""


def dialect(name: str) -> Dialect:
    """The module of a protocol. Raises `UsageError` for a name that is none."""
    if name not in MODULES:
        raise UsageError(f"no protocol is called {name!r}", f"There are: {', '.join(MODULES)}.")
    return cast(Dialect, import_module(f".{MODULES[name]}", __name__))


def framer(names: Sequence[str] = tuple(MODULES)) -> Framer:
    """A framer for the frames of these protocols."""
    return Framer(shape for name in names for shape in dialect(name).SHAPES)


def parse(raw: bytes, names: Sequence[str] = tuple(MODULES)) -> Packet:
    """Take one frame apart. Raises `FrameError` unless `raw` is exactly one valid frame of these protocols."""
    frame = whole_frame(raw, (shape for name in names for shape in dialect(name).SHAPES))
    return dialect(frame.protocol).unpack(frame)
