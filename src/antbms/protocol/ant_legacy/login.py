"""The password of `ant-legacy` (ant-legacy.md §3): four writes of two characters each, sent together."""

from __future__ import annotations

from ...errors import UsageError, WrongPassword
from ..login import Login, secret_bytes
from ..packet import Medium, Request
from .frame import WRITE, short_frame

FIRST_PART, LAST_PART = 0xF1, 0xF4
REFUSED = bytes((WRITE, WRITE, 0xF5))
SIZE = 8


def login(password: str, level: int | None = None, address: str | None = None, medium: Medium | None = None) -> Login:
    """Give the password; the other arguments have no meaning here.

    The first three parts are answered with a refusal each, the last one with its echo if the password is right
    (ant24c-rfcomm-writes). So the parts are sent one after the other, and only the last answer counts.
    """
    secret = secret_bytes(password)
    if len(secret) != SIZE:
        raise UsageError(f"the password of an ant-legacy board has {SIZE} characters, not {len(secret)}")
    for part, at in enumerate(range(0, SIZE, 2)):
        register = FIRST_PART + part
        raw = short_frame(WRITE, register, int.from_bytes(secret[at : at + 2], "big"))
        answer = yield Request("password", raw, (REFUSED, raw[:3]))
        if register == LAST_PART and answer.envelope["address"] != LAST_PART:
            raise WrongPassword("the battery says that the password is wrong")
