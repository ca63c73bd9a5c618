"""Patients whom the ward's own physiology does not follow: the same course where it does, and kinds of results."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from connectors.feeds.ward.patients import WardPatient, perfect_record
from connectors.feeds.ward.physiology import followed
from connectors.feeds.ward.solved import solved
from connectors.feeds.ward.ward import SimulatedWard
from tests.twin import toys
from twin.modelfile.library import load_model

START = datetime(2026, 1, 1, tzinfo=UTC)


def patients(model_id: str, count: int, days: float, seed: int = 3) -> tuple[WardPatient, ...]:
    model = load_model(model_id)
    return SimulatedWard((model,), count, START, seed=seed, days=days, vitals_every=86400.0, pump_every=3600.0).patients


def test_it_is_the_course_of_the_ward_own_physiology_where_that_follows() -> None:
    # With a bolus and an infusion that leaks: what really entered is what both are solved from.
    for patient in patients("fluorouracil_yamada2025", 4, 2.0)[3:]:
        assert followed(patient.model)
        eta = np.array([patient.eta[name] for name in patient.model.eta_names])
        found = solved(
            patient.model, patient.id, eta, perfect_record(patient), [(int(patient.grid[-1]), 0)], patient.grid
        )
        assert found.course.keys() == patient.truth.keys()
        edges = {ms for i in patient.infusions for s in i.segments for ms in (s.start, s.end)}
        plain = ~np.isin(patient.grid, list(edges | {dose.time for dose in patient.given}))
        for name, course in patient.truth.items():
            np.testing.assert_allclose(found.course[name][plain], course[plain], rtol=1e-3, atol=1e-5 * course.max())


@pytest.mark.slow
def test_what_happens_once_is_seen_at_its_moment_and_looked_for_no_more() -> None:
    regimen = 'drug = "toxin"\namount = 50\namount_unit = "mg"\nduration = 0\ninterval = 24\ncycles = 3\nroute = "iv"\n'
    model = toys.made(
        {"CL": "5 L/h 0.09", "V": "20 L", "risk": "0.01 1/h 0.3"},
        {"A": "mg: input(toxin) - CL/V*A"},
        {"level": "mg/L: A/V"},
        extra=f'[outputs.fever]\nkind = "event"\nhazard = "risk"\n[[regimens]]\n{regimen}{toys.SOURCE}\n',
    )
    everybody = SimulatedWard((model,), 6, START, days=8.0, vitals_every=86400.0).patients
    looks = [[(one, value) for one, value in patient.results if one.output == "fever"] for patient in everybody]
    values = [[value for _, value in one] for one in looks]
    assert {value for one in values for value in one} == {0.0, 1.0}
    assert all(not any(one[:-1]) for one in values)
    assert all(one.time <= other.time for every in looks for (one, _), (other, _) in pairwise(every))


def test_a_grade_is_whole_and_follows_from_the_one_before() -> None:
    for patient in patients("capecitabine_hfs_henin2009", 2, 10.0):
        assert not followed(patient.model)
        assert patient.results
        assert {value for _, value in patient.results} <= {0.0, 1.0, 2.0}
        assert all(specimen.corrected is None for specimen, _ in patient.results)
