"""Of a model whose sites differ what is learnt is of patients looked at alone, and stays parted as it was published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.population.sites import clinics
from twin import PatientTwin
from twin.arrays import Floats
from twin.events import Covariate, DoseGiven, LabResult, Quantity
from twin.learning.draft import learnt_draft, widened_draft
from twin.learning.estimation import Learnt, learnt
from twin.learning.messages.structure import structure_of
from twin.learning.messages.twins import message_by
from twin.learning.population import Theta, anchor_of, particles_of
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def flat() -> Model:
    """`clinics.bolus` as if its patients were of one population, which is as wide."""
    text = toys.BOLUS.replace("iiv = 0.09\n", "iiv = 0.13\n").replace("iiv = 0.16\n", "iiv = 0.25\n")
    text += f'[[correlations]]\nbetween = ["CL", "V"]\ncovariance = 0.02\n{toys.SOURCE}\n'
    return parse_model(text + clinics.SITES.split("[sites]")[0], "flat.toml")


def learnt_from(model: Model, values: Floats) -> Learnt:
    """What twins of patients with these levels (N, 3) teach."""
    anchor, messages = anchor_of(model), []
    for i, (own, site) in enumerate(zip(values.tolist(), clinics.CLINICS, strict=True)):
        twin = PatientTwin(f"P{i}", model, particles=1500)
        said = {"patient_id": f"P{i}", "source": "ward"}
        dose, place = Quantity(value=clinics.DOSE, unit="mg"), Quantity(value=float(site), unit="1")
        twin.observe(
            [
                Covariate(event_id="c", time=BEGIN, name="SITE", value=place, **said),
                DoseGiven(event_id="d", time=BEGIN, drug="toxin", route="iv", amount=dose, **said),
                *(
                    LabResult(
                        event_id=f"l{n}",
                        time=BEGIN + timedelta(hours=hours),
                        analyte="toxin_plasma",
                        value=Quantity(value=value, unit="mg/L"),
                        **said,
                    )
                    for n, (hours, value) in enumerate(zip(clinics.TIMES[1:], own, strict=True))
                ),
            ]
        )
        messages.append(message_by(twin))
    return learnt(anchor, [particles_of(one, anchor) for one in messages])


def test_what_is_learnt_is_the_population_that_patients_looked_at_alone_are_of() -> None:
    values = clinics.bolus_values(seed=6)
    found, other = learnt_from(clinics.bolus(), values), learnt_from(flat(), values)
    assert found.settled
    np.testing.assert_allclose(found.theta.mean, other.theta.mean, atol=0.06)
    np.testing.assert_allclose(found.theta.covariance, other.theta.covariance, atol=0.06)
    assert found.gain == pytest.approx(other.gain, abs=0.15)


def moved(model: Model, covariance: Floats) -> tuple[Model, Theta]:
    """A draft with another covariance, in units of the published deviations."""
    anchor = anchor_of(model)
    theta = anchor.published._replace(mean=np.array([0.3, -0.2]), covariance=covariance)
    return learnt_draft(model, anchor, theta, "learnt", "learnt from 31 patients"), theta


def test_a_draft_parts_what_was_learnt_as_it_was_published() -> None:
    model = clinics.bolus()
    found, theta = moved(model, np.array([[0.5, 0.1], [0.1, 2.0]]))
    again = anchor_of(model).theta_of(found)
    np.testing.assert_allclose(again.mean, theta.mean, atol=1e-8)
    np.testing.assert_allclose(again.covariance, theta.covariance, atol=1e-8)
    share, before = (np.diag(one.omega_isv) / np.diag(one.omega) for one in (found, model))
    np.testing.assert_allclose(share, before, rtol=1e-8)
    np.testing.assert_allclose(np.diag(found.omega), np.diag(model.omega) * [0.5, 2.0], rtol=1e-8)
    # Only sites correlate in this model: what is learnt of that is theirs.
    assert found.omega_iiv[0, 1] == 0.0
    assert found.omega_isv[0, 1] == pytest.approx(found.omega[0, 1])
    assert structure_of(found) == structure_of(model)
    wide = widened_draft(model, 2.0, "wide")
    np.testing.assert_allclose(wide.omega_isv, 2.0 * model.omega_isv, rtol=1e-8)
    np.testing.assert_allclose(wide.omega_iiv, 2.0 * model.omega_iiv, rtol=1e-8)


def test_a_correlation_that_sites_alone_cannot_have_is_named() -> None:
    with pytest.raises(ValueError, match=r"more than patients of one site and sites .* can have apart"):
        moved(clinics.bolus(), np.array([[1.0, 0.6], [0.6, 1.0]]))


def test_whether_sites_differ_at_all_is_no_matter_of_versions() -> None:
    assert structure_of(clinics.bolus()) != structure_of(clinics.apart())
    other = clinics.bolus().text.replace("isv = 0.04", "isv = 0.06")
    assert structure_of(parse_model(other, "other.toml")) == structure_of(clinics.bolus())
