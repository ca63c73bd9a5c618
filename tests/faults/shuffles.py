"""One week of a patient in any order: a thousand orders of arrival, one belief."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.faults.ground import PARTICLES, ward_story
from tests.faults.verdict import newest_belief
from twin import PatientTwin, load_model
from twin.events import Enrolment, InputEvent, LabResult
from twin.patient.state_row import unpack


def week(seed: int) -> tuple[Enrolment, list[InputEvent]]:
    """A patient's enrolment, and a week: some events come twice, results are corrected, some retracted."""
    events = ward_story(patients=1, days=7.0, seed=seed)
    enrolment = next(event for event in events if isinstance(event, Enrolment))
    replaced = {event.replaces for event in events if isinstance(event, LabResult)}
    results = [event for event in events if isinstance(event, LabResult) and event.event_id not in replaced]
    gone = [
        event.model_copy(
            update={"event_id": f"gone-{event.event_id}", "replaces": event.event_id, "status": "retracted"}
        )
        for event in results[::4]
    ]
    assert gone
    return enrolment, [*events, *gone]


def beliefs(times: int, seed: int) -> list[str]:
    """Shuffles the week ``times`` times and tells it in bursts, between which the twin may be taken up from its row.

    Says which orders came to another belief.
    """
    chance = random.Random(seed)
    enrolment, events = week(seed)
    first = _told(enrolment, events, [len(events)])
    found = []
    for number in range(times):
        order = chance.sample(events, len(events))
        cuts = sorted(chance.sample(range(1, len(order)), chance.randrange(1, 6)))
        if _told(enrolment, order, [*cuts, len(order)], chance) != first:
            found.append(f"order {number} of seed {seed} ends in another belief")
    return found


def _told(
    enrolment: Enrolment, events: Sequence[InputEvent], cuts: Sequence[int], chance: random.Random | None = None
) -> object:
    model = load_model(enrolment.model)
    twin = PatientTwin(enrolment.patient_id, model, PARTICLES)
    begin = 0
    for cut in cuts:
        assert twin.observe(list(events[begin:cut])).rejected == ()
        begin = cut
        if chance is not None and chance.random() < 0.5:
            twin = PatientTwin.from_row(twin.row(), model)
    return newest_belief(unpack(twin.row(), model.hash))
