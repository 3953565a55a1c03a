"""Metrics for Prometheus: the latest values of all batteries at `http://HOST:PORT/metrics`.

Names follow https://prometheus.io/docs/practices/naming: base units only, and the unit in the name. So charge is in
coulombs (1 Ah = 3600 C), energy in joules, and per cent are ratios; a dashboard divides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Struct

from ..errors import SinkError
from ..model import QUANTITIES, DeviceInfo, Event, Kind, Quantity, Snapshot
from ..timing import Timing
from .base import Sources, need

if TYPE_CHECKING:
    from prometheus_client.core import Metric

UNITS = {
    "V": ("volts", 1, 1),
    "A": ("amperes", 1, 1),
    "W": ("watts", 1, 1),
    "Ω": ("ohms", 1, 1),
    "°C": ("celsius", 1, 1),
    "%": ("ratio", 1, 100),
    "Ah": ("coulombs", 3600, 1),
    "Wh": ("joules", 3600, 1),
    "kWh": ("joules", 3_600_000, 1),
    "s": ("seconds", 1, 1),
    "h": ("seconds", 3600, 1),
    "mm": ("meters", 1, 1000),
    "": ("", 1, 1),
}
"""Unit of the catalogue → base unit, and by what a value is multiplied and divided."""

LINK = {
    "requests": "Requests sent",
    "answers": "Answers received",
    "stale": "Answers that nobody waited for",
    "probes": "Requests of the search for the protocol that were not answered",
    "opens": "Times the link was opened",
    "losses": "Times the link was lost",
}
"""Counter of a source → help."""
REJECTED = "rejected."

LISTS = {"cells", "temperatures", "balancing", "switches", "alarms", "flags"}
"""Quantities of many values: each has metrics of its own below."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `[prometheus]`.

    host: the address to listen on; by default only this computer can ask. port: 0 takes any free one.
    expire_after: s after which a reading is no longer shown, and `antbms_up` is 0.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 9788
    expire_after: Annotated[float, Meta(gt=0)] = 300.0


class Latest(Struct, frozen=True):
    """What is known of one battery. snapshot: None while it cannot be read; sampled: when it last could."""

    snapshot: Snapshot | None = None
    sampled: datetime | None = None
    info: DeviceInfo | None = None
    counters: Mapping[str, int] = {}


class Prometheus:
    """The sink. The server runs in threads of its own and never waits for the batteries."""

    def __init__(self, config: Config, sources: Sources, timing: Timing) -> None:
        self._config = config
        self._sources = sources
        self._timing = timing
        self._latest = {name: Latest() for name in sources}
        self._stop: Callable[[], None] | None = None
        self.port = config.port

    pace = 0.0

    async def take(self, events: Sequence[Event]) -> None:
        for event in events:
            self._latest[event.battery] = self._after(event)
        if self._stop is None:
            await asyncio.to_thread(self._serve)

    async def close(self) -> None:
        if self._stop is not None:
            await asyncio.to_thread(self._stop)
            self._stop = None

    def collect(self) -> Iterator[Metric]:
        """What is asked by the registry, in a thread of the server."""
        return metrics(dict(self._latest), self._timing.now(), self._config.expire_after)

    def _after(self, event: Event) -> Latest:
        source, before = self._sources.get(event.battery), self._latest.get(event.battery, Latest())
        snapshot = event if isinstance(event, Snapshot) else None
        return Latest(
            snapshot,
            snapshot.time if snapshot else before.sampled,
            source.info if source else None,
            dict(source.counters) if source else {},
        )

    def _serve(self) -> None:
        from prometheus_client import CollectorRegistry, start_http_server

        registry = CollectorRegistry()
        registry.register(self)
        host, port = self._config.host, self._config.port
        try:
            server, thread = start_http_server(port, host, registry)
        except OSError as error:
            raise SinkError(
                f"prometheus: cannot listen on {host}:{port}: {error}",
                "Next: is another program using this port? Choose another `port` under [prometheus].",
            ) from error

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self.port, self._stop = server.server_port, stop


def make(config: Config, sources: Sources, timing: Timing) -> Prometheus:
    """The sink of the section `[prometheus]`. Raises `UsageError` if its library is not installed."""
    need("prometheus", "prometheus_client")
    return Prometheus(config, sources, timing)


def metric_name(quantity: Quantity) -> str:
    """The name of a quantity's metric, without the `_total` of a counter."""
    unit = UNITS[quantity.unit][0]
    name = f"antbms_{quantity.name.removesuffix('_hours')}"
    return f"{name}_{unit}" if unit else name


def metrics(latest: Mapping[str, Latest], now: datetime, expire_after: float) -> Iterator[Metric]:
    """All metrics of all batteries. A battery whose reading is older than `expire_after` s shows no values."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    fresh = {
        name: one.snapshot
        for name, one in latest.items()
        if one.snapshot is not None and (now - one.snapshot.time).total_seconds() <= expire_after
    }

    def gauge(name: str, text: str, samples: Iterable[tuple[dict[str, str], float | None]], unit: str = "") -> Metric:
        family = GaugeMetricFamily(f"antbms_{name}", text, unit=unit)
        for labels, value in samples:
            if value is not None:
                family.add_sample(family.name, labels, float(value))
        return family

    yield gauge("up", "1 while the battery can be read", (({"battery": name}, name in fresh) for name in latest))
    yield gauge(
        "last_sample_timestamp_seconds",
        "When the battery was last read, in Unix time",
        (({"battery": name}, one.sampled.timestamp() if one.sampled else None) for name, one in latest.items()),
        "seconds",
    )
    about = InfoMetricFamily("antbms_battery", "Who the battery is")
    for name, one in latest.items():
        about.add_metric([], {"battery": name, **_identity(one)})
    yield about

    for quantity in QUANTITIES.values():
        if quantity.name not in LISTS:
            yield from _scalar(quantity, fresh)

    yield gauge("cell_volts", "Cell voltage", _numbered(fresh, "cell", lambda s: enumerate(s.cells, 1)), "volts")
    yield gauge(
        "cell_balancing",
        "1 while the cell is balanced",
        _numbered(fresh, "cell", lambda s: ((n, n in s.balancing) for n in range(1, len(s.cells) + 1))),
    )
    yield gauge(
        "temperature_celsius",
        "Temperature of a sensor",
        _numbered(fresh, "sensor", lambda s: s.temperatures.items()),
        "celsius",
    )
    yield gauge(
        "switch_on",
        "1 while the switch is on",
        _numbered(fresh, "switch", lambda s: ((name, state.on) for name, state in s.switches.items())),
    )
    yield gauge(
        "alarms",
        "Number of alarms",
        _numbered(
            fresh,
            "severity",
            lambda s: ((kind, sum(a.severity == kind for a in s.alarms)) for kind in ("protection", "warning")),
        ),
    )
    yield gauge(
        "alarm_active",
        "1 for each alarm that is there",
        (
            ({"battery": name, "code": a.code, "severity": a.severity, "text": a.text}, 1)
            for name, snapshot in fresh.items()
            for a in snapshot.alarms
        ),
    )
    yield gauge(
        "flag_active",
        "1 for each state that the device reports beside its faults",
        (
            ({"battery": name, "code": flag.code, "text": flag.text}, 1)
            for name, snapshot in fresh.items()
            for flag in snapshot.flags
        ),
    )
    yield gauge(
        "doubted_values",
        "Number of values of the last reading that cannot be right",
        (({"battery": name}, len(snapshot.doubts)) for name, snapshot in fresh.items()),
    )

    for counter, text in LINK.items():
        family = CounterMetricFamily(f"antbms_link_{counter}", text, labels=["battery"])
        for name, one in latest.items():
            if counter in one.counters:
                family.add_metric([name], one.counters[counter])
        yield family
    rejected = CounterMetricFamily("antbms_link_rejected", "What was refused on the link", labels=["battery", "reason"])
    for name, one in latest.items():
        for key, value in one.counters.items():
            if key.startswith(REJECTED):
                rejected.add_metric([name, key.removeprefix(REJECTED)], value)
    yield rejected


def _scalar(quantity: Quantity, fresh: Mapping[str, Snapshot]) -> Iterator[Metric]:
    """The metric of a quantity with one value, if any battery has it: words become a label."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    values = {name: _value(snapshot, quantity) for name, snapshot in fresh.items()}
    values = {name: value for name, value in values.items() if value is not None}
    if not values:
        return
    unit, times, over = UNITS[quantity.unit]
    text = f"{quantity.label} ({quantity.text})" if quantity.text else quantity.label
    words = any(isinstance(value, str) for value in values.values())
    labels = ["battery", quantity.name] if words else ["battery"]
    kind = CounterMetricFamily if quantity.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric_name(quantity), text, labels=labels, unit=unit)
    for name, value in values.items():
        if words:
            family.add_metric([name, str(value)], 1)
        else:
            family.add_metric([name], value * times / over)
    yield family


def _value(snapshot: Snapshot, quantity: Quantity) -> Any:
    if quantity.detail:
        return snapshot.details.get(quantity.name)
    return getattr(snapshot, quantity.name)


def _numbered(
    fresh: Mapping[str, Snapshot],
    label: str,
    values: Callable[[Snapshot], Iterable[tuple[object, float | None]]],
) -> Iterator[tuple[dict[str, str], float | None]]:
    """Labels and value of each item of something that a battery has many of."""
    for name, snapshot in fresh.items():
        for key, value in values(snapshot):
            yield {"battery": name, label: str(key)}, value


def _identity(one: Latest) -> dict[str, str]:
    """What is known of who a battery is; empty where it is not, so that the labels are always the same."""
    info = one.info
    fields = ("protocol", "manufacturer", "model", "hardware", "software", "serial", "pack_id", "address")
    return {field: str(getattr(info, field, None) or "") for field in fields}
