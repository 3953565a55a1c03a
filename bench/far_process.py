"""The far side of `soak.py`, in a process of its own: batteries behind media, in trouble by turns.

`python bench/far_process.py FOLDER SEED MEDIUM=COUNT…`. It prints one JSON a line: first the address of the bus and of
each battery, then each fault when it ends. A line on standard input ends the faults, the end of it the process.
What the batteries said is in the folder then: see `tests/media/media_notes.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import ExitStack, suppress
from os import environ
from pathlib import Path

from common import REPO

sys.path.extend(str(REPO / "tests" / room) for room in ("", "media", "bluetooth"))

from fake_bluez import system_bus
from far_ends import FarEnd, Place, bluetooth
from stage import Troubles

BUS = "DBUS_SYSTEM_BUS_ADDRESS"


def counts(texts: list[str]) -> dict[str, int]:
    return {name: int(count) for name, _, count in (text.partition("=") for text in texts)}


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


async def main(folder: Path, seed: str, gaps: tuple[float, float], media: dict[str, int]) -> None:
    place = Place(folder)
    async with bluetooth(place, le="ble" in media, old="classic" in media):
        ends = [FarEnd(medium, number) for medium, count in media.items() for number in range(count)]
        for far in ends:
            await far.start(place)
        say({"bus": environ.get(BUS), "batteries": {far.name: (far.address, far.protocol) for far in ends}})
        troubles = Troubles(ends, seed, gaps, time.time, say)
        await asyncio.to_thread(sys.stdin.readline)
        await troubles.end()
        say(None)
        await asyncio.to_thread(sys.stdin.read)
        for far in ends:
            await far.stop()


if __name__ == "__main__":
    given_folder, given_seed, least, most, *given = sys.argv[1:]
    with ExitStack() as stack:
        wanted = counts(given)
        if "classic" in wanted:
            stack.enter_context(system_bus())
        with suppress(KeyboardInterrupt):
            asyncio.run(main(Path(given_folder), given_seed, (float(least), float(most)), wanted))
