"""What MQTT and Prometheus cost, against a real mosquitto: `python bench/mqtt.py` (Linux; needs mosquitto).

- `antbms monitor` with one battery at 1 Hz, store, MQTT with Home Assistant, and Prometheus, scraped every 5 s: memory
  and CPU of the process. `--seconds` says how long; the first 5 s, in which all is imported, do not count for the CPU;
- 200 batteries at 1 Hz: how long after a reading it is with a subscriber, and whether any waits on the disk;
- 10,000 readings that wait on the disk after an outage: how fast they are delivered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from common import REPO, run_json
from msgspec import Struct
from msgspec.structs import replace

sys.path.insert(0, str(REPO / "tests"))

import antbms
from antbms.model import DeviceInfo, Snapshot
from antbms.sinks import mqtt
from antbms.timing import Timing
from ports import free_port

FLEET = 200
OUTAGE = 10_000
WARM_UP = 5
MB = 1e6


class Source(Struct):
    """As the monitor describes a battery."""

    name: str
    info: DeviceInfo | None = None
    counters: Mapping[str, int] = MappingProxyType({"requests": 1, "answers": 1, "rejected.checksum": 1})
    control: None = None


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """A mosquitto on a free port."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise SystemExit("mosquitto is not installed\n  Next: apt install mosquitto")
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\nmax_queued_messages 0\n")
    with subprocess.Popen([program, "-c", config]) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()


def resident(pid: int) -> float:
    """Memory of a process now, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def processor(pid: int) -> float:
    """s of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mqtt_config(port: int, folder: str) -> mqtt.Config:
    return mqtt.Config(host="127.0.0.1", port=port, file=f"{folder}/spool.sqlite")


def one(port: int, folder: Path, seconds: int) -> dict[str, float]:
    """`antbms monitor` with a simulated battery and all sinks, measured from outside."""
    folder.mkdir()
    metrics = free_port()
    config = folder / "antbms.toml"
    config.write_text(
        f"""
[monitor]
every = 1.0
state = "{folder}/state.json"
[batteries.garage]
address = "sim:"
[store]
file = "{folder}/store.sqlite"
[mqtt]
host = "127.0.0.1"
port = {port}
file = "{folder}/spool.sqlite"
[prometheus]
port = {metrics}
""",
        "utf-8",
    )
    command = [sys.executable, "-m", "antbms", "monitor", "-c", config]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(WARM_UP)
        began, used = time.perf_counter(), processor(process.pid)
        for _ in range(seconds // 5):
            time.sleep(5)
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as answer:
                if b'antbms_up{battery="garage"} 1' not in answer.read():
                    raise SystemExit("the battery is not read")
        cpu = (processor(process.pid) - used) / (time.perf_counter() - began)
        memory = resident(process.pid)
        process.terminate()
    return {"cpu": 100 * cpu, "memory": memory}


async def example() -> Snapshot:
    async with antbms.open("sim:") as battery:
        return await battery.read()


async def fleet(port: int, folder: str, seconds: int) -> dict[str, float]:
    """Many batteries whose readings come spread over each second."""
    names = [f"pack{number}" for number in range(FLEET)]
    sink = mqtt.make(mqtt_config(port, folder), {name: Source(name) for name in names}, Timing())
    snapshot, slowest, waiting = await example(), 0.0, 0
    used = time.process_time()
    began = due = time.perf_counter()
    for number in range(10 * (WARM_UP + seconds)):
        if number == 10 * WARM_UP:
            used, began = time.process_time(), time.perf_counter()
        part = names[number % 10 :: 10]
        start = time.perf_counter()
        await sink.take([replace(snapshot, time=datetime.now(UTC), battery=name) for name in part])
        if number >= 10 * WARM_UP:
            slowest, waiting = max(slowest, time.perf_counter() - start), max(waiting, sink.waiting)
        due += 0.1
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    cpu = (time.process_time() - used) / (time.perf_counter() - began)
    late = time.perf_counter() - due
    await sink.close()
    return {"cpu": 100 * cpu, "slowest": 1000 * slowest, "waiting": waiting, "late": 1000 * max(0.0, late)}


async def outage(port: int, folder: str, seconds: int) -> dict[str, float]:
    """Readings of the past are put on the disk while nobody listens, then the broker is there."""
    sources, snapshot = {"garage": Source("garage")}, await example()
    first = datetime.now(UTC) - timedelta(seconds=OUTAGE)
    readings = [replace(snapshot, time=first + timedelta(seconds=n), battery="garage") for n in range(OUTAGE)]
    away = mqtt.make(replace(mqtt_config(port, folder), host="127.0.0.254", port=9), sources, Timing())
    for start in range(0, OUTAGE, 1000):
        await away.take(readings[start : start + 1000])
    await away.close()
    back = mqtt.make(mqtt_config(port, folder), sources, Timing())
    await back.take([replace(snapshot, time=datetime.now(UTC), battery="garage")])
    while back.problem:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    began, count = time.perf_counter(), back.waiting
    while back.waiting:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    rate = count / (time.perf_counter() - began)
    await back.close()
    return {"rate": rate}


def delays(port: int) -> subprocess.Popen[str]:
    """A subscriber in a process of its own: how long after its time each reading of the history came."""
    code = f"""
import json, sys, time
from datetime import datetime
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
found = []
def came(client, data, message):
    at = time.time()
    found.append(at - datetime.fromisoformat(json.loads(message.payload)["time"]).timestamp())
client = Client(CallbackAPIVersion.VERSION2)
client.on_message = came
client.connect("127.0.0.1", {port})
client.subscribe("antbms/+/history", 1)
client.loop_start()
print("ready", flush=True)
sys.stdin.read()
client.loop_stop()
print(json.dumps(found))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


PARTS = {"fleet": fleet, "outage": outage}


def run(part: str, port: int, folder: Path, seconds: int) -> dict[str, Any]:
    """A part in a fresh process."""
    own = folder / part
    own.mkdir()
    return run_json([sys.executable, __file__, "--part", part, f"--port={port}", f"--seconds={seconds}", str(own)])


def verdict(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("folder", nargs="?", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        logging.disable(logging.WARNING)
        print(json.dumps(asyncio.run(PARTS[given.part](given.port, given.folder, given.seconds))))
        return
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as port:
        folder = Path(name)
        got = one(port, folder / "one", given.seconds)
        print(
            f"1 battery at 1 Hz, store + MQTT + Prometheus: {got['memory']:.1f} MB resident (60), "
            f"{got['cpu']:.2f} % of a core (2): {verdict(got['memory'] <= 60 and got['cpu'] <= 2)}"
        )
        subscriber = delays(port)
        got = run("fleet", port, folder, given.seconds)
        found = json.loads(subscriber.communicate("")[0])
        count, wanted = len(found), FLEET * (WARM_UP + given.seconds)
        delay = 1000 * statistics.quantiles(found[-FLEET * given.seconds :], n=100)[98]
        print(
            f"{FLEET} batteries at 1 Hz: {count} of {wanted} readings arrived, 99 % within {delay:.0f} ms; "
            f"slowest take {got['slowest']:.0f} ms, {got['waiting']} on the disk, {got['cpu']:.0f} % of a core: "
            f"{verdict(count >= wanted and not got['waiting'] and got['late'] < 1000)}"
        )
        got = run("outage", port, folder, given.seconds)
        print(f"{OUTAGE} readings after an outage: {got['rate']:.0f} a second")


if __name__ == "__main__":
    main()
