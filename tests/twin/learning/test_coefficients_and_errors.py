"""Coefficients of covariates and sizes of residual errors that are learnt are those of a fit to the same records.

The fit climbs the exact likelihood with draws of its own (`twin.population.importance`), from the values themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from connectors.feeds.nmtran.reader import read_nmtran
from twin.events import InputEvent
from twin.kernel.kernel import Kernel, compile_model
from twin.learning.contribution import reach
from twin.learning.draft import learnt_draft
from twin.learning.estimation import Learnt, learnt
from twin.learning.following import followed
from twin.learning.maximisation import standing_of
from twin.learning.messages.message import Message
from twin.learning.population import Particles, Theta, anchor_of, particles_of
from twin.learning.sums import as_json, from_json, joined, sums_of
from twin.modelfile.reader import parse_model
from twin.patient.accounts.initial_effects import Residuals
from twin.population.cohort import Cohort
from twin.population.importance.climbing import climb
from twin.population.importance.density import Density
from twin.population.theta import Theta as Fitted
from twin.solver.step_control import step_sizes_for
from twin.study.records import record_of
from twin.timeline.timeline import Timeline, build

SOURCE = 'source = "made up, to be wrong"'

PUBLISHED = parse_model(
    f"""
id = "toy_covariates"
drug = "toxin"
title = "One compartment, given at once; clearance by weight and age, volume by weight"
time_unit = "h"
[[sources]]
citation = "none: made up for tests"
[covariates.WT]
unit = "kg"
reference = 70
{SOURCE}
[covariates.AGE]
unit = "a"
reference = 50
{SOURCE}
[parameters.WT_BOTH]
value = 0.8
unit = "1"
{SOURCE}
[parameters.AGE_CL]
value = 0
unit = "1"
{SOURCE}
[parameters.CL]
value = 5
unit = "L/h"
iiv = 0.1
expression = "CL * (WT / 70)**WT_BOTH * (1 + AGE_CL * (AGE - 50) / 50)"
{SOURCE}
[parameters.V]
value = 30
unit = "L"
iiv = 0.06
expression = "V * (WT / 70)**WT_BOTH"
{SOURCE}
[states.A]
unit = "mg"
derivative = "input(toxin) - CL / V * A"
[outputs.toxin_plasma]
unit = "mg/L"
expression = "A / V"
error = {{ proportional = 0.2, {SOURCE} }}
[cadence]
estimate = 24
forecast = 24
horizon = 24
""",
    "toy_covariates.toml",
)

TRUE = {"WT_BOTH": 1.1, "AGE_CL": -0.4, "CL": 6.0, "V": 25.0, "error": 0.12}

LEARN = ("WT_BOTH", "AGE_CL", "toxin_plasma")

PATIENTS, PARTICLES, TIMES = 40, 400, (1.0, 4.0, 10.0, 20.0)

ANCHOR = anchor_of(PUBLISHED, learn=LEARN)


def records() -> dict[str, list[InputEvent]]:
    rng, lines = np.random.default_rng(14), ["ID,TIME,EVID,AMT,DV,WT,AGE"]
    for number in range(PATIENTS):
        weight, age = np.exp(rng.normal(np.log(70), 0.25)), rng.uniform(20, 80)
        size = (weight / 70) ** TRUE["WT_BOTH"]
        clearance = TRUE["CL"] * size * (1 + TRUE["AGE_CL"] * (age - 50) / 50) * np.exp(0.3 * rng.standard_normal())
        volume = TRUE["V"] * size * np.exp(0.2 * rng.standard_normal())
        lines.append(f"{number},0,1,300,.,{weight},{age}")
        for time in TIMES:
            level = 300 / volume * np.exp(-clearance / volume * time) * (1 + TRUE["error"] * rng.standard_normal())
            lines.append(f"{number},{time},0,.,{level},{weight},{age}")
    found: dict[str, list[InputEvent]] = defaultdict(list)
    for event in read_nmtran(lines, PUBLISHED, output="toxin_plasma").events:
        found[event.patient_id].append(event)
    return dict(found)


RECORDS = records()


def timelines(kernel: Kernel) -> dict[str, Timeline]:
    found = {}
    for patient, events in RECORDS.items():
        timeline = build(record_of(events, kernel.model)[0], kernel)
        assert timeline is not None
        found[patient] = timeline
    return found


@pytest.fixture(scope="module")
def said() -> dict[str, Message]:
    """What twins by the published model say."""
    kernel = compile_model(PUBLISHED)
    return {name: followed(kernel, name, each, PARTICLES)[0] for name, each in timelines(kernel).items()}


@pytest.fixture(scope="module")
def found(said: dict[str, Message]) -> Learnt:
    return learnt(ANCHOR, particles(said.values()))


def particles(some: Iterable[Message]) -> list[Particles]:
    return [particles_of(message, ANCHOR) for message in some]


def by_name(one: Learnt) -> dict[str, tuple[float, float]]:
    """The numbers as a fit names them, with standard errors."""
    at, omega = ANCHOR.natural(one.theta)
    values, factors = ANCHOR.also(one.theta)
    assert ANCHOR.coefficients is not None
    wide = dict(zip(ANCHOR.coefficients.names, one.errors.coefficients * ANCHOR.coefficients.unit, strict=True))
    found = {name: (value, wide[name]) for name, value in values.items()}
    for i, (name, sd) in enumerate(zip(ANCHOR.centres.names, ANCHOR.sd, strict=True)):
        found[name] = float(np.exp(at[i])), float(np.exp(at[i]) * one.errors.mean[i] * sd)
        found[f"omega.{name}"] = float(omega[i, i]), float(one.errors.covariance[i, i] * sd**2)
    size = 0.2 * factors["toxin_plasma"]
    return found | {"error.toxin_plasma.proportional": (size, float(size * one.errors.scatter[0]))}


@pytest.mark.slow
def test_they_are_those_of_a_fit_to_the_values(found: Learnt) -> None:
    kernel, theta = compile_model(PUBLISHED), Fitted.of(PUBLISHED)
    fit = climb(Density(Cohort(kernel, step_sizes_for(kernel), timelines(kernel), theta)), theta.pack(theta.start))
    best = dict(zip(theta.names, theta.natural(fit.vector).tolist(), strict=True))
    assert found.settled
    assert not found.to_fold
    assert by_name(found).keys() == {*best}
    for name, (value, error) in by_name(found).items():
        assert abs(value - best[name]) < 0.15 * error, name
        assert abs(value - TRUE.get(name, best[name])) < 3 * error, name


@pytest.mark.slow
def test_what_is_not_named_stays_as_published(said: dict[str, Message]) -> None:
    only = anchor_of(PUBLISHED)
    one = learnt(only, [particles_of(message, only) for message in said.values()], most=3)
    assert not one.theta.coefficients.any()
    assert not one.theta.scatter.any()
    assert not one.errors.scatter.any()


@pytest.mark.slow
def test_a_draft_has_them_is_a_version_and_gives_them_back(found: Learnt) -> None:
    theta = found.theta
    draft = learnt_draft(PUBLISHED, ANCHOR, theta, "toy_learnt", "learnt from 40 patients")
    for part, again in zip(theta, ANCHOR.theta_of(draft), strict=True):
        assert again == pytest.approx(part, abs=1e-8)
    weight = next(p for p in draft.parameters if p.name == "WT_BOTH")
    assert weight.source == draft.outputs[0].error.source == "learnt from 40 patients"
    other = parse_model(PUBLISHED.text.replace("proportional = 0.2", "proportional = 0.2, df = 5"), "other.toml")
    with pytest.raises(ValueError, match="is no version of"):
        ANCHOR.theta_of(other)


@pytest.mark.slow
def test_sites_in_any_order_learn_the_same_bits(said: dict[str, Message]) -> None:
    each = particles(said.values())
    theta = Theta(np.array([0.3, -0.2]), 1.2 * np.eye(2), np.array([0.2, -0.3]), np.array([-0.4]))
    whole = sums_of(each, theta)
    parts = joined([sums_of(each[25:][::-1], theta), sums_of(each[:25], theta)])
    assert (parts.total == whole.total).all()
    again = from_json(as_json(whole, ANCHOR.structure, theta, 40), ANCHOR)
    assert (again[0].total == whole.total).all()
    for one, other in zip(again[1], theta, strict=True):
        assert (one == other).all()


@pytest.mark.slow
def test_a_coefficient_that_patients_do_not_differ_in_is_named(said: dict[str, Message]) -> None:
    alike = [replace(message, covariates={"WT": 70.0, "AGE": 40.0}) for message in said.values()]
    with pytest.raises(ValueError, match=r"learn: \w+ is not told by these 40 patients"):
        learnt(ANCHOR, particles(alike))
    silent = [replace(message, residuals=Residuals.none(PARTICLES, 1)) for message in said.values()]
    with pytest.raises(ValueError, match="learn: the residual error of toxin_plasma is not told"):
        learnt(ANCHOR, particles(silent))


def test_what_was_learnt_in_a_step_before_and_is_not_now_is_told() -> None:
    theta = Theta(np.zeros(2), np.eye(2), np.array([0.0, 0.1]), np.array([-0.2]))
    assert anchor_of(PUBLISHED).unnamed(theta) == ("AGE_CL", "toxin_plasma")
    assert ANCHOR.unnamed(theta) == ()


def test_what_cannot_be_learnt_is_named_with_what_can() -> None:
    with pytest.raises(ValueError, match=r"learn: KA is no coefficient.*toy_covariates has WT_BOTH, AGE_CL, toxin"):
        anchor_of(PUBLISHED, learn=["KA"])


@pytest.mark.slow
def test_a_prior_of_a_coefficient_counts(said: dict[str, Message]) -> None:
    errors = {"CL": {"se": 1.0, "iiv_se": 0.1}, "V": {"se": 5.0, "iiv_se": 0.06}}
    known = errors | {"WT_BOTH": {"se": 1e-4}, "AGE_CL": {"se": 10.0}}
    one = learnt(ANCHOR, particles(said.values()), standing_of(PUBLISHED, known, LEARN[:2]), most=10)
    assert abs(one.theta.coefficients[0]) < 1e-3
    assert one.theta.coefficients[1] < -0.2
    with pytest.raises(ValueError, match=r"WT_BOTH\.se: is missing"):
        standing_of(PUBLISHED, errors, LEARN[:2])


@pytest.mark.slow
def test_who_changed_along_the_record_or_was_below_a_limit_is_folded_again(said: dict[str, Message]) -> None:
    """Such messages are of no use far from the version they were weighed under, and hold where they were."""
    (patient,) = particles([said["1"]])
    theta = Theta(np.zeros(2), np.eye(2), np.array([0.5, 0.0]), np.array([-0.3]))
    assert reach(patient, theta).untold == 0.0
    grew = replace(patient, lowest={**patient.covariates, "WT": 0.5 * patient.covariates["WT"]})
    assert reach(grew, theta).untold > 1
    assert not reach(grew, theta).holds
    limited = replace(patient, residuals=replace(patient.residuals, exact=np.array([False])))
    assert reach(limited, theta).untold == pytest.approx(3.0)
    assert reach(limited, patient.under).untold == reach(grew, patient.under).untold == 0.0
