"""What systemd is told: that the monitor is ready, that it lives, that it stops. Elsewhere nothing happens."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import Monitor


def notify(text: str) -> None:
    """Send one message (`READY=1`) to the service manager, if there is one. Never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if sys.platform == "win32" or not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
        messages.sendto(text.encode(), address)


def watchdog_seconds() -> float | None:
    """How often at least the manager wants a sign of life from this process; None if it wants none."""
    try:
        seconds = int(os.environ["WATCHDOG_USEC"]) / 1e6
        mine = int(os.environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except (KeyError, ValueError):
        return None
    return seconds if mine and seconds > 0 else None


async def signs_of_life() -> None:
    """Say that this event loop turns, twice as often as is wanted. Batteries that are away are no reason to restart."""
    seconds = watchdog_seconds()
    while seconds is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(seconds / 2)


async def serve(monitor: Monitor, stop: asyncio.Event) -> None:
    """Run the monitor, and tell the service manager what it wants to know."""
    living = asyncio.create_task(signs_of_life())
    notify("READY=1")
    stopping = asyncio.create_task(_say_when(stop))
    try:
        await monitor.run(stop)
    finally:
        living.cancel()
        stopping.cancel()


async def _say_when(stop: asyncio.Event) -> None:
    await stop.wait()
    notify("STOPPING=1")
