"""Our decoder beside those of others: every value in `expected/` of the recordings, key by key.

What they say, and where they err, is in `peer_tables`. A key without a row fails.
"""

import json
from functools import cached_property
from typing import Any

import pytest
from recordings import CAPTURES, RECORDINGS, snapshot

from antbms.protocol import dialect, parse
from antbms.protocol.packet import values
from peer_tables import ERRORS, Error, Row, peer_of, right, same

NOTES = {"_note"}
"""Keys that are remarks of those who collected the values."""


class Reading:
    """One recorded frame as we decode it. A value that is doubted counts as reported."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.packet = parse(raw)

    @cached_property
    def ours(self) -> dict[str, Any]:
        """The snapshot, by key of the contract."""
        record: dict[str, Any] = json.loads(snapshot(self.raw).to_json())
        for doubt in record["doubts"]:
            name, _, item = doubt["quantity"].partition(".")
            place, key = (record, name) if not item else (record[name], int(item) - 1 if item.isdecimal() else item)
            if place[key] is None:
                place[key] = doubt["reported"]
        return record

    def __getattr__(self, name: str) -> Any:
        try:
            return self.ours[name]
        except KeyError:
            return self.ours["details"][name]

    @property
    def info(self) -> Any:
        return dialect(self.packet.protocol).to_info([self.packet])

    @property
    def wire(self) -> dict[str, Any]:
        """The raw values."""
        return self.packet.fields

    @cached_property
    def said(self) -> dict[str, Any]:
        """Every field with its scale and sign, also those that no snapshot has."""
        return values(dialect(self.packet.protocol).explain(self.packet, self.raw))

    def on(self, switch: str) -> bool:
        return self.switches[switch]["on"]

    def code(self, switch: str) -> int:
        return self.switches[switch]["code"]

    def bits(self, table: str) -> list[int]:
        codes = [item["code"].partition(".") for item in self.alarms + self.flags]
        return sorted(int(number) for name, _, number in codes if name == table)

    def mask(self, table: str) -> int:
        return sum(1 << bit for bit in self.bits(table))

    def sensors(self) -> list[float | None]:
        return [value for name, value in self.temperatures.items() if name.startswith("t")]

    @property
    def mosfet(self) -> float:
        return self.temperatures["mosfet"]

    @property
    def balancer(self) -> float:
        return self.temperatures["balancer"]

    def all_sensors(self) -> list[float | None]:
        """In the order of the wire."""
        inner = [self.temperatures[name] for name in ("mosfet", "balancer") if name in self.temperatures]
        return inner + self.sensors() if self.protocol == "ant-legacy" else self.sensors() + inner


CASES = [
    pytest.param(path.stem, number, who, id=f"{path.stem}-{number}-{peer_of(who)}{'*' * ('published' in who)}")
    for path in sorted((CAPTURES / "expected").glob("*.json"))
    for number, frame in enumerate(json.loads(path.read_text(encoding="utf-8"))["frames"])
    for who in frame["peers"]
]
FILES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (CAPTURES / "expected").glob("*.json")}


def reading(file: str, number: int) -> Reading:
    return Reading(bytes.fromhex(FILES[file]["frames"][number]["frame"]))


@pytest.mark.parametrize(("file", "number", "who"), CASES)
def test_peers(file: str, number: int, who: str) -> None:
    ours = reading(file, number)
    published = FILES[file]["frames"][number]["peers"][who]
    assert set(published) - NOTES
    for key in published.keys() - NOTES:
        row, errors = right(ours.packet.protocol, who, key)
        for error in errors:
            row = Row(error.instead, error.tolerance)
        assert same(published[key], row.says(ours), row.tolerance), key


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{error.protocol}-{error.peer}-{error.key}")
def test_every_error_is_one(error: Error) -> None:
    """Somewhere the right row contradicts the peer; otherwise the error must leave the list."""
    assert (CAPTURES / f"{error.proof}.txt").exists()
    contradicted = False
    for file, number, who in (case.values for case in CASES):
        ours, published = reading(file, number), FILES[file]["frames"][number]["peers"][who]
        if error.key in published and peer_of(who) == error.peer and ours.packet.protocol == error.protocol:
            row, errors = right(error.protocol, who, error.key)
            contradicted |= error in errors and not same(published[error.key], row.says(ours), row.tolerance)
    assert contradicted


@pytest.mark.parametrize("file", FILES)
def test_frames_are_those_of_the_recording(file: str) -> None:
    recording = next(row for row in RECORDINGS if row.name == FILES[file]["capture"].removeprefix("captures/"))
    assert {bytes.fromhex(frame["frame"]) for frame in FILES[file]["frames"]} <= {
        chunk.data for chunk in recording.chunks
    }
