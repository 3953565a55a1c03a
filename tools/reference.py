"""Writes docs/reference.md from the tables of the code: `python tools/reference.py`. A test holds the two together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from antbms.model import QUANTITIES, Kind, Quantity
from antbms.protocol import MODULES, dialect
from antbms.protocol.ant import messages as ant_messages
from antbms.protocol.ant import words as ant
from antbms.protocol.ant.status import STATUS as ANT_STATUS
from antbms.protocol.ant_legacy import words as legacy
from antbms.protocol.ant_legacy.status import STATUS as LEGACY_STATUS
from antbms.protocol.jbd import messages as jbd_messages
from antbms.protocol.jbd import words as jbd
from antbms.protocol.jbd.status import BASIC, CELLS
from antbms.protocol.layout import Layout
from antbms.protocol.settings import Danger, Setting, format_value
from antbms.protocol.words import BitTable
from antbms.sinks.prometheus import LISTS, metric_name

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"

TOTAL = {Kind.COUNTER: "_total"}

HEAD = """# Reference

<!-- made by tools/reference.py from the tables of the code: change those, not this page -->

What every value means. Current and power are positive while the battery is being charged, in every protocol.
An empty value (`null` in JSON) means: not reported, no sensor, or doubted; then `doubts` says why.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A Markdown table."""
    head = list(head)
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"
    yield ""


def quantities(detail: bool) -> Iterator[str]:
    """One part of the catalogue."""

    def row(quantity: Quantity) -> tuple[object, ...]:
        resolution = "" if quantity.digits is None else f"{10**-quantity.digits:.{quantity.digits}f}"
        how = "computed" if quantity.derived else "reported"
        metric = "" if quantity.name in LISTS else f"`{metric_name(quantity)}{TOTAL.get(quantity.kind, '')}`"
        return (
            f"`{quantity.name}`",
            quantity.label,
            quantity.unit,
            resolution,
            quantity.kind.value,
            how,
            metric,
            quantity.text,
        )

    head = ("name", "label", "unit", "resolution", "kind", "", "in Prometheus", "")
    return table(head, (row(quantity) for quantity in QUANTITIES.values() if quantity.detail is detail))


def bits(words: BitTable) -> Iterator[str]:
    """The bits of a mask, and what becomes of each."""
    kinds = (
        (f"`{words.name}.{bit}`", text, "flag" if words.is_state(bit) else "alarm") for bit, text in words.words.items()
    )
    return table(("code", "text", ""), kinds)


def codes(words: Mapping[int, str] | Mapping[str, str]) -> Iterator[str]:
    """The words of an enumeration."""
    return table(("code", "text"), sorted(words.items()))


def layout(rows: Layout) -> Iterator[str]:
    """The rows of a frame's data; optional ones in brackets."""

    def row(number: int) -> tuple[object, ...]:
        field = rows.rows[number]
        name = field.name if number < rows.required else f"({field.name})"
        count = "" if field.count == 1 else f" × {field.count}"
        scale = "" if field.divisor in (0, 1) else f"raw / {field.divisor}"
        return field.offset, f"`{field.type}`{count}", name, scale, field.unit, field.source

    return table(("offset", "type", "field", "value", "unit", "proof"), map(row, range(len(rows.rows))))


def settings(protocol: str) -> Iterator[str]:
    """The stored parameters."""

    def row(setting: Setting) -> tuple[object, ...]:
        address = f"0x{setting.address:02X}" if protocol == "jbd" else setting.address
        place = f"{address} {setting.part}".strip()
        if setting.danger in (Danger.SHOWN, Danger.SECRET) or setting.is_text:
            span = limits = ""
        elif setting.codes:
            span, limits = ", ".join(setting.codes.values()), setting.limits
        elif setting.bits:
            span, limits = "bits", ""
        else:
            low, high = (format_value(setting, value) for value in (setting.low, setting.high))
            span, limits = f"{low} to {high}", setting.limits
        step = f"{setting.step:.{setting.digits}f}" if not (setting.codes or setting.bits or setting.is_text) else ""
        danger = "" if setting.danger is Danger.PLAIN else setting.danger.value
        return (
            f"`{setting.name}`", setting.label, place, step, setting.unit, span, limits, setting.group, danger,
            setting.source,
        )  # fmt: skip

    head = ("name", "label", "register", "step", "unit", "may be set", "limits from", "group", "", "proof")
    return table(head, map(row, dialect(protocol).SETTINGS.values()))


def switches() -> Iterator[str]:
    """What can be turned on and off, and what the status shows of it."""
    return table(
        ("protocol", "name", "what it does", "status shows it", "", "proof"),
        (
            (name, f"`{row.name}`", row.text, row.shows.value, "one write turns it round" if row.toggles else "",
             row.source)
            for name in MODULES
            for row in dialect(name).SWITCHES.values()
        ),
    )  # fmt: skip


def commands() -> Iterator[str]:
    """What a battery does when told."""
    return table(
        ("protocol", "name", "what it does", "", "proof"),
        (
            (name, f"`{row.name}`", row.text, "dangerous" if row.dangerous else "only at rest" if row.at_rest else "",
             row.source)
            for name in MODULES
            for row in dialect(name).COMMANDS.values()
        ),
    )  # fmt: skip


def sections() -> Iterator[tuple[str, Iterable[str]]]:
    """Heading and body of every section."""
    yield from (
        ("## Quantities", quantities(detail=False)),
        ("## Details\n\nKeys of `details`, there only where a device reports them.", quantities(detail=True)),
        (
            "## Alarms and flags\n\nAlarms are faults, flags are states. Unknown bits are shown by number.",
            (),
        ),
        ("### ant: protection", bits(ant.PROTECTION)),
        ("### ant: warning", bits(ant.WARNING)),
        ("### jbd: protection", bits(jbd.PROTECTION)),
        ("### jbd: warning", bits(jbd.WARNING)),
        ("### jbd: MOSFET byte", bits(jbd.MOSFETS)),
        (
            "### ant-legacy\n\nThis protocol has no bits. A MOSFET code that is a fault becomes `charge.N` or "
            f"`discharge.N`; {', '.join(map(str, legacy.NO_FAULTS))} are no faults, of either switch: one that "
            "has no name there is shown by number as the reason of the switch.",
            (),
        ),
        ("## Switch codes\n\n### ant: charge", codes(ant.CHARGE)),
        ("### ant: discharge", codes(ant.DISCHARGE)),
        ("### ant: balancer", codes(ant.BALANCER)),
        ("### ant-legacy: charge", codes(legacy.CHARGE)),
        ("### ant-legacy: discharge", codes(legacy.DISCHARGE)),
        ("### ant-legacy: balancer", codes(legacy.BALANCER)),
        ("## Results\n\n### ant: after reading, writing, passwords", codes(ant.RESULTS)),
        ("### ant: after commands", codes(ant.COMMAND_RESULTS)),
        ("### jbd: status of an answer", codes({f"0x{code:02X}": text for code, text in jbd.STATUS.items()})),
        (
            "## Switches and commands\n\nWhat is dangerous needs `--dangerous`. What must never be sent is not here.",
            switches(),
        ),
        ("### Commands", commands()),
        (
            "## Settings\n\nThe same thing has the same name in every protocol. Magnitudes are positive. *Dangerous* "
            "ones are written only with `--dangerous`, *shown only* never, *secret* ones are not even read. Limits "
            "called *sanity* only keep out what cannot be meant.",
            (),
        ),
        *((f"### {name}: settings", settings(name)) for name in MODULES),
        ("## Frames\n\nOffsets as in the protocols' documents; fields in brackets are not in every firmware.", ()),
        ("### ant: status", layout(ANT_STATUS)),
        ("### ant: counters", layout(ant_messages.COUNTERS)),
        ("### ant-legacy: status", layout(LEGACY_STATUS)),
        ("### jbd: status (03)", layout(BASIC)),
        ("### jbd: cells (04)", layout(CELLS)),
        ("### jbd: counters (AA)", layout(jbd_messages.COUNTERS)),
    )


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for head, body in sections():
        lines += (f"{head}\n", *body)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
