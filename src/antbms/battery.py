"""One open battery: what it says now, and who it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from . import changes
from .asking import Asker
from .errors import NoAnswer, Refused, UsageError, shown
from .extras import how_to_install
from .identity import identity, is_own, stable_links
from .journal import Journal
from .link import Link, LinkStats, Reply, detect
from .model import DeviceInfo, Outcome, Snapshot
from .protocol import Dialect, dialect
from .protocol.settings import Command, Switch
from .settings import Settings
from .timing import DEFAULT, Timing
from .transport import Medium, open_pipe, parse_address

KEYRING = "antbms"
"""Service under which the system's keyring holds passwords."""
FIRST_BAUD = 19200
"""Of a wire whose protocol is not known yet: detection begins with the ANT families."""


class Battery:
    """One battery behind an open link. Made by `antbms.open`.

    Its methods may be called from several tasks: they wait for each other, one request is in flight at a time.
    """

    settings: Settings
    """What the battery has stored."""

    def __init__(
        self,
        link: Link,
        spoken: Dialect,
        timing: Timing,
        found: Reply | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self._asker = Asker(link, spoken, timing, found)
        key = identity(link.pipe.address, link.where, link.name, stable_links())
        alone = link.where is not None and link.where.scheme in ("sim", "replay")
        self._journal = Journal(key, spoken.NAME, link.name, shared=not alone)
        known = is_own(link.pipe.address, link.where)
        self.settings = Settings(self._asker, self._journal, self._info, on_note, known=known)

    @property
    def name(self) -> str:
        """What the battery is called in records and messages: by default its address."""
        return self._asker.link.name

    @property
    def protocol(self) -> str:
        """`ant`, `ant-legacy` or `jbd`."""
        return self._asker.spoken.NAME

    @property
    def stats(self) -> LinkStats:
        """What crossed the link since it was opened."""
        return self._asker.link.stats

    @property
    def switches(self) -> Mapping[str, Switch]:
        """What can be turned on and off in batteries of this protocol."""
        return self._asker.spoken.SWITCHES

    @property
    def commands(self) -> Mapping[str, Command]:
        """What batteries of this protocol can be told to do."""
        return self._asker.spoken.COMMANDS

    async def read(self) -> Snapshot:
        """Ask for the state of the battery now; changes nothing in it.

        Retries as `Timing.tries` says. Raises `NoAnswer`, `LinkLost`, `Refused`.
        """
        async with self._asker.lock:
            return await self._asker.snapshot()

    async def info(self) -> DeviceInfo:
        """Ask who the device is; what it does not tell is None. Raises as `read` does, if it tells nothing at all."""
        async with self._asker.lock:
            return await self._info()

    async def _info(self, tries: int | None = None) -> DeviceInfo:
        """For whoever holds the lock. tries: for each of what need not be answered."""
        packets = [await self._asker.status()]
        for request in self._asker.spoken.INFO:
            with suppress(NoAnswer, Refused):
                packets.append((await self._asker.ask((request,), tries=tries)).packet)
        info = self._asker.spoken.to_info(packets)
        return replace(info, address=info.address or self._asker.link.pipe.address)

    async def counters(self) -> dict[str, int]:
        """Ask how often each protection has acted (and what else the device counts): name → number of times.

        Raises as `read` does, and `UsageError` if the protocol has no counters.
        """
        request = self._asker.spoken.COUNTERS
        if request is None:
            raise UsageError(f"{self.name}: {self.protocol} has no protection counters")
        async with self._asker.lock:
            answer = await self._asker.ask((request,))
        return answer.packet.fields

    async def login(self, password: str, level: int | None = None) -> None:
        """Give a password, once. level: the permission level to ask for (ant; by default what fits the password).

        Raises `WrongPassword`, `Refused`, `NoAnswer`, `LinkLost`, `UsageError`.
        """
        pipe, patience = self._asker.link.pipe, self._asker.timing.answer or self._asker.spoken.PATIENCE
        exchange = self._asker.spoken.login(password, level, pipe.address, pipe.medium)
        async with self._asker.lock:
            await self._asker.link.login(exchange, patience=patience, unpack=self._asker.spoken.unpack)
        self.settings.forget()

    async def switch(self, name: str, on: bool, *, until: float | None = None) -> Outcome:
        """Turn a switch (`charge`, `discharge`; `balance` and `buzzer` of `ant`) on or off, and see that it is done.

        Sent once; then the status is read until it shows the change, `Timing.settle` s at most. The outcome says
        whether it does, or has no state that could. Raises `Refused`, `PasswordNeeded`, `Unconfirmed` (also if the
        acknowledgement was lost, and the state is not the wanted one), `UsageError` for a switch that is not there, and
        before it is sent as `read` does. until: s on `Timing.monotonic`; `LinkError` if it could not be sent by then,
        or if another program changes the battery now.
        """
        async with self._asker.lock:
            with self._journal.held(self._asker.timing.now, needed=False):
                return await changes.switch(self._asker, name, on, until)

    async def command(self, name: str, dangerous: bool = False, *, until: float | None = None) -> Outcome:
        """Tell the battery to do something: a name of `protocol.COMMANDS`, such as `restart`. Sent once.

        dangerous: the caller knows what it does; commands marked as such are refused without. Those for a battery at
        rest are refused while a current flows. until: as for `switch`, and it raises as that does.
        """
        async with self._asker.lock:
            with self._journal.held(self._asker.timing.now, needed=False):
                return await changes.command(self._asker, name, until, dangerous=dangerous)


@asynccontextmanager
async def open_battery(
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
) -> AsyncIterator[Battery]:
    """Open a battery, and close it at the end of the block.

    address: a COM port, device file or URL (`docs/addresses.md`). protocol: `ant`, `ant-legacy` or `jbd`; found by
    itself if None. options: of the address, as after its `?`. record: a new file for everything that crosses the
    link, passwords left out; redact: the address as well. on_note: told in words what may interest a human, for
    example which protocol was found. password: of the battery; by default that which the option `password_env` (an
    environment variable) or `keyring` (an entry of the system's keyring) names, if there is one. name: what the
    battery is called in snapshots and errors; by default its address.

    Raises `UsageError`, `OpenError`, `FileError`, and, while the protocol is being found or the password given,
    `NoAnswer`, `LinkLost`, `Refused`, `PasswordNeeded`, `WrongPassword`.
    """
    where = parse_address(address, options)
    spoken = dialect(protocol) if protocol is not None else None
    secret = password if password is not None else await _password_in(where.options)
    file = Path(record) if record is not None else None
    pipe = await open_pipe(where, timing, spoken.BAUD if spoken else FIRST_BAUD, file, redact=redact)
    try:
        link = Link(pipe, shown(name or where.text), timing, where)
        found = None
        if spoken is None:
            change_baud = pipe.medium in (Medium.WIRE, Medium.UNKNOWN) and "baud" not in where.options
            found = await detect(link, timing, change_baud=change_baud, password=secret)
            spoken = dialect(found.frame.protocol)
            if on_note and pipe.medium is not Medium.MEMORY:
                on_note(f"{where.text} speaks {spoken.NAME}; with --protocol {spoken.NAME} it is not searched again")
        battery = Battery(link, spoken, timing, found, on_note)
        # A jbd module that lets requests through is unlocked, or was unlocked by detection.
        if secret is not None and not (found and spoken.NAME == "jbd" and pipe.medium is Medium.BLUETOOTH):
            await battery.login(secret)
        await battery.settings.mend()
        yield battery
    finally:
        await pipe.close()


async def _password_in(options: Mapping[str, str]) -> str | None:
    """The password that the options name. Raises `UsageError` if it is not there."""
    if (entry := options.get("keyring")) is not None:
        return await asyncio.to_thread(_password_of_keyring, entry)
    name = options.get("password_env")
    if name is None:
        return None
    if name not in os.environ:
        raise UsageError(f"the environment variable {name}, which should hold the battery's password, is not set")
    return os.environ[name]


def _password_of_keyring(entry: str) -> str:
    """The system may ask its user meanwhile."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise UsageError("-o keyring=… needs the library keyring", *how_to_install("keyring")) from None
    try:
        password = keyring.get_password(KEYRING, entry)
    except KeyringError as error:
        raise UsageError(f"the system's keyring tells nothing: {error}") from error
    if password is None:
        raise UsageError(
            f"the system's keyring has no password {entry!r} of {KEYRING}", f"Next: keyring set {KEYRING} {entry}"
        )
    return password
