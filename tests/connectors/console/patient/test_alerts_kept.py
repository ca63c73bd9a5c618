"""What is kept of a patient's alerts: all that stand, and of those that ended the newest."""

from __future__ import annotations

import random
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.console.patient.alerts_kept import SHOWN, STANDING_KEPT, AlertsKept
from connectors.console.views import STEPS_SHOWN
from tests import factories as make
from twin.events import Alert


def lived(onset: int, phase: str = "end") -> list[Alert]:
    """An alert from its start, an hour long."""
    begins = make.alert(time=make.at(onset))
    return [begins, make.alert(time=make.at(onset + 1), onset=make.at(onset), phase=phase, revision=1)]  # type: ignore[arg-type]


def kept(alerts: Iterable[Alert]) -> AlertsKept:
    found = AlertsKept()
    for one in alerts:
        found.put(one)
    return found


def onsets(found: AlertsKept) -> list[int]:
    return [(card.onset - round(make.at(0).timestamp() * 1000)) // 3_600_000 for card in found.cards()]


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["end", "withdrawn", "update"])), max_size=12,
                unique_by=lambda one: one[0]), st.randoms(use_true_random=False))  # fmt: skip
def test_however_they_come_the_newest_that_ended_are_kept_beside_all_that_stand(
    some: list[tuple[int, str]], chance: random.Random
) -> None:
    old = [alert for onset in range(1000, 1000 + SHOWN - 3) for alert in lived(onset)]
    queues = [lived(onset, phase) for onset, phase in some]
    mixed = [queue.pop(0) for queue in chance.sample([one for one in queues for _ in one], 2 * len(queues))]
    found = kept([*old, *mixed])
    standing = {onset for onset, phase in some if phase == "update"}
    ended = sorted({*range(1000, 1000 + SHOWN - 3), *(onset for onset, _ in some)} - standing)[-SHOWN:]
    assert (len(found.standing), len(found.ended)) == (len(standing), len(ended))
    assert onsets(found) == [*sorted(standing, reverse=True), *sorted(ended, reverse=True)][:SHOWN]


def test_an_ended_alert_is_forgotten_after_a_hundred_newer_ones_and_its_history_until_then_is_whole() -> None:
    found = kept(alert for onset in range(SHOWN) for alert in lived(onset))
    (first,) = lived(0)[:1]
    assert first.alert_id in found
    assert [step.phase for step in found.cards()[-1].steps] == ["start", "end"]
    for alert in lived(SHOWN):
        found.put(alert)
    assert first.alert_id not in found
    for alert in lived(0):  # the topic is read again
        found.put(alert)
    assert onsets(found) == list(range(SHOWN, 0, -1))
    assert found.newest() == round(make.at(SHOWN + 1).timestamp() * 1000)


def test_a_transition_that_is_known_is_no_change_and_neither_is_one_that_is_forgotten_at_once() -> None:
    found = kept(alert for onset in range(1, SHOWN + 1) for alert in lived(onset))
    assert not any(found.put(alert) for alert in lived(SHOWN))
    assert not found.put(lived(0)[1])


def test_the_history_of_an_alert_keeps_its_beginning_and_its_end_in_whatever_order() -> None:
    steps = [make.alert(revision=n, phase="update", time=make.at(n), onset=make.at(0)) for n in range(3 * STEPS_SHOWN)]
    random.Random(5).shuffle(steps)
    (card,) = kept(steps).cards()
    assert [step.revision for step in card.steps] == [0, *range(2 * STEPS_SHOWN, 3 * STEPS_SHOWN)]


def test_of_more_standing_alerts_than_a_twin_has_the_least_severe_and_oldest_are_forgotten() -> None:
    many = [make.alert(time=make.at(n), severity="medium") for n in range(STANDING_KEPT + 20)]
    high = make.alert(time=make.at(-1), severity="high")
    found = kept([high, *many])
    assert len(found.standing) == STANDING_KEPT
    assert high.alert_id in found
    assert many[20].alert_id not in found
    assert many[21].alert_id in found
