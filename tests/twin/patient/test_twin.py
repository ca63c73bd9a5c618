"""The twin is a function of what is known, not of when it was told: any order, grouping or restart, the same bytes."""

from __future__ import annotations

import doctest
import gc
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.bench.patients import newcomer
from tests.twin import toys
from tests.twin.bedside import (
    PATIENT,
    at,
    bind,
    clock,
    count,
    covariate,
    dose,
    follow_up,
    level,
    ms,
    plan,
    reset,
    sample,
    start,
    stop,
    temperature,
    totals,
    vital,
    weight,
)
from twin import PatientTwin, load_model
from twin.alerts.care import attended
from twin.alerts.ledger import digest
from twin.alerts.lifecycle import AlertBook
from twin.alerts.rules import settings as rule_settings
from twin.events import (
    Alert,
    AlertAction,
    ClinicalEnvelope,
    Clock,
    DoseGiven,
    DrugLevel,
    Estimate,
    FollowUpBegun,
    Forecast,
    InputEvent,
    ModelMove,
    Prediction,
    PumpDelivery,
    Quantity,
    VitalSample,
    Withdrawn,
    encode,
    from_millis,
    story,
)
from twin.events.vocabulary import INPUT_EVENTS
from twin.kernel.kernel import Kernel, compile_model
from twin.model.spec import Model
from twin.patient import twin as twin_module
from twin.patient.fold import Update
from twin.record.history import History
from twin.timeline.timeline import Timeline, build

pytestmark = pytest.mark.slow

MODEL = toys.absorption()
DOCETAXEL = load_model("docetaxel_ozawa2007")
FLUOROURACIL = load_model("fluorouracil_yamada2025")
PARTICLES = 48
HANDFUL = 16
"""Particles where only bytes are compared, at every event."""

RESTLESS = toys.restless()
relaxed = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(relaxed, max_examples=3)
"""For twins that drift, of which each costs several times as much."""


def new_twin(particles: int = PARTICLES, model: Model = MODEL) -> PatientTwin:
    return PatientTwin(PATIENT, model, particles)


def inserted(*groups: Sequence[InputEvent], model: Model = MODEL) -> PatientTwin:
    """A twin that was told the groups of events one after the other."""
    twin = new_twin(model=model)
    for group in groups:
        assert twin.observe(group).rejected == ()
    return twin


def in_order(events: Iterable[InputEvent]) -> list[InputEvent]:
    return sorted(events, key=lambda event: (event.time, event.event_id))


def groups_of(events: Sequence[InputEvent], random: Random) -> list[Sequence[InputEvent]]:
    """The events cut into consecutive groups of chance sizes."""
    cuts = sorted(random.sample(range(1, len(events)), random.randint(0, len(events) - 1))) if len(events) > 1 else []
    return [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]


def assert_same_belief(one: PatientTwin, other: PatientTwin) -> None:
    """Bit for bit the same particles, weights and evidence, and the same point of the fold with the same alert book."""
    assert np.array_equal(one.belief.eta, other.belief.eta)
    assert np.array_equal(one.belief.log_weight, other.belief.log_weight)
    assert one.belief.log_evidence == other.belief.log_evidence
    assert one.belief.observations == other.belief.observations
    assert [p.millis for p in one.points[-1:]] == [p.millis for p in other.points[-1:]]
    books = {p.millis: (p.book, p.foreseen, p.position.belief.log_evidence) for p in one.points}
    for point in other.points:
        known = books.get(point.millis, (point.book, point.foreseen, point.position.belief.log_evidence))
        assert (point.book, point.foreseen, point.position.belief.log_evidence) == known
    assert live_alerts(one) == live_alerts(other)


def live_alerts(twin: PatientTwin) -> set[tuple[str, bytes]]:
    """What the world holds to be standing; it is what the fold supports, and what became of that as time passed."""
    published = {(entry.fold_id, entry.digest) for entry in twin.ledger.live}
    book, rules = twin.points[-1].book if twin.points else AlertBook(), rule_settings()
    now = max([twin.history.newest or 0, *(point.millis for point in twin.points[-1:])])
    stands = attended(book, book, (), twin.history.actions(), rules, now, now).book.live
    supported = {(a.alert_id, digest(a, of_silence=rules[a.rule].of_silence)) for a in stands}
    assert published == supported
    return published


def spoken(updates: Iterable[Update]) -> dict[str, bytes]:
    """The last word of every output but alerts, by its id, as a consumer that overwrites holds it."""
    outputs = [o for update in updates for o in update.outputs]
    return {o.event_id: encode(o) for o in outputs if not isinstance(o, Alert | Withdrawn)}


def standing(updates: Iterable[Update]) -> dict[tuple[str, ...], bytes]:
    """What stands of all but alerts, as a consumer that overwrites and heeds what is withdrawn holds it."""
    said: dict[tuple[str, ...], bytes] = {}
    for output in (output for update in updates for output in update.outputs):
        time = output.time.isoformat()
        if isinstance(output, Prediction):
            said["prediction", time, output.output] = encode(output)
        elif isinstance(output, Withdrawn):
            gone = [("prediction", time, series.name) for series in output.measured]
            gone += [] if output.estimated else [("estimate", time)]
            gone += [] if output.foreseen else [("forecast", time)]
            for key in gone:
                said.pop(key, None)
        elif not isinstance(output, Alert):
            said[output.kind, time] = encode(output)
    return said


# --- stories ---------------------------------------------------------------------------------------------------------

quarters = st.integers(0, 4 * 40).map(lambda quarter: quarter / 4)


@st.composite
def stories(draw: st.DrawFn) -> list[InputEvent]:
    """A day and a half at a bedside: pumps, counters, doses, levels, counts, plans, wearables, corrections."""

    def some(most: int) -> list[float]:
        return draw(st.lists(quarters, max_size=most, unique=True))

    rates = st.sampled_from([10.0, 40.0, 80.0])
    events: list[InputEvent] = [start(h, draw(rates)) for h in some(3)]
    events += [stop(h) for h in some(3)]
    events += [sample(h + 0.1, 40.0) for h in some(4)]
    events += [totals(h, 6.0 * h) for h in some(2)]
    # A drug that enters as a pulse per dose only: its pump is told of, and judged, but moves no state.
    events += [start(h, 5.0, "pump-2", drug="helper") for h in some(1)]
    events += [totals(h, 2.0 * h, "pump-2", drug="helper") for h in some(2)]
    events += [sample(h + 0.1, 5.0, "pump-2", drug="helper") for h in some(2)]
    events += [dose(h, route=draw(st.sampled_from(["iv", "oral"]))) for h in some(2)]
    events += [level(h, draw(st.sampled_from([0.02, 1.0, 4.0]))) for h in some(3)]
    events += [count(h, draw(st.sampled_from([0.0, 0.4, 3.5]))) for h in some(3)]
    events += [weight(h, draw(st.sampled_from([50.0, 90.0]))) for h in some(2)]
    events += [plan(h, (h + 1, 200.0, 5.0), (h + 24, 60.0, None)) for h in some(2)]
    events += [bind(h) for h in some(1)]
    events += [vital(h) for h in some(6)]
    events += [temperature(h, draw(st.sampled_from([36.9, 38.1, 38.6]))) for h in some(4)]
    events += [clock(h) for h in some(2)]
    events += [follow_up(h) for h in some(2)]
    for hour in some(1):
        # The lines of a file that share a time; what another source says of it has no place among them.
        lines = draw(st.lists(st.sampled_from([dose, level, reset]), max_size=4))
        for i, line in enumerate(lines, start=1):
            changes = {"event_id": f"line {i}", "sequence": i}
            events.append(level(hour, 2.0, **changes) if line is level else line(hour, **changes))
    for i, target in enumerate(events):
        if (
            isinstance(target, DrugLevel | DoseGiven | FollowUpBegun | PumpDelivery | VitalSample)
            and draw(st.integers(0, 5)) == 0
        ):
            if isinstance(target, PumpDelivery) and target.phase == "sample":
                continue
            status = draw(st.sampled_from(["corrected", "retracted"]))
            moved = at(draw(quarters))
            events.append(
                target.model_copy(
                    update={"event_id": f"mend {i}", "status": status, "replaces": target.event_id, "time": moved}
                )
            )
    return events


@few
@given(stories(), st.randoms(use_true_random=False))
def test_any_order_and_grouping_of_arrival_ends_in_the_same_belief_where_everything_drifts(
    events: list[InputEvent], random: Random
) -> None:
    ordered = inserted(in_order(events), model=RESTLESS)
    shuffled = inserted(*groups_of(random.sample(events, len(events)), random), model=RESTLESS)
    assert_same_belief(ordered, shuffled)


@relaxed
@given(stories(), st.randoms(use_true_random=False))
def test_the_belief_and_what_was_said_last_are_the_same_in_any_order_and_grouping_of_arrival(
    events: list[InputEvent], random: Random
) -> None:
    """Late facts make the twin say again what it then knows, under the same ids, and withdraw what lost its reason.

    So a consumer that overwrites, and heeds what is withdrawn, holds what a twin says that hears all of it in order.
    """
    ordered, shuffled = new_twin(), new_twin()
    at_once = [ordered.observe(in_order(events))]
    late = [shuffled.observe(group) for group in groups_of(random.sample(events, len(events)), random)]
    known, heard = spoken(at_once), spoken(late)
    assert {i: heard.get(i) for i in known} == known
    assert standing(late) == standing(at_once)
    assert_same_belief(ordered, shuffled)


@relaxed
@given(stories(), st.randoms(use_true_random=False))
def test_told_in_order_it_never_matters_which_events_came_together(events: list[InputEvent], random: Random) -> None:
    ordered = in_order(events)
    at_once, in_groups = new_twin(), new_twin()
    known = spoken([at_once.observe(ordered)])
    heard = spoken([in_groups.observe(group) for group in groups_of(ordered, random)])
    assert {i: heard.get(i) for i in known} == known
    assert_same_belief(at_once, in_groups)


@relaxed
@given(stories().filter(len), st.randoms(use_true_random=False))
def test_a_twin_restored_at_any_moment_goes_on_to_the_same_bytes(events: list[InputEvent], random: Random) -> None:
    restored_at_any_moment(MODEL, events, random)


@few
@given(stories().filter(len).map(lambda events: events[::2]), st.randoms(use_true_random=False))
def test_so_does_one_that_drifts(events: list[InputEvent], random: Random) -> None:
    restored_at_any_moment(RESTLESS, events, random)


def restored_at_any_moment(model: Model, events: list[InputEvent], random: Random) -> None:
    ordered = in_order(events)
    alive, restored = new_twin(HANDFUL, model), new_twin(HANDFUL, model)
    for event in ordered:
        if random.random() < 0.4:
            row = restored.row()  # which lets it rest, so that it may go on itself too
            restored = PatientTwin.from_row(row, model) if random.random() < 0.5 else restored
        said, said_again = alive.observe([event]), restored.observe([event])
        both = {o.event_id: encode(o) for o in said.outputs}
        again = {o.event_id: encode(o) for o in said_again.outputs}
        # A restored twin keeps fewer points to go back to, so it may repeat more of what it said; never other words.
        assert {i: again.get(i) for i in both} == both
    assert_same_belief(alive, restored)


@relaxed
@given(stories().filter(len), st.randoms(use_true_random=False))
def test_a_restored_twin_takes_late_events_as_a_living_one_does(events: list[InputEvent], random: Random) -> None:
    shuffled = random.sample(events, len(events))
    restored = new_twin()
    for event in shuffled:
        if random.random() < 0.4:
            row = restored.row()
            restored = PatientTwin.from_row(row, MODEL) if random.random() < 0.5 else restored
        restored.observe([event])
    assert_same_belief(inserted(in_order(events)), restored)


def test_a_twin_that_rests_has_few_numbers_in_memory() -> None:
    """Arrays of a cloud of 1,000 of ten states and five effects, after a level and a count."""
    twin = PatientTwin("P-1", load_model("docetaxel_ozawa2007"), 1000)
    for event in newcomer("P-1", 3.0):
        twin.observe([event])
    working = held_in_arrays(twin)
    row = twin.row()
    assert held_in_arrays(twin) <= 150_000 < working
    assert twin.row() == row
    assert np.array_equal(twin.belief.eta, PatientTwin.from_row(row, twin.model).belief.eta)


def held_in_arrays(twin: PatientTwin) -> int:
    """Bytes of all numbers that the points of a twin's fold hold, shared ones once."""
    known: dict[int, object] = {}
    found, ahead = 0, [object(), *twin.points]
    while ahead:
        each = ahead.pop()
        if id(each) not in known and not isinstance(each, type):
            known[id(each)] = each
            found += each.nbytes if isinstance(each, np.ndarray) else 0
            ahead += gc.get_referents(each)
    return found


def test_a_correction_that_is_told_again_withdraws_nothing_again() -> None:
    told = [stop(0), stop(0, event_id="mend", status="corrected", replaces=stop(0).event_id)]
    twin = new_twin()
    assert [output.kind for output in twin.observe(told).outputs] == ["withdrawn"]
    assert twin.observe(told) == Update()


@relaxed
@given(stories())
def test_telling_everything_twice_is_telling_it_once(events: list[InputEvent]) -> None:
    once = inserted(in_order(events))
    twice = inserted(in_order(events))
    before = twice.row()
    repeated = twice.observe(in_order(events))
    assert repeated == Update()
    assert twice.row() == before
    assert_same_belief(once, twice)


# --- floods ----------------------------------------------------------------------------------------------------------


def test_a_pump_that_changes_its_rate_hundreds_of_times_in_a_minute_is_looked_at_twice() -> None:
    flutter = [start(5 + number * 1e-5, 41.0 + number % 7, event_id=f"flutter {number}") for number in range(300)]
    told = [*COURSE, *flutter, stop(5.5)]
    looked = inserted(told)
    (at_first, at_end) = (p.millis for p in looked.points if ms(5) <= p.millis < ms(5.4))
    assert (at_first, at_end) == (ms(5), ms(5 + 1 / 60))
    assert_same_belief(looked, inserted(COURSE, flutter[:4], flutter[9:], [stop(5.5)], flutter[4:9]))


# --- late, corrected, retracted --------------------------------------------------------------------------------------

COURSE: list[InputEvent] = [
    weight(-1, 80.0),
    plan(-1, (0, 240.0, 6.0)),
    start(0, 40.0),
    stop(6),
    level(3, 2.0),
    count(12, 2.9),
    count(24, 2.2),
    clock(36),
]


@pytest.mark.usefixtures("whole_hours")
def test_a_twin_knows_what_reaches_back_behind_what_it_has_folded() -> None:
    twin = inserted(COURSE)
    told = [level(5, 2.8), level(36, 1.0), sample(1), vital(2), level(37, 1.0, replaces="level 3", status="corrected")]
    assert all(twin.reaches_back(event) for event in told)
    onward = [level(37, 1.0), clock(2), plan(36.5, (40, 9.0, None)), dose(40)]
    assert not any(twin.reaches_back(event) for event in onward)
    assert not new_twin().reaches_back(level(5, 2.8))


def test_what_a_source_calls_its_facts_changes_no_byte() -> None:
    """Two levels and two counts of one instant, doses, covariates: under other ids, in another order, the same."""
    said = [weight(0, 80), dose(1), dose(1, 3.0), level(2, 1.4), level(2, 0.4), level(5, 0.9)]
    named = [
        [event.model_copy(update={"event_id": f"{number * factor % 101:03d}"}) for number, event in enumerate(said, 1)]
        for factor in (1, 100)
    ]
    one, other = inserted(named[0]), inserted(named[1])
    assert [fact.event_id for _, fact in one.history.effective()] != [
        fact.event_id for _, fact in other.history.effective()
    ]
    assert_same_belief(one, other)


@pytest.mark.usefixtures("whole_hours")
def test_a_late_level_says_again_what_came_after_it() -> None:
    late = level(5, 2.8)
    twin = inserted(COURSE)
    update = twin.observe([late])
    assert min(o.time for o in update.outputs) == at(5)
    assert max(o.time for o in update.outputs) == at(36)
    predictions = [o for o in update.outputs if isinstance(o, Prediction)]
    assert [(p.output, p.time) for p in predictions] == [("toxin_plasma", at(5)), ("cells", at(12)), ("cells", at(24))]
    assert_same_belief(twin, inserted([*COURSE, late]))


def test_a_corrected_dose_is_as_if_it_had_always_been_right() -> None:
    wrong = dose(8, 600.0, event_id="wrong")
    right = dose(8, 60.0, event_id="right", status="corrected", replaces="wrong")
    twin = inserted([*COURSE, wrong])
    mistaken = twin.belief.eta
    twin.observe([right])
    assert not np.array_equal(twin.belief.eta, mistaken)
    assert_same_belief(twin, inserted([*COURSE, dose(8, 60.0, event_id="right")]))


def test_a_retracted_level_leaves_no_trace() -> None:
    level_of_another = level(4, 9.0, event_id="mixed up")
    gone = level(4, 9.0, event_id="gone", status="retracted", replaces="mixed up")
    twin = inserted([*COURSE, level_of_another])
    assert twin.belief.observations == 4
    twin.observe([gone])
    assert twin.belief.observations == 3
    assert_same_belief(twin, inserted(COURSE))


def example_of(kind: type[InputEvent], **changes: Any) -> InputEvent:
    """The example of a kind of event, of the first hours and as a final word unless ``changes`` say otherwise."""
    example = kind.example()
    plain: dict[str, Any] = {"time": min(example.time, story.at(4.0))}
    if issubclass(kind, ClinicalEnvelope):
        plain |= {"status": "final", "replaces": None}
    return example.model_copy(update=plain | changes)


HEARD = [kind for kind in INPUT_EVENTS if kind is not ModelMove]
"""What a twin takes in. To another version it is moved by whoever has it, and says so when asked itself."""


@pytest.mark.parametrize("kind", HEARD, ids=lambda kind: kind.__name__)
def test_late_corrected_and_retracted_events_of_every_kind_cost_one_refold_together(kind: type[InputEvent]) -> None:
    def model_twin() -> PatientTwin:
        return PatientTwin(kind.example().patient_id, DOCETAXEL, 32)

    soon, later = (example_of(kind).time + timedelta(minutes=minutes) for minutes in (10, 25))
    # An action on an alert has its own turn: whether there is one to act on, the mistakes of the others decide.
    others = in_order([example_of(other) for other in HEARD if other not in (kind, AlertAction)])
    late = example_of(kind)
    mistakes, words, right = [], [], [late]
    if issubclass(kind, ClinicalEnvelope):
        mistakes = [example_of(kind, event_id="wrong", time=soon), example_of(kind, event_id="mixed up", time=later)]
        words = [
            example_of(kind, event_id="right", time=later, status="corrected", replaces="wrong"),
            example_of(kind, event_id="gone", time=later, status="retracted", replaces="mixed up"),
        ]
        right.append(example_of(kind, event_id="right", time=later))
    twin = model_twin()
    assert twin.observe(in_order([*others, *mistakes])).rejected == ()
    update = twin.observe([late, *words])
    assert update.rejected == ()
    said = Counter(output.event_id for output in update.outputs if isinstance(output, Estimate))
    assert set(said.values()) <= {1}
    undisturbed = model_twin()
    undisturbed.observe(in_order([*others, *right]))
    assert_same_belief(twin, undisturbed)


@pytest.mark.parametrize("restarts", [False, True], ids=["a living one", "one taken up from its row"])
def test_what_a_retraction_removes_is_withdrawn(restarts: bool) -> None:
    twin = inserted(COURSE)
    said = twin.observe([level(4.25, 9.0, event_id="mixed up"), count(4.25, 2.5)])
    assert {(o.kind, o.time) for o in said.outputs} >= {("estimate", at(4.25)), ("prediction", at(4.25))}
    update = twin.observe([level(4.5, 9.0, event_id="gone", status="retracted", replaces="mixed up")])
    (first,) = (o for o in update.outputs if isinstance(o, Withdrawn))
    assert (first.time, first.estimated, first.outputs, first.drugs) == (at(4.25), True, (), ())
    assert [series.name for series in first.measured] == ["toxin_plasma"]
    other = count(4.25, 2.5)
    twin = PatientTwin.from_row(twin.row(), twin.model) if restarts else twin
    update = twin.observe([count(4.25, 2.5, event_id="gone too", status="retracted", replaces=other.event_id)])
    (second,) = (o for o in update.outputs if isinstance(o, Withdrawn))
    assert (second.time, second.estimated, second.event_id) == (at(4.25), False, first.event_id)
    assert {series.name for series in second.outputs} == {output.name for output in twin.model.outputs}
    assert {series.name for series in second.measured} == {"toxin_plasma", "cells"}
    assert not any(o.time == at(4.25) for o in update.outputs if not isinstance(o, Withdrawn))
    again = twin.observe([level(4.25, 2.4, event_id="drawn anew")])
    assert ("estimate", at(4.25)) in {(o.kind, o.time) for o in again.outputs}
    assert not any(isinstance(o, Withdrawn) and not o.estimated for o in again.outputs)


def test_an_alert_that_loses_its_reason_is_withdrawn_with_its_history_kept() -> None:
    overdose = dose(1, 5000.0, event_id="typed wrongly")
    twin = inserted(COURSE)
    raised = [o for o in twin.observe([overdose, clock(37)]).outputs if isinstance(o, Alert)]
    toxic = [alert for alert in raised if alert.rule == "exposure.above_target"]
    assert [alert.phase for alert in toxic][:1] == ["start"]
    mended = dose(1, 1.0, event_id="mended", status="corrected", replaces="typed wrongly")
    after = [o for o in twin.observe([mended]).outputs if isinstance(o, Alert) and o.rule == "exposure.above_target"]
    assert [alert.phase for alert in after] == ["withdrawn"]
    assert after[0].alert_id == toxic[-1].alert_id
    assert after[0].revision == toxic[-1].revision + 1
    live_alerts(twin)


def test_when_every_fact_is_retracted_every_alert_is_withdrawn() -> None:
    only = dose(1, 5000.0, event_id="only")
    twin = inserted([only, clock(40)])
    assert live_alerts(twin)
    update = twin.observe([dose(1, event_id="gone", status="retracted", replaces="only")])
    assert {o.state for o in update.outputs if isinstance(o, Alert)} == {"withdrawn"}
    assert twin.ledger.live == ()
    assert live_alerts(twin) == set()
    assert_same_belief(twin, inserted([clock(40)]))


def test_an_event_of_another_patient_is_refused_and_harms_nothing() -> None:
    twin = inserted(COURSE)
    before = twin.row()
    update = twin.observe([level(30, 1.0, patient_id="P-2", event_id="not mine")])
    assert update.outputs == ()
    (refused,) = update.rejected
    assert (refused.reason, refused.patient_id, refused.event_id) == ("wrong_patient", "P-2", "not mine")
    assert refused.detail == "field 'patient_id': this is the twin of 'P-1'"
    assert twin.row() == before


def test_bad_events_are_refused_one_by_one_and_good_ones_beside_them_are_heard() -> None:
    good, bad = level(4, 2.5), level(4.5, -1.0)
    contradiction = level(3, 9.9)  # the id of a level of COURSE, with another value
    orphan = sample(7, 40.0, status="retracted", replaces="sample pump-1 3")
    twin = inserted(COURSE)
    update = twin.observe([bad, good, contradiction, orphan])
    assert [r.reason for r in update.rejected] == ["out_of_range", "id_conflict", "not_correctable"]
    assert_same_belief(twin, inserted([*COURSE, good]))


# --- what it says ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("whole_hours")
def test_estimates_come_on_the_grid_at_values_and_at_changes_of_delivery() -> None:
    said = new_twin().observe([*COURSE, level(5.3, 2.0)]).outputs
    hours = [(o.time - at(0)).total_seconds() / 3600 for o in said if isinstance(o, Estimate)]
    grid = [h for h in np.arange(0, 37, 4).tolist() if from_millis(ms(h)).hour % 4 == 0]
    assert hours == sorted({*grid, 0.0, 3.0, 5.3, 6.0, 12.0, 24.0})


@pytest.mark.usefixtures("whole_hours")
def test_forecasts_come_at_values_at_changes_of_delivery_and_on_their_own_grid() -> None:
    said = new_twin().observe(COURSE).outputs
    times = {o.time for o in said if isinstance(o, Forecast)}
    assert {at(0), at(3), at(6), at(12), at(24)} <= times
    assert all(time in {at(h) for h in (0, 3, 6, 12, 24)} or time.hour % 12 == 0 for time in times)


def test_a_prediction_is_made_before_its_value_is_known() -> None:
    twin = inserted(COURSE[:4], [clock(11)])
    shown = twin.observe([count(12, 0.1)]).outputs
    (surprising,) = [o for o in shown if isinstance(o, Prediction)]
    expected = inserted(COURSE[:4], [clock(11)]).observe([count(12, 2.9)]).outputs
    (ordinary,) = [o for o in expected if isinstance(o, Prediction)]
    assert (surprising.median, surprising.q05, surprising.q95) == (ordinary.median, ordinary.q05, ordinary.q95)
    assert surprising.pit < 0.01 < ordinary.pit
    assert surprising.innovation < -2 < ordinary.innovation
    assert (surprising.below, surprising.above) == (None, None)


def test_of_a_value_beyond_a_limit_the_prediction_says_which() -> None:
    limit = Quantity(value=0.2, unit="10*9/L")
    for changes, known in (
        ({"below_lloq": True, "lloq": limit}, (0.2, None)),
        ({"above_uloq": True, "uloq": limit}, (None, 0.2)),
    ):
        shown = inserted(COURSE[:4], [clock(11)]).observe([count(12, 0.2, **changes)]).outputs
        (prediction,) = [o for o in shown if isinstance(o, Prediction)]
        assert (prediction.below, prediction.above) == known


def test_outputs_carry_the_model_and_ids_that_do_not_depend_on_what_was_said() -> None:
    first = new_twin().observe(COURSE).outputs
    second = new_twin().observe([*COURSE, level(1, 9.0)]).outputs
    estimates = [{o.time: o for o in said if isinstance(o, Estimate)} for said in (first, second)]
    shared = estimates[0].keys() & estimates[1].keys()
    assert all(estimates[0][time].event_id == estimates[1][time].event_id for time in shared)
    assert any(estimates[0][time] != estimates[1][time] for time in shared)
    assert {(o.model, o.model_hash, o.patient_id) for o in first} == {(MODEL.id, MODEL.hash, PATIENT)}
    assert {one.kernel_hash for one in estimates[0].values()} == {compile_model(MODEL).hash}


@pytest.mark.usefixtures("whole_hours")
def test_delivery_is_what_the_pump_did() -> None:
    said = new_twin().observe([start(0, 40.0), start(1.5, 20.0), stop(4), clock(8)]).outputs
    rates = {o.time: o.delivered_rate["toxin"].value for o in said if isinstance(o, Estimate)}
    total = {o.time: o.delivered["toxin"].value for o in said if isinstance(o, Estimate)}
    assert (rates[at(0)], rates[at(1.5)], rates[at(4)]) == (40.0, 20.0, 0.0)
    assert total[at(8)] == pytest.approx(60 + 50)


# --- cost ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("whole_hours")
def test_routine_events_cost_no_solve(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = inserted([start(0.1), level(0.5, 1.0)])
    routine: list[InputEvent] = [vital(h) for h in np.arange(0.6, 3.5, 0.1).tolist()]
    routine += [sample(h, 40.0) for h in np.arange(0.65, 3.5, 0.1).tolist()]
    told_by_a_sample = sample(0.55, 40.0)
    twin.observe([told_by_a_sample])

    def solved(*_: Any, **__: Any) -> None:
        raise AssertionError("a routine event was solved for")

    monkeypatch.setattr("twin.solver.solver.Solver.advance", solved)
    for event in in_order(routine):
        assert twin.take(event)
    monkeypatch.undo()
    due = vital(4.0)
    assert not twin.take(due)
    assert twin.observe([due]).outputs


def test_facts_are_never_routine() -> None:
    twin = inserted([start(0.1), sample(0.2)])
    for event in (level(0.3, 1.0), dose(0.3), stop(0.3), weight(0.3, 60.0), sample(0.15), totals(0.3, 1.0), vital(9)):
        assert not twin.take(event)


WORDS: list[InputEvent] = [
    bind(0), start(0.1), *(sample(h, 40.0) for h in np.arange(0.2, 5.9, 0.3).tolist()), sample(4.15, 44.0), stop(6.05),
    *(vital(h) for h in np.arange(0.15, 7, 0.2).tolist()), vital(6.4, 900.0), *(clock(h) for h in (1.3, 2.0, 7.05)),
    level(2.6, 1.0), vital(62.0), vital(62.3), dose(62.4), vital(63.1), clock(63.9),
]  # fmt: skip


@pytest.mark.parametrize("swaps", [0, 2, 9])
def test_what_is_taken_at_once_would_have_been_observed_without_an_effect(swaps: int) -> None:
    random, told = Random(swaps), in_order(WORDS)
    for _ in range(swaps):
        one = random.randrange(len(told) - 6)
        told.insert(one + random.randrange(6), told.pop(one))
    taking, observing, taken = new_twin(particles=24), new_twin(particles=24), 0
    for event in [*told, *random.choices(told, k=5), vital(-24 * 200), vital(64.1)]:
        level_now = random.random() < 0.8
        update = observing.observe([event], level=level_now)
        if taking.take(event, level=level_now):
            taken += 1
            assert update == Update(withheld=update.withheld)
        else:
            assert taking.observe([event], level=level_now) == update
    assert taking.row() == observing.row()
    assert taken > 30


def test_the_example_of_the_twin_runs() -> None:
    assert doctest.testmod(twin_module).failed == 0


def test_a_twin_that_was_told_nothing_is_the_population() -> None:
    twin = new_twin()
    assert twin.observe([]) == Update()
    assert twin.mode() is None
    posterior = twin.posterior()
    assert np.array_equal(posterior.mode.covariance, MODEL.omega)
    assert posterior.names == ("CL", "V", "Base", "kill")
    assert_same_belief(twin, PatientTwin.from_row(twin.row(), MODEL))


# --- published numbers -----------------------------------------------------------------------------------------------


def docetaxel_cycle(begin: float = 0.0) -> list[InputEvent]:
    """Baseline, premedication, 96 mg over 1 h."""
    return [
        covariate(begin - 1, "ANC0", 4.0, "10*9/L"),
        dose(begin, 8.0, drug="dexamethasone"),
        start(begin, 96.0, drug="docetaxel"),
        stop(begin + 1, drug="docetaxel"),
    ]


def typical(model: Any, events: Sequence[InputEvent], hours: Sequence[float], output: int) -> list[float]:
    """An output of the typical patient after a history, through the whole twin's timeline."""
    twin = PatientTwin(PATIENT, model, 4)
    twin.observe([*events, clock(0.0)])
    trunk, timeline = twin._folded.trunk, twin._folded.record.timeline
    assert timeline is not None
    solver = trunk.solver(type(twin.belief)(np.zeros((1, len(model.eta_names))), np.zeros(1)))
    marks = np.array([ms(h) for h in hours], dtype=np.int64)
    _, out = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)
    return [float(value) for value in out[:, output, 0]]


def test_docetaxel_gives_the_published_course_of_neutrophils() -> None:
    """96 mg over 1 h with dexamethasone, baseline 4.0: rise to 5.6, nadir 0.97 on day 9.6, 5.2 on day 21."""
    hours = np.arange(1, 21 * 24 + 1, dtype=float)
    counts = np.array(typical(DOCETAXEL, docetaxel_cycle(), hours.tolist(), 1))
    assert counts.max() == pytest.approx(5.6, abs=0.05)
    assert counts.min() == pytest.approx(0.97, abs=0.005)
    assert hours[counts.argmin()] / 24 == pytest.approx(9.6, abs=0.05)
    assert counts[-1] == pytest.approx(5.2, abs=0.05)


def test_fluorouracil_reaches_the_published_exposure() -> None:
    """2400 mg/m2 over 46 h for 1.8 m2 at 179 L/h: 24.1 mg.h/L, once the last of it has left."""
    planned = plan(-1, (0, 4320.0, 46.0), drug="fluorouracil")
    running, ended = start(0, 4320 / 46, drug="fluorouracil"), stop(46, drug="fluorouracil")
    exposure = typical(FLUOROURACIL, [planned, running, ended], [46.0, 100.0], 2)
    assert exposure[1] == pytest.approx(4320 / 179, rel=1e-5)
    assert exposure[1] == pytest.approx(24.1, abs=0.05)


def test_doses_given_at_once_wait_until_the_twin_speaks_and_change_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("mercaptopurine_jost2020")
    inserted: list[InputEvent] = [dose(24 * day, drug="mercaptopurine", route="oral") for day in range(40)]
    inserted[10:10] = [count(24 * 9 + 1, 1.4)]
    inserted[25:25] = [count(24 * 23 + 1, 1.1)]
    built: list[int] = []

    def counted(history: History, kernel: Kernel) -> Timeline | None:
        built.append(len(history.facts))
        return build(history, kernel)

    monkeypatch.setattr("twin.patient.live_record.build", counted)
    one_by_one = PatientTwin(PATIENT, model, 60)
    said = [output for event in inserted for output in one_by_one.observe([event]).outputs]
    assert len(built) < 20
    together = PatientTwin(PATIENT, model, 60)
    # Alerts follow what else an update says.
    assert sorted(map(encode, together.observe(inserted).outputs)) == sorted(map(encode, said))
    assert together.row() == one_by_one.row()
    # Restored while doses wait, and told a late dose among them.
    restored = PatientTwin.from_row(PatientTwin(PATIENT, model, 60).row(), model)
    for event in (*inserted[:9], *inserted[10:]):
        restored = PatientTwin.from_row(restored.row(), model)
        restored.observe([event])
    restored.observe([inserted[9]])
    assert restored.belief.eta.tobytes() == one_by_one.belief.eta.tobytes()


def test_an_acknowledgement_is_part_of_the_record_and_moves_no_belief() -> None:
    begin = datetime(2026, 1, 5, 9, tzinfo=UTC)
    said: dict[str, Any] = {"patient_id": PATIENT, "source": "ward"}
    amount, hour = Quantity(value=400.0, unit="mg"), Quantity(value=1.0, unit="h")
    told: list[InputEvent] = [
        DoseGiven(event_id="d", time=begin, drug="docetaxel", route="iv", amount=amount, duration=hour, **said),
        *(Clock(event_id=f"c{hours}", time=begin + timedelta(hours=hours), **said) for hours in (30, 31)),
    ]
    twin = PatientTwin(PATIENT, DOCETAXEL, 64)
    alerts = [one for one in twin.observe(told[:2]).outputs if isinstance(one, Alert) and one.live]
    action = AlertAction.about(alerts[-1], "acknowledge", "nurse-7", begin + timedelta(hours=30, minutes=20), "ward")
    seen = [one for one in twin.observe([action]).outputs if isinstance(one, Alert)]
    assert [(one.phase, one.state, one.alert_id) for one in seen] == [
        ("acknowledged", "acknowledged", alerts[-1].alert_id)
    ]
    again = PatientTwin.from_row(twin.row(), DOCETAXEL)
    again.observe(told[2:])
    late = PatientTwin(PATIENT, DOCETAXEL, 64)
    refused = [late.observe([event]).rejected for event in (action, told[2], told[0], told[1])]
    assert [[one.reason for one in each] for each in refused] == [["no_such_alert"], [], [], []]
    assert [(one.state, one.digest) for one in late.ledger.live] == [(o.state, o.digest) for o in again.ledger.live]
    assert late.belief.log_weight.tobytes() == again.belief.log_weight.tobytes()


def test_what_nobody_acknowledges_escalates_in_a_restored_twin_too() -> None:
    alive = inserted([plan(-1, (0, 240.0, 6.0)), dose(0, 600.0, duration=1.0), clock(0.1)])
    restored = PatientTwin.from_row(alive.row(), MODEL)
    said, again = (
        [(one.rule, one.phase, one.time) for one in twin.observe([clock(0.5)]).outputs if isinstance(one, Alert)]
        for twin in (alive, restored)
    )
    assert ("delivery.overinfusion", "escalate") in [(rule, phase) for rule, phase, _ in said]
    assert again == said
