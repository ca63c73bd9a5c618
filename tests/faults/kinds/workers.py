"""Workers are killed, frozen, and come and go."""

from __future__ import annotations

import random
import time

from tests.faults.ground import SESSION, Ground, until
from tests.faults.kinds.fault import fault
from tests.places import ROOT

LIBRARY = ROOT / "twin" / "library"


@fault(short=20)
def worker_killed(ground: Ground, chance: random.Random, times: int) -> None:
    """SIGKILL at random moments, under one name, so that the next one takes its partitions back at once."""
    for _ in range(times):
        ground.start("one")
        ground.feed(1 / (times + 1))
        time.sleep(chance.uniform(0.05, 0.5))
        ground.kill("one")


@fault()
def worker_frozen(ground: Ground, chance: random.Random, times: int) -> None:
    """SIGSTOP past the session, with work that is in no row yet; another takes over, all falls quiet, they wake up.

    One has a name at the broker and one has none: their ends are noticed in different ways.
    """
    names = ("named", "nameless")
    for number in range(times):
        seldom = ("--barrier-seconds", "4")
        frozen = [ground.start("named", *seldom), ground.start("nameless", *seldom, "--instance", "")]
        said = ground.said()
        ground.feed(0.5 / times)
        until(lambda: ground.said() > said, 60.0, "outputs that no row knows of")  # noqa: B023
        time.sleep(chance.uniform(0.0, 0.5))
        for name in names:
            ground.freeze(name)
        ground.feed(0.3 / times)
        other = f"other-{number}"
        ground.start(other)
        ground.fed()
        ground.stage.wait_until_committed(60 + SESSION)
        assert ground.stop(other) == 0
        written = ground.said(), ground.stage.raw_rows()
        for name in names:
            ground.thaw(name)
        for worker in frozen:
            until(lambda: "lost the broker" in worker.text(), 60.0, "a zombie notices the end of its session")  # noqa: B023
        for name in names:
            ground.kill(name)
        assert (ground.said(), ground.stage.raw_rows()) == written, "a zombie has written something"


@fault()
def workers_come_and_go(ground: Ground, chance: random.Random, times: int) -> None:
    """One worker, then three, then two, while events flow."""
    for _ in range(times):
        ground.start("one")
        ground.feed(0.8 / times)
        time.sleep(chance.uniform(0.2, 0.8))
        ground.begin("two")
        ground.start("three")
        time.sleep(chance.uniform(0.2, 0.8))
        assert ground.stop("one") == 0
        ground.fed()
        for name in ("two", "three"):
            assert ground.stop(name) == 0


@fault(short=0)
def workers_upgraded(ground: Ground, chance: random.Random, times: int) -> None:
    """Three workers, one after the other replaced by the next version, with a model beside the old."""
    beside = ground.directory / "docetaxel_next.toml"
    beside.write_text((LIBRARY / "docetaxel_ozawa2007.toml").read_text().replace("docetaxel_ozawa2007", beside.stem))
    ward = ("first", "second", "third")
    for _ in range(times):
        for name in ward:
            ground.begin(name)
        for name in ward:
            ground.workers[name].wait_ready()
        for name in ward:
            ground.feed(0.8 / times / len(ward))
            time.sleep(chance.uniform(0.2, 0.8))
            assert ground.stop(name) == 0
            ground.start(name, "--model", f"{beside.stem}={beside}")
        ground.fed()
        for name in ward:
            assert ground.stop(name) == 0
