"""A sample whose time is uncertain weighs the mean over its possible times, in any order of arrival."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from tests.twin import toys
from tests.twin.bedside import count, dose, finding, level, ms, quantity
from tests.twin.observation.test_outcomes import MODEL as OUTCOMES
from twin import PatientTwin
from twin.arrays import Floats
from twin.events import DrugLevel, InputEvent, Prediction
from twin.kernel.kernel import compile_model
from twin.modelfile.reader import parse_model
from twin.observation.sampling_time import FARTHEST, MOMENT_WEIGHTS, MOMENTS, moments_around
from twin.randomness import generator
from twin.record.history import History
from twin.record.recording import insert_event
from twin.solver.settling import settles
from twin.timeline.difference import first_difference
from twin.timeline.timeline import Timeline, build

MODEL = parse_model(toys.BOLUS.replace("iiv = 0.09\n", "", 1), "bolus.toml")
CLEARANCE, VOLUME, IIV, SIGMA = 5.0, 20.0, 0.16, 0.2


def rough(hours: float, value: float, sd: float, **changes: object) -> DrugLevel:
    """A level whose time of drawing is known to within ``sd`` minutes."""
    return level(hours, value, draw_time_sd=quantity(sd, "min"), **changes)


def insertion(*batches: list[InputEvent]) -> PatientTwin:
    twin = PatientTwin("P-1", MODEL, 1000)
    for batch in batches:
        assert not twin.observe(batch).rejected
    return twin


def timeline(*events: InputEvent) -> Timeline:
    history = History()
    for event in events:
        insert_event(history, event, MODEL, settles)
    built = build(history, compile_model(MODEL))
    assert built is not None
    return built


# --- the rule --------------------------------------------------------------------------------------------------------


def test_moments_lie_evenly_around_the_recorded_time() -> None:
    moments = moments_around(1_000_000, 60_000.0)
    assert len(moments) == MOMENTS == len(set(moments))
    assert (moments[0], moments[MOMENTS // 2], moments[-1]) == (820_000, 1_000_000, 1_180_000)
    assert MOMENT_WEIGHTS.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(MOMENT_WEIGHTS, MOMENT_WEIGHTS[::-1])


@pytest.mark.parametrize(("steepness", "error"), [(0.5, 1e-6), (3.0, 1e-6), (8.0, 0.02)])
def test_the_mean_over_the_moments_is_that_of_quadrature(steepness: float, error: float) -> None:
    """For a prediction that changes by ``steepness`` residual SD within one SD of time."""
    places = np.linspace(-FARTHEST, FARTHEST, MOMENTS)
    for residual in (0.0, 1.3 * steepness):
        found = float(MOMENT_WEIGHTS @ stats.norm.pdf(residual - steepness * places))

        def density(x: float, residual: float = residual) -> float:
            return float(stats.norm.pdf(residual - steepness * x) * stats.norm.pdf(x))

        inside = stats.norm.cdf(FARTHEST) - stats.norm.cdf(-FARTHEST)
        expected = integrate.quad(density, -FARTHEST, FARTHEST, limit=200)[0] / inside
        # The rule ends where the density is 1/90 of its peak, and its ends count as whole moments.
        assert found == pytest.approx(expected, rel=error + 0.004)


# --- in the twin -----------------------------------------------------------------------------------------------------

RECORD: list[InputEvent] = [
    dose(0, 60.0),
    rough(0.5, 2.0, 12.0),
    dose(0.75, 20.0, event_id="second"),
    rough(3, 1.6, 20.0),
]


def concentration(hours: float, eta: Floats) -> Floats:
    rate = CLEARANCE * np.exp(eta) / VOLUME
    given = [(0.0, 60.0), (0.75, 20.0)]
    return np.sum([amount / VOLUME * np.exp(-rate * (hours - at)) * (hours > at) for at, amount in given], axis=0)


def posterior_by_quadrature() -> tuple[float, float, float]:
    """Mean, SD and mode of eta, with a thousand times of drawing."""
    eta = np.linspace(-2.0, 2.0, 801)
    log_density = -0.5 * eta**2 / IIV
    for hours, value, sd in ((0.5, 2.0, 0.2), (3.0, 1.6, 1 / 3)):
        places = np.linspace(-FARTHEST, FARTHEST, 1000) * sd
        weight = stats.norm.pdf(places, 0, sd)
        at = np.array([concentration(hours + place, eta) for place in places])
        likely = stats.norm.pdf(value, at, np.maximum(SIGMA * at, 1e-12))
        log_density = log_density + np.log(np.maximum(weight @ likely / weight.sum(), 1e-300))
    density = np.exp(log_density - log_density.max())
    weight = density / density.sum()
    mean = float(weight @ eta)
    return mean, float(np.sqrt(weight @ (eta - mean) ** 2)), float(eta[density.argmax()])


def test_the_posterior_of_uncertain_times_is_that_of_quadrature() -> None:
    mean, sd, top = posterior_by_quadrature()
    twin = insertion(RECORD)
    eta, weight = twin.belief.eta[:, 0], twin.belief.weight
    found = float(weight @ eta)
    assert found == pytest.approx(mean, abs=0.1 * sd)
    assert float(np.sqrt(weight @ (eta - found) ** 2)) == pytest.approx(sd, rel=0.1)
    mode = twin.mode()
    assert mode is not None
    assert mode.eta[0] == pytest.approx(top, abs=0.02)


def test_a_time_that_is_known_less_well_says_less() -> None:
    spread = []
    for minutes in (0.0, 20.0, 60.0):
        belief = insertion([dose(0, 60.0), rough(4, 1.0, minutes)]).belief
        mean = float(belief.weight @ belief.eta[:, 0])
        spread.append(math.sqrt(float(belief.weight @ (belief.eta[:, 0] - mean) ** 2)))
    assert spread[0] < spread[1] < spread[2] < math.sqrt(IIV)


def test_what_is_expected_at_an_uncertain_time_is_wider() -> None:
    def band(sd: float) -> Prediction:
        outputs = insertion([dose(0, 60.0)]).observe([rough(0.1, 2.9, sd)]).outputs
        return next(o for o in outputs if isinstance(o, Prediction))

    sure, unsure = band(0.0), band(10.0)
    # Before the dose there is nothing: a draw recorded 6 min after it may have been one of those.
    assert unsure.q05 < 0.5 * sure.q05
    assert unsure.q95 == pytest.approx(sure.q95, rel=0.1)


@pytest.mark.slow
def test_uncertain_times_may_come_in_any_order_with_the_doses_around_them() -> None:
    events = [*RECORD, level(5, 1.0), rough(30, 0.02, 45.0), dose(30.5, 40.0)]
    ordered = insertion(events)
    for number in range(3):
        shuffled = [events[i] for i in generator("uncertain", number).permutation(len(events))]
        other = insertion(*([event] for event in shuffled))
        assert other.belief.eta.tobytes() == ordered.belief.eta.tobytes()
        assert other.belief.log_weight.tobytes() == ordered.belief.log_weight.tobytes()


def test_a_restored_twin_goes_on_to_the_same_bytes() -> None:
    twin = insertion(RECORD)
    restored = PatientTwin.from_row(twin.row(), MODEL)
    later: list[InputEvent] = [rough(8, 0.6, 30.0), level(9, 0.4), level(20, 0.05)]
    for one in (twin, restored):
        one.observe(later)
    assert restored.belief.eta.tobytes() == twin.belief.eta.tobytes()
    assert restored.belief.log_weight.tobytes() == twin.belief.log_weight.tobytes()


def test_a_dose_that_the_sample_may_have_missed_goes_back_to_the_sample() -> None:
    base = [dose(0, 60.0), rough(2, 1.0, 10.0), level(9, 0.5)]
    assert first_difference(timeline(*base), timeline(*base, dose(2.4, 30.0))) == ms(2)
    assert first_difference(timeline(*base), timeline(*base, dose(2.6, 30.0))) == ms(2.6)
    assert first_difference(timeline(*base), timeline(*base)) is None


def test_a_record_begins_with_the_first_time_a_sample_may_have_been_drawn() -> None:
    assert timeline(rough(2, 1.0, 10.0), dose(3, 1.0)).start == ms(1.5)


@pytest.mark.parametrize(
    ("event", "reason", "words"),
    [
        (level(1, 1.0, draw_time_sd=quantity(2, "d")), "out_of_range", ["'draw_time_sd'", "48 h", "0 to 24"]),
        (level(1, 1.0, draw_time_sd=quantity(-1, "h")), "negative_amount", ["'draw_time_sd'"]),
        (level(1, 1.0, draw_time_sd=quantity(1, "mg")), "unknown_unit", ["'draw_time_sd'"]),
    ],
)
def test_an_impossible_uncertainty_is_refused(event: InputEvent, reason: str, words: list[str]) -> None:
    (rejected,) = PatientTwin("P-1", MODEL, 10).observe([event]).rejected
    assert rejected.reason == reason
    assert all(word in rejected.detail for word in words)


def test_a_grade_is_seen_and_not_drawn() -> None:
    seen = finding(1, "CIPN", 1, draw_time_sd=quantity(5, "min"))
    (rejected,) = PatientTwin("P-1", OUTCOMES, 10).observe([seen]).rejected
    assert "neuropathy is seen, not drawn; leave it out" in rejected.detail
    assert count(1, 2.0).draw_time_sd is None
