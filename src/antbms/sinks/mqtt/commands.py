"""Commands that come over MQTT: given to a battery once, soon or never, and answered with what came of them.

MQTT says neither when a command was given nor whether it is old. So what could be old is dropped:

- retained messages: they are old by nature;
- what waited in a session: there is none, since every connection begins a new one;
- what lay in the socket while this computer slept: such a connection is given up with all it brought;
- what waited here for longer than `Timing.command`, because the battery was busy, or its link was opened anew;
- what says itself that it is older: `{"value": "ON", "time": "2026-11-22T05:00:00Z"}`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from ...errors import AntbmsError, Refused, Unconfirmed
from ...model import Outcome
from ...model.records import timestamp
from ...protocol import dialect
from ...timing import Timing
from ..base import Control, Sources
from .connection import Incoming
from .topics import Topics

log = logging.getLogger(__name__)

MOST = 5
"""Commands that may wait for one battery."""
SWITCH_VALUES = {"ON": True, "OFF": False}
PRESS = "PRESS"
ENDINGS = ((Refused, "refused"), (Unconfirmed, "unconfirmed"))


class Command(Struct, frozen=True):
    """What is wanted of a battery; `at` on the monotonic clock (s), `time` if it says when it was given."""

    battery: str
    kind: str
    name: str
    value: bool | None
    at: float
    time: datetime | None = None


def offered(protocol: str) -> tuple[frozenset[str], dict[str, str]]:
    """The switches, and the commands with their names for humans, that a battery of this protocol can be given.

    Dangerous commands are not among them: they need a human at the command line.
    """
    spoken = dialect(protocol)
    commands = {name: name.replace("_", " ").capitalize() for name, row in spoken.COMMANDS.items() if not row.dangerous}
    return frozenset(spoken.SWITCHES), commands


class Commands:
    """Takes messages, and runs one command of a battery at a time. What comes of it, the monitor has in its log."""

    def __init__(self, topics: Topics, sources: Sources, timing: Timing, answer: Callable[[str, str], None]) -> None:
        self._topics = topics
        self._sources = sources
        self._timing = timing
        self._answer = answer
        self._locks = {name: asyncio.Lock() for name in sources}
        self._waiting = dict.fromkeys(sources, 0)
        self._tasks: set[asyncio.Task[None]] = set()

    def subscriptions(self) -> list[str]:
        """The topics of the batteries that may be changed; none if none may."""
        return [
            self._topics.of(name, kind, "+", "set")
            for name, source in self._sources.items()
            if source.control is not None
            for kind in ("switch", "command")
        ]

    def receive(self, message: Incoming) -> None:
        """A message of one of these topics."""
        found = self._topics.battery(message.topic)
        if found is None or len(found[1]) != 3 or found[1][2] != "set":
            return
        battery, (kind, name, _) = found
        command = Command(battery, kind, name, None, message.at)
        control = self._sources[battery].control
        if control is None:
            return
        if message.retained:
            self._drop(command, "it is retained, so nobody knows how old it is")
            return
        try:
            command = read(command, message.payload)
        except (ValueError, msgspec.MsgspecError) as error:
            self._drop(command, f"not understood: {error}")
            return
        if self._waiting[battery] >= MOST:
            self._drop(command, f"{MOST} other commands wait already")
            return
        log.info("%s: mqtt asks for %s", battery, _words(command))
        self._waiting[battery] += 1
        task = asyncio.create_task(self._run(command, control))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Commands that wait are dropped; one that runs is cancelled, and has half a second to end."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=0.5)

    async def _run(self, command: Command, control: Control) -> None:
        is_given = False
        try:
            async with self._locks[command.battery]:
                if reason := self._too_old(command):
                    self._drop(command, reason)
                    return
                is_given = True
                outcome = await control(command.kind, command.name, command.value, self._until(command))
        except AntbmsError as error:
            ending = next((word for kind, word in ENDINGS if isinstance(error, kind)), "failed")
            log.debug("%s: %s: %s: %s", command.battery, _words(command), ending, error.text())
            self._tell(command, ending, error.reason)
        except asyncio.CancelledError:
            if is_given:
                log.warning(
                    "%s: %s: antbms is closed; whether it was done is not known", command.battery, _words(command)
                )
                self._tell(command, "failed", "antbms was closed: whether it was done is not known")
            else:
                self._drop(command, "antbms is closed")
            raise
        except Exception:
            log.exception("%s: %s", command.battery, _words(command))
            self._tell(command, "failed", "an error in antbms itself; its log holds more")
        else:
            log.debug("%s: %s: %s", command.battery, _words(command), outcome.text)
            self._tell(command, "confirmed" if outcome.confirmed else "acknowledged", outcome.text, outcome)
        finally:
            self._waiting[command.battery] -= 1

    def _until(self, command: Command) -> float:
        """When it will be too old, on the monotonic clock (s)."""
        until = command.at + self._timing.command
        if command.time is not None:
            age = (self._timing.now() - command.time).total_seconds()
            until = min(until, self._timing.monotonic() - age + self._timing.command)
        return until

    def _too_old(self, command: Command) -> str | None:
        waited = self._timing.monotonic() - command.at
        if waited > self._timing.command:
            return f"it waited {waited:.1f} s for another command"
        if command.time is None:
            return None
        age = (self._timing.now() - command.time).total_seconds()
        if abs(age) > self._timing.command:
            return f"it was given {age:.1f} s ago" if age > 0 else f"its time is {-age:.1f} s ahead"
        return None

    def _drop(self, command: Command, reason: str) -> None:
        log.warning("%s: %s from mqtt was dropped: %s", command.battery, _words(command), reason)
        self._tell(command, "dropped", reason)

    def _tell(self, command: Command, outcome: str, text: str, details: Outcome | None = None) -> None:
        record: dict[str, Any] = {
            "time": timestamp(self._timing.now()),
            "battery": command.battery,
            "kind": command.kind,
            "name": command.name,
            "value": command.value,
            "outcome": outcome,
            "seen": details.seen if details else None,
            "text": text,
        }
        self._answer(self._topics.of(command.battery, "result"), msgspec.json.encode(record).decode())


def read(command: Command, payload: bytes) -> Command:
    """The command with what its payload says. Raises `ValueError` if that means nothing."""
    text, time = payload.decode("utf-8"), None
    if text.startswith("{"):
        fields = msgspec.json.decode(payload, type=_Long)
        text, time = fields.value, fields.time
    word = text.strip().upper()
    values: Mapping[str, bool | None] = SWITCH_VALUES if command.kind == "switch" else {PRESS: None}
    if word not in values:
        raise ValueError(f"{text[:40]!r} is not {' or '.join(values)}")
    return Command(command.battery, command.kind, command.name, values[word], command.at, time)


class _Long(Struct, forbid_unknown_fields=True):
    """A command that says when it was given, with its time zone."""

    value: str
    time: datetime | None = None

    def __post_init__(self) -> None:
        if self.time is not None and self.time.tzinfo is None:
            raise ValueError("its time has no time zone")


def _words(command: Command) -> str:
    value = {True: " on", False: " off", None: ""}[command.value]
    return f"{command.kind} {command.name}{value}"
