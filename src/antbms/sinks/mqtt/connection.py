"""One connection to a broker. paho's network thread sends and receives; everything it says is handed to the loop."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ...errors import SinkError
from ...timing import Timing
from .config import Config, password, tls_context

if TYPE_CHECKING:
    from paho.mqtt.client import Client

WINDOW = 20
"""Messages in flight that the broker has not acknowledged: what mosquitto takes by default."""
QOS = 1
"""At least once, for everything: the acknowledgement is the only sign that a broker took a message."""

_HINTS = (
    (("user name or password", "not authorized", "bad user"), "Next: check `user`, and the password behind it."),
    (
        ("certificate", "ssl", "tls"),
        "Next: `ca` must name the certificate that signed the broker's, and `host` must be the name in it.",
    ),
    (("refused", "unreachable", "no route"), "Next: is the broker running, and are `host` and `port` right?"),
    (("name or service", "getaddrinfo", "nodename", "resolution"), "Next: check `host`: its name is not known here."),
    (("protocol version",), 'Next: write version = "3.1.1" under [mqtt].'),
    (("no answer", "timed out"), "Next: is this port one of an MQTT broker, with or without `tls`?"),
)


class Incoming(Struct, frozen=True):
    """A message that came; `at` on the monotonic clock (s)."""

    topic: str
    payload: bytes
    retained: bool
    at: float


class Connection:
    """From CONNECT to the end. A new one is made for every attempt, and what the old one held is forgotten with it.

    So neither a message nor a command of an old connection comes to life in a new one: the caller knows what was
    acknowledged. Its methods are called on the loop.
    """

    def __init__(
        self,
        config: Config,
        client_id: str,
        will: tuple[str, str],
        timing: Timing,
        on_message: Callable[[Incoming], None],
    ) -> None:
        self._config = config
        self._client_id = client_id
        self._will = will
        self._timing = timing
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[str] = self._loop.create_future()
        self._over: asyncio.Future[str] = self._loop.create_future()
        self._receipts: dict[int, asyncio.Future[str]] = {}
        self._subscriptions: dict[int, asyncio.Future[list[str]]] = {}
        self._progress = 0.0
        self._seen = timing.now()
        self._client: Client | None = None
        self._check: asyncio.TimerHandle | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._over.done()

    @property
    def ended(self) -> str | None:
        """Why it has ended, which is also the result for every message that was under way; None if it lasts."""
        return self._over.result() if self._over.done() else None

    async def lost(self) -> str:
        """Wait for the end, and say why."""
        return await asyncio.shield(self._over)

    async def open(self) -> None:
        """Connect. Raises `SinkError` with the reason and the way out."""
        self._client = await asyncio.to_thread(self._make_client)
        config = self._config
        # A client connects for the first time only, and so without a session of the past.
        self._client.connect_async(config.host, config.broker_port, config.keepalive)
        self._client.loop_start()
        try:
            async with asyncio.timeout(self._timing.broker):
                problem = await self._opened
        except TimeoutError:
            problem = f"no answer in {self._timing.broker:g} s"
        except asyncio.CancelledError:
            self.abort("cancelled")
            raise
        if problem:
            self.abort(problem)
            raise trouble(config, f"cannot connect: {problem}")
        self._seen = self._timing.now()
        self._watch()

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False) -> asyncio.Future[str]:
        """Send a message. The result says why the broker has not got it; it is empty when it has."""
        receipt: asyncio.Future[str] = self._loop.create_future()
        if self.is_over or self._client is None:
            receipt.set_result(self._over.result() if self.is_over else "not connected")
            return receipt
        if not self._receipts:
            self._progress = self._timing.monotonic()
        sent = self._client.publish(topic, payload, QOS, retain)
        self._receipts[sent.mid] = receipt
        if sent.rc:
            self.abort("connection lost")  # the network thread has noticed, and is about to tell
        return receipt

    async def subscribe(self, topics: Sequence[str]) -> dict[str, str]:
        """Subscribe to topics. Those that the broker refused, with its reason. Raises `SinkError` if it is gone."""
        assert self._client is not None
        granted: asyncio.Future[list[str]] = self._loop.create_future()
        code, number = self._client.subscribe([(topic, QOS) for topic in topics])
        if code or number is None:
            raise trouble(self._config, "lost while subscribing")
        self._subscriptions[number] = granted
        try:
            async with asyncio.timeout(self._timing.broker):
                problems = await granted
        except TimeoutError:
            raise trouble(self._config, f"no answer in {self._timing.broker:g} s") from None
        if self.is_over:
            raise trouble(self._config, self._over.result())
        return {topic: problem for topic, problem in zip(topics, problems, strict=True) if problem}

    async def close(self) -> None:
        """Say goodbye, so that the broker sends no will, and wait for it a little."""
        if self._client is not None and not self.is_over:
            self._client.disconnect()
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.lost()
        self.abort("closed")

    def abort(self, reason: str) -> None:
        """End at once. A broker that is still there sends the will."""
        self._end(reason)
        client = self._client
        if client is None:
            return
        wire = client.socket()
        if isinstance(wire, socket.socket):
            with suppress(OSError):  # below TLS, which the network thread may be using just now
                socket.socket.shutdown(wire, socket.SHUT_RDWR)
        else:
            client.disconnect()  # while it is still connecting

    def _make_client(self) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        version = MQTTProtocolVersion.MQTTv5 if self._config.version == "5" else MQTTProtocolVersion.MQTTv311
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=version, reconnect_on_failure=False
        )
        client.max_inflight_messages_set(WINDOW)
        client.connect_timeout = min(self._timing.broker, client.connect_timeout)
        if context := tls_context(self._config):
            client.tls_set_context(context)
        if self._config.user is not None:
            client.username_pw_set(self._config.user, password(self._config))
        client.will_set(*self._will, qos=QOS, retain=True)
        client.on_socket_open = _at_once
        client.on_connect = self._connected
        client.on_connect_fail = self._not_connected
        client.on_disconnect = self._disconnected
        client.on_publish = self._published
        client.on_subscribe = self._subscribed
        client.on_message = self._received
        return client

    # What follows is called by the network thread, up to the next line of this kind.

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any longer
            self._loop.call_soon_threadsafe(what, *arguments)

    def _connected(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self.is_over:
            client.disconnect()
        self._tell(_settle, self._opened, str(reason) if reason.is_failure else "")

    def _not_connected(self, _client: Client, _data: Any) -> None:
        # paho does not hand over what went wrong, but calls this while it handles it.
        error = sys.exc_info()[1]
        self._tell(_settle, self._opened, str(error) or type(error).__name__)

    def _disconnected(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        why = "" if str(reason) == "Unspecified error" else f": {reason}"
        self._tell(self._end, f"connection lost{why}")

    def _published(self, _client: Client, _data: Any, number: int, reason: Any, _properties: Any) -> None:
        self._tell(self._receipt, number, str(reason) if reason.is_failure else "")

    def _subscribed(self, _client: Client, _data: Any, number: int, reasons: Any, _properties: Any) -> None:
        self._tell(self._granted, number, [str(reason) if reason.is_failure else "" for reason in reasons])

    def _received(self, _client: Client, _data: Any, message: Any) -> None:
        came = Incoming(message.topic, bytes(message.payload), bool(message.retain), self._timing.monotonic())
        self._tell(self._receive, came)

    # Called on the loop again.

    def _receipt(self, number: int, problem: str) -> None:
        self._progress = self._timing.monotonic()
        if receipt := self._receipts.pop(number, None):
            _settle(receipt, problem)

    def _granted(self, number: int, problems: list[str]) -> None:
        if granted := self._subscriptions.pop(number, None):
            _settle(granted, problems)

    def _receive(self, message: Incoming) -> None:
        if not self.is_over and not self._has_slept():
            self._on_message(message)

    def _watch(self) -> None:
        """Look again and again whether the broker still acknowledges, and whether this computer slept."""
        if self.is_over or self._has_slept():
            return
        self._seen = self._timing.now()
        if self._receipts and self._timing.monotonic() - self._progress > self._timing.broker:
            self.abort(f"no answer in {self._timing.broker:g} s")
            return
        self._check = self._loop.call_later(self._timing.broker / 10, self._watch)

    def _has_slept(self) -> bool:
        """What lay in the socket while this computer slept is old: such a connection ends, with all it brought."""
        if abs((self._timing.now() - self._seen).total_seconds()) <= self._timing.command:
            return False
        self.abort("this computer slept, or its clock was set")
        return True

    def _end(self, reason: str) -> None:
        if self.is_over:
            return
        self._over.set_result(reason)
        _settle(self._opened, reason)
        for receipt in self._receipts.values():
            _settle(receipt, reason)
        for granted in self._subscriptions.values():
            _settle(granted, [])
        self._receipts.clear()
        self._subscriptions.clear()
        if self._check is not None:
            self._check.cancel()


def trouble(config: Config, problem: str) -> SinkError:
    """The error for a problem with the broker, with the way out that fits it."""
    low = problem.lower()
    return SinkError(f"{config.broker}: {problem}", *(hint for words, hint in _HINTS if any(w in low for w in words)))


def _at_once(_client: Client, _data: Any, wire: Any) -> None:
    """Small packets are not held back: a window of acknowledgements would take 40 ms otherwise."""
    with suppress(OSError):
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)
