"""Ports for servers that tests and benchmarks start: known before the server runs, and nobody else's while it does not.

A port that the system gives away (`bind` to 0) is given to somebody else as soon as it is let go, also as the near end
of an outgoing connection. These lie below those that Linux, macOS and Windows give (from 32768, 49152, 49152), and each
process has a block of its own: the first port of the block is bound as long as the process lives.
"""

import socket
from collections.abc import Iterator
from functools import cache
from itertools import count

FIRST, LAST, BLOCK = 20_000, 32_000, 100
HOST = "127.0.0.1"


def free_port() -> int:
    """One of ours that nothing is bound to."""
    return next(port for port in _block() if _free(port))


def adjacent_ports() -> tuple[int, int]:
    """Two that follow each other, nothing bound to either."""
    return next((port, port + 1) for port in _block() if (port + 1) % BLOCK and _free(port) and _free(port + 1))


@cache
def _block() -> Iterator[int]:
    """The ports of this process, again and again from the first."""
    for base in range(FIRST, LAST, BLOCK):
        claim = socket.socket()
        try:
            claim.bind((HOST, base))
        except OSError:
            claim.close()
            continue
        return _around(base, claim)
    raise OSError(f"no block of {BLOCK} ports is free between {FIRST} and {LAST}")


def _around(base: int, claim: socket.socket) -> Iterator[int]:
    for number in count():
        assert claim.fileno() >= 0
        yield base + 1 + number % (BLOCK - 1)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
