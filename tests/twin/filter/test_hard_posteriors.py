"""Posteriors with hard shapes, one datum at a time and at the default size, against references that are not the twin's.

Ten keys of each shape (`tests.twin.shapes`): every random effect and every forecast of every run is close, and over
the keys there is no bias. References are dense quadratures, or a long-run Markov chain (`tests.twin.longrun`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from tests.twin.bedside import PATIENT, clock, ms
from tests.twin.longrun import Floats, Reference, long_run, moments, quadrature
from tests.twin.shapes import SHAPES, Shape
from tests.twin.timeline.records import history_of
from twin import PatientTwin
from twin.events import Forecast, InputEvent, to_millis
from twin.filter.belief import Belief, prior
from twin.filter.learning import learn
from twin.filter.quantiles import quantiles
from twin.filter.trunk import Trunk
from twin.kernel.kernel import compile_model
from twin.patient.twin import PARTICLES
from twin.timeline.timeline import build

pytestmark = pytest.mark.slow

KEYS = 10
NAMES = sorted(SHAPES)
BY_QUADRATURE = [name for name in NAMES if len(SHAPES[name]().covariance) <= 3]


@dataclass(frozen=True)
class Run:
    """What one key gave: the belief, and what it forecasts (N, F)."""

    belief: Belief
    ahead: Floats

    @property
    def moments(self) -> tuple[Floats, Floats]:
        """Means and deviations of every random effect, and of every forecast."""
        return moments(np.hstack([self.belief.eta, self.ahead]), self.belief.weight)


@cache
def shape_of(name: str) -> Shape:
    return SHAPES[name]()


@cache
def reference_of(name: str) -> Reference:
    shape = shape_of(name)
    if name in BY_QUADRATURE:
        return quadrature(shape.log_likelihood, shape.covariance)
    return long_run(shape.log_likelihood, shape.covariance, seed=1)


@cache
def known_of(name: str) -> tuple[Floats, Floats]:
    reference = reference_of(name)
    return moments(np.hstack([reference.eta, shape_of(name).forecasts(reference.eta)]), reference.weight)


def run(shape: Shape, patient: str) -> Run:
    """Assimilate the values one at a time, and look ahead."""
    kernel = compile_model(shape.model())
    timeline = build(history_of(shape.events), kernel)
    assert timeline is not None
    trunk = Trunk(kernel, patient)
    position = trunk.begin(timeline, prior(kernel.model, PARTICLES, patient))
    for observation in timeline.observations:
        position, _ = learn(trunk, position, timeline, observation)
    assert position.belief.observations == len(timeline.observations) > 1
    names = [output.name for output in kernel.model.outputs]
    marks = np.array([ms(hours) for hours, _ in shape.ahead], dtype=np.int64)
    out = trunk.look(position, timeline, marks)
    return Run(position.belief, np.stack([out[i, names.index(o)] for i, (_, o) in enumerate(shape.ahead)], axis=1))


@cache
def runs_of(name: str) -> tuple[Run, ...]:
    return tuple(run(shape_of(name), f"P-{key}") for key in range(KEYS))


def errors_of(name: str) -> tuple[Floats, Floats]:
    """Errors (keys, F) of means, in posterior standard deviations, and of standard deviations, as fractions."""
    mean, sd = known_of(name)
    found = [run.moments for run in runs_of(name)]
    return np.array([(m - mean) / sd for m, _ in found]), np.array([s / sd - 1 for _, s in found])


@pytest.mark.parametrize("name", NAMES)
def test_every_run_is_close_to_the_reference(name: str) -> None:
    of_mean, of_sd = errors_of(name)
    np.testing.assert_allclose(of_mean, 0.0, atol=0.15)
    np.testing.assert_allclose(of_sd, 0.0, atol=0.15)


@pytest.mark.parametrize("name", NAMES)
def test_over_ten_keys_there_is_no_bias(name: str) -> None:
    of_mean, of_sd = errors_of(name)
    np.testing.assert_allclose(of_mean.mean(axis=0), 0.0, atol=0.055)
    np.testing.assert_allclose(of_sd.mean(axis=0), 0.0, atol=0.055)


@pytest.mark.parametrize("name", BY_QUADRATURE)
def test_the_evidence_is_the_integral(name: str) -> None:
    known = reference_of(name).log_evidence
    assert known is not None
    found = np.array([run.belief.log_evidence for run in runs_of(name)])
    assert np.abs(found - known).max() < 0.1
    assert found.mean() == pytest.approx(known, abs=0.02)


def test_two_modes_keep_their_weights() -> None:
    """The peak of the response may lie above or below the levels: both stay, and neither gains by chance."""
    reference = reference_of("two_modes")
    upper = float(reference.weight[reference.eta[:, 1] > 0.3].sum())
    assert 0.6 < upper < 0.8
    found = np.array([run.belief.weight[run.belief.eta[:, 1] > 0.3].sum() for run in runs_of("two_modes")])
    np.testing.assert_allclose(found, upper, atol=0.04)
    assert found.mean() == pytest.approx(upper, abs=0.01)


def test_a_wrong_posterior_is_noticed() -> None:
    """A comparison that could not fail would prove nothing: a residual error a quarter too small is noticed."""
    shape = shape_of("censored")
    narrower = quadrature(lambda eta: 1.8 * shape.log_likelihood(eta), shape.covariance)
    _, sd = moments(narrower.eta, narrower.weight)
    _, found = moments(runs_of("censored")[0].belief.eta, runs_of("censored")[0].belief.weight)
    assert np.abs(found / sd - 1).max() > 0.2


@pytest.mark.usefixtures("whole_hours")
@pytest.mark.parametrize("name", ["banana", "two_modes"])
def test_what_a_patient_s_twin_publishes_is_this_posterior(name: str) -> None:
    """Told event by event: the same particles, and bands of the forecast that are those of the reference."""
    shape = shape_of(name)
    events: list[InputEvent] = sorted(shape.events, key=lambda event: event.time)
    twin = PatientTwin(PATIENT, shape.model())
    said = [output for event in [*events, clock(30)] for output in twin.observe([event]).outputs]
    alone = run(shape, PATIENT)
    assert np.array_equal(twin.belief.eta, alone.belief.eta)
    assert np.array_equal(twin.belief.log_weight, alone.belief.log_weight)
    # At 24 h the second dose is known and nothing more will be measured.
    (forecast,) = [output for output in said if isinstance(output, Forecast) and to_millis(output.time) == ms(24)]
    reference = reference_of(name)
    (outputs,) = forecast.outputs
    hours = [(to_millis(time) - ms(0)) / 3_600_000 for time in forecast.times]
    later = [hours.index(hour) for hour, _ in shape.ahead if hour in hours]
    assert later
    for at, values in zip(later, shape.forecasts(reference.eta).T[-len(later) :], strict=True):
        _, sd = moments(values[:, None], reference.weight)
        q05, median, q95 = quantiles(values, reference.weight, (0.05, 0.5, 0.95))
        assert outputs.median[at] == pytest.approx(median, abs=0.15 * sd[0])
        assert outputs.q05[at] == pytest.approx(q05, abs=0.2 * sd[0])
        assert outputs.q95[at] == pytest.approx(q95, abs=0.2 * sd[0])
