"""Draw docs/solar-day.svg: a day of the simulated battery in a house with solar cells.

python tools/solar_day.py [FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from antbms.model import Snapshot
from antbms.sim.build import Wishes, make_rig
from antbms.sim.personality import PERSONALITIES
from antbms.sim.reading import read

PERSONALITY = PERSONALITIES["ant"]
WISHES = Wishes(load="solar", hour=6.0, soc=18.0, speed=3600.0)
HOURS, EVERY = 27.0, 60.0
"""h that are drawn, from six in the morning; s from one reading to the next."""

WIDTH, LEFT, RIGHT, TOP = 920.0, 84.0, 26.0, 46.0
GAP = 30.0
ROUGH = 0.35
"""px by which a line may be simplified."""
INK, GRID, FAINT = "#333333", "#e4e4e4", "#888888"
CHARGE, DISCHARGE, STATE = "#2f9e5b", "#dd7a2c", "#2b6cb0"

Points = list[tuple[float, float]]


class Moment(NamedTuple):
    """One reading, and what the BMS cannot see."""

    hour: float
    snapshot: Snapshot
    true_soc: float
    air: float


class Panel(NamedTuple):
    """A frame with an axis: its place, and the values at its lower and upper edge."""

    top: float
    height: float
    low: float
    high: float

    def y(self, value: float) -> float:
        """The px of a value."""
        return self.top + self.height * (self.high - value) / (self.high - self.low)


def run() -> list[Moment]:
    """The day, read every minute."""
    rig = make_rig(PERSONALITY, WISHES)
    moments = []
    while rig.clock <= HOURS * 3600:
        rig.advance(rig.clock + EVERY)
        hour = WISHES.hour + rig.clock / 3600
        moments.append(Moment(hour, read(rig.bms, PERSONALITY), 100 * rig.pack.soc, rig.pack.ambient))
    return moments


def x(hour: float) -> float:
    """px of a time of day."""
    return LEFT + (WIDTH - LEFT - RIGHT) * (hour - WISHES.hour) / HOURS


def simplified(points: Points) -> Points:
    """Douglas and Peucker: the same line with fewer points."""
    if len(points) < 3:
        return points
    (x1, y1), (x2, y2) = points[0], points[-1]
    off = [abs(y - (y1 + (y2 - y1) * (px - x1) / ((x2 - x1) or 1))) for px, y in points]
    worst = max(range(len(points)), key=off.__getitem__)
    if off[worst] < ROUGH:
        return [points[0], points[-1]]
    return simplified(points[: worst + 1])[:-1] + simplified(points[worst:])


def path(points: Points, colour: str, width: float = 1.4, extra: str = "") -> str:
    """A line in SVG."""
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py in simplified(points))
    style = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"'
    return f'<polyline points="{line}" {style} {extra}/>'


def line(moments: Sequence[Moment], panel: Panel, of: Callable[[Moment], float]) -> Points:
    """px of one quantity over time, kept within its panel."""
    return [(x(m.hour), panel.y(min(max(of(m), panel.low), panel.high))) for m in moments]


def text(px: float, py: float, words: str, *, anchor: str = "start", colour: str = INK, size: float = 12) -> str:
    """Words in SVG."""
    style = f'text-anchor="{anchor}" fill="{colour}" font-size="{size}"'
    return f'<text x="{px:.1f}" y="{py:.1f}" {style}>{escape(words)}</text>'


def frame(panel: Panel, title: str, ticks: Iterable[float], form: str = "{:g}") -> list[str]:
    """A panel's title, axis and grid."""
    right = WIDTH - RIGHT
    parts = [text(LEFT, panel.top - 7, title, size=13)]
    for tick in ticks:
        y = panel.y(tick)
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(text(LEFT - 7, y + 4, form.format(tick), anchor="end", colour=FAINT, size=11))
    for hour in range(0, int(HOURS) + 1, 3):
        px = x(WISHES.hour + hour)
        parts.append(
            f'<line x1="{px:.1f}" x2="{px:.1f}" y1="{panel.top}" y2="{panel.top + panel.height}" stroke="{GRID}"/>'
        )
    return parts


def clock(hour: float) -> str:
    """A time of day in words."""
    return f"{int(hour) % 24:02}:{int(hour % 1 * 60):02}"


def first(moments: Sequence[Moment], holds: Callable[[Snapshot], bool], after: float = 0.0) -> float:
    """When something first holds after a time."""
    return next(m.hour for m in moments if m.hour > after and holds(m.snapshot))


def has(code: str) -> Callable[[Snapshot], bool]:
    """Whether a snapshot holds an alarm or flag."""
    return lambda snapshot: code in {item.code for item in (*snapshot.alarms, *snapshot.flags)}


def spans(moments: Sequence[Moment], holds: Callable[[Snapshot], bool]) -> list[tuple[float, float]]:
    """Hours from and to, of all times at which something holds."""
    found: list[tuple[float, float]] = []
    for m in moments:
        if holds(m.snapshot):
            joins = found and m.hour - found[-1][1] < 2.5 * EVERY / 3600
            found[-1:] = [(found[-1][0], m.hour)] if joins else [*found[-1:], (m.hour, m.hour)]
    return found


def currents(moments: Sequence[Moment], panel: Panel) -> list[str]:
    """What flows in and out, as areas."""
    parts = frame(panel, "Current, A (above 0 charges)", (-100, -50, 0, 50, 100))
    for sign, colour in ((1, CHARGE), (-1, DISCHARGE)):
        points = line(moments, panel, lambda m, sign=sign: sign * max(0.0, sign * (m.snapshot.current or 0.0)))
        edge = [(points[0][0], panel.y(0)), *simplified(points), (points[-1][0], panel.y(0))]
        joined = " ".join(f"{px:.1f},{py:.1f}" for px, py in edge)
        parts.append(f'<polygon points="{joined}" fill="{colour}" fill-opacity="0.8"/>')
    return parts


def charges(moments: Sequence[Moment], panel: Panel) -> list[str]:
    """The state of charge, counted and true."""
    parts = frame(panel, "State of charge, % (blue: as counted by the BMS; grey: true)", (0, 25, 50, 75, 100))
    parts.append(path(line(moments, panel, lambda m: m.true_soc), "#bbbbbb", 3))
    parts.append(path(line(moments, panel, lambda m: m.snapshot.soc or 0.0), STATE))
    return parts


def cells(moments: Sequence[Moment], panel: Panel) -> list[str]:
    """Every cell."""
    parts = frame(panel, "The 16 cells, V", (2.6, 2.8, 3.0, 3.2, 3.4, 3.6), "{:.1f}")
    for number in range(PERSONALITY.cells):
        shade = f"hsl({200 + 140 * number // PERSONALITY.cells},60%,45%)"
        points = line(moments, panel, lambda m, number=number: m.snapshot.cells[number] or 0.0)
        parts.append(path(points, shade, 0.9, 'stroke-opacity="0.8"'))
    return parts


def warmth(moments: Sequence[Moment], panel: Panel) -> list[str]:
    """Air, cells, MOSFETs."""
    parts = frame(panel, "Temperature, °C", (10, 20, 30, 40, 50, 60))
    rows: tuple[tuple[str, str, Callable[[Moment], float]], ...] = (
        ("air", "#9aa5b1", lambda m: m.air),
        ("MOSFETs", "#c0392b", lambda m: m.snapshot.temperatures["mosfet"] or 0.0),
        ("cells", "#2b6cb0", lambda m: m.snapshot.temperatures["t1"] or 0.0),
    )
    for number, (name, colour, of) in enumerate(rows):
        parts.append(path(line(moments, panel, of), colour))
        parts.append(text(LEFT + (130, 160, 228)[number], panel.top - 7, name, colour=colour))
    return parts


ROWS: tuple[tuple[str, str, Callable[[Snapshot], bool]], ...] = (
    ("charge on", CHARGE, has("warning.23")),
    ("discharge on", DISCHARGE, has("warning.24")),
    ("full", STATE, has("warning.17")),
    ("balancing", "#8e44ad", has("warning.29")),
    ("warning", "#e0b000", lambda s: any(a.severity == "warning" for a in s.alarms)),
    ("protection", "#c0392b", lambda s: any(a.severity == "protection" for a in s.alarms)),
)


def states(moments: Sequence[Moment], panel: Panel) -> list[str]:
    """Switches, states and alarms, as bars."""
    parts = frame(panel, "What the BMS reports", ())
    step = panel.height / len(ROWS)
    for number, (name, colour, holds) in enumerate(ROWS):
        y = panel.top + number * step
        parts.append(text(LEFT - 7, y + step / 2 + 4, name, anchor="end", colour=FAINT, size=10))
        parts += (
            f'<rect x="{x(begin):.1f}" y="{y + 2:.1f}" width="{max(1.0, x(end) - x(begin)):.1f}" '
            f'height="{step - 4:.1f}" fill="{colour}" fill-opacity="0.75"/>'
            for begin, end in spans(moments, holds)
        )
    return parts


def notes(moments: Sequence[Moment], cell: Panel, bottom: float) -> list[str]:
    """The turning points, named where one sees them."""
    full = first(moments, has("warning.17"))
    trip = first(moments, has("protection.4"))
    back = first(moments, lambda s: not s.alarms or not has("protection.4")(s), trip)
    parts = []
    for hour, words, anchor, dx in (
        (full, f"full at {clock(full)}", "start", 6),
        (trip, f"cell undervoltage: discharge off at {clock(trip)}", "end", -6),
        (back, f"on at {clock(back)}", "end", -6),
    ):
        parts.append(
            f'<line x1="{x(hour):.1f}" x2="{x(hour):.1f}" y1="{TOP}" y2="{bottom:.1f}" '
            f'stroke="{FAINT}" stroke-dasharray="3 3"/>'
        )
        y = cell.y(3.52) if hour == full else cell.y(2.72 if hour == trip else 3.36)
        parts.append(text(x(hour) + dx, y, words, anchor=anchor))
    return parts


def draw(moments: Sequence[Moment]) -> str:
    """The whole picture."""
    panels, top = [], TOP + 14
    for height, low, high in ((130, -110, 110), (90, 0, 100), (170, 2.55, 3.6), (100, 10, 65), (108, 0, 1)):
        panels.append(Panel(top, height, low, high))
        top += height + GAP
    bottom = panels[-1].top + panels[-1].height
    title = "A day of sim: a house with solar cells, 16 LFP cells of 280 Ah"
    parts = [text(LEFT, 22, title, size=16)]
    for part, panel in zip((currents, charges, cells, warmth, states), panels, strict=True):
        parts += part(moments, panel)
    parts += notes(moments, panels[2], bottom)
    for hour in range(0, int(HOURS) + 1, 3):
        parts.append(text(x(WISHES.hour + hour), bottom + 18, clock(WISHES.hour + hour), anchor="middle", colour=FAINT))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {bottom + 30:g}" '
        f'font-family="Helvetica, Arial, sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts) + "\n</svg>\n"
    )  # fmt: skip


if __name__ == "__main__":
    file = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "docs" / "solar-day.svg")
    file.write_text(draw(run()), "utf-8")
