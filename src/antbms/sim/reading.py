"""What the BMS says: its state as a snapshot, in the words of the protocol that the device speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from ..model import Alarm, Flag, Snapshot, SwitchState
from ..protocol.ant import words as ant
from ..protocol.ant_legacy import words as legacy
from ..protocol.jbd import words as jbd
from ..protocol.words import BitTable
from .bms import Bms
from .personality import Personality
from .protections import PROTECTIONS, WARNINGS, Rule, Watch

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Snapshots of a simulated device bear no real time: its protocol does not carry one."""
WORD, LONG = 2**16, 2**32
"""Where counters roll over; those of charge count mAh."""
OPEN_SENSOR: dict[str, float] = {"jbd": -30.0}
"""°C that an unplugged sensor reads as, where a protocol has no value for "none" (smagicld/xiaoxiangBMS, issue 75)."""
HAS_WARNINGS = "humidity"
"""The detail of jbd boards whose status has the tail with warnings."""

Said = tuple[dict[str, SwitchState], tuple[Alarm, ...], tuple[Flag, ...]]


def known_rules(protocol: str) -> list[Rule]:
    """Protections and warnings of a board: it has none that its protocol has no word for."""
    if protocol == "ant-legacy":
        codes = {"charge": legacy.CHARGE, "discharge": legacy.DISCHARGE, "both": legacy.CHARGE}
        return [rule for rule in PROTECTIONS if (rule.reason or rule.word) in codes[rule.opens].values()]
    words = {"ant": ant, "jbd": jbd}[protocol]
    return [
        rule
        for rules, table in ((PROTECTIONS, words.PROTECTION), (WARNINGS, words.WARNING))
        for rule in rules
        if _bit(table, rule.word, rule.also) is not None
    ]


def read(bms: Bms, personality: Personality) -> Snapshot:
    """What the BMS would say now, before it is rounded to the wire's grid."""
    protocol = personality.protocol
    current = round(bms.current, 2 if protocol == "jbd" else 1) + 0.0
    voltage = sum(bms.cells)
    switches, alarms, flags = _SAY[protocol](bms, personality, current)
    return Snapshot(
        time=EPOCH,
        battery=personality.model,
        protocol=protocol,
        level=personality.level,
        voltage=voltage,
        current=current,
        power=voltage * current,
        soc=round(100 * bms.soc),
        soh=100.0,
        state="charging" if current > 0 else "discharging" if current < 0 else "idle",
        capacity=bms.capacity,
        remaining=bms.remaining,
        cycles=bms.cycles % WORD,
        throughput=_rolled((bms.charged + bms.discharged) / 2),
        charged=_rolled(bms.charged),
        discharged=_rolled(bms.discharged),
        uptime=int(bms.uptime) % LONG,
        charge_time=int(bms.charge_time) % LONG,
        discharge_time=int(bms.discharge_time) % LONG,
        cells=tuple(bms.cells),
        balancing=tuple(number + 1 for number in bms.balancing),
        temperatures=_temperatures(bms, protocol),
        switches=switches,
        alarms=alarms,
        flags=flags,
        details=_details(personality),
    )


def _rolled(amp_hours: float) -> float:
    return round(amp_hours * 1000) % LONG / 1000


def _temperatures(bms: Bms, protocol: str) -> dict[str, float | None]:
    """JBD boards show their sensors only."""
    sensors = {
        f"t{number}": None if warmth is None else round(warmth, 1) for number, warmth in enumerate(bms.temperatures, 1)
    }
    if protocol != "jbd":
        sensors |= {"mosfet": round(bms.mosfet, 1), "balancer": round(bms.balancer, 1)}
    return sensors


def _details(personality: Personality) -> dict[str, Any]:
    known = {"chemistry": personality.chemistry} if personality.protocol == "ant" else {}
    return known | personality.details


def _say_ant(bms: Bms, personality: Personality, current: float) -> Said:
    states = {
        "full": bms.full,
        "charging": current > 0,
        "charger seen by current": current > 0,
        "discharging": current < 0,
        "charge MOSFET on": bms.is_on("charge"),
        "discharge MOSFET on": bms.is_on("discharge"),
        "automatic balancing": bool(bms.balancing),
    }
    commanded = [f"{name} switched off by command" for name in ("discharge", "charge") if not bms.asked[name]]
    alarms, flags = ant.PROTECTION.split(_mask(ant.PROTECTION, bms.protections, commanded))
    holds = [word for word, true in states.items() if true]
    warnings, more = ant.WARNING.split(_mask(ant.WARNING, bms.warnings, holds))
    switches = {
        "charge": ant.CHARGE_SWITCH[_code(ant.CHARGE, bms.reason("charge"))],
        "discharge": ant.DISCHARGE_SWITCH[_code(ant.DISCHARGE, bms.reason("discharge"))],
        "balance": ant.BALANCE_SWITCH[bool(bms.balancing)][_code(ant.BALANCER, _AUTOMATIC if bms.balancing else "off")],
    }
    return switches, alarms + warnings, flags + more


def _say_legacy(bms: Bms, personality: Personality, current: float) -> Said:
    charge = _code(legacy.CHARGE, bms.reason("charge"))
    discharge = _code(legacy.DISCHARGE, bms.reason("discharge"))
    balance = _code(legacy.BALANCER, "by difference" if bms.balancing else "off")  # 16s-140ah-overcharge
    switches = {
        "charge": legacy.CHARGE_SWITCH[charge],
        "discharge": legacy.DISCHARGE_SWITCH[discharge],
        "balance": legacy.BALANCE_SWITCH[balance],
    }
    return switches, legacy.alarms(charge, discharge), ()


def _say_jbd(bms: Bms, personality: Personality, current: float) -> Said:
    locked = [] if bms.asked["charge"] and bms.asked["discharge"] else ["switched off by command"]
    alarms, flags = jbd.PROTECTION.split(_mask(jbd.PROTECTION, bms.protections, locked))
    if HAS_WARNINGS in personality.details:
        alarms += jbd.WARNING.split(_mask(jbd.WARNING, bms.warnings, ()))[0]
    switches = {
        name: SwitchState(bms.is_on(name), None, "on" if bms.is_on(name) else "off") for name in ("charge", "discharge")
    }
    return switches, alarms, flags


_AUTOMATIC = "automatic"
"""22s-lto-issue84 and 22s-80ah-24bhub: the code while cells are drained; otherwise it is `off`."""
_SAY: dict[str, Callable[[Bms, Personality, float], Said]] = {
    "ant": _say_ant,
    "ant-legacy": _say_legacy,
    "jbd": _say_jbd,
}


def _mask(table: BitTable, watches: Iterable[Watch], words: Iterable[str]) -> int:
    """The bits of what is active, and of some words."""
    bits = [_bit(table, watch.rule.word, watch.rule.also) for watch in watches if watch.active]
    bits += [_bit(table, word) for word in words]
    return sum(1 << bit for bit in bits if bit is not None)


def _bit(table: BitTable, *names: str) -> int | None:
    return next((bit for bit, word in table.words.items() if word in names), None)


def _code(words: dict[int, str], reason: str | None) -> int:
    """Of a MOSFET or the balancer; no reason to be off is `on`."""
    return next(code for code, word in words.items() if word == (reason or "on"))
