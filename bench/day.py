"""A simulated day of the monitor on real media: `python bench/day.py [--hours 24] [--every 5]`.

`tests/media/test_day.py` with more batteries, read more often: it says what is proved. Ends with 1 if it is not.
Memory, descriptors and tasks are compared between the halves of the day after its first two fifths.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

from common import REPO

sys.path.extend(str(REPO / "tests" / room) for room in ("", "media", "bluetooth"))

from far_process import counts
from media_day import play
from soak import FINE, grown, shown

MEDIA = ("tcp=3", "pty=3", "classic=3", "ble=3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--media", nargs="+", default=MEDIA, metavar="MEDIUM=COUNT", help=" ".join(MEDIA))
    parser.add_argument("--seed", default="1")
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    start, cpu = time.monotonic(), time.process_time()
    day = play(counts(given.media), given.hours, given.every, given.seed)
    print(
        f"{given.hours:g} simulated hours in {time.monotonic() - start:.0f} s, {time.process_time() - cpu:.0f} s of CPU"
    )
    problems = grown(day.samples) + shown(day.verdicts, day.comparison)
    print("\n".join(problems) or FINE)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
