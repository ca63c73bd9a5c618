"""Facts of one instant lie in the order that their source gave them, whatever the order of their arrival."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import PATIENT, covariate, dose, level, ms, quantity, reset, weight
from twin import PatientTwin
from twin.events import DoseGiven, DrugLevel, InputEvent, StateReset, decode, encode
from twin.modelfile.reader import parse_model
from twin.patient.state_row import pack_history, unpack_history
from twin.record.history import History
from twin.timeline.record_order import in_record_order

BOLUS = toys.bolus()
WEIGHT = '[covariates.WT]\nunit = "kg"\nreference = 70\nassumed = "test"\n\n[parameters.CL]'
BY_WEIGHT = parse_model(
    toys.BOLUS.replace("[parameters.CL]", WEIGHT, 1).replace('unit = "L"', 'unit = "L"\nexpression = "V * (WT/70)"', 1),
    "toy_by_weight.toml",
)


def told(events: Sequence[InputEvent]) -> History:
    history = History()
    for event in events:
        assert history.insert(event).outcome == "new"
    return history


def line(kind: str, hours: float, number: int | None) -> InputEvent:
    """What the line ``number`` of a record says at a time."""
    changes = {"event_id": f"{kind} {hours} {number}", "sequence": number}
    match kind:
        case "dose":
            return dose(hours, **changes)
        case "steady":
            return dose(hours, steady_every=quantity(24, "h"), **changes)
        case "reset":
            return reset(hours, **changes)
        case _:
            return level(hours, 1.0, **changes)


def moments(*kinds: str) -> list[int]:
    """Ms after the instant at which its lines of these kinds are met."""
    lines = [line(kind, 1, number) for number, kind in enumerate(kinds, start=1)]
    return [millis - ms(1) for millis, _, _ in in_record_order(told(lines))]


def test_what_is_seen_below_a_dose_is_met_after_it_and_what_is_above_before_it() -> None:
    assert moments("level", "dose", "level", "level", "dose", "level") == [0, 0, 1, 1, 1, 2]
    assert moments("level", "level", "dose", "dose") == [0, 0, 0, 0]


def test_what_sets_the_states_anew_below_a_dose_is_met_after_it() -> None:
    assert moments("dose", "reset", "dose", "level") == [0, 1, 1, 2]
    assert moments("reset", "level") == [0, 1]
    assert moments("dose", "steady", "level") == [0, 1, 2]
    assert moments("level", "steady", "steady", "level") == [0, 1, 1, 2], "a level above is not of the steady state"
    assert moments("steady", "steady", "dose") == [0, 0, 0], "doses in steady state make one steady state together"


def test_what_has_no_sequence_stays_where_it_is() -> None:
    history = told([dose(1), level(1, 1.0), reset(1), level(2, 1.0, sequence=1)])
    assert [(m, fact.kind) for m, fact, _ in in_record_order(history)][:3] == [
        (ms(1), "drug_level"),
        (ms(1), "state_reset"),
        (ms(1), "dose_given"),
    ]
    mixed = told([dose(1), level(1, 1.0, sequence=7)])
    assert [m for m, _, _ in in_record_order(mixed)] == [ms(1), ms(1)]


KINDS = st.sampled_from(["dose", "steady", "reset", "level"])
MILLISECOND = 1 / 3_600_000


@given(
    st.lists(st.tuples(st.integers(0, 3), KINDS), max_size=8),
    st.randoms(use_true_random=False),
)
def test_the_order_of_lines_is_kept_in_any_order_of_arrival_and_over_the_wire(
    lines: list[tuple[int, str]], random: Random
) -> None:
    # Times a millisecond apart too: an instant that is drawn out may reach the next one.
    lines.sort(key=lambda each: each[0])
    rows = [line(kind, millis * MILLISECOND, number) for number, (millis, kind) in enumerate(lines, start=1)]
    arrived = [decode(encode(event)) for event in random.sample(rows, len(rows))]
    history = unpack_history(pack_history(told(arrived)))
    placed = in_record_order(history)
    assert [fact for _, fact, _ in placed] == rows
    times = [millis for millis, _, _ in placed]
    assert times == sorted(times)
    assert all(millis >= recorded for millis, _, recorded in placed)
    for i, (seen_at, seen, _) in enumerate(placed):
        for given_at, entered, _ in placed[:i]:
            if isinstance(seen, DrugLevel) and isinstance(entered, DoseGiven | StateReset):
                assert given_at < seen_at


# --- what the twin makes of it ---------------------------------------------------------------------------------------


def predicted(events: Sequence[InputEvent]) -> dict[str, tuple[float, int]]:
    """What was expected of each value before any was seen, in the typical patient, and ms of the prediction."""
    update = PatientTwin(PATIENT, BOLUS, 200).observe(events)
    assert not update.rejected
    found = [output for output in update.outputs if output.kind == "prediction"]
    return {str(p.observed): (p.population_median, round(p.time.timestamp() * 1000)) for p in found}


def test_a_level_below_a_dose_sees_it_and_keeps_its_time() -> None:
    rows = [
        dose(0, 100.0, event_id="d1", sequence=1),
        level(0, 4.9, event_id="l1", sequence=2),
        level(24, 0.1, event_id="l2", sequence=1),
        dose(24, 100.0, event_id="d2", sequence=2),
        level(24, 5.1, event_id="l3", sequence=3),
    ]
    trough = 100 / 20 * np.exp(-24 * 5 / 20)
    for events in (rows, rows[::-1]):
        found = predicted(events)
        assert found["4.9"] == (pytest.approx(5.0, rel=0.05), ms(0))
        assert found["0.1"] == (pytest.approx(trough, rel=0.5), ms(24))
        assert found["5.1"] == (pytest.approx(5.0 + trough, rel=0.05), ms(24))


def test_of_two_values_of_a_covariate_the_last_line_counts_whatever_the_patient_is_called() -> None:
    for name in ("1", "2", "3", "4", "5", "6"):
        heavy = weight(0, 140.0).model_copy(update={"event_id": f"{name} a", "sequence": 1})
        usual = covariate(0, "WT", 70.0, "kg").model_copy(update={"event_id": f"{name} b", "sequence": 2})
        rows = [heavy, usual, dose(0, sequence=2)]
        twin = PatientTwin(PATIENT, BY_WEIGHT, 50)
        twin.observe(rows if name < "4" else rows[::-1])
        assert twin.history.ordered
        record = twin._folded.record.timeline
        assert record is not None
        assert record.covariates.tolist() == [[70.0]]
