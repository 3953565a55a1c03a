"""A minute or an hour as a record for programs: the keys of a snapshot, with three numbers where that has one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from ...model import QUANTITIES, Snapshot
from ...model.flat import Cell, flatten_record
from ...model.records import timestamp
from .layout import Layout, scale_of
from .rollup import Bucket, measured
from .rows import Words, bits, moment

BEGINNING = moment(0)


class Statistic(Struct, frozen=True, gc=False):
    """Of a measurement within a minute or hour: its lowest, mean and highest value; of how many snapshots."""

    min: float
    mean: float
    max: float
    count: int


class Rollup(Struct, frozen=True, kw_only=True):
    """A minute or an hour of a battery, from `time` on; resolution says which.

    words: state, switches and protocol of the last snapshot, with all alarms and flags that occurred. measurements: by
    name (`voltage`, `cells.1`, `temperatures.t1`, `humidity`), in the units of the catalogue. values: the last of
    counters and of details that are words. balancing: cells that were balanced at any time.
    """

    time: datetime
    battery: str
    resolution: str
    count: int
    words: Words
    balancing: tuple[int, ...] = ()
    measurements: Mapping[str, Statistic] = {}
    values: Mapping[str, Any] = {}

    def to_dict(self) -> dict[str, Any]:
        """The keys of `Snapshot.to_dict`, `resolution` and `count`; a measurement as `min`, `mean` and `max`."""
        words = self.words
        record: dict[str, Any] = {}
        for key in Snapshot.__struct_fields__:
            match key:
                case "time":
                    record[key] = timestamp(self.time)
                case "battery":
                    record |= {key: self.battery, "resolution": self.resolution, "count": self.count}
                case "cells":
                    record[key] = [self._of(f"cells.{number}") for number in range(1, words.cells + 1)]
                case "temperatures":
                    record[key] = {name: self._of(f"temperatures.{name}") for name in words.temperatures}
                case "details":
                    record[key] = {name: self._of(name) for name in words.details}
                case "balancing":
                    record[key] = list(self.balancing)
                case "protocol" | "level" | "state" | "switches" | "alarms" | "flags":
                    record[key] = msgspec.to_builtins(getattr(words, key))
                case "doubts":
                    continue
                case _:
                    record[key] = self._of(key)
        return record

    def to_json(self) -> str:
        """One line of JSON."""
        return msgspec.json.encode(self.to_dict()).decode()

    def flatten(self) -> dict[str, Cell]:
        """As a row of a table: `voltage_min`, `voltage_mean`, `voltage_max`; the rest as `model.flat` has it."""
        row: dict[str, Cell] = {}
        for name, value in flatten_record(self.to_dict()).items():
            if isinstance(value, dict):
                row |= {f"{name}_{part}": number for part, number in value.items()}
            else:
                row[name] = value
        return row

    def _of(self, name: str) -> Any:
        stat = self.measurements.get(name)
        if stat is None:
            return self.values.get(name)
        row = QUANTITIES.get(name.partition(".")[0])
        digits = (row.digits if row else None) or 0
        return {"min": stat.min, "mean": round(stat.mean, digits + 2), "max": stat.max}


def record_of(layout: Layout, battery: str, resolution: str, bucket: Bucket) -> Rollup:
    """The record of a bucket."""
    measurements = {}
    for name, stat in bucket.stats.items():
        scale = scale_of(layout, name)
        low, high = (stat.low, stat.high) if scale == 1 else (stat.low / scale, stat.high / scale)
        measurements[name] = Statistic(low, stat.mean / scale, high, stat.count)
    values = {
        name: value / layout.by_name[name].scale if name in layout.by_name and layout.by_name[name].digits else value
        for name, value in bucket.values.items()
    }
    return Rollup(
        time=moment(bucket.start),
        battery=battery,
        resolution=resolution,
        count=bucket.count,
        words=bucket.words,
        balancing=tuple(bits(bucket.balancing)),
        measurements=measurements,
        values=values,
    )


def blank_snapshot(words: Words) -> Snapshot:
    """A snapshot without values that has all that is named: its columns are those of a table."""
    return Snapshot(
        time=BEGINNING,
        battery="",
        protocol="",
        cells=(None,) * words.cells,
        temperatures=dict.fromkeys(words.temperatures),
        switches=words.switches,
        details=dict.fromkeys(words.details),
    )


def blank_rollup(words: Words, counters: Iterable[str]) -> Rollup:
    """The same of a roll-up."""
    names = [row.name for row in QUANTITIES.values() if not row.detail and row.name not in counters]
    names += [f"cells.{number}" for number in range(1, words.cells + 1)]
    names += [f"temperatures.{name}" for name in words.temperatures]
    names += [name for name in words.details if measured(name)]
    return Rollup(
        time=BEGINNING,
        battery="",
        resolution="",
        count=0,
        words=words,
        measurements=dict.fromkeys(names, Statistic(0, 0, 0, 0)),
    )


def all_words(several: Iterable[Words]) -> Words:
    """One that names all sensors, switches and details of several."""
    several = list(several)
    return Words(
        "",
        cells=max((words.cells for words in several), default=0),
        temperatures=tuple(dict.fromkeys(name for words in several for name in words.temperatures)),
        details=tuple(dict.fromkeys(name for words in several for name in words.details)),
        switches={name: switch for words in several for name, switch in words.switches.items()},
    )
