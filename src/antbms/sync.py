"""The same API for scripts and notebooks, without `await`: one background loop serves them all.

    from antbms import sync

    with sync.open("COM5") as battery:
        print(battery.read().soc)

Batteries that a script forgets to close are closed when Python ends.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from . import battery as asynchronous
from . import discovery
from .backup import Backup
from .link import LinkStats
from .model import DeviceInfo, Event, Outcome, Snapshot
from .model.events import Value
from .protocol.settings import Setting
from .settings import Settings as StoredSettings
from .timing import DEFAULT, Timing
from .watching import Watch

T = TypeVar("T")

_starting = threading.Lock()
_open: set[AbstractAsyncContextManager[asynchronous.Battery]] = set()


class Battery:
    """One open battery; see `antbms.Battery`, whose methods these are. May be used from any thread."""

    def __init__(self, battery: asynchronous.Battery) -> None:
        self._battery = battery

    @property
    def name(self) -> str:
        """What the battery is called in records and messages: by default its address."""
        return self._battery.name

    @property
    def protocol(self) -> str:
        """`ant`, `ant-legacy` or `jbd`."""
        return self._battery.protocol

    @property
    def stats(self) -> LinkStats:
        """What crossed the link since it was opened."""
        return self._battery.stats

    def read(self) -> Snapshot:
        """The state of the battery now."""
        return _wait(self._battery.read())

    def info(self) -> DeviceInfo:
        """Who the device is."""
        return _wait(self._battery.info())

    def login(self, password: str, level: int | None = None) -> None:
        """Give a password, once."""
        _wait(self._battery.login(password, level))

    def counters(self) -> dict[str, int]:
        """How often each protection has acted."""
        return _wait(self._battery.counters())

    def switch(self, name: str, on: bool) -> Outcome:
        """Turn a switch on or off, and see that it is done."""
        return _wait(self._battery.switch(name, on))

    def command(self, name: str, dangerous: bool = False) -> Outcome:
        """Tell the battery to do something."""
        return _wait(self._battery.command(name, dangerous))

    @property
    def settings(self) -> Settings:
        """What the battery has stored."""
        return Settings(self._battery.settings)


class Settings:
    """The settings of one battery; see `antbms.settings.Settings`, whose methods these are."""

    def __init__(self, settings: StoredSettings) -> None:
        self._settings = settings

    @property
    def untold(self) -> Mapping[str, str]:
        """Of the latest reading: name → why the battery did not tell it, although it may have it."""
        return self._settings.untold

    @property
    def denied(self) -> frozenset[str]:
        """Those of `untold` that the battery refuses to tell, while it tells others: asking again does not help."""
        return self._settings.denied

    def rows(self) -> Mapping[str, Setting]:
        """The settings that this battery may have, by name."""
        return _wait(self._settings.rows())

    def read(self, names: Iterable[str] | None = None, *, complete: bool = False) -> dict[str, Value]:
        """Name → value in its unit: these, or all."""
        return _wait(self._settings.read(names, complete=complete))

    def backup(self) -> tuple[Backup, Mapping[str, Setting]]:
        """All settings and who the battery is, and the rows for the file."""
        return _wait(self._settings.backup())

    def check(self, values: Mapping[str, Value], *, dangerous: bool = False) -> list[Outcome]:
        """What `write` would do, without doing it."""
        return _wait(self._settings.check(values, dangerous=dangerous))

    def write(self, values: Mapping[str, Value], *, dangerous: bool = False) -> list[Outcome]:
        """Set these values, one by one, each read back; saved, and read back again."""
        return _wait(self._settings.write(values, dangerous=dangerous))


@contextmanager
def open(
    address: str,
    *,
    protocol: str | None = None,
    options: Mapping[str, str] | None = None,
    timing: Timing = DEFAULT,
    record: Path | None = None,
    redact: bool = False,
    on_note: Callable[[str], None] | None = None,
    password: str | None = None,
    name: str | None = None,
) -> Iterator[Battery]:
    """Open a battery, and close it at the end of the block; see `antbms.open`."""
    manager = asynchronous.open_battery(
        address,
        protocol=protocol,
        options=options,
        timing=timing,
        record=record,
        redact=redact,
        on_note=on_note,
        password=password,
        name=name,
    )
    battery = _wait(manager.__aenter__())
    _open.add(manager)
    try:
        yield Battery(battery)
    finally:
        _close(manager)


def discover(
    *,
    kinds: Collection[discovery.Kind] = discovery.KINDS,
    seconds: float = discovery.SECONDS,
    timing: Timing = DEFAULT,
    probe: bool = False,
    also: Sequence[str] = (),
    record: Path | None = None,
    on_note: Callable[[str], None] = discovery.ignore,
    on_progress: Callable[[str], None] = discovery.ignore,
) -> list[discovery.Found]:
    """Everything of these kinds that could be a battery; see `antbms.discover`."""
    return _wait(
        discovery.discover(
            kinds=kinds,
            seconds=seconds,
            timing=timing,
            probe=probe,
            also=also,
            record=record,
            on_note=on_note,
            on_progress=on_progress,
        )
    )


def watch(address: str, every: float = 1.0, **arguments: Any) -> Iterator[Event]:
    """A `Snapshot` every `every` s, or `Offline`, for as long as it is iterated over; arguments as `antbms.watch`.

    Leaving the loop closes the link. Raises `UsageError` at once, and what iterating over `antbms.watch` raises.
    """
    return _events(Watch(address, every, **arguments))


def _events(watching: Watch) -> Iterator[Event]:
    iterator = aiter(watching)

    async def step() -> Event:
        return await anext(iterator)

    try:
        while True:
            try:
                yield _wait(step())
            except StopAsyncIteration:
                return
    finally:
        _wait(watching.close())


def _loop() -> asyncio.AbstractEventLoop:
    """The background loop, started when it is first needed, by whichever thread."""
    with _starting:
        return _started()


@cache
def _started() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="antbms", daemon=True).start()
    atexit.register(_close_all)
    return loop


def _wait(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which runs on the background loop. Ctrl-C cancels it."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _close(manager: AbstractAsyncContextManager[asynchronous.Battery]) -> None:
    if manager in _open:
        _open.discard(manager)
        _wait(manager.__aexit__(None, None, None))


def _close_all() -> None:
    for manager in list(_open):
        _close(manager)
