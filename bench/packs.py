"""Simulated batteries on TCP ports, in a process of their own: `python bench/packs.py COUNT [--faults SEED]`.

Prints the addresses, one a line, and an empty line; ends with its standard input. With faults, links are cut, refused,
silent, damaged or slow at random, each for up to half a minute; each fault is a line `port kind seconds` on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

from antbms.sim import Device, make_device

KINDS = ("cut", "refused", "silent", "damaged", "slow", "half")
PROTOCOLS = ("ant", "jbd", "ant-legacy")


class Pack:
    """One battery behind one port."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.state = "well"
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def fail(self, kind: str, seconds: float) -> None:
        """Be in trouble for so long."""
        self.state = kind
        if kind in ("cut", "refused"):
            if kind == "refused" and self._server is not None:
                self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
        await asyncio.sleep(seconds)
        if kind == "refused":
            await self.listen()
        self.state = "well"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while data := await reader.read(4096):
                answer = self.device.receive(data, time.monotonic())
                if self.state == "silent" or not answer:
                    continue
                if self.state == "damaged":
                    answer = answer[:-5] + bytes(byte ^ 0x55 for byte in answer[-5:])
                if self.state == "half":
                    answer = answer[: len(answer) // 2]
                if self.state == "slow":
                    await asyncio.sleep(3.0)
                writer.write(answer)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


async def trouble(pack: Pack, chance: random.Random) -> None:
    while True:
        await asyncio.sleep(chance.uniform(5, 120))
        kind, seconds = chance.choice(KINDS), chance.uniform(0.1, 30)
        print(pack.port, kind, f"{seconds:.1f}", file=sys.stderr, flush=True)
        await pack.fail(kind, seconds)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--faults", type=int)
    given = parser.parse_args()
    packs = [Pack(make_device(PROTOCOLS[n % 3], {"seed": str(n)})) for n in range(given.count)]
    for pack in packs:
        await pack.listen()
        print(f"socket://127.0.0.1:{pack.port}")
    print(flush=True)
    tasks = []
    if given.faults is not None:
        tasks = [asyncio.create_task(trouble(pack, random.Random(given.faults + pack.port))) for pack in packs]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
