"""What a fit says of who is of which class."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.importance.test_density import cohort_of
from tests.twin.population.mixture.mixtures import eliminated
from tests.twin.population.test_objective import LINES, at_start, objective, oral
from twin.population.objective import Objective
from twin.population.results.classified import alike, classes_found, likeliest, renamed


def test_every_patient_has_probabilities_and_effects_by_class() -> None:
    cohort = cohort_of(eliminated(), LINES)
    here = at_start(Objective(cohort))
    found = classes_found(cohort.theta, here, [subject.id for subject in cohort.patients])
    assert found is not None
    assert found["shares"] == pytest.approx({"slow": 0.4, "fast": 0.6})
    patients = found["patients"]
    assert isinstance(patients, list)
    assert [one["id"] for one in patients] == ["1", "2", "3"]
    for i, one in enumerate(patients):
        assert sum(one["probability"].values()) == pytest.approx(1.0)
        assert one["class"] == max(one["probability"], key=one["probability"].get)
        # Effects of who hardly is of a class are left out.
        for k, of in enumerate(("slow", "fast")):
            expected = dict(zip(("CL", "V"), here.eta[2 * i + k], strict=True))
            assert one["eta"].get(of) == (expected if one["probability"][of] >= 1e-6 else None)
    assert any(len(one["eta"]) == 2 for one in patients)


def test_everybody_may_be_taken_as_of_the_likeliest_class() -> None:
    cohort = cohort_of(eliminated(), LINES)
    here = at_start(Objective(cohort))
    known, members = likeliest(cohort, here)
    assert [subject.id for subject in known.subjects] == ["1", "2", "3"]
    assert here.posterior is not None
    np.testing.assert_array_equal(members % 2, here.posterior.argmax(axis=1))
    np.testing.assert_array_equal([s.timeline.covariates[0, 0] for s in known.subjects], 1.0 + members % 2)


def test_without_classes_there_is_nothing_to_say() -> None:
    of = objective(oral())
    here = at_start(of)
    assert classes_found(of.cohort.theta, here, ["1", "2", "3"]) is None
    assert likeliest(of.cohort, here)[0] is of.cohort


def test_classes_that_changed_names_are_told_from_those_that_did_not() -> None:
    before = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.4, 0.6]])
    assert not renamed(before, np.array([[0.7, 0.3], [0.9, 0.1], [0.3, 0.7], [0.6, 0.4]]))
    assert renamed(before, before[:, ::-1])
    assert not renamed(np.full((4, 2), 0.5), np.full((4, 2), 0.5))


def test_classes_that_nobody_is_more_of_than_their_shares_are_alike() -> None:
    def told(*each: tuple[float, float, float]) -> dict[str, object]:
        patients = [{"id": str(i), "probability": dict(zip("abc", one, strict=True))} for i, one in enumerate(each)]
        return {"shares": {"a": 0.2, "b": 0.3, "c": 0.5}, "patients": patients}

    assert alike(told((0.1, 0.15, 0.75), (0.32, 0.48, 0.2)))
    assert not alike(told((0.1, 0.15, 0.75), (0.48, 0.32, 0.2)))
