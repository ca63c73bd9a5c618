"""A twin as bytes: what goes in comes out to the bit, damage is refused, and years of wearables stay small."""

from __future__ import annotations

import subprocess
import sys
import zlib
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.places import ROOT
from tests.twin import toys
from tests.twin.bedside import (
    PATIENT,
    bind,
    clock,
    count,
    covariate,
    cuff,
    dose,
    level,
    ms,
    plan,
    sample,
    start,
    stop,
    totals,
    vital,
    weight,
)
from twin import PatientTwin, load_model
from twin.alerts.lifecycle import AlertBook
from twin.alerts.rules import rules_hash, thresholds_of
from twin.arrays import storable
from twin.clock import HOUR_MS
from twin.events import Alert, InputEvent, PumpDelivery
from twin.filter.belief import Belief, prior
from twin.patient.checkpoints import Point
from twin.patient.state_row import (
    ROW_VERSION,
    UnreadableState,
    pack_beliefs,
    pack_books,
    pack_foreseen,
    pack_history,
    unpack,
    unpack_beliefs,
    unpack_books,
    unpack_foreseen,
    unpack_history,
)
from twin.randomness import generator
from twin.record.history import History
from twin.timeline.segments import Layout

MODEL = toys.absorption()
DOCETAXEL = load_model("docetaxel_ozawa2007")

EVENTS: list[InputEvent] = [
    weight(-1, 80.0), plan(-1, (0, 240.0, 6.0)), bind(0), start(0, 40.0), sample(1, 40.0), sample(2, 35.0), stop(6),
    totals(6, 230.0), level(3, 2.0), count(12, 2.9), vital(5), vital(9),
    level(3, 2.2, event_id="mended", status="corrected", replaces="level 3"), dose(20, 5.0, route="oral"), clock(30),
]  # fmt: skip


def inserted(history: History, events: list[InputEvent]) -> History:
    for event in events:
        rate = event.rate.value if isinstance(event, PumpDelivery) else None
        assert history.insert(event, rate).outcome == "new"
    return history


def a_twin() -> PatientTwin:
    twin = PatientTwin(PATIENT, MODEL, 32)
    assert twin.observe(EVENTS).rejected == ()
    return twin


# --- there and back --------------------------------------------------------------------------------------------------


def test_a_row_gives_back_the_twin_and_is_written_again_as_the_same_bytes() -> None:
    twin = a_twin()
    row = twin.row()
    back = PatientTwin.from_row(row, MODEL)
    assert back.row() == row
    assert (back.patient_id, back.particles, back.ledger) == (PATIENT, 32, twin.ledger)
    assert np.array_equal(back.belief.eta, twin.belief.eta)
    assert back.points[-1].book == twin.points[-1].book
    assert back.points[-1].foreseen == twin.points[-1].foreseen


def test_a_row_whose_alerts_were_judged_by_other_thresholds_is_folded_again() -> None:
    entry = 'rule = "delivery.underinfusion"\nset = { raise_above = 5 }\nassumed = "patience"\n'
    other = thresholds_of(f'version = "2"\n[[overrides]]\n{entry}', "ward.toml")
    twin = a_twin()
    assert "delivery.underinfusion" in [entry.rule for entry in twin.ledger.published]
    back = PatientTwin.from_row(twin.row(), MODEL, other)
    assert back.points == []
    said = back.observe([clock(31)]).outputs
    fresh = PatientTwin(PATIENT, MODEL, 32, thresholds=other)
    fresh.observe([*EVENTS, clock(31)])
    assert [point.book for point in back.points] == [point.book for point in fresh.points]
    assert np.array_equal(back.belief.eta, fresh.belief.eta)
    told = [one for one in said if isinstance(one, Alert)]
    assert {one.rules_hash for one in told} == {rules_hash(other)}
    assert {one.rule for one in told if one.phase == "withdrawn"} == {"delivery.underinfusion"}
    assert PatientTwin.from_row(back.row(), MODEL, other).points


def test_what_was_corrected_hundreds_of_times_leaves_little_in_a_row() -> None:
    """A plan of 60 doses, of which each of 200 corrections changes one: only the last is kept whole."""
    doses = [(6.0 * number, 10.0, 1.0) for number in range(60)]
    history = History()
    inserted(history, [plan(0, *doses, event_id="plan 0")])
    alone = len(pack_history(history))
    for number in range(1, 201):
        doses[number % 60] = (6.0 * (number % 60), 10.0 + number / 100, 1.0)
        changes = {"event_id": f"plan {number}", "status": "corrected", "replaces": f"plan {number - 1}"}
        inserted(history, [plan(0, *doses, **changes)])
    assert len(pack_history(history)) < alone + 200 * 60
    back = unpack_history(pack_history(history))
    assert list(back.effective()) == list(history.effective())


def test_a_twin_that_was_told_nothing_has_a_row_too() -> None:
    row = PatientTwin(PATIENT, MODEL, 32).row()
    assert PatientTwin.from_row(row, MODEL).row() == row


def test_a_history_comes_back_whole() -> None:
    history = inserted(History(), EVENTS)
    back = unpack_history(pack_history(history))
    for field in ("keys", "superseded", "samples", "spoken", "contact", "newest", "recent", "reported"):
        assert getattr(back, field) == getattr(history, field), field
    assert back.compact() == history.compact()
    assert list(back.effective()) == list(history.effective())
    assert [back.insert(event).outcome for event in EVENTS if not isinstance(event, PumpDelivery)] == ["duplicate"] * 11


def test_readings_come_back_whole_and_columns_that_do_not_fit_are_refused() -> None:
    history = History()
    mended = cuff(0.4, 130.0, event_id="mend", status="corrected", replaces="cuff cuff-1 0.2")
    for event in (cuff(0.1, 120.0), cuff(0.2, 300.0), mended, cuff(1.5, 125.0)):
        history.insert(event, windows={"systolic_bp": HOUR_MS})
    packed = pack_history(history)
    back = unpack_history(packed)
    assert back.readings == history.readings
    assert list(back.readings["systolic_bp"].closed(ms(1))) == list(history.readings["systolic_bp"].closed(ms(1)))
    row = msgspec.msgpack.decode(zlib.decompress(packed))
    assert row[6][0][0] == "systolic_bp"
    row[6][0][3] = row[6][0][3][:-8]
    with pytest.raises(UnreadableState, match="its readings do not each have a time, a rank and a value"):
        unpack_history(zlib.compress(msgspec.msgpack.encode(row)))


@settings(max_examples=50)
@given(
    st.integers(1, 40),
    st.integers(0, 6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 10_000),
    st.integers(0, 2**32),
)
def test_a_belief_comes_back_to_the_last_bit(
    particles: int, dimension: int, evidence: float, observations: int, seed: int
) -> None:
    rng = generator("row", seed)
    belief = Belief(
        storable(rng.standard_normal((particles, dimension)) * 3),
        storable(rng.standard_normal(particles)),
        evidence,
        observations,
    )
    (back,) = unpack_beliefs(*pack_beliefs([belief]), particles)
    assert np.array_equal(back.eta, belief.eta)
    assert np.array_equal(back.log_weight, belief.log_weight)
    assert (back.log_evidence, back.observations) == (evidence, observations)
    assert back.eta.flags.writeable
    assert back.log_weight.flags.writeable


def test_a_belief_that_drifts_comes_back_with_its_layout() -> None:
    layout = Layout(7 * 86_400_000, (3, 5), (7 * 86_400_000, 14 * 86_400_000), -(2**63))
    belief = Belief(storable(generator("drift").standard_normal((4, 20))), np.zeros(4), -1.0, 9, layout)
    (back,) = unpack_beliefs(*pack_beliefs([belief]), 4)
    assert back.layout == layout
    assert np.array_equal(back.eta, belief.eta)


def drifting(seed: int, columns: int) -> Belief:
    weights = storable(generator("weights", seed).standard_normal(500))
    return Belief(storable(generator("eta", seed).standard_normal((500, columns))), weights, -1.0, seed)


def test_columns_that_beliefs_have_in_common_are_stored_once() -> None:
    old = drifting(1, 36)
    grown = Belief(np.hstack([old.eta, drifting(2, 4).eta]), drifting(3, 1).log_weight, -2.0, 9)
    rows, columns = pack_beliefs([grown, old])
    assert len(columns) == 40
    assert sum(map(len, columns)) < 0.9 * 40 * 4 * 500
    newest, before = unpack_beliefs(rows, columns, 500)
    assert np.array_equal(newest.eta, grown.eta)
    assert np.array_equal(before.eta, old.eta)
    assert np.array_equal(before.log_weight, old.log_weight)


def test_the_newest_belief_is_kept_and_older_ones_while_there_is_room() -> None:
    assert [row.observations for row in pack_beliefs([drifting(4, 70), drifting(3, 2)])[0]] == [4]
    kept, _ = pack_beliefs([drifting(4, 30), drifting(3, 10), drifting(2, 5), drifting(1, 5)])
    assert [row.observations for row in kept] == [4, 3], "what does not fit is left out, with all that is older"


def test_the_toxicities_last_foreseen_come_back() -> None:
    foreseen = a_twin().points[-1].foreseen
    assert [one.name for one in foreseen] == ["cells_g4"]
    assert unpack_foreseen(pack_foreseen(foreseen)) == foreseen


# --- damage ----------------------------------------------------------------------------------------------------------


@cache
def row() -> bytes:
    return a_twin().row()


def altered(**changes: Any) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.replace(unpack(row(), MODEL.hash), **changes))


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1, exclude_max=True))
def test_a_row_cut_short_is_refused(share: float) -> None:
    with pytest.raises(UnreadableState, match="not a twin's row"):
        PatientTwin.from_row(row()[: int(share * len(row()))], MODEL)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_row_are_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableState):
        PatientTwin.from_row(raw, MODEL)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_history_with_a_changed_byte_is_refused(choice: st.DataObject) -> None:
    history = unpack(row(), MODEL.hash).history
    # The last byte of what is compressed, before four of its checksum, may end in bits that mean nothing.
    at = choice.draw(st.integers(0, len(history) - 1).filter(lambda place: place != len(history) - 5))
    flipped = history[:at] + bytes([history[at] ^ choice.draw(st.integers(1, 255))]) + history[at + 1 :]
    with pytest.raises(UnreadableState, match="damaged history"):
        unpack_history(flipped)


def test_a_history_that_inflates_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.patient.state_row.LARGEST_HISTORY", 10_000)
    with pytest.raises(UnreadableState, match="damaged history: it is more than 10000 bytes"):
        unpack_history(zlib.compress(bytes(10_001)))
    with pytest.raises(UnreadableState, match="damaged history: it ends too early"):
        unpack_history(zlib.compress(bytes(9_000))[:-8])


def test_a_row_of_another_version_or_model_says_so() -> None:
    with pytest.raises(
        UnreadableState, match=f"row of version {ROW_VERSION + 1}; this program reads version {ROW_VERSION}"
    ):
        PatientTwin.from_row(altered(version=ROW_VERSION + 1), MODEL)
    with pytest.raises(
        UnreadableState, match=f"row of model {MODEL.hash}; the patient's model is now {DOCETAXEL.hash}"
    ):
        PatientTwin.from_row(row(), DOCETAXEL)


def test_a_row_whose_parts_do_not_fit_together_is_refused() -> None:
    whole = unpack(row(), MODEL.hash)
    belief, point = whole.beliefs[-1], whole.points[-1]
    broken: list[dict[str, Any]] = [
        {"beliefs": []},
        {"points": [msgspec.structs.replace(point, belief=99)]},
        {"points": [msgspec.structs.replace(point, foreseen=[b"{"])]},
        {"columns": [column[:-1] for column in whole.columns]},
        {"columns": [column[1:] for column in whole.columns]},
        {"columns": [b""] * len(whole.columns)},
        {"columns": whole.columns[:1]},
        {"beliefs": [msgspec.structs.replace(belief, columns=[0])] * len(whole.beliefs)},
        {"beliefs": [msgspec.structs.replace(belief, columns=[-1] * len(belief.columns))] * len(whole.beliefs)},
        {"beliefs": [msgspec.structs.replace(belief, log_weight=b"")] * len(whole.beliefs)},
        {"beliefs": [msgspec.structs.replace(belief, layout=Layout(None, (3,), (5,)))] * len(whole.beliefs)},
        {"beliefs": [msgspec.structs.replace(belief, layout=Layout(0))] * len(whole.beliefs)},
        {"history": b""},
    ]
    for changes in broken:
        with pytest.raises(UnreadableState):
            PatientTwin.from_row(altered(**changes), MODEL)


# --- size ------------------------------------------------------------------------------------------------------------


def six_cycles() -> list[InputEvent]:
    """Half a year of docetaxel: every fact, a watch that speaks hourly, a pump that speaks every five minutes."""
    events: list[InputEvent] = [covariate(0, "ANC0", 4.0, "10*9/L"), bind(0), bind(0, "pump-1")]
    for cycle in range(6):
        begin = 504.0 * cycle + 10
        events += [
            plan(begin - 5, (begin, 96.0, 1.0), drug="docetaxel"),
            dose(begin, 8.0, drug="dexamethasone"),
            start(begin, 96.0, drug="docetaxel"),
            stop(begin + 1, drug="docetaxel"),
            totals(begin + 1, 96.3 * (cycle + 1), drug="docetaxel"),
            level(begin + 1.5, 0.513, analyte="docetaxel"),
            *(count(begin + 24 * day, 1.17) for day in (0, 3, 7, 9.5, 14, 20)),
        ]
        # The pump stays with the patient through the first day and reports itself idle.
        for minute in range(5, 24 * 60, 5):
            events.append(sample(begin + minute / 60, 96.0 if minute < 60 else 0.0, drug="docetaxel"))
    rng = generator("wearable")
    events += [vital(hour + float(rng.uniform(0, 0.2)), 80.0) for hour in range(504 * 6)]
    return events


def test_half_a_year_of_a_thousand_particles_fits_a_row() -> None:
    twin = PatientTwin(PATIENT, DOCETAXEL, 1000)
    inserted(twin.history, six_cycles())
    population = prior(DOCETAXEL, 1000, PATIENT)
    # Four points with three beliefs of full entropy: the most that a row keeps.
    template = a_twin().points[-1]
    for number in (0, 1, 2, 2):
        weights = generator("weights", number).standard_normal(1000)
        belief = Belief(storable(population.eta * (1 + number)), weights, -12.3, 40 + number)
        known = twin.points[-1].position.belief if number == 2 and len(twin.points) == 3 else belief
        twin.points.append(Point(number, replace(template.position, belief=known), template.book, template.foreseen))
    row = twin.row()
    assert len(unpack(row, DOCETAXEL.hash).points) == 4
    assert len(unpack(row, DOCETAXEL.hash).beliefs) == 3
    assert len(row) <= 150_000
    assert len(pack_history(twin.history)) <= 60_000


def test_the_alerts_of_points_that_are_damaged_or_too_few_are_named() -> None:
    assert unpack_books(pack_books([AlertBook(), AlertBook()]), 2) == [AlertBook(), AlertBook()]
    for raw, said in ((pack_books([AlertBook()]), "1 books for 2 points"), (b"nothing", "damaged alerts")):
        with pytest.raises(UnreadableState, match=said):
            unpack_books(raw, 2)


@pytest.mark.slow
def test_two_threads_restore_a_twin_each_as_the_first_thing_of_a_hundred_fresh_processes() -> None:
    program = [sys.executable, "-m", "tests.twin.patient.restoring"]
    said = subprocess.run(program, capture_output=True, text=True, check=True, cwd=ROOT)
    assert said.stdout.strip() == "{0: 100}", "a decoder's types were built by two threads at once"
