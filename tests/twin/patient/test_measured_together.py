"""A live twin of values that are measured together: as they come, late, corrected or taken back, the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from tests.twin import toys
from tests.twin.bedside import PATIENT, dose, finding, follow_up, quantity
from tests.twin.filter import test_together as exactly
from tests.twin.observation.together import measured, model
from tests.twin.population.joint import pairs
from twin import PatientTwin
from twin.clock import HOUR_MS
from twin.events import InputEvent, LabResult, Prediction, from_millis
from twin.kernel.kernel import compile_model
from twin.model.spec import Model, ModelError
from twin.modelfile.reader import parse_model
from twin.patient.averaged import AveragedTwin
from twin.patient.rivals import rivals
from twin.study.calibration import follow, summarise
from twin.study.design import Design
from twin.timeline.regimen import ORIGIN

pytestmark = pytest.mark.slow

PARTICLES = 24
relaxed = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def excreted(hours: float, output: str, value: float, **changes: object) -> LabResult:
    """A value of one of the outputs of `pairs`, of a proportional or a logarithmic error."""
    told = finding(hours, output, 1.0, **{"event_id": f"{output} {hours}"} | changes)
    return told.model_copy(update={"value": quantity(value, "mg/L" if output == "plasma" else "mg")})


COURSE: list[InputEvent] = [
    dose(0.0, pairs.DOSE, event_id="given"),
    *(excreted(hours, "plasma", 9.0 * np.exp(-0.2 * hours)) for hours in (1.0, 4.0, 9.0)),
    *(excreted(hours, "urine", 40.0 * -np.expm1(-0.2 * hours)) for hours in (1.0, 4.0)),
]


def drifting() -> Model:
    """The same, whose effects walk on, and of which what is older than some hours is fixed."""
    text = pairs.model().text
    for iiv in ("0.06", "0.05"):
        text = text.replace(f"iiv = {iiv}\n", f"iiv = {iiv}\ndrift = 0.001\n")
    return parse_model(f"{text}\n[drift]\ngrid = 2\nlag = 4\n{toys.SOURCE}\n", "drifting.toml")


MODELS = {"still": pairs.model(), "drifting": drifting()}


def new_twin(particles: int = PARTICLES, model: Model = MODELS["still"]) -> PatientTwin:
    return PatientTwin(PATIENT, model, particles)


def told(*groups: Sequence[InputEvent], model: Model = MODELS["still"]) -> PatientTwin:
    twin = new_twin(model=model)
    for group in groups:
        assert twin.observe(group).rejected == ()
    return twin


def assert_same(one: PatientTwin, other: PatientTwin) -> None:
    assert np.array_equal(one.belief.eta, other.belief.eta)
    assert np.array_equal(one.belief.log_weight, other.belief.log_weight)
    assert one.belief.log_evidence == other.belief.log_evidence


@pytest.mark.parametrize("which", MODELS)
@relaxed
@given(events=st.permutations(COURSE), cut=st.integers(0, len(COURSE)))
def test_any_order_and_grouping_of_arrival_ends_in_the_same_bytes(
    which: str, events: list[InputEvent], cut: int
) -> None:
    model = MODELS[which]
    assert_same(told(COURSE, model=model), told(events[:cut], events[cut:], model=model))


@relaxed
@given(st.permutations(COURSE), st.randoms(use_true_random=False))
def test_so_it_does_where_the_twin_is_restored_between_any_of_them(events: list[InputEvent], random: Random) -> None:
    twin = new_twin()
    for event in events:
        if random.random() < 0.5:
            twin = PatientTwin.from_row(twin.row(), pairs.model())
        twin.observe([event])
    assert_same(told(COURSE), twin)
    assert told(COURSE).row() == told(COURSE).row()


@relaxed
@given(st.sampled_from(COURSE[1:]), st.floats(0.5, 2.0), st.booleans())
def test_one_that_is_corrected_or_taken_back_is_as_if_it_had_always_been_so(
    value: LabResult, factor: float, retracted: bool
) -> None:
    """The other of the two is weighed anew, beside the new value or by itself."""
    others = [event for event in COURSE if event is not value]
    right = value.model_copy(update={"value": quantity(value.value.value * factor, value.value.unit)})
    if retracted:
        change = value.model_copy(update={"event_id": "change", "status": "retracted", "replaces": value.event_id})
        twin, known = told(COURSE, [change]), told(others)
    else:
        change = right.model_copy(update={"event_id": "change", "status": "corrected", "replaces": value.event_id})
        twin, known = told(COURSE, [change]), told([*others, right])
    assert_same(twin, known)


def foreseen(output: str, *events: InputEvent) -> Prediction:
    """What is expected of the last value of an output, of all that is told at once."""
    said = new_twin(400).observe(events).outputs
    return [o for o in said if isinstance(o, Prediction) and o.output == output][-1]


def test_the_second_of_two_is_foreseen_beside_the_first() -> None:
    """Where the first lies higher than expected, the second is expected higher."""
    given, level, other = COURSE[0], COURSE[1], COURSE[4]
    assert isinstance(level, LabResult)
    alone, usual = foreseen("urine", given, other), foreseen("plasma", given, level).median
    low, high = (foreseen("urine", given, excreted(1.0, "plasma", usual * by), other) for by in (0.7, 1.5))
    assert 1.05 * low.median < alone.median < high.median / 1.05


def test_a_twin_learns_what_is_exact() -> None:
    twin = PatientTwin(PATIENT, model(), 2000)
    values = exactly.drawn()
    for one in values:
        twin.observe([measured(*one)] if one is not values[0] else [follow_up(0.0), measured(*one)])
    mean, covariance, evidence = exactly.exact(values)
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((twin.belief.weight @ twin.belief.eta - mean) / sd, 0.0, atol=0.05)
    assert twin.belief.log_evidence == pytest.approx(evidence, abs=0.03)


def test_rivals_weigh_by_the_density_of_values_together() -> None:
    """Two models that differ in the correlation alone: their odds are those of what both make of all values."""
    values = exactly.drawn(5)
    twin = AveragedTwin(PATIENT, rivals((model(), model(0.2))), 1500)
    twin.observe([follow_up(0.0), *(measured(*one) for one in values)])
    first, second = (exactly.exact(values, correlation)[2] for correlation in (0.8, 0.2))
    assert first - second > 1.0
    known = 1.0 / (1.0 + np.exp(second - first))
    assert twin.weights["made_80"] == pytest.approx(known, abs=0.02)


def test_simulated_patients_rank_evenly_among_what_their_twins_believe() -> None:
    """And where one value fell says nothing of where the other will: it does where a twin takes the two apart."""
    kernels = [compile_model(pairs.model(pairs.correlated(0.9))), compile_model(pairs.model(""))]
    begun = dose(0.0, pairs.DOSE, event_id="given").model_copy(update={"time": from_millis(ORIGIN)})
    hours = (1.0, 2.0, 4.0, 8.0)
    plan = Design((begun,), tuple((ORIGIN + round(h * HOUR_MS), output) for h in hours for output in (0, 1)))
    right, apart = (
        [follow(kernel, kernels[0], plan, n, 150, lambda: 0.0) for n in range(patients)]
        for kernel, patients in zip(kernels, (36, 12), strict=True)
    )
    verdict = summarise(kernels[0].model, right, 150)
    assert verdict.passed, {one.name: one.p_value for one in (*verdict.ranks, *verdict.pit)}
    scores = [ndtri(np.concatenate([one.pit for one in each]).reshape(-1, 2)).T for each in (right, apart)]
    one_of_the_other = [float(np.corrcoef(each)[0, 1]) for each in scores]
    assert abs(one_of_the_other[0]) < 0.25
    assert one_of_the_other[1] > 0.35


def test_a_bad_value_is_refused_and_the_other_of_the_two_counts_by_itself() -> None:
    bad = excreted(1.0, "urine", -3.0)
    twin = new_twin()
    update = twin.observe([*COURSE[:2], bad])
    assert [(one.event_id, one.reason) for one in update.rejected] == [(bad.event_id, "negative_amount")]
    assert "field 'value'" in update.rejected[0].detail
    assert_same(twin, told(COURSE[:2]))


@pytest.mark.parametrize(
    ("correlation", "between", "reason"),
    [
        (1.0, '"plasma", "urine"', "it must lie between -1 and 1"),
        (0.5, '"plasma", "plasma"', "must name two different outputs"),
        (0.5, '"plasma", "sweat"', "must name two different outputs"),
    ],
)
def test_a_correlation_that_is_none_is_refused(correlation: float, between: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        pairs.model(pairs.correlated(correlation, between))
