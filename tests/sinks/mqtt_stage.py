"""A sink for MQTT on a stage: built, run through a story, closed; and nothing of it may be left."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from sink_data import day_after, info, sources

import patience
from antbms.sinks.mqtt import Config, Mqtt, make
from antbms.timing import Timing

QUICK = patience.timing(now=day_after, broker=8.0, broker_least=0.02, broker_most=0.1)
"""For brokers that answer, however loaded the machine is."""
IMPATIENT = replace(QUICK, broker=1.0)
"""For brokers that do not."""


def sink(port: int, tmp_path: Path, *names: str, timing: Timing = QUICK, **options: Any) -> Mqtt:
    settings = {"host": "127.0.0.1", "port": port, "file": str(tmp_path / "spool.sqlite"), "home_assistant": False}
    return make(Config(**{**settings, **options}), sources(*(names or ("garage",)), info=info()), timing)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def play(made: Mqtt, story: Callable[[], Awaitable[None]]) -> None:
    """Run a story, and close the sink; no task and no thread of ours may be left."""

    async def main() -> None:
        try:
            await story()
        finally:
            await made.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    before = threading.enumerate()  # a test that failed may have left some
    patience.run(main())
    for thread in threading.enumerate():
        if "antbms" in thread.name and thread not in before:
            thread.join(patience.LONG)
            assert not thread.is_alive()
