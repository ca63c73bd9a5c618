"""Workers are killed, frozen, and come and go."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import timedelta

from tests.faults.ground import SESSION, START, Ground, until, ward_story
from tests.faults.kinds.fault import fault
from tests.faults.next_version import NEXT, OLD, next_text
from twin.events import Enrolment, InputEvent

BEFORE = 0.4
"""Share of the old patients' events that come before anybody is enrolled on the next version of their model."""


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


def upgraded_ward(times: int, seed: int) -> list[InputEvent]:
    """A ward, and two patients whom somebody enrols on the next version when it is there."""
    days = max(4.0, min(times / 5, 60.0))
    old, new = ward_story(days=days, seed=seed), ward_story(2, days, seed + 1, models=(OLD,))
    first = round(BEFORE * len(old))
    places = [(number / (len(old) - first), event) for number, event in enumerate(old[first:])]
    places += [(number / len(new), _on_the_next_version(event)) for number, event in enumerate(new)]
    return [*old[:first], *(event for _, event in sorted(places, key=lambda place: place[0]))]


def _on_the_next_version(event: InputEvent) -> InputEvent:
    changed = {"patient_id": f"next-{event.patient_id}"} | ({"model": NEXT} if isinstance(event, Enrolment) else {})
    return event.model_copy(update=changed)


@fault(short=0, story=upgraded_ward)
def workers_upgraded(ground: Ground, chance: random.Random, times: int) -> None:
    """Three workers, one after the other replaced by the next version, which knows a model beside the old one.

    Patients of the old model stay with it, also where somebody enrols them on the new one; others begin on the new one.
    """
    events = ground.expected.events
    beside = ground.directory / f"{NEXT}.toml"
    beside.write_text(next_text(), encoding="utf-8")
    known, upgraded = list[str](), ["--model", f"{NEXT}={beside}"]
    ward = ("first", "second", "third")
    first = next(number for number, event in enumerate(events) if getattr(event, "model", "") == NEXT)
    during, after = (first - len(ward)) / len(events), 0.8 * (1 - first / len(events)) / times
    for number in range(times):
        for name in ward:
            ground.begin(name, *known)
        for name in ward:
            ground.workers[name].wait_ready()
        for name in ward:
            ground.feed(during / len(ward))
            time.sleep(chance.uniform(0.2, 0.8))
            assert ground.stop(name) == 0
            ground.start(name, *upgraded)
        if number == 0:
            refused = _enrolled_again(events[:first])
            ground.fed()
            ground.stage.play(refused)
            ground.refused["already_enrolled"] += len(refused)
        ground.feed(after / 2)
        ground.fed()
        known, during = upgraded, after / 2
        for name in ward:
            assert ground.stop(name) == 0
    ground.start("last", *upgraded)


def _enrolled_again(events: Sequence[InputEvent]) -> list[Enrolment]:
    """Enrolments on the new model of all who are enrolled on the old one."""
    old = {event.event_id: event for event in events if isinstance(event, Enrolment)}.values()
    later = {"time": START + timedelta(days=1), "model": NEXT}
    return [event.model_copy(update=later | {"event_id": f"{event.event_id}-next"}) for event in old]
