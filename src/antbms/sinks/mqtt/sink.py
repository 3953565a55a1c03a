"""The MQTT sink: one connection, held as well as it can be, and what goes over it."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from ..._version import __version__
from ...errors import SinkError
from ...model import Event, Snapshot
from ...model.records import timestamp
from ...timing import Timing
from ...worker import Worker
from ..base import Sources
from .announcer import Announcer
from .board import OFFLINE, ONLINE, Board, Message
from .commands import Commands
from .config import Config, spool_file
from .connection import Connection, Incoming
from .history import History
from .spool import Announced, Spool
from .topics import Topics

log = logging.getLogger(__name__)

STATUS_EVERY = 30.0
"""s between two statements about antbms itself."""
GOODBYE = 2.0
"""s for the last messages: a sink has 3 s to close."""


class Mqtt:
    """The sink. Work begins with the first event, and never waits for the broker longer than `Timing.broker`."""

    def __init__(self, config: Config, sources: Sources, timing: Timing) -> None:
        self._config = config
        self._sources = sources
        self._timing = timing
        self._topics = Topics(config.base, sources)
        self._board = Board(self._topics, sources, timing)
        self._announcer = Announcer(config, self._topics, sources, timing)
        self._commands = Commands(self._topics, sources, timing, self._answer)
        self._spool = Spool(spool_file(config), config.keep_megabytes * 1e6, config.keep_days)
        self._worker = Worker("antbms-mqtt")
        self._history = History(
            config, self._topics, timing, self._spool, self._worker, self._on_refusal, self._say_file
        )
        self._file_said: str | None = None
        self._opened_at = 0.0
        self._unremembered: dict[str, Announced | None] = {}
        self._tidy = asyncio.Event()
        self._client_id = config.client_id or f"antbms-{secrets.token_hex(4)}"
        self._connection: Connection | None = None
        self._answering: Connection | None = None  # the same, from before the greeting on
        self._task: asyncio.Task[None] | None = None
        self._echo: asyncio.Future[None] | None = None
        self._nonce = ""
        self._said: str | None = "not connected yet"
        self._refused: set[str] = set()
        self._status_at = 0.0
        self._closing = False

    @property
    def problem(self) -> str | None:
        """Why readings do not reach the broker now; None if they do."""
        return self._said

    @property
    def waiting(self) -> int:
        """How many readings wait on the disk."""
        return self._spool.waiting

    pace = 0.0

    async def take(self, events: Sequence[Event]) -> None:
        if not self._spool.is_open:
            await self._open_spool()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="antbms mqtt")
        for event in events:
            self._board.take(event)
        if self._connection is not None:
            self._send(self._connection, self._board.news())
            self._send_status(self._connection)
            await self._announce(self._connection, events)
        if self._config.history:
            await self._history.keep([event for event in events if isinstance(event, Snapshot)], self._connection)

    async def close(self) -> None:
        self._closing = True
        try:
            await self._commands.close()
            if self._task is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GOODBYE):
                        await self._say_goodbye()
        except Exception:  # what waits on the disk is worth more than the farewell
            log.exception("%s: unexpected while closing", self._config.broker)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await self._worker.run(self._spool.close)
        self._worker.stop()

    async def _open_spool(self) -> None:
        """Try now and then: without the file the broker still gets what is new, and a reading it does not take is
        refused by `take`."""
        now = self._timing.monotonic()
        if self._file_said is not None and now - self._opened_at < self._timing.broker_most:
            return
        self._opened_at = now
        try:
            if note := await self._worker.run(lambda: self._spool.open(self._timing.now())):
                log.warning("%s: %s", self._config.broker, note)
            self._announcer.recall(await self._worker.run(self._spool.announced))
        except SinkError as error:
            self._say_file(error)
            return
        self._say_file(None)
        self._history.wake()
        self._tidy.set()

    async def _say_goodbye(self) -> None:
        """A clean end sends no will, so it is said."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.gather(*self._send(connection, self._board.goodbye()))
            await connection.close()

    async def _run(self) -> None:
        """Connect, again and again."""
        pause = self._timing.broker_least
        while not self._closing:
            began = self._timing.monotonic()
            will = (self._topics.bridge("availability"), OFFLINE)
            connection = Connection(self._config, self._client_id, will, self._timing, self._on_message)
            try:
                await connection.open()
                self._answering = connection
                await self._greet(connection)
                self._say(f"{self._config.broker}: {await self._serve(connection)}")
            except SinkError as error:
                self._say(error.text())
            except Exception:  # a mistake of ours: readings go on to the disk, and it is tried again
                log.exception("%s: unexpected", self._config.broker)
                self._said = "an error in antbms itself; its log holds more"
            finally:
                self._connection = None
                connection.abort("given up")
            if self._timing.monotonic() - began > self._timing.broker_most:
                pause = self._timing.broker_least
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, self._timing.broker_most)

    async def _greet(self, connection: Connection) -> None:
        """Subscribe, and see that what is published comes back: brokers are silent about what an ACL denies."""
        test = self._topics.bridge("test")
        self._nonce, self._echo = secrets.token_hex(8), asyncio.get_running_loop().create_future()
        refused = await connection.subscribe([test, *self._subscriptions()])
        for topic, problem in refused.items():
            log.warning("%s: the broker refuses the subscription to %s: %s", self._config.broker, topic, problem)
        if problem := await connection.publish(test, self._nonce):
            raise self._denied(f"the broker does not take what is published to {test}: {problem}")
        try:
            async with asyncio.timeout(self._timing.broker / 2):
                await self._echo
        except TimeoutError:
            problem = f"what is published to {test} does not come back"
            if self._config.version != "5":
                raise self._denied(problem) from None
            # With MQTT 5 a refusal would have been told: only reading is denied.
            log.warning("%s: %s: commands and Home Assistant's restart will not be heard", self._config.broker, problem)

    def _denied(self, problem: str) -> SinkError:
        user = f"user {self._config.user}" if self._config.user else "a client without a user"
        return SinkError(
            f"{self._config.broker}: {problem}",
            f"Next: let the broker's ACL allow {user} to read and write {self._config.base}/#.",
        )

    async def _serve(self, connection: Connection) -> str:
        """Everything while the connection lasts; why it ended."""
        self._connection = connection
        self._send_everything(connection)
        self._say(None)
        await self._announce(connection, self._board.snapshots())
        drain = asyncio.ensure_future(self._history.drain(connection))
        tidy = asyncio.ensure_future(self._remove_former(connection))
        lost = asyncio.ensure_future(connection.lost())
        try:
            await asyncio.wait((drain, tidy, lost), return_when=asyncio.FIRST_COMPLETED)
            for work in (drain, tidy):
                if work.done():
                    await work  # a mistake of ours
            return await lost
        finally:
            for task in (drain, tidy, lost):
                task.cancel()
            await asyncio.gather(drain, tidy, lost, return_exceptions=True)

    def _subscriptions(self) -> list[str]:
        birth = [self._birth] if self._config.home_assistant else []
        return [self._topics.bridge("availability"), *birth, *self._commands.subscriptions()]

    @property
    def _birth(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self._config.discovery_prefix}/status"

    def _send_everything(self, connection: Connection) -> None:
        self._announcer.note()
        self._send(connection, self._announcer.greeting())
        self._send(connection, self._board.greeting())

    async def _announce(self, connection: Connection, events: Sequence[Event]) -> None:
        """Tell Home Assistant what is new in these events, and remember it."""
        for event in events:
            if isinstance(event, Snapshot):
                self._send(connection, self._announcer.see(event))
        changed, self._announcer.changed = self._announcer.changed, {}
        await self._remember(changed)
        if changed:
            self._tidy.set()

    async def _remember(self, changed: Mapping[str, Announced | None]) -> None:
        """Write what was announced to the file, now or as soon as it works again."""
        self._unremembered.update(changed)
        try:
            for battery, record in list(self._unremembered.items()):
                await self._worker.run(partial(self._spool.announce, battery, record))
                if self._unremembered.get(battery) is record:
                    self._unremembered.pop(battery, None)
        except SinkError as error:
            self._say_file(error)

    async def _remove_former(self, connection: Connection) -> None:
        """Take back what was announced of batteries that are no longer there, while the connection lasts."""
        while not connection.is_over:
            self._tidy.clear()
            for battery, messages, is_all in list(self._announcer.former()):
                problems = await asyncio.gather(*self._send(connection, messages))
                if is_all and not any(problems):
                    self._announcer.forget(battery)
                    await self._remember({battery: None})
                    log.info("%s: %s was removed", self._config.broker, battery)
            await self._tidy.wait()

    def _answer(self, topic: str, payload: str) -> None:
        """Publish what came of a command; not retained."""
        if self._answering is not None:
            self._answering.publish(topic, payload)

    def _on_message(self, message: Incoming) -> None:
        came = message.topic, message.payload
        if came == (self._topics.bridge("test"), self._nonce.encode()):
            if self._echo and not self._echo.done():
                self._echo.set_result(None)
        elif came == (self._topics.bridge("availability"), OFFLINE.encode()) and self._connection is not None:
            # The will of an earlier connection of ours that the broker held for alive until now.
            self._send(self._connection, [(message.topic, ONLINE)])
        elif came == (self._birth, ONLINE.encode()):
            if self._connection is not None and not message.retained:  # a retained one is of the past
                self._send_everything(self._connection)
        else:
            self._commands.receive(message)

    def _send(self, connection: Connection, messages: Iterable[Message]) -> list[asyncio.Future[str]]:
        """Publish retained messages; a refusal is logged once for each topic."""
        receipts = []
        for topic, payload in messages:
            receipt = connection.publish(topic, payload, retain=True)
            receipt.add_done_callback(lambda done, topic=topic: self._check(connection, topic, done))  # type: ignore[misc]
            receipts.append(receipt)
        return receipts

    def _check(self, connection: Connection, topic: str, receipt: asyncio.Future[str]) -> None:
        if not receipt.cancelled() and (problem := receipt.result()):
            self._on_refusal(connection, topic, problem)

    def _on_refusal(self, connection: Connection, topic: str, problem: str) -> None:
        if problem != connection.ended and topic not in self._refused:
            self._refused.add(topic)
            log.warning("%s: the broker does not take %s: %s", self._config.broker, topic, problem)

    def _send_status(self, connection: Connection) -> None:
        now = self._timing.monotonic()
        if now - self._status_at < STATUS_EVERY:
            return
        self._status_at = now
        record = {
            "time": timestamp(self._timing.now()),
            "version": __version__,
            "batteries": list(self._sources),
            "waiting": self._spool.waiting,
            "dropped": self._spool.dropped,
        }
        self._send(connection, [(self._topics.bridge("state"), msgspec.json.encode(record).decode())])

    def _say_file(self, error: SinkError | None) -> None:
        """Log trouble with the file once."""
        problem = None if error is None else error.text()
        if problem is not None and problem != self._file_said:
            log.warning("%s", problem)
        self._file_said = problem

    def _say(self, problem: str | None) -> None:
        """Log what has changed: that it works, or why not."""
        if self._closing or problem == self._said:
            return
        if problem is None:
            waiting = f"; readings that wait: {self._spool.waiting}" if self._spool.waiting else ""
            log.info("%s: connected%s", self._config.broker, waiting)
        else:
            log.warning("%s", problem)
        self._said = problem
