"""A worker's machine: its disk takes nothing, its clock is set."""

from __future__ import annotations

import random
import time

from tests.faults.ground import Ground, until
from tests.faults.kinds.fault import fault
from tests.faults.small_disk import filled, small_disk

CLOCK_FILE = "TEST_CLOCK_FILE"
"""As `tests.faults.moved_clock` has it, which is imported by workers alone."""

HOUR = 3600.0
SETS = (2 * HOUR, -2 * HOUR, 4000 * 24 * HOUR, -4000 * 24 * HOUR)
"""Seconds by which a clock is set: hours, as a wrong zone is, and years, as one whose battery is empty."""


@fault(short=0)
def disk_full(ground: Ground, chance: random.Random, times: int) -> None:
    """No room for rows while partitions move: the worker ends and says where to make room, and the next has it."""
    with small_disk(ground.directory / "disk", 1) as disk:
        for number in range(times):
            worker = ground.start("one", "--datadir", str(disk))
            ground.feed(0.4 / times)
            time.sleep(chance.uniform(0.2, 0.6))
            with filled(disk):
                ground.start(f"two-{number}")
                ground.feed(0.4 / times)
                ground.fed()
                assert ground.stop(f"two-{number}") == 0
                until(lambda: worker.process.poll() is not None or not ground.stage.lag(), 60.0, "an end or no effect")  # noqa: B023
            assert ground.stop("one") == 0 or "make room there" in worker.text()


@fault(short=0)
def disk_read_only(ground: Ground, chance: random.Random, times: int) -> None:
    """Nowhere to keep rows: the worker ends and says so. Nowhere for compiled kernels: no effect."""
    for _ in range(times):
        refused = ground.begin("one", "--datadir", "/proc/none")
        assert refused.process.wait(60) == 1
        assert "/proc/none" in refused.text(), refused.text()
        assert "--datadir" in refused.text(), refused.text()
        ground.workers.pop("one").__exit__()
        ground.start("one", environment={"XDG_CACHE_HOME": "/proc/none"} if times > 1 else {})  # it compiles for long
        ground.feed(0.9 / times)
        time.sleep(chance.uniform(0.2, 0.6))
        ground.fed()
        ground.stage.wait_until_committed(120)
        assert ground.stop("one") == 0


@fault()
def clock_set(ground: Ground, chance: random.Random, times: int) -> None:
    """The worker's clock jumps by hours and by years, forth and back, while it works and across a restart."""
    clock = ground.directory / "clock"
    moved = {CLOCK_FILE: str(clock)}
    for _ in range(times):
        ground.start("one", environment=moved, twins="tests.faults.moved_clock:Twins")
        for ahead in SETS:
            ground.feed(0.8 / times / len(SETS))
            time.sleep(chance.uniform(0.2, 0.6))
            clock.write_text(str(ahead))
        ground.fed()
        ground.kill("one")
