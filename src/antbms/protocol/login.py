"""Authentication as an exchange of messages: a generator yields requests and is sent the packets that answer them.

    exchange = dialect.login("12345678", 1, None)
    request = next(exchange)
    while True:
        request = exchange.send(packet that answers request)     # until StopIteration

It raises `WrongPassword` or `Refused` when the device says no. One password is tried once: nobody is to be guessed at.
Every request of it is secret: its bytes, and the answers to it, belong in no log and no recording.
"""

from __future__ import annotations

from collections.abc import Generator

from ..errors import UsageError
from .packet import Packet, Request

Login = Generator[Request, Packet, None]


def secret_bytes(password: str) -> bytes:
    """A password as it goes over the wire. Raises `UsageError`, which does not repeat it, if it cannot be one."""
    if not password or not password.isascii():
        raise UsageError("a battery's password is made of ASCII letters, digits and signs")
    return password.encode("ascii")
