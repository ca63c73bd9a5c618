"""Evidence against the model stays small while it is right, at the stated rate, and grows once it is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from tests.twin import toys
from tests.twin.bedside import dose, level
from twin import PatientTwin
from twin.alerts.misfit import ALARM, FALSE_ALARM, MOST, NO_EVIDENCE, Evidence
from twin.events import Alert
from twin.modelfile.reader import parse_model
from twin.randomness import generator

NORMAL = NormalDist()
IIV, SIGMA = (0.06, 0.04), 0.2
TEXT = toys.BOLUS.replace("iiv = 0.16", f"iiv = {IIV[0]}").replace("iiv = 0.09", f"iiv = {IIV[1]}")
MODEL = parse_model(TEXT.replace("proportional = 0.2", f"log_additive = {SIGMA}"), "surprise.toml")
HOURS = (2.0, 6.0, 10.0, 20.0, 26.0, 30.0)


def after(zs: list[float]) -> Evidence:
    evidence = NO_EVIDENCE
    for z in zs:
        evidence = evidence.after(z)
    return evidence


def highest(zs: list[float]) -> float:
    """The evidence at its highest on the way."""
    evidence, most = NO_EVIDENCE, 1.0
    for z in zs:
        evidence = evidence.after(z)
        most = max(most, evidence.total)
    return most


# --- the martingale --------------------------------------------------------------------------------------------------


def test_the_evidence_begins_at_one_and_is_expected_to_stay_there() -> None:
    assert NO_EVIDENCE.total == 1.0
    for before in (NO_EVIDENCE, after([0.3, -1.2, 2.9])):

        def next_total(z: float, before: Evidence = before) -> float:
            return before.after(z).total * NORMAL.pdf(z)

        # What is cut off beyond `FARTHEST` is all that it loses.
        expected, _ = integrate.quad(next_total, -12, 12, limit=400, points=[-6, -2, 2, 6])
        assert 0.93 * before.total < expected <= before.total * (1 + 1e-6)


@given(st.lists(st.floats(-50, 50), max_size=12))
def test_the_evidence_stays_within_bounds(zs: list[float]) -> None:
    evidence = after(zs)
    assert evidence.count == len(zs)
    assert 0.0 < evidence.total <= MOST + 1


@pytest.mark.slow
def test_the_stated_rate_holds_over_many_data() -> None:
    rng = generator("null")
    alarms = sum(highest(zs) > ALARM for zs in rng.standard_normal((3000, 40)).tolist())
    assert alarms <= 3000 * FALSE_ALARM


@pytest.mark.parametrize(
    ("z", "within"),
    [(lambda _, x: 2.0 * x, 40), (lambda _, x: x - 1.5, 20), (lambda i, x: x + (2.0 if i >= 30 else 0.0), 45)],
    ids=["too sure", "too high", "a change after thirty"],
)
def test_a_wrong_model_is_noticed(z: Callable[[int, float], float], within: int) -> None:
    rng = generator("wrong")
    draws = rng.standard_normal((60, within)).tolist()
    noticed = [highest([z(i, x) for i, x in enumerate(zs)]) > ALARM for zs in draws]
    assert np.mean(noticed) >= 0.9


# --- in the twin -----------------------------------------------------------------------------------------------------


def surprised_after(number: int, concentration: Callable[[float], float]) -> int | None:
    """After how many levels a twin of the toy model says that it does not describe this patient; None: never."""
    rng = generator("patient", number)
    twin = PatientTwin("P-1", MODEL, 200)
    twin.observe([dose(0, 60.0), dose(24, 60.0)])
    for k, hours in enumerate(HOURS, start=1):
        value = concentration(hours) * math.exp(SIGMA * float(rng.standard_normal()))
        outputs = twin.observe([level(hours, value)]).outputs
        if any(isinstance(o, Alert) and o.rule == "twin.surprise" and o.phase == "start" for o in outputs):
            return k
    return None


def course(clearance: float, volume: float) -> Callable[[float], float]:
    def concentration(hours: float) -> float:
        return sum(60 / volume * math.exp(-clearance / volume * (hours - d)) for d in (0, 24) if hours > d)

    return concentration


@pytest.mark.slow
def test_patients_of_the_model_are_left_in_peace() -> None:
    found = []
    for number in range(60):
        eta = generator("of the model", number).standard_normal(2) * np.sqrt(IIV)
        found.append(surprised_after(number, course(5 * math.exp(eta[0]), 20 * math.exp(eta[1]))))
    assert sum(one is not None for one in found) <= 1


@pytest.mark.slow
def test_a_clearance_five_times_the_usual_is_noticed_at_once() -> None:
    found = [surprised_after(number, course(25.0, 20.0)) for number in range(12)]
    assert sum(one is not None and one <= 2 for one in found) >= 11


@pytest.mark.slow
def test_a_second_compartment_is_noticed_within_five_levels() -> None:
    def two_compartments(hours: float) -> float:
        times = [hours - d for d in (0, 24) if hours > d]
        return sum(2.7 * math.exp(-1.6 * t) + 0.3 * math.exp(-0.02 * t) for t in times)

    found = [surprised_after(number, two_compartments) for number in range(12)]
    assert sum(one is not None and one <= 5 for one in found) >= 11


def test_the_alarm_is_withdrawn_when_a_late_word_explains_the_levels() -> None:
    events = [dose(0, 60.0), *(level(hours, 10 * course(5.0, 20.0)(hours)) for hours in HOURS[:4])]
    twin = PatientTwin("P-1", MODEL, 300)
    said = [o for o in twin.observe(events).outputs if isinstance(o, Alert) and o.rule == "twin.surprise"]
    assert [o.phase for o in said] == ["start", *["update"] * (len(said) - 1)]
    restored = PatientTwin.from_row(twin.row(), MODEL)
    explained = dose(0, 540.0, event_id="the rest of the dose")
    for one in (twin, restored):
        late = [o for o in one.observe([explained]).outputs if isinstance(o, Alert) and o.rule == "twin.surprise"]
        assert [o.state for o in late] == ["withdrawn"]
    assert twin.row() == restored.row()
