"""Clearance that is another one in every course: eta and every kappa are those of an independent sampler."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.bedside import clock, dose, level, plan
from tests.twin.longrun import Floats, log_normal, long_run, moments
from twin import PatientTwin, load_model
from twin.events import Estimate, Forecast, InputEvent
from twin.timeline.segments import EVER

pytestmark = pytest.mark.slow

METHOTREXATE = load_model("methotrexate_mao2022")
EVERY, LASTS, AMOUNT = 336.0, 3.0, 4000.0
LEVELS = {
    0: {4.0: 310.0, 24.0: 1.6, 48.0: 0.30},
    1: {4.0: 420.0, 24.0: 6.5, 48.0: 0.95},
    2: {4.0: 350.0, 24.0: 2.4, 48.0: 0.33},
}
"""Levels (umol/L) by course and hours from its beginning: the second course is cleared more slowly."""

COVARIANCE = np.diag([0.042754, 0.037696, 0.15258, 0.088392, 0.059220, 0.059220, 0.059220])
"""Of eta (clearance, both volumes, exchange in the order of the file) and of the clearance's kappa in three courses."""


def log_likelihood(eta: Floats) -> Floats:
    """Two compartments, infused three times: exact within each course, carried over from one to the next."""
    vc, q, vp = 18.4 * np.exp(eta[:, 1]), 0.063 * np.exp(eta[:, 2]), 2.18 * np.exp(eta[:, 3])
    renal = (1.2224938875305624 * (140 - 58) * 65 / 66.5 / 98) ** 0.49
    x, total = np.zeros((len(eta), 2)), np.zeros(len(eta))
    for course, levels in LEVELS.items():
        clearance = 4.91 * renal * np.exp(eta[:, 0] + eta[:, 4 + course])
        a = np.empty((len(eta), 2, 2))
        a[:, 0, 0], a[:, 0, 1], a[:, 1, 0], a[:, 1, 1] = -(clearance + q) / vc, q / vp, q / vc, -q / vp
        values, vectors = np.linalg.eig(a)
        back = np.linalg.inv(vectors)

        def after(hours: float, x: Floats, rate: float, parts: tuple[Floats, ...] = (values, vectors, back)) -> Floats:
            values, vectors, back = parts
            modes = np.einsum("nij,nj->ni", back, x) * np.exp(values * hours)
            modes = modes + back[:, :, 0] * rate * np.expm1(values * hours) / values
            return np.asarray(np.einsum("nij,nj->ni", vectors, modes))

        infused = after(LASTS, x, AMOUNT / LASTS)
        for hours, value in levels.items():
            predicted = after(hours - LASTS, infused, 0.0)[:, 0] / vc / 0.45444
            total += log_normal(value, predicted, 0.401 * predicted)
        x = after(EVERY - LASTS, infused, 0.0)
    return total


def story() -> list[InputEvent]:
    events: list[InputEvent] = []
    for course, levels in LEVELS.items():
        begin = EVERY * course
        events.append(dose(begin, AMOUNT, LASTS, drug="methotrexate"))
        events += [level(begin + hours, 0.45444 * value, analyte="methotrexate") for hours, value in levels.items()]
    return events


def test_eta_and_the_kappas_of_three_courses_are_the_long_run_posterior() -> None:
    reference = long_run(log_likelihood, COVARIANCE, seed=3)
    known, spread = moments(reference.eta, reference.weight)
    # The second course differs: a model without occasions could not say so.
    assert known[5] < -1.0 * spread[5]
    for number in range(2):
        twin = PatientTwin(f"P-{number}", METHOTREXATE)
        assert twin.observe([e.model_copy(update={"patient_id": twin.patient_id}) for e in story()]).rejected == ()
        belief = twin.belief
        assert belief.layout.occasions[0] == EVER
        assert (len(belief.layout.occasions), belief.eta.shape, belief.observations) == (3, (1000, 7), 9)
        mean, sd = moments(belief.eta, belief.weight)
        np.testing.assert_allclose((mean - known) / spread, 0.0, atol=0.15)
        np.testing.assert_allclose(sd / spread, 1.0, atol=0.15)
        mode = twin.mode()
        assert mode is not None
        assert mode.converged
        assert mode.eta.shape == (4,)


def test_the_parameters_of_now_are_those_of_the_running_course_and_the_next_course_is_open() -> None:
    twin = PatientTwin("P-1", METHOTREXATE, 300)
    said = twin.observe([*story(), plan(700, (3 * EVERY, AMOUNT, LASTS), drug="methotrexate"), clock(3 * EVERY - 60)])
    clearances = {}
    for estimate in (o for o in said.outputs if isinstance(o, Estimate)):
        hours = (estimate.time - story()[0].time).total_seconds() / 3600
        clearances[hours] = next(band for band in estimate.parameters if band.name == "CL")
    assert clearances[EVERY + 48].median < 0.9 * clearances[48].median
    fourth = twin.posterior()
    # Between courses clearance is still that of the last one; at the next dose it is anybody's guess again.
    twin.observe([dose(3 * EVERY, AMOUNT, LASTS, drug="methotrexate"), clock(3 * EVERY + 1)])
    fresh = twin.posterior()
    column = fresh.parameter_names.index("CL")
    before, after = (moments(np.log(p.params[:, [column]]), np.exp(p.log_weight))[1] for p in (fourth, fresh))
    assert after > 1.2 * before
    assert np.array_equal(fourth.eta, fresh.eta)


def test_a_forecast_of_the_next_course_draws_what_the_fold_then_finds() -> None:
    """Where nothing is learnt in between, the course that was foreseen is the course that comes."""
    twin = PatientTwin("P-1", METHOTREXATE, 200)
    begin = 3 * EVERY
    known = [*story(), plan(700, (begin, AMOUNT, LASTS), drug="methotrexate"), clock(begin - 2)]
    foreseen = [o for o in twin.observe(known).outputs if isinstance(o, Forecast)][-1]
    said = twin.observe([dose(begin, AMOUNT, LASTS, drug="methotrexate"), clock(begin + 40)]).outputs
    found = {o.time: o.outputs[0] for o in said if isinstance(o, Estimate)}
    times = [i for i, time in enumerate(foreseen.times) if time in found and found[time].median > 0.01]
    assert len(times) > 10
    for i in times:
        assert foreseen.outputs[0].median[i] == pytest.approx(found[foreseen.times[i]].median, rel=1e-3)
        assert foreseen.outputs[0].q95[i] == pytest.approx(found[foreseen.times[i]].q95, rel=1e-3)
