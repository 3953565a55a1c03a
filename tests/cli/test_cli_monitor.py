"""`antbms monitor` as a process: it works at once, and every signal ends it in order."""

import json
import signal
import subprocess
import sys
import time

import pytest

SIGNALS = {"SIGINT": 130, "SIGTERM": 0} if sys.platform != "win32" else {"CTRL_BREAK_EVENT": 0}
"""Signal → exit status."""


def start(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "antbms", "monitor", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )  # fmt: skip


@pytest.mark.parametrize("name", SIGNALS)
def test_two_simulated_batteries_work_at_once_and_a_signal_ends_it(name: str) -> None:
    with start("sim:ant", "sim:jbd", "--every", "0.2", "--log-format", "json") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(6)]
        began = time.monotonic()
        process.send_signal(getattr(signal, name))
        _, log = process.communicate(timeout=10)
        assert time.monotonic() - began < 5
    assert process.returncode == SIGNALS[name]
    assert {line["battery"] for line in lines} == {"sim:ant", "sim:jbd"}
    records = [json.loads(line) for line in log.splitlines()]
    assert {record.get("battery") for record in records} == {"sim:ant", "sim:jbd", None}
    assert all(record["message"].startswith(record.get("battery", "monitor")) for record in records)
    assert records[-1]["message"] == "monitor: stopped"
