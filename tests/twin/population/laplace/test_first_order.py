"""The first-order objective is the normal density of a line, has the gradient of differences, and tells its bias."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.filter.test_posthoc import between_occasions
from tests.twin.population.test_objective import LINES, at_start, oral, timelines
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.laplace.first_order import BENT, FirstOrderObjective
from twin.population.laplace.laplace import LaplaceObjective
from twin.population.laplace.methods import objective_of, post_hoc
from twin.population.objective import Objective
from twin.population.theta import FitError, Theta
from twin.solver.step_control import step_sizes_for

OCCASIONS = ("ID,TIME,EVID,DV,OCC", "1,0,0,5,1", "1,1,0,6,1", "1,24,2,.,2", "1,25,0,2,2", "2,0,0,4,1", "2,1,0,7,1")


def cohort(model: Model, lines: tuple[str, ...] = LINES) -> Cohort:
    kernel = compile_model(model)
    return Cohort(kernel, step_sizes_for(kernel), timelines(model, lines), Theta.of(model))


def test_each_patient_counts_as_a_normal_vector_around_the_typical_course() -> None:
    of = FirstOrderObjective(cohort(oral()))
    found, omega = at_start(of), oral().omega
    for i, subject in enumerate(of.cohort.subjects):
        y = np.array([o.value for o in subject.observations])

        def course(eta: np.ndarray, i: int = i) -> np.ndarray:
            return of.predictions(np.array([i]), of.z(eta[None])[:, None], of.cohort.theta.start)[:, 0]

        f, h = course(np.zeros(2)), 1e-5
        g = np.stack([(course(h * e) - course(-h * e)) / (2 * h) for e in np.eye(2)]).T
        v = np.diag((0.2 * f) ** 2) + g @ omega @ g.T
        expected = np.linalg.slogdet(v)[1] + (y - f) @ np.linalg.solve(v, y - f)
        assert found.ofv[i] == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose(found.eta[i], omega @ g.T @ np.linalg.solve(v, y - f), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("model", "lines"),
    [
        (oral(), LINES),
        (parse_model(oral().text.replace("proportional = 0.2", "log_additive = 0.3"), "made.toml"), LINES),
        (between_occasions(), OCCASIONS),
    ],
    ids=["correlated", "logarithm", "occasions"],
)
def test_the_gradient_is_what_differences_say(model: Model, lines: tuple[str, ...]) -> None:
    of = FirstOrderObjective(cohort(model, lines))
    first = at_start(of)
    for at, score in enumerate(first.score.T):
        step = 1e-4 * np.eye(len(first.vector))[at]
        up, down = (of(first.vector + side * step, first) for side in (1, -1))
        np.testing.assert_allclose(score, (up.ofv - down.ofv) / 2e-4, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(first.moves[:, :, at], (up.eta - down.eta) / 2e-4, rtol=1e-4, atol=1e-5)


def test_of_a_line_it_is_the_conditional_objective_and_nothing_is_bent() -> None:
    text = toys.made({"B": "4 mg/L 0.04", "r": "1 1/h"}, {"A": "mg: -r*A"}, {"plasma": "mg/L: B"}).text.replace(
        "proportional = 0.2", "additive = 0.3"
    )
    straight = cohort(
        parse_model(text.replace("iiv = 0.04", 'iiv = 0.04\ndistribution = "normal"'), "made.toml"),
        ("ID,TIME,EVID,DV", "1,0,0,4.1", "1,1,0,4.4", "2,0,0,3.2"),
    )
    of = FirstOrderObjective(straight)
    found = at_start(of)
    assert found.total == pytest.approx(at_start(Objective(straight)).total, abs=1e-7)
    assert of.bent(post_hoc(of, found)) == pytest.approx(0.0, abs=1e-6)


def test_how_far_the_line_is_from_patients_who_differ_much_is_told() -> None:
    of = FirstOrderObjective(cohort(parse_model(oral().text.replace("0.2", "0.02"), "made.toml")))
    found = at_start(of)
    assert of.bent(post_hoc(of, found)) > BENT
    # Modes that are told are those of conditional estimation.
    np.testing.assert_allclose(post_hoc(of, found).eta, at_start(Objective(of.cohort)).eta, atol=1e-6)


def test_values_that_are_not_normal_are_refused_by_name() -> None:
    heavy = parse_model(oral().text.replace("proportional = 0.2", "proportional = 0.2, df = 5"), "made.toml")
    with pytest.raises(FitError, match=r"method fo: plasma has an error that is not normal .*; use method laplace"):
        objective_of(cohort(heavy), "fo")
    assert isinstance(objective_of(cohort(heavy), "laplace"), LaplaceObjective)
