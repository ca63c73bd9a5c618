"""The average of rival models: weights by evidence, exact mixtures, and a fold that no order of arrival changes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.bedside import PATIENT, clock, count, dose, level, ms, plan, start, stop
from tests.twin.longrun import Floats, log_normal, quadrature
from tests.twin.shapes import decay, given, individual, written
from twin.events import Alert, Estimate, Forecast, InputEvent, Prediction, encode, to_millis
from twin.filter.quantiles import quantiles
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.patient.averaged import AveragedTwin
from twin.patient.fold import Update
from twin.patient.rivals import rivals
from twin.patient.state_row import UnreadableState
from twin.patient.twin import PatientTwin

pytestmark = pytest.mark.slow

DOSES = [(0.0, 100.0)]
LEVELS = {1.0: 3.9, 4.0: 1.9, 8.0: 0.75, 12.0: 0.36}
VARIANCES = np.diag([0.1, 0.1])
TYPICAL = {"toy_quick": (4.0, 22.0), "toy_slow": (2.5, 22.0)}


def compartment(name: str, clearance: float, volume: float, further: str = "") -> Model:
    return written(
        name,
        [("CL", clearance, "L/h", 0.1), ("V", volume, "L", 0.1)],
        {"A": "input(toxin) - CL/V*A"},
        {"plasma": ("mg/L", "A/V", "toxin", "proportional = 0.2")},
        further,
    )()


BY_ID = {name: compartment(name.removeprefix("toy_"), *typical) for name, typical in TYPICAL.items()}
EVENTS: list[InputEvent] = [*given(DOSES), *(level(hours, value) for hours, value in LEVELS.items()), clock(16.5)]


def averaged(*models: Model, particles: int = 1000) -> AveragedTwin:
    return AveragedTwin(PATIENT, rivals(models or tuple(BY_ID.values())), particles)


def said(update: Update, kind: type) -> list[object]:
    return [output for output in update.outputs if isinstance(output, kind)]


def evidence(typical: tuple[float, float], levels: dict[float, float]) -> float:
    """log p(levels) by quadrature of the closed form."""

    def log_likelihood(eta: Floats) -> Floats:
        clearance, v = individual(typical, eta)
        known = decay(np.array(list(levels)), DOSES, clearance / v) / v
        return np.asarray(sum(log_normal(y, c, 0.2 * c) for y, c in zip(levels.values(), known, strict=True)))

    found = quadrature(log_likelihood, VARIANCES).log_evidence
    assert found is not None
    return found


def test_weights_are_those_of_the_integrals() -> None:
    twin = averaged()
    assert twin.weights == {"toy_quick": 0.5, "toy_slow": 0.5}
    update = twin.observe(EVENTS)
    log_evidence = np.array([evidence(typical, LEVELS) for typical in TYPICAL.values()])
    known = np.exp(log_evidence - log_evidence.max())
    known /= known.sum()
    assert 0.6 < known[0] < 0.99
    assert list(twin.weights.values()) == pytest.approx(known.tolist(), abs=0.01)
    last = [output for output in update.outputs if isinstance(output, Estimate)][-1]
    assert last.model_weights == twin.weights
    assert last.kernel_hash == ",".join(compile_model(one).hash for one in BY_ID.values())
    assert last.model == "toy_quick,toy_slow"
    assert last.log_evidence == pytest.approx(np.log(np.exp(log_evidence).mean()), abs=0.03)
    assert last.observations == 4


def test_every_band_is_that_of_the_mixture() -> None:
    twin = averaged()
    update = twin.observe(EVENTS)
    forecast = [output for output in update.outputs if isinstance(output, Forecast)][-1]
    estimate = [output for output in update.outputs if isinstance(output, Estimate)][-1]
    hours = [(to_millis(time) - ms(0)) / 3_600_000 for time in forecast.times]
    values, weights = [], []
    for name, share in twin.weights.items():
        belief = twin.beliefs[name]
        clearance, v = individual(TYPICAL[name], belief.eta)
        values.append(decay(np.array(hours), DOSES, clearance / v) / v)
        weights.append(share * belief.weight)
    known = quantiles(np.hstack(values), np.concatenate(weights))
    (band,) = forecast.outputs
    np.testing.assert_allclose(band.q05, known[:, 0], rtol=1e-4)
    np.testing.assert_allclose(band.median, known[:, 2], rtol=1e-4)
    np.testing.assert_allclose(band.q95, known[:, 4], rtol=1e-4)
    assert estimate.outputs[0].median == pytest.approx(known[0, 2], rel=1e-4)
    assert estimate.parameters == ()


def test_a_prediction_is_weighed_by_the_evidence_before_its_value() -> None:
    update = averaged().observe(EVENTS)
    alone = {name: PatientTwin(PATIENT, model).observe(EVENTS) for name, model in BY_ID.items()}
    predictions = {n: [o for o in one.outputs if isinstance(o, Prediction)] for n, one in alone.items()}
    found = [output for output in update.outputs if isinstance(output, Prediction)]
    assert [one.observed for one in found] == list(LEVELS.values())
    for k, one in enumerate(found):
        before = dict(list(LEVELS.items())[:k])
        log_evidence = np.array([evidence(t, before) if before else 0.0 for t in TYPICAL.values()])
        share = np.exp(log_evidence - log_evidence.max())
        share /= share.sum()
        pits = [predictions[name][k].pit for name in TYPICAL]
        assert one.pit == pytest.approx(float(share @ pits), abs=0.01)
        medians = [predictions[name][k].median for name in TYPICAL]
        assert min(medians) <= one.median <= max(medians)


def test_what_only_one_model_has_is_said_by_that_one_and_decides_nothing() -> None:
    with_count = parse_model(
        BY_ID["toy_slow"].text.replace(
            "[cadence]",
            '[outputs.cells]\nunit = "10*9/L"\nexpression = "BASE"\naliases = ["ANC"]\n'
            'error = { log_additive = 0.2, source = "made up" }\n\n'
            '[parameters.BASE]\nvalue = 4\nunit = "10*9/L"\niiv = 0.2\nsource = "made up"\n\n[cadence]',
        ),
        "toy_slow.toml",
    )
    models = BY_ID["toy_quick"], with_count
    without, inserted = averaged(*models), averaged(*models)
    without.observe(EVENTS)
    update = inserted.observe([*EVENTS, count(6.0, 2.5), count(-2.0, 2.4)])
    assert update.rejected == ()
    assert list(inserted.weights.values()) == pytest.approx(list(without.weights.values()), abs=0.01)
    last = [output for output in update.outputs if isinstance(output, Estimate)][-1]
    assert [band.name for band in last.outputs] == ["plasma", "cells"]
    assert last.outputs[1].median == pytest.approx(2.6, abs=0.4)
    # What nobody knows is refused once.
    (refused,) = inserted.observe([level(5.0, 1.0, analyte="nonsense")]).rejected
    assert refused.reason == "unknown_analyte"


# --- the fold --------------------------------------------------------------------------------------------------------


def rival_texts() -> tuple[Model, Model]:
    """Two absorption models with a target and a toxicity: the second clears more slowly."""
    slower = toys.ABSORPTION.replace('id = "toy_absorption"', 'id = "toy_slower"').replace(
        "value = 6\n", "value = 4.5\n"
    )
    return toys.absorption(), parse_model(slower, "toy_slower.toml")


STORY: list[InputEvent] = [
    plan(-1, (0.0, 240.0, 6.0)), start(0.3, 40.0), level(3, 2.4), level(7.7, 3.2), stop(6.3), count(13, 2.5),
    dose(20, 50.0, route="oral"), count(26.1, 1.6), level(30.0, 0.6), clock(41),
]  # fmt: skip


def last_words(updates: Sequence[Update]) -> dict[str, bytes]:
    return {o.event_id: encode(o) for update in updates for o in update.outputs if not isinstance(o, Alert)}


def state(twin: AveragedTwin) -> tuple[object, ...]:
    beliefs = [(b.eta.tobytes(), b.log_weight.tobytes(), b.log_evidence) for b in twin.beliefs.values()]
    return twin.weights, beliefs, {(entry.fold_id, entry.digest) for entry in twin.ledger.live}


def test_any_order_and_grouping_of_arrival_ends_in_the_same_average() -> None:
    models = rival_texts()
    ordered = averaged(*models, particles=64)
    whole = last_words([ordered.observe(STORY)])
    assert state(ordered)[2], "the story is to raise an alert"
    for seed in range(4):
        shuffled = STORY[:]
        Random(seed).shuffle(shuffled)
        twin = averaged(*models, particles=64)
        words = last_words([twin.observe(shuffled[i : i + 2]) for i in range(0, len(shuffled), 2)])
        assert state(twin) == state(ordered)
        assert {name: words[name] for name in whole} == whole


def test_a_restored_twin_goes_on_to_the_same_bytes() -> None:
    models = rival_texts()
    living = averaged(*models, particles=64)
    living.observe(STORY[:6])
    restored = AveragedTwin.from_row(living.row(), rivals(models))
    assert restored.row() == living.row()
    for events in (STORY[6:], [level(10.0, 2.2)]):
        one, other = living.observe(events), restored.observe(events)
        known = last_words([other])
        assert {name: known[name] for name in last_words([one])} == last_words([one])
    assert state(restored) == state(living)


def test_a_row_of_other_models_or_of_none_is_refused() -> None:
    twin = averaged(particles=50)
    twin.observe(EVENTS[:2])
    third = compartment("third", 3.0, 20.0)
    with pytest.raises(UnreadableState, match="the patient's are now toy_quick,toy_third"):
        AveragedTwin.from_row(twin.row(), rivals([BY_ID["toy_quick"], third]))
    for raw in (b"", twin.row()[:40], PatientTwin(PATIENT, third, 50).row()):
        with pytest.raises(UnreadableState, match="not the row of rival models"):
            AveragedTwin.from_row(raw, rivals([BY_ID["toy_quick"], third]))


def test_alerts_are_judged_on_the_average() -> None:
    models = rival_texts()
    twin = averaged(*models, particles=400)
    update = twin.observe(STORY)
    alone = [PatientTwin(PATIENT, model, 400).observe(STORY) for model in models]
    estimates = [{o.time: o for o in one.outputs if isinstance(o, Estimate)} for one in alone]
    forecasts = [{o.time: o for o in one.outputs if isinstance(o, Forecast)} for one in alone]
    shown = {o.time: o for o in update.outputs if isinstance(o, Estimate)}
    checked = 0
    for time, estimate in shown.items():
        assert estimate.model_weights is not None
        share = list(estimate.model_weights.values())
        if estimate.exposure and all(time in one for one in estimates):
            known = sum(w * one[time].exposure[0].p_above for w, one in zip(share, estimates, strict=True))
            assert estimate.exposure[0].p_above == pytest.approx(known, abs=1e-9)
            checked += 1
    assert checked > 5
    for forecast in (o for o in update.outputs if isinstance(o, Forecast)):
        each = [one[forecast.time].nadir for one in forecasts]
        weights = shown[forecast.time].model_weights
        assert weights is not None
        known = sum(w * one.p_grade4 for w, one in zip(weights.values(), each, strict=True) if one is not None)
        assert forecast.nadir is not None
        assert forecast.nadir.p_grade4 == pytest.approx(known, abs=1e-9)
    alerts = [o for o in update.outputs if isinstance(o, Alert)]
    assert {alert.model for alert in alerts} == {"toy_absorption,toy_slower"}
    raised = next(alert for alert in alerts if alert.rule == "exposure.above_target")
    assert raised.probability == pytest.approx(shown[raised.time].exposure[0].p_above)


def test_what_every_model_can_take_at_once_is_taken_by_all() -> None:
    twin, observing = averaged(particles=50), averaged(particles=50)
    for told in EVENTS[:1]:
        twin.observe([told])
        observing.observe([told])
    assert twin.take(clock(0.2))
    assert observing.observe([clock(0.2)]) == Update()
    assert twin.row() == observing.row()
    assert not twin.take(clock(9.0))
    assert not twin.take(level(0.3, 2.0))
    assert twin.row() == observing.row()
