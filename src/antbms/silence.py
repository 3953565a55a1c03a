"""Why no valid answer came, in words: what came instead, why that may be, and what to do next."""

from __future__ import annotations

import re

from msgspec import Struct

from .protocol import dialect, parse
from .protocol.session import Session
from .transport import Address


class Heard(Struct, frozen=True):
    """What came instead of an answer, why that may be, and what to do next (None: record it)."""

    text: str
    cause: str
    remedy: str | None = None


def unknown(text: str) -> Heard:
    """Something that cannot be an answer; `text` says what."""
    return Heard(
        text, "Something answers, but not in a known way: a wrong baud rate, a weak link, or another device's port."
    )


def heard(session: Session) -> Heard | None:
    """What came since the last request, the most telling first; None if nothing did."""
    if frame := session.last_stale:
        asked = {parse(request.raw).protocol for request in session.sent}
        if frame.protocol not in asked:
            return Heard(
                f"frames of {frame.protocol} came",
                f"The device speaks {frame.protocol}, or another program asks it at the same time.",
                f"Next: give --protocol {frame.protocol}, or leave --protocol out.",
            )
        message = dialect(frame.protocol).unpack(frame).message
        return Heard(
            f"a valid frame came that answers something else: {message}",
            "Another program or display asks the battery at the same time, or the link is very slow.",
        )
    if session.last_rejected:
        return unknown(str(session.last_rejected))
    if session.echoed:
        return Heard(
            "our own request came back, and no answer",
            "An echo: the adapter is half duplex, or TX is wired to RX; the battery itself is silent.",
            "Next: check the wires (TX to RX, RX to TX, GND to GND), and that the battery is on.",
        )
    return None


def _typed(name: str) -> str:
    """As it is typed into any shell."""
    return f'"{name}"' if re.search(r"[\s?&*();<>|']", name) else name


def explain(name: str, where: Address | None, request: str, instead: Heard | None) -> tuple[str, tuple[str, ...]]:
    """The end of the line of an error, and its hints. where: the address that was opened; request: what was asked."""
    record = f"Next: antbms record {_typed(name)} out.cap, and attach out.cap to a report."
    if instead:
        return f"last: {instead.text}", (instead.cause, instead.remedy or record)
    if where and where.scheme == "replay":
        return f"the recording holds no answer to the request for {request}", (
            "It may hold another device or protocol, or end before that.",
            f"Next: antbms decode {_typed(where.target)}   shows what it holds.",
        )
    if where and where.scheme == "sim" and (faults := where.options.get("faults")):
        return "nothing came", (
            f"The simulated battery was told to have faults, which keep its answers back: {faults}.",
            "Next: leave out -o faults, or make them smaller.",
        )
    if where and where.scheme == "sim":
        return "nothing came", (
            "A simulated battery speaks only the protocol of its address.",
            "Next: leave out --protocol.",
        )
    return "nothing came", (
        "Often the battery sleeps, another app holds the link, or the port is another device's (antbms scan).",
        record,
    )
