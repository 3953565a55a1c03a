"""`kill -9` while writing: nothing that was committed is lost. All 200: `python tests/sinks/store_kill.py 200`."""

from pathlib import Path

from store_kill import kill_often

SECONDS = 8.0


def test_kill_at_random_moments(tmp_path: Path) -> None:
    report = kill_often(tmp_path, 200, SECONDS, seed=20261122)
    assert report.kills >= 8
    assert report.working >= report.kills * 3 // 4
