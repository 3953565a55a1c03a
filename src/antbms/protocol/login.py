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

from .packet import Packet, Request

Login = Generator[Request, Packet, None]
