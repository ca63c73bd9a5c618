"""Compiled models solve the published equations: held against LSODA, and against paper where there is a closed form."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.twin import toys
from tests.twin.equations import infusion, reference, timeline_of, usual_course, whole_course
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.filter.belief import prior
from twin.kernel import kernel as compiler
from twin.kernel.arguments import StepSizes
from twin.kernel.kernel import Kernel, compile_model
from twin.model.typical import typical_values
from twin.modelfile.library import library_ids
from twin.modelfile.reader import parse_model
from twin.solver.linear_system import individual_parameters
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.timeline import Timeline

TOY = compile_model(toys.absorption())
CHAIN = compile_model(toys.chain())


def solved(kernel: Kernel, timeline: Timeline, eta: Floats, marks: NDArray[np.int64]) -> Floats:
    """Outputs and targets (N, M, O) of the compiled model."""
    solver = Solver(kernel, np.ascontiguousarray(eta), step_sizes_for(kernel), shared=False)
    _, out = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)
    return np.moveaxis(out, 2, 0)


def patients(kernel: Kernel, drawn: int) -> Floats:
    """Effects of the typical patient, of patients drawn from the population, and of the two corners 2.5 SD out.

    A parameter that differs only between occasions has its effect of some occasion.
    """
    model = kernel.model
    occasional = [model.iov_names.index(name) for name in model.effect_names[len(model.eta_names) :]]
    kappa = np.sqrt(np.diag(model.omega_iov)[occasional])
    normal = np.random.Generator(np.random.Philox(key=7)).standard_normal((drawn, len(kappa)))
    deviation = np.concatenate([np.sqrt(np.diag(model.omega)), kappa])
    eta = prior(model, drawn, "a population").eta[:, : len(model.eta_names)]
    drawn_effects = np.hstack([eta, normal * kappa])
    return np.vstack([np.zeros_like(deviation), drawn_effects, 2.5 * deviation, -2.5 * deviation])


def assert_close(found: Floats, expected: Floats, tolerance: float = 1e-5) -> None:
    """Within ``tolerance`` of the value; under a billionth of the peak LSODA itself is no longer sure."""
    peak = np.abs(expected).max(axis=-2, keepdims=True)
    excess = np.abs(found - expected) / (tolerance * np.abs(expected) + 1e-9 * tolerance * peak + 2e-11 * peak)
    worst = np.unravel_index(excess.argmax(), excess.shape)
    assert excess.max() < 1.0, f"{excess.max() * tolerance:.2g} off at {worst}"


# --- held against LSODA ----------------------------------------------------------------------------------------------

FOLLOWED = [name for name in library_ids() if name != "nivolumab_qsp_sove2020"]
"""All but one whose fifty states LSODA follows from dose to dose within seconds, and from mark to mark within minutes:
`tests.twin.library.test_immune_oncology`."""


@pytest.mark.parametrize("model_id", FOLLOWED)
@pytest.mark.slow
def test_every_library_model_follows_its_equations_over_its_usual_course(model_id: str) -> None:
    kernel, timeline, end = usual_course(model_id)
    eta = patients(kernel, drawn=2)
    marks = np.unique([HOUR_MS // 2, *range(2 * HOUR_MS, end, end // 60 + HOUR_MS // 7), end]).astype(np.int64)
    expected = np.array([reference(kernel, timeline, row, marks) for row in eta])
    assert_close(solved(kernel, timeline, eta, marks), expected)


@pytest.mark.slow
@pytest.mark.parametrize("model_id", FOLLOWED)
def test_every_library_model_follows_its_equations_to_the_end_of_its_regimens(model_id: str) -> None:
    kernel, timeline, end = whole_course(model_id)
    eta = patients(kernel, drawn=1)[:2]
    # With a look at every change, an infusion's peak is among what the deviation is measured against.
    marks = np.unique([*timeline.changes_between(0, end), *np.linspace(end // 30, end, 30).astype(np.int64)])
    expected = np.array([reference(kernel, timeline, row, marks) for row in eta])
    assert_close(solved(kernel, timeline, eta, marks), expected)


@pytest.mark.slow
@pytest.mark.parametrize("model_id", library_ids())
def test_steps_suit_the_unusual_patients_of_a_population_too(model_id: str) -> None:
    kernel, timeline, end = usual_course(model_id, cycles=1)
    eta = patients(kernel, drawn=150)
    marks = np.linspace(end // 50, end, 50).astype(np.int64)
    step_sizes = step_sizes_for(kernel)
    solvers = [
        Solver(kernel, eta, each, shared=False)
        for each in (step_sizes, StepSizes(step_sizes.first / 3, step_sizes.growth / 2, step_sizes.largest / 3))
    ]
    found, finer = (solver.advance(solver.initial(timeline), timeline, end, marks)[1] for solver in solvers)
    assert np.isfinite(found).all()
    peak = np.abs(finer).max(axis=0, keepdims=True)
    apart = (np.abs(found - finer) / (np.abs(finer) + 1e-7 * peak)).max(axis=(0, 1))
    # Nobody goes astray, and what is off by more than a thousandth is rare.
    assert apart.max() < 0.05
    assert np.quantile(apart, 0.98) < 1e-3


def test_every_kind_of_input_at_once_follows_the_equations() -> None:
    h = HOUR_MS
    toxin = infusion(
        [(2 * h, 40.0), (3 * h, 15.0), (9 * h, 0.0), (60 * h, 25.0), (66 * h, 0.0)],
        impulses=[(0, 100.0, "oral"), (30 * h + 1234, 80.0, "iv"), (30 * h + 1234, 60.0, "oral")],
    )
    timeline = timeline_of(TOY, {"toxin": toxin, "helper": infusion([], pulses=[5 * h, 31 * h])})
    eta = patients(TOY, drawn=3)
    marks = np.arange(h // 3, 100 * h, 3 * h + h // 2, dtype=np.int64)
    expected = np.array([reference(TOY, timeline, row, marks) for row in eta])
    assert_close(solved(TOY, timeline, eta, marks), expected)


# --- held against paper ----------------------------------------------------------------------------------------------


def test_an_infusion_into_a_linear_block_has_its_closed_form() -> None:
    clearance, volume, rate, hours = 6.0, 30.0, 40.0, 5.0
    timeline = timeline_of(TOY, {"toxin": infusion([(0, rate), (5 * HOUR_MS, 0.0)])})
    marks = np.array([HOUR_MS, 5 * HOUR_MS, 9 * HOUR_MS, 22 * HOUR_MS], dtype=np.int64)
    k, at = clearance / volume, marks / HOUR_MS
    level = rate / clearance * (np.exp(-k * np.maximum(at - hours, 0.0)) - np.exp(-k * at))
    area = (rate * np.minimum(at, hours) - level * volume) / clearance
    out = solved(TOY, timeline, np.zeros((1, 4)), marks)[0]
    np.testing.assert_allclose(out[:, 0], level, rtol=1e-13)
    np.testing.assert_allclose(out[:, 2], area, rtol=1e-13)


def test_a_swallowed_dose_has_its_closed_form_by_its_own_route() -> None:
    dose, ka, k, volume = 100.0, 0.9, 6 / 30, 30.0
    timeline = timeline_of(TOY, {"toxin": infusion([], [(0, dose, "oral")])})
    marks = np.array([1, 3, 8, 40], dtype=np.int64) * HOUR_MS
    at = marks / HOUR_MS
    level = dose * ka / (volume * (ka - k)) * (np.exp(-k * at) - np.exp(-ka * at))
    np.testing.assert_allclose(solved(TOY, timeline, np.zeros((1, 4)), marks)[0, :, 0], level, rtol=1e-12)


def test_equal_rates_in_a_row_have_no_eigenbasis_and_are_stepped_rightly() -> None:
    assert CHAIN.linear == ()
    assert CHAIN.stepped == ("S1", "S2", "S3")
    dose, volume, day = 50.0, 10.0, 24 * HOUR_MS
    timeline = timeline_of(CHAIN, {"toxin": infusion([], [(0, dose, "iv")])})
    marks = np.array([0.1, 0.5, 1, 2, 5], dtype=np.float64) * day
    eta = np.array([[0.0], [0.4], [-0.5]])
    rate = 2.0 * np.exp(eta)
    at = marks / day
    gamma = dose / volume * (rate * at) ** 2 / 2 * np.exp(-rate * at)  # third of a chain: an Erlang density
    found = solved(CHAIN, timeline, eta, marks.astype(np.int64))[:, :, 0]
    np.testing.assert_allclose(found, gamma, rtol=1e-5, atol=1.5e-5 * gamma.max())


def test_cells_killed_by_any_dose_stay_above_zero() -> None:
    kernel, _, _ = usual_course("docetaxel_ozawa2007")
    eta = np.zeros((1, 5))
    eta[0, kernel.model.eta_names.index("Slope")] = 4.0
    lethal = timeline_of(kernel, {"docetaxel": infusion([(0, 5000.0), (24 * HOUR_MS, 0.0)])})
    marks = np.arange(12, 1200, 12, dtype=np.int64) * HOUR_MS
    counts = solved(kernel, lethal, eta, marks)[0, :, 1]
    assert np.isfinite(counts).all()
    assert (counts > 0).all()
    assert counts.min() < 1e-3


def test_an_area_starts_anew_with_a_course_and_nothing_else_does() -> None:
    h = HOUR_MS
    timeline = timeline_of(TOY, {"toxin": infusion([(0, 60.0), (2 * h, 0.0), (40 * h, 60.0), (42 * h, 0.0)])})
    assert timeline.courses == ((0, 40 * h),)
    marks = np.array([40 * h, 40 * h + 1, 90 * h], dtype=np.int64)
    before, after, end = solved(TOY, timeline, np.zeros((1, 4)), marks)[0]
    assert before[2] == pytest.approx(120 / 6, rel=1e-3)
    assert after[2] == pytest.approx(0.0, abs=1e-5)
    assert after[:2] == pytest.approx(before[:2], rel=1e-4, abs=1e-4)
    residue = before[0] * 30
    assert end[2] == pytest.approx((120 + residue) / 6, rel=1e-3)


# --- individual parameters -------------------------------------------------------------------------------------------


def test_parameters_are_typical_times_exp_eta_with_covariate_effects() -> None:
    par = individual_parameters(TOY, np.array([[0.1, -0.2, 0.0, 0.3]]), np.array([35.0]))[0]
    found = dict(zip(TOY.parameters, par.tolist(), strict=True))
    assert found == pytest.approx(
        {
            "CL": 3.0 * math.exp(0.1), "V": 30 * math.exp(-0.2), "ka": 0.9, "Base": 4.0, "growth": 0.06,
            "kill": 0.05 * math.exp(0.3), "fill": 1.5, "leave": 0.1,
        },
        rel=1e-15,
    )  # fmt: skip


# --- independence of particles ---------------------------------------------------------------------------------------

CLOUD = prior(TOY.model, 40, "cut").eta
COURSE = timeline_of(TOY, {"toxin": infusion([(0, 20.0), (5 * HOUR_MS, 0.0)]), "helper": infusion([], pulses=[0])})
LOOKS = np.array([3, 5, 17, 48], dtype=np.int64) * HOUR_MS
WHOLE = solved(TOY, COURSE, CLOUD, LOOKS)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 39), min_size=1, max_size=40))
@pytest.mark.slow
def test_a_particle_does_not_depend_on_its_neighbours(chosen: list[int]) -> None:
    assert np.array_equal(solved(TOY, COURSE, CLOUD[chosen], LOOKS), WHOLE[chosen])


def test_a_particle_without_a_finite_solution_harms_no_other() -> None:
    ill = CLOUD.copy()
    ill[7] = [800.0, 0, 0, 0]
    ill[19] = [np.nan, 0, 0, 0]
    out = solved(TOY, COURSE, ill, LOOKS)
    well = np.delete(np.arange(40), [7, 19])
    assert np.array_equal(out[well], WHOLE[well])
    assert not np.isfinite(out[[7, 19], :, 0]).any()


# --- the compiled code -----------------------------------------------------------------------------------------------


def test_one_model_is_compiled_once() -> None:
    assert compile_model(toys.absorption()) is TOY
    heavier = parse_model(toys.ABSORPTION.replace("reference = 70", "reference = 71"), "toy.toml")
    assert heavier.hash != TOY.model.hash


def test_models_that_differ_by_numbers_share_what_does_not_speak_of_them() -> None:
    slower = compile_model(parse_model(toys.ABSORPTION.replace("value = 6", "value = 5"), "toy.toml"))
    assert slower.advance is TOY.advance
    assert slower.system is TOY.system
    assert slower.individual is not TOY.individual
    assert slower.hash != TOY.hash


def test_generated_code_is_kept_in_the_cache_folder_and_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def compiled() -> Kernel:
        for held in ("_KERNELS", "_MODULES"):
            monkeypatch.setattr(compiler, held, {})
        kernel = compile_model(toys.bolus())
        individual_parameters(kernel, np.zeros((3, 2)), np.empty(0))
        return kernel

    first = compiled()
    kept = sorted((tmp_path / "dosetwin" / "kernels").glob("*.py"))
    assert [path.name.partition("_")[0] for path in kept] == ["advance", "individual", "initial", "system", "timing"]
    assert all(path.read_text() in first.source for path in kept)
    written = [path.stat().st_mtime_ns for path in kept]
    assert sum(first.individual.stats.cache_hits.values()) == 0  # type: ignore[attr-defined]
    second = compiled()
    assert second is not first
    assert [path.stat().st_mtime_ns for path in kept] == written
    assert sum(second.individual.stats.cache_hits.values()) == 1  # type: ignore[attr-defined]
    assert sum(second.individual.stats.cache_misses.values()) == 0  # type: ignore[attr-defined]


def test_a_model_without_anything_to_step_needs_no_steps() -> None:
    kernel = compile_model(toys.bolus())
    assert kernel.stepped == ()
    timeline = timeline_of(kernel, {"toxin": infusion([], [(0, 60.0, "iv")])})
    marks = np.array([1, 30], dtype=np.int64) * HOUR_MS
    out = solved(kernel, timeline, np.array([[0.2, 0.1]]), marks)[0, :, 0]
    k, volume = 0.25 * math.exp(0.1), 20 * math.exp(0.1)
    np.testing.assert_allclose(out, 60 / volume * np.exp(-k * marks / HOUR_MS), rtol=1e-11)


def test_every_distribution_of_a_random_effect_is_compiled_as_it_is_written() -> None:
    forms = {"CL": "normal", "V": "box-cox", "kill": "logit"}
    text = toys.ABSORPTION
    for name, form in forms.items():
        shape = "\nshape = -0.4" if form == "box-cox" else ""
        text = text.replace(f"[parameters.{name}]", f'[parameters.{name}]\ndistribution = "{form}"{shape}', 1)
    model = parse_model(text, "forms.toml")
    assert {p.name: p.distribution for p in model.parameters if p.distribution != "log-normal"} == forms
    kernel = compile_model(model)
    eta = prior(model, 20, "forms").eta
    found = individual_parameters(kernel, eta, np.array([82.0]))
    for row, values in zip(eta, found, strict=True):
        effects = dict(zip(model.eta_names, row.tolist(), strict=True))
        expected = typical_values(model, {"WT": 82.0}, effects)
        np.testing.assert_allclose(values, [expected[name] for name in kernel.parameters], rtol=1e-13)


@pytest.mark.parametrize("exponent", [2, 3, 4, 5, 6])
def test_whole_powers_of_a_negative_base_are_numbers(exponent: int) -> None:
    model = toys.made(
        {"k": "0.5 1/h 0.1", "peak": "6 h", "wide": "3 h"},
        {"X": f"1: k*((t - peak)/wide)**{exponent}*(1 + 0*X*X)"},
        {"x": "1: X"},
    )
    kernel = compile_model(model)
    assert kernel.stepped == ("X",)
    marks = np.array([2, 6, 9], dtype=np.int64) * HOUR_MS
    found = solved(kernel, timeline_of(kernel, {}), np.zeros((1, 1)), marks)[0, :, 0]
    power = exponent + 1
    integral = 3 * (((marks / HOUR_MS - 6) / 3) ** power - (-2.0) ** power) / power
    np.testing.assert_allclose(found, 0.5 * integral, rtol=1e-3)
