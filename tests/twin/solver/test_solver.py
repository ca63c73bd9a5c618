"""A cloud of particles through time: covariates that change, marks at every edge, systems that are shared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.equations import infusion, reference, timeline_of
from twin.clock import HOUR_MS
from twin.filter.belief import prior
from twin.kernel.kernel import compile_model
from twin.modelfile.library import load_model
from twin.solver import solver as solve
from twin.solver.linear_system import individual_parameters, linear_system
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for

TOY = compile_model(toys.absorption())
PACE = step_sizes_for(TOY)
ETA = prior(TOY.model, 5, "solve").eta
TOXIN = infusion([(2 * HOUR_MS, 30.0), (6 * HOUR_MS, 0.0)], [(40 * HOUR_MS, 50.0, "oral")])
COURSE = {"toxin": TOXIN, "helper": infusion([], pulses=[HOUR_MS])}


def hours(*values: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([round(value * HOUR_MS) for value in values], dtype=np.int64)


def test_a_change_of_covariates_changes_the_equations_and_not_the_amounts() -> None:
    timeline = timeline_of(TOY, COURSE, covariates=[(4 * HOUR_MS, [140.0]), (41 * HOUR_MS, [35.0])])
    solver = Solver(TOY, ETA, PACE, shared=False)
    marks = hours(0, 3, 4, 5, 20, 41, 44, 70)
    _, out = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)
    expected = np.array([reference(TOY, timeline, eta, marks) for eta in ETA])
    np.testing.assert_allclose(np.moveaxis(out, 2, 0), expected, rtol=1e-5, atol=1e-9)
    unchanged = timeline_of(TOY, COURSE)
    _, plain = solver.advance(solver.initial(unchanged), unchanged, int(marks[-1]), marks)
    np.testing.assert_allclose(out[:3], plain[:3], rtol=1e-12)  # up to the change itself nothing differs
    assert (out[4, 0] < 0.7 * plain[4, 0]).all()


def test_a_covariate_that_only_repeats_itself_changes_nothing_to_speak_of() -> None:
    marks = hours(10, 60)
    solver = Solver(TOY, ETA, PACE, shared=False)
    plain = timeline_of(TOY, COURSE)
    again = timeline_of(TOY, COURSE, covariates=[(8 * HOUR_MS, [70.0])])
    _, first = solver.advance(solver.initial(plain), plain, int(marks[-1]), marks)
    _, second = solver.advance(solver.initial(again), again, int(marks[-1]), marks)
    np.testing.assert_allclose(first, second, rtol=1e-5)


def test_what_happens_at_an_instant_is_not_yet_seen_at_it() -> None:
    bolus = timeline_of(TOY, {"toxin": infusion([], [(0, 60.0, "iv"), (5 * HOUR_MS, 60.0, "iv")])})
    solver = Solver(TOY, np.zeros((1, 4)), PACE, shared=False)
    marks = np.array([0, 1, 5 * HOUR_MS, 5 * HOUR_MS + 1], dtype=np.int64)
    _, out = solver.advance(solver.initial(bolus), bolus, int(marks[-1]), marks)
    level = out[:, 0, 0]
    assert level[0] == 0.0
    assert level[1] == pytest.approx(2.0, rel=1e-5)
    assert level[3] - level[2] == pytest.approx(2.0, rel=1e-5)


def test_a_look_from_where_the_cloud_stands_is_a_look_on_the_way_there() -> None:
    timeline = timeline_of(TOY, COURSE)
    solver = Solver(TOY, ETA, PACE, shared=False)
    there = 30 * HOUR_MS
    cloud, passing = solver.advance(solver.initial(timeline), timeline, there, hours(30))
    same, standing = solver.advance(cloud, timeline, there, hours(30))
    assert same is cloud
    np.testing.assert_allclose(standing, passing, rtol=1e-12)


def test_particles_are_carried_alike_in_any_company() -> None:
    timeline = timeline_of(TOY, COURSE)
    chosen = np.array([3, 3, 0])
    whole, _ = Solver(TOY, ETA, PACE, shared=False).advance(
        Solver(TOY, ETA, PACE, shared=False).initial(timeline), timeline, 20 * HOUR_MS
    )
    part = replace(whole, z=whole.z[chosen], y=whole.y[chosen])
    ahead, _ = Solver(TOY, ETA[chosen], PACE, shared=False).advance(part, timeline, 50 * HOUR_MS)
    direct, _ = Solver(TOY, ETA, PACE, shared=False).advance(whole, timeline, 50 * HOUR_MS)
    assert np.array_equal(ahead.z, direct.z[chosen])
    assert np.array_equal(ahead.y, direct.y[chosen])


def test_shared_systems_are_found_by_content_and_forgotten_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "_SYSTEMS", type(solve._SYSTEMS)())
    monkeypatch.setattr(solve, "REMEMBERED_SYSTEMS", 2)
    reference_weight, heavy, light = (np.array([weight]) for weight in (70.0, 140.0, 35.0))
    first = Solver(TOY, ETA, PACE)
    kept = first.system(reference_weight)
    assert Solver(TOY, ETA.copy(), PACE).system(reference_weight) is kept
    assert Solver(TOY, ETA + 0.1, PACE).system(reference_weight) is not kept
    first.system(heavy)
    first.system(light)
    assert len(solve._SYSTEMS) == 2
    again = first.system(reference_weight)
    assert again is not kept
    assert np.array_equal(again.v, kept.v)


def test_a_proposal_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "_SYSTEMS", type(solve._SYSTEMS)())
    solver = Solver(TOY, ETA, PACE, shared=False)
    assert solver.system(np.array([70.0])) is solver.system(np.array([70.0]))
    assert not solve._SYSTEMS


@pytest.mark.filterwarnings("error")
def test_a_block_without_a_real_eigenbasis_makes_only_its_own_particle_impossible() -> None:
    # Depot and central compartment empty at one rate: ka = CL / V exactly, so that the eigenvectors coincide.
    par = individual_parameters(TOY, np.zeros((3, 4)), np.array([70.0]))
    clearance, absorption = TOY.parameters.index("CL"), TOY.parameters.index("ka")
    par[1, clearance] = par[1, absorption] * par[1, TOY.parameters.index("V")]
    system = linear_system(TOY, par, np.array([70.0]))
    assert np.isfinite(system.cw[[0, 2]]).all()
    assert np.isnan(system.cw[1]).all()
    healthy = linear_system(TOY, par[[0, 2]], np.array([70.0]))
    assert np.array_equal(system.w[[0, 2]], healthy.w)


@pytest.mark.parametrize("model_id", ["docetaxel_ozawa2007", "fluorouracil_yamada2025", "mercaptopurine_jost2020"])
def test_the_eigenbasis_gives_back_the_block(model_id: str) -> None:
    kernel = compile_model(load_model(model_id))
    covariates = np.array([c.reference for c in kernel.model.covariates])
    par = individual_parameters(kernel, prior(kernel.model, 50, "basis").eta, covariates)
    size = len(kernel.linear)
    a = np.zeros((50, size, size))
    kernel.system(par, covariates, a, np.zeros((50, size, len(kernel.inputs))), np.zeros((50, size)))
    system = linear_system(kernel, par, covariates)
    back = (system.v * system.lam[:, None, :]) @ system.w
    np.testing.assert_allclose(back, a, rtol=1e-9, atol=1e-10 * np.abs(a).max())


def test_without_random_effects_one_patient_and_many_are_not_mistaken_for_each_other() -> None:
    kernel = compile_model(
        toys.made({"CL": "5 L/h", "V": "20 L"}, {"A": "mg: input(toxin) - CL/V*A"}, {"c": "mg/L: A/V"})
    )
    timeline = timeline_of(kernel, {"toxin": infusion([], [(0, 40.0, "iv")])})
    for particles in (1, 40):  # one first: its system is remembered
        solver = Solver(kernel, np.zeros((particles, 0)), step_sizes_for(kernel))
        _, out = solver.advance(solver.initial(timeline), timeline, 8 * HOUR_MS, hours(8))
        np.testing.assert_allclose(out[0, 0], np.full(particles, 2 * np.exp(-2.0)), rtol=1e-12)
