"""The locks of `jbd` (jbd.md §6): the Bluetooth module's and the board's own; pairing is the system's.

A locked module answers no `DD` request. It is asked with the application key first, which also tells whether it is
locked; then the user's password is answered to its challenge, mixed with the module's own Bluetooth address.
"""

from __future__ import annotations

from ...errors import Refused, UsageError, WrongPassword
from ..login import Login, secret_bytes
from ..packet import Medium, Packet, Request, name_of
from . import words
from .frame import HEAD, MODULE_HEAD, WRITE, close_envelope

APP_KEY = b"000000"
NEEDS_PASSWORD, REJECTED, NO_PASSWORD = 0, 1, 2
"""Answers to the application key."""
OK = 0
PASSWORD_SIZE = 6
ROOT_PASSWORD = b"JBDbtpwd!@#2023"
"""The same in every module (4s-sp04s034-ffaa-auth); only configuration needs it."""
USE_PASSWORD = 0x06
PASSWORD_STATUS = 0x83


def module_request(command: int, data: bytes = b"") -> Request:
    """A frame for the Bluetooth module; it echoes the command."""
    return Request("module", close_envelope({"command": command}, data), (MODULE_HEAD + bytes((command,)),))


LOCK_REQUEST = module_request(0x15, APP_KEY)
"""Whether the module is locked: its answer is NEEDS_PASSWORD, REJECTED or NO_PASSWORD. Changes nothing."""


def mixed(password: bytes, address: str, challenge: int) -> bytes:
    """The answer to a challenge. address: the module's, as displayed, `AA:BB:CC:DD:EE:FF`; filled up with zeros.

    Source: 4s-sp04s034-ffaa-auth, two devices. The sum is modulo 256.
    """
    own = bytes.fromhex(address.replace(":", "").replace("-", "")).ljust(len(password), b"\0")
    return bytes(((byte ^ key) + challenge) & 0xFF for byte, key in zip(own, password, strict=False))


def login(password: str, level: int | None = None, address: str | None = None, medium: Medium | None = None) -> Login:
    """Unlock what stands in the way on this medium: the Bluetooth module, or the board. `level` has no meaning here."""
    return module_login(password, address) if medium is Medium.BLUETOOTH else board_login(password)


def module_login(password: str, address: str | None, *, root: bool = False) -> Login:
    """Unlock the Bluetooth module. `root` asks for the right to configure as well.

    Raises `UsageError` if the address is not known.
    """
    secret = secret_bytes(password)
    if len(secret) != PASSWORD_SIZE:
        raise UsageError(f"a JBD password has {PASSWORD_SIZE} characters, not {len(secret)}")
    state = _answer((yield LOCK_REQUEST))
    if state == REJECTED:
        raise Refused("the Bluetooth module rejects every application: it has another application key")
    if state == NO_PASSWORD:
        return
    if address is None:
        raise UsageError(
            "the answer to the module's challenge needs its Bluetooth address", "Next: -o mac=AA:BB:CC:DD:EE:FF"
        )
    challenge = _answer((yield module_request(0x17)))
    if _answer((yield module_request(0x18, mixed(secret, address, challenge)))) != OK:
        raise WrongPassword("the Bluetooth module says that the password is wrong")
    if root:
        challenge = _answer((yield module_request(0x17)))
        if _answer((yield module_request(0x1D, mixed(ROOT_PASSWORD, address, challenge)))) != OK:
            raise WrongPassword("the Bluetooth module rejects the configuration password")


def is_locked(packet: Packet) -> bool:
    """Whether the answer to LOCK_REQUEST says that a password is wanted."""
    return packet.data == bytes((NEEDS_PASSWORD,))


def _answer(packet: Packet) -> int:
    """The one byte of data that every answer of a module has."""
    if len(packet.data) != 1:
        raise Refused(f"the Bluetooth module answers with {len(packet.data)} bytes instead of one")
    return packet.data[0]


def board_login(password: str) -> Login:
    """Unlock the board itself: six digits, which go as numbers. Raises `UsageError` for anything else."""
    if len(password) != PASSWORD_SIZE or not (password.isascii() and password.isdecimal()):
        raise UsageError(f"the password of a JBD board has {PASSWORD_SIZE} digits")
    data = bytes((PASSWORD_SIZE, *map(int, password)))
    raw = close_envelope({"action": WRITE, "register": USE_PASSWORD}, data)
    answer = yield Request("password", raw, (HEAD + bytes((USE_PASSWORD,)),))
    status = answer.envelope["status"]
    if status == PASSWORD_STATUS:
        raise WrongPassword("the board says that the password is wrong")
    if status:
        raise Refused(f"the board refuses the password: {name_of(status, words.STATUS)}")
