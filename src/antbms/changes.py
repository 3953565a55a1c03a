"""Switches and commands of a battery: sent once, acknowledged, and seen in the battery's own status.

If the acknowledgement is lost, or the link, the state is read and decides; nothing is ever sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from msgspec.structs import replace

from .asking import Asker
from .errors import MEANT, LinkError, LinkLost, NoAnswer, Refused, Unconfirmed, UsageError
from .model import Outcome, Snapshot
from .protocol.packet import Packet, Request
from .protocol.settings import Command, Shows, Switch

REST = 0.5
"""A up to which a battery counts as at rest: an offset of the measurement, which is what zeroing the current mends."""


async def switch(asker: Asker, name: str, on: bool, until: float | None = None) -> Outcome:
    """See `Battery.switch`."""
    row = asker.spoken.SWITCHES.get(name)
    if row is None:
        known = ", ".join(asker.spoken.SWITCHES)
        raise UsageError(f"{asker.name}: {asker.spoken.NAME} has no switch {name!r}", f"There are: {known}.")
    shown = await asker.snapshot()
    before = _state(shown, name)
    if row.toggles and before is on:
        return _outcome(
            row, before, on, before,
            confirmed=False,
            text=f"{name}: the status shows {_word(on)} already; nothing was sent, for it would turn it round",
        )  # fmt: skip
    keep = {other: _meant(shown, row, other) for other in row.together if other != name}
    if unknown := [other for other, state in keep.items() if state is None]:
        raise Unconfirmed(f"{asker.name}: {name} was not changed: the state of {unknown[0]}, set together, is unknown")
    change = f"{name} {_word(on)}"
    _check_time(asker, change, until)
    acknowledgement = await _send(asker, asker.spoken.switch_request(name, on, keep), change, shown)
    outcome = await _seen(asker, row, before, on, acknowledgement)
    return replace(outcome, text=outcome.text + _doubtful(shown, row, keep))


async def command(asker: Asker, name: str, until: float | None = None, *, dangerous: bool) -> Outcome:
    """See `Battery.command`."""
    row = asker.spoken.COMMANDS.get(name)
    if row is None:
        known = ", ".join(asker.spoken.COMMANDS)
        raise UsageError(f"{asker.name}: {asker.spoken.NAME} has no command {name!r}", f"There are: {known}.")
    if row.dangerous and not dangerous:
        raise UsageError(f"{asker.name}: {name} is dangerous: {row.text}", MEANT)
    shown = await asker.snapshot()
    if row.at_rest:
        _check_rest(asker.name, row, shown)
    _check_time(asker, name, until)
    if await _send(asker, row.request, name, shown) is None:
        raise Unconfirmed(
            f"{asker.name}: {name} was sent once, and no acknowledgement came: whether it was done is not known",
            f"Next: antbms read {asker.name}",
        )
    return Outcome(
        what=name, before=None, wanted=None, seen=None, confirmed=False,
        text=f"{name}: acknowledged; the battery has no state that shows it",
    )  # fmt: skip


def _check_time(asker: Asker, change: str, until: float | None) -> None:
    """Raise `LinkError` for what nobody expects any longer. Just before it is sent: all waits lie behind it."""
    if until is not None and asker.timing.monotonic() > until:
        raise LinkError(
            f"{asker.name}: {change} could not be sent in time, so nothing was sent",
            "The battery or its link was busy. Next: give it again, if it is still wanted.",
        )


async def _send(asker: Asker, request: Request, change: str, shown: Snapshot) -> Packet | None:
    """Send once. The acknowledgement; None if it did not come in time. Raises `Refused`, `Unconfirmed`."""
    try:
        packet = await asker.write(request)
    except NoAnswer:
        return None
    except LinkLost as error:
        raise _gone(asker, change, error) from error
    if asker.spoken.failure(packet):
        raise asker.refused(packet, change, shown.level)
    return packet


async def _seen(asker: Asker, row: Switch, before: bool | None, on: bool, acknowledgement: Packet | None) -> Outcome:
    """The outcome of a switch that was sent."""
    told = "acknowledged" if acknowledgement else "the acknowledgement was lost"
    if row.shows is Shows.NEVER:
        return _unobservable(asker, row, before, on, acknowledgement, "the battery has no state that shows it")
    shown = await _watch(asker, row, on)
    state = _state(shown, row.name) if shown else None
    waits = row.shows is Shows.ACTIVE and not on and not before  # "off" may mean that it has nothing to do
    if state is on and not waits:
        text = f"{row.name}: {_word(on)}, as the battery's status shows"
        return _outcome(row, before, on, on, confirmed=True, text=text if acknowledgement else f"{text} ({told})")
    turned = asker.spoken.turned(acknowledgement) if acknowledgement and row.toggles else on
    if turned is not on:
        told = f"the answer says {_word(not on)}: it was {_word(on)}, waiting"
    elif row.shows is Shows.ACTIVE and state is not None and (on or state is on):
        return _unobservable(asker, row, before, on, acknowledgement, "the status shows it only while it is at work")
    says = "its status could not be read" if shown is None else f"its status still shows {_described(shown, row.name)}"
    raise Unconfirmed(
        f"{asker.name}: {row.name} {_word(on)} was sent once ({told}), but {says} after {asker.timing.settle:g} s",
        *_why(shown),
        f"It is not sent again. Next: antbms read {asker.name}",
    )


def _unobservable(
    asker: Asker, row: Switch, before: bool | None, on: bool, acknowledgement: Packet | None, why: str
) -> Outcome:
    """The outcome of what was acknowledged, and cannot be seen. Raises `Unconfirmed` if it was not acknowledged."""
    if acknowledgement is None:
        raise Unconfirmed(
            f"{asker.name}: {row.name} {_word(on)} was sent once, and no acknowledgement came; {why}",
            "Whether it was done is not known. It is not sent again.",
        )
    return _outcome(row, before, on, None, confirmed=False, text=f"{row.name} {_word(on)}: acknowledged; {why}")


async def _watch(asker: Asker, row: Switch, on: bool) -> Snapshot | None:
    """The status that shows the wanted state; after `Timing.settle` s the latest one, None if there is none."""
    end = asker.timing.monotonic() + asker.timing.settle
    shown: Snapshot | None = None
    while True:
        try:
            shown = await asker.snapshot()
        except (NoAnswer, Refused):
            pass
        except LinkLost as error:
            raise _gone(asker, f"{row.name} {_word(on)}", error) from error
        if (shown and _state(shown, row.name) is on) or asker.timing.monotonic() >= end:
            return shown
        await asyncio.sleep(asker.timing.settle_step)


def _gone(asker: Asker, change: str, error: LinkLost) -> Unconfirmed:
    return Unconfirmed(
        f"{asker.name}: {change} was sent once, then the link was lost: whether it was done is not known",
        error.reason,
        f"Next: antbms read {asker.name}",
    )


def _check_rest(name: str, row: Command, shown: Snapshot) -> None:
    """Raise `Refused` unless no current flows."""
    if shown.current is None or abs(shown.current) > REST:
        now = "its current is not known" if shown.current is None else f"{shown.current:+.1f} A flow"
        raise Refused(
            f"{name}: {row.name} was not sent: it needs a battery at rest (at most {REST:g} A), and {now}",
            "Next: disconnect loads and chargers, then try again.",
        )


def _meant(shown: Snapshot, row: Switch, other: str) -> bool | None:
    """What a switch that is set together with `row` was last told, as far as the status says so.

    One that a protection holds off must not become one that a command holds off: it would stay so.
    """
    state = _state(shown, other)
    is_locked = not row.lock or any(flag.code == row.lock for flag in shown.flags)
    return True if state is False and not is_locked and _is_protected(shown) else state


def _is_protected(shown: Snapshot) -> bool:
    return any(alarm.severity == "protection" for alarm in shown.alarms)


def _doubtful(shown: Snapshot, row: Switch, keep: Mapping[str, bool | None]) -> str:
    """What to say of a switch that was kept off, although perhaps nothing but a protection held it off."""
    kept = [other for other, state in keep.items() if state is False]
    if not kept or not _is_protected(shown) or _state(shown, row.name) is not False:
        return ""
    other = kept[0]
    return (
        f"; {other} is kept off by command: a protection is active, and whether a command held {other} off before "
        f"cannot be told. When it is over: antbms switch {shown.battery} {other} on"
    )


def _state(shown: Snapshot, name: str) -> bool | None:
    state = shown.switches.get(name)
    return state.on if state else None


def _described(shown: Snapshot, name: str) -> str:
    """The state of a switch with its reason, where that says more."""
    state = shown.switches.get(name)
    if state is None:
        return "nothing of it"
    word = "neither on nor off" if state.on is None else _word(state.on)
    return word if state.reason == word else f"{word} ({state.reason})"


def _why(shown: Snapshot | None) -> tuple[str, ...]:
    """What the battery complains of, which may be why."""
    texts = dict.fromkeys(alarm.text for alarm in shown.alarms) if shown else {}
    return (f"The battery says: {', '.join(texts)}.",) if texts else ()


def _word(on: bool) -> str:
    return "on" if on else "off"


def _outcome(
    row: Switch, before: bool | None, wanted: bool, seen: bool | None, *, confirmed: bool, text: str
) -> Outcome:
    return Outcome(what=row.name, before=before, wanted=wanted, seen=seen, confirmed=confirmed, text=text)
