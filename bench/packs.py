"""Simulated batteries on TCP ports, in a process of their own: `python bench/packs.py COUNT`.

Prints the addresses, one a line, and an empty line; ends with its standard input. As bare as can be, for `monitor.py`.
"""

from __future__ import annotations

import asyncio
import sys
import time

from antbms.sim import Device, make_device

PROTOCOLS = ("ant", "jbd", "ant-legacy")


async def listen(device: Device) -> int:
    """Answer all who come; returns the port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(device.receive(data, time.monotonic()))
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])


async def main() -> None:
    for number in range(int(sys.argv[1])):
        port = await listen(make_device(PROTOCOLS[number % 3], {"seed": str(number)}))
        print(f"socket://127.0.0.1:{port}")
    print(flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
