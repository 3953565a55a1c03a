"""The section `[mqtt]`, and what has to be read for it: the password and the certificates."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ...errors import SinkError, UsageError
from ...folders import state_folder

PORT, TLS_PORT = 1883, 8883


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `[mqtt]`. A password never stands in it.

    host, port: of the broker; by default 1883, with TLS 8883. user: with `password_env` (the environment variable
    that holds the password) or `password_file`. version: of MQTT. tls: encrypt; ca: file of the certificates that are
    trusted instead of the system's; certificate, key: files of our own.
    base: the first part of all topics. keepalive: s between signs of life.
    history: publish every reading, and keep those that the broker has not taken. file: where they are kept;
    keep_megabytes, keep_days: how much, how long.
    home_assistant: announce batteries to Home Assistant; discovery_prefix: as in its options. expire_after: s after
    which Home Assistant no longer shows a value.
    """

    host: str = "localhost"
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    user: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    client_id: str | None = None
    version: Literal["5", "3.1.1"] = "5"
    tls: bool = False
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    base: str = "antbms"
    keepalive: Annotated[int, Meta(ge=5, le=65535)] = 30
    history: bool = True
    file: str | None = None
    keep_megabytes: Annotated[float, Meta(gt=0, le=1_000_000)] = 256.0
    keep_days: Annotated[float, Meta(gt=0, le=36_500)] = 30.0
    home_assistant: bool = True
    discovery_prefix: str = "homeassistant"
    expire_after: Annotated[int, Meta(ge=1)] = 300

    @property
    def broker(self) -> str:
        """As it is called in messages."""
        return f"mqtt: {self.host}:{self.broker_port}"

    @property
    def broker_port(self) -> int:
        """The port given, or the usual one."""
        return self.port or (TLS_PORT if self.tls else PORT)


def check(config: Config) -> None:
    """Raise `UsageError` for what cannot mean anything, or is not there."""
    try:
        is_name = bool(config.host.encode("idna"))
    except UnicodeError:
        is_name = False
    if not is_name:
        raise UsageError(f"[mqtt]: host = {config.host!r} cannot be the name of a computer")
    if config.password_env and config.password_file:
        raise UsageError("[mqtt]: `password_env` and `password_file` are both given", "Next: keep one of them.")
    if config.password_env and config.password_env not in os.environ:
        raise UsageError(
            f"[mqtt]: the environment variable {config.password_env}, which should hold the password, is not set"
        )
    if (config.ca or config.certificate) and not config.tls:
        raise UsageError("[mqtt]: certificates are given, but `tls` is not true")
    if bool(config.certificate) != bool(config.key):
        raise UsageError("[mqtt]: `certificate` and `key` need each other")
    for name in ("base", "discovery_prefix"):
        topic = getattr(config, name)
        if not re.fullmatch(r"(?!.*//)[^+#\0/$\s][^+#\0]*(?<!/)", topic):
            raise UsageError(
                f"[mqtt]: {name} = {topic!r} cannot be the first part of a topic",
                "Not allowed: + # $ and empty levels (//)",
            )


def password(config: Config) -> str | None:
    """The password, read now. Raises `SinkError`, which does not hold it."""
    if config.password_env:
        return os.environ.get(config.password_env)
    if config.password_file is None:
        return None
    try:
        return Path(config.password_file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SinkError(f"{config.broker}: cannot read the password from {config.password_file}: {error}") from error


def tls_context(config: Config) -> ssl.SSLContext | None:
    """What TLS needs, read now; None without TLS. Raises `SinkError`."""
    if not config.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=config.ca)
        if config.certificate:
            context.load_cert_chain(config.certificate, config.key)
    except (OSError, ValueError) as error:
        files = ", ".join(name for name in (config.ca, config.certificate, config.key) if name)
        raise SinkError(
            f"{config.broker}: cannot use the certificates of {files}: {error}",
            "Next: `ca`, `certificate` and `key` must name files in PEM format that this user can read.",
        ) from error
    return context


def spool_file(config: Config) -> Path:
    """Where readings wait: a file of its own for each broker and base topic, in the user's folder for state."""
    if config.file:
        return Path(config.file).expanduser()
    name = re.sub(r"[^\w.-]+", "-", f"mqtt-{config.host}-{config.broker_port}-{config.base}")
    return state_folder() / f"{name}.sqlite"
