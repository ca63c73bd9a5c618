"""A twin of a patient whose class nobody sees: rivals with the shares of patients as prior odds."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.bedside import PATIENT, clock, covariate, dose
from tests.twin.bedside import level as drug_level
from tests.twin.longrun import Floats, Reference, log_normal, quadrature
from tests.twin.population.mixture import mixtures
from tests.twin.population.mixture.clinics import eliminated_in_clinics
from tests.twin.shapes import decay, individual
from twin.events import DrugLevel, Estimate, Forecast, InputEvent, Withdrawn, encode, to_millis
from twin.learning.messages.message import NoMessage
from twin.learning.messages.structure import require_version
from twin.learning.messages.twins import message_by
from twin.model.spec import ModelError
from twin.modelfile.reader import parse_model
from twin.patient.averaged import AveragedTwin, begun_twin, histories_in, resumed_twin
from twin.patient.fold import Update
from twin.patient.rivals import classes_of, rivals
from twin.patient.twin import PatientTwin
from twin.patient.versions.moving import moving
from twin.steps import finished

MODEL = mixtures.eliminated()
DOSES = [(0.0, 100.0)]
LEVELS = {0.5: 4.7, 5.0: 1.9, 9.0: 1.2}
CLEARANCE = {"slow": 2.0, "fast": 6.0}


TAKEN_BACK = {"event_id": "gone", "status": "retracted", "replaces": "level 5"}


def level(hours: float, value: float) -> DrugLevel:
    return drug_level(hours, value, analyte="plasma")


EVENTS: list[InputEvent] = [dose(0.0, 100.0, route="iv"), *(level(h, y) for h, y in LEVELS.items()), clock(16.5)]


def twin_of(particles: int = 1000) -> AveragedTwin:
    found = begun_twin(PATIENT, MODEL, particles)
    assert isinstance(found, AveragedTwin)
    return found


def estimates(update: Update) -> list[Estimate]:
    return [output for output in update.outputs if isinstance(output, Estimate)]


def evidence(clearance: float) -> float:
    """log p(levels) of one class by quadrature."""

    def log_likelihood(eta: Floats) -> Floats:
        cl, v = individual((clearance, 20.0), eta)
        known = decay(np.array(list(LEVELS)), DOSES, cl / v) / v
        return np.asarray(sum(log_normal(y, c, 0.2 * c) for y, c in zip(LEVELS.values(), known, strict=True)))

    found = quadrature(log_likelihood, np.diag([0.06, 0.04])).log_evidence
    assert found is not None
    return found


def test_how_probable_each_class_is_follows_from_shares_and_integrals() -> None:
    twin = twin_of()
    assert twin.weights == pytest.approx({"slow": 0.4, "fast": 0.6})
    last = estimates(twin.observe(EVENTS))[-1]
    joint = np.log([0.4, 0.6]) + [evidence(one) for one in CLEARANCE.values()]
    known = np.exp(joint - np.logaddexp(*joint))
    assert 0.02 < known[0] < 0.98
    assert list(twin.weights.values()) == pytest.approx(known.tolist(), abs=0.01)
    assert last.log_evidence == pytest.approx(np.logaddexp(*joint), abs=0.03)
    assert last.class_probability == twin.weights
    assert last.model_weights is None
    assert (last.model, last.model_hash) == (MODEL.id, MODEL.hash)


def test_of_a_site_both_variances_are_in_the_prior_of_each_class_and_in_what_follows_from_it() -> None:
    model, site = eliminated_in_clinics(), covariate(0.0, "SITE", 7.0, "1")
    twin = begun_twin(PATIENT, model, 2000)
    assert isinstance(twin, AveragedTwin)
    update = twin.observe([site, *EVENTS])
    last = estimates(update)[-1]

    def of_class(clearance: float) -> Reference:
        def log_likelihood(eta: Floats) -> Floats:
            cl, v = individual((clearance, 20.0), eta)
            known = decay(np.array(list(LEVELS)), DOSES, cl / v) / v
            return np.asarray(sum(log_normal(y, c, 0.1 * c) for y, c in zip(LEVELS.values(), known, strict=True)))

        return quadrature(log_likelihood, model.omega)

    each = [of_class(one) for one in CLEARANCE.values()]
    joint = np.log([0.4, 0.6]) + [one.log_evidence for one in each]
    known = np.exp(joint - np.logaddexp(*joint))
    assert 0.02 < known[0] < 0.98
    assert list(twin.weights.values()) == pytest.approx(known.tolist(), abs=0.015)
    assert last.log_evidence == pytest.approx(np.logaddexp(*joint), abs=0.05)
    every = [individual((c, 20.0), one.eta) for c, one in zip(CLEARANCE.values(), each, strict=True)]
    weight = np.concatenate([k * one.weight for k, one in zip(known, each, strict=True)])
    cl, v = (np.concatenate(parts) for parts in zip(*every, strict=True))

    def quantiles(values: Floats) -> list[float]:
        order = np.argsort(values)
        return np.interp([0.05, 0.5, 0.95], np.cumsum(weight[order]), values[order]).tolist()

    (own,) = (band for band in last.parameters if band.name == "CL")
    assert [own.q05, own.median, own.q95] == pytest.approx(quantiles(cl), rel=0.03)
    forecast = [output for output in update.outputs if isinstance(output, Forecast)][-1]
    (ahead,) = forecast.outputs
    for n in (0, len(forecast.times) // 3):
        hours = np.array([(to_millis(forecast.times[n]) - to_millis(EVENTS[0].time)) / 3_600_000])
        told = [ahead.q05[n], ahead.median[n], ahead.q95[n]]
        assert told == pytest.approx(quantiles(decay(hours, DOSES, cl / v)[0] / v), rel=0.06)
    said = message_by(twin)
    np.testing.assert_array_equal(said.omega, model.omega)
    assert said.covariates == {"SITE": 7.0}


def test_individual_parameters_are_those_of_all_classes_together() -> None:
    twin = twin_of()
    last = estimates(twin.observe(EVENTS))[-1]
    values, weights = [], []
    for name, posterior in twin.posteriors().items():
        values.append(posterior.params[:, posterior.parameter_names.index("CL")])
        weights.append(twin.weights[name] * np.exp(posterior.log_weight))
    order = np.argsort(np.concatenate(values))
    reached = np.cumsum(np.concatenate(weights)[order])
    median = np.concatenate(values)[order][np.searchsorted(reached, 0.5)]
    (own,) = (band for band in last.parameters if band.name == "CL")
    assert own.median == pytest.approx(median, rel=0.01)
    assert {band.name for band in last.parameters} == {"CL", "V"}


def test_any_order_of_arrival_and_a_row_in_between_end_in_the_same_bytes() -> None:
    whole = twin_of(100)
    whole.observe(EVENTS)
    shuffled = list(EVENTS)
    Random(3).shuffle(shuffled)
    other: PatientTwin | AveragedTwin = begun_twin(PATIENT, MODEL, 100)
    for event in shuffled:
        other.observe([event])
        other = resumed_twin(other.row(), MODEL)
    assert isinstance(other, AveragedTwin)
    assert other.weights == whole.weights
    assert [encode(one) for one in other.observe([clock(30)]).outputs] == [
        encode(one) for one in whole.observe([clock(30)]).outputs
    ]
    assert len(histories_in(other.row())) == 2


def test_an_estimate_that_lost_its_reason_takes_its_classes_back() -> None:
    twin = twin_of(100)
    twin.observe(EVENTS)
    gone = twin.observe([level(5.0, 1.9).model_copy(update=TAKEN_BACK)])
    (said,) = (one for one in gone.outputs if isinstance(one, Withdrawn))
    assert said.classes == ("slow", "fast")
    assert {one.name for one in said.parameters} == {"CL", "V"}


def test_a_class_that_is_reported_is_refused_with_what_to_do() -> None:
    twin = twin_of(100)
    twin.observe(EVENTS)
    row = twin.row()
    (refused,) = twin.observe([covariate(1.0, "SORT", 1.0, "1")]).rejected
    assert refused.reason == "unknown_covariate"
    assert "'SORT'" in refused.detail
    assert "[mixture]" in refused.detail
    assert twin.row() == row


def test_a_twin_of_one_model_and_an_average_with_others_refuse_a_mixture() -> None:
    with pytest.raises(ModelError, match="begun_twin"):
        PatientTwin(PATIENT, MODEL)
    with pytest.raises(ModelError, match="made, other has classes of its own"):
        rivals([MODEL, parse_model(MODEL.text.replace('"made"', '"other"'), "other.toml")])
    with pytest.raises(ModelError, match="no classes"):
        classes_of(classes_of(MODEL).models[0])


def test_what_is_said_to_a_population_has_every_class_with_its_probability() -> None:
    twin = twin_of(200)
    with pytest.raises(NoMessage, match="no value was measured yet"):
        message_by(twin)
    twin.observe(EVENTS)
    said = message_by(twin)
    assert (said.model, said.shares.names, said.observations) == (MODEL.id, ("slow", "fast"), 3)
    of_each = np.bincount(said.of_class, np.exp(said.log_weight))
    assert of_each == pytest.approx(list(twin.weights.values()))
    assert len(said.eta) == 400
    alone = toys.absorption()
    other = parse_model(alone.text.replace(f'id = "{alone.id}"', 'id = "other"'), "other.toml")
    rival = AveragedTwin(PATIENT, rivals([alone, other]), 50)
    with pytest.raises(NoMessage, match="goes by rival models"):
        message_by(rival)


def test_a_twin_moves_to_a_version_with_other_shares_and_is_as_one_that_had_it_from_the_start() -> None:
    version = parse_model(
        mixtures.with_shares(MODEL, 0.8).text.replace(f'id = "{MODEL.id}"', 'id = "toy_ward"'), "toy_ward.toml"
    )
    require_version(MODEL, version)
    old = twin_of(100)
    old.observe(EVENTS[:-1])
    row = old.row()
    new, update = finished(moving(row, MODEL, version))
    assert isinstance(new, AveragedTwin)
    assert not [one for one in update.outputs if isinstance(one, Estimate)], "of the past nothing is said again"
    fresh = begun_twin(PATIENT, version, 100)
    fresh.observe(EVENTS[:-1])
    assert isinstance(fresh, AveragedTwin)
    assert new.weights == fresh.weights != old.weights
    for name, belief in fresh.beliefs.items():
        assert new.beliefs[name].eta.tobytes() == belief.eta.tobytes()
    last = [[encode(one) for one in each.observe([EVENTS[-1]]).outputs] for each in (new, fresh)]
    assert last[0] == last[1]
    assert old.row() == row
    other = parse_model(MODEL.text.replace("slow", "lazy"), "toy_other.toml")
    with pytest.raises(ValueError, match="is no version of"):
        require_version(MODEL, other)
