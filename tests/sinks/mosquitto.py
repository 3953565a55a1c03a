"""A real mosquitto on free ports of this computer, and a client that sees what comes out of it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from conftest import missing
from patience import LONG, wait
from ports import free_port

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def program(name: str) -> str:
    return shutil.which(name, path=PATH) or missing(f"{name} is not installed")


class Broker:
    """mosquitto in `folder`. users: name → password (without: anybody may connect). acl: lines of its file.

    tls: the name in its certificate.
    """

    def __init__(self, folder: Path, *, users: dict[str, str] | None = None, acl: str = "", tls: str = "") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'false' if users else 'true'}",
            f"persistence_location {folder}/",
            "persistence true",  # so that an observer misses nothing while the broker is restarted
            "max_queued_messages 0",
            "log_dest none",
        ]
        if hasattr(os, "getuid") and os.getuid() == 0:
            lines.append("user root")
        if users:
            (folder / "passwords").touch(mode=0o600)
            for user, password in users.items():
                run(folder, program("mosquitto_passwd"), "-b", "passwords", user, password)
            lines.append(f"password_file {folder}/passwords")
        if acl:
            (folder / "acl").write_text(acl)
            (folder / "acl").chmod(0o600)
            lines.append(f"acl_file {folder}/acl")
        if tls:
            certificates(folder, tls)
            lines += [f"{key} {folder}/{file}" for key, file in
                      (("cafile", "ca.crt"), ("certfile", "server.crt"), ("keyfile", "server.key"))]  # fmt: skip
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> "Broker":
        self.process = subprocess.Popen(
            [program("mosquitto"), "-c", str(self.folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait(self._listens, what="mosquitto does not listen")
        return self

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "mosquitto ended at once"
        try:
            socket.create_connection(("127.0.0.1", self.port), LONG).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(LONG)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def broker(folder: Path, **options: Any) -> Iterator[Broker]:
    if sys.platform == "win32":
        missing("mosquitto is started on Linux and macOS only")
    made = Broker(folder, **options)
    try:
        yield made.start()
    finally:
        made.stop()


def run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def certificates(folder: Path, name: str) -> None:
    """An authority, and a certificate of it for `name`."""
    tool = program("openssl")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run(folder, tool, "req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test CA",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    run(folder, tool, "req", *new, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
    run(folder, tool, "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "server.crt", "-days", "2", "-extfile", "names")  # fmt: skip


class Message(NamedTuple):
    topic: str
    payload: str
    retained: bool


class Observer:
    """Another client of the broker: `messages` holds all that came; `retained` what a newcomer would get."""

    def __init__(self, port: int, user: str | None = None, password: str | None = None) -> None:
        self.messages: list[Message] = []
        self.port = port
        self._ready = threading.Event()
        # A session that stays, so that nothing is missed while the broker is restarted by a test.
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"observer-{id(self)}", protocol=MQTTProtocolVersion.MQTTv311,
            clean_session=False,
        )  # fmt: skip
        self.client.max_inflight_messages_set(0)
        self.client.reconnect_delay_set(0.05, 0.05)  # type: ignore[arg-type]
        self.client.username_pw_set(user, password)
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = self._came
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._ready.wait(LONG)

    def _came(self, client: Client, data: Any, message: MQTTMessage) -> None:
        came = Message(message.topic, message.payload.decode(), bool(message.retain))
        # What the broker sends again, because our acknowledgement was lost, was published once.
        if not (message.dup and came in self.messages[-100:]):
            self.messages.append(came)

    def on(self, topic: str) -> list[str]:
        return [message.payload for message in list(self.messages) if message.topic == topic]

    def last(self, topic: str) -> str | None:
        return (self.on(topic) or [None])[-1]

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self.client.publish(topic, payload, 1, retain).wait_for_publish(LONG)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def observer(port: int, **options: Any) -> Iterator[Observer]:
    made = Observer(port, **options)
    try:
        yield made
    finally:
        made.close()


def retained(port: int, **options: Any) -> dict[str, str]:
    """What a newcomer is told: topic → payload."""
    with observer(port, **options) as newcomer:
        newcomer.publish("end-of-retained", "")
        wait(lambda: newcomer.on("end-of-retained"))
        return {message.topic: message.payload for message in newcomer.messages if message.retained}
