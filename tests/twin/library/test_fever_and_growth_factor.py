"""G-CSF and febrile neutropenia follow their published equations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from tests.twin.equations import individual, infusion, timeline_of
from tests.twin.library.effects import typical
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.kernel.kernel import compile_model
from twin.model.typical import typical_values
from twin.modelfile.library import load_model
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for


def test_neutrophils_and_g_csf_of_melhem_rest_without_drugs() -> None:
    found = typical("gcsf_melhem2018", [0, 24, 2000])
    np.testing.assert_allclose(found["neutrophils"], 0.0276 / 0.12 / 0.059, rtol=1e-9)
    np.testing.assert_allclose(found["gcsf"], 0.003, rtol=1e-9)


def test_filgrastim_and_pegfilgrastim_have_their_own_numbers() -> None:
    kernel = compile_model(load_model("gcsf_melhem2018"))
    rest = {c.name: c.reference for c in kernel.model.covariates} | {"dose(pegfilgrastim)": 0.0}

    def values(**columns: float) -> list[float]:
        told = rest | {"count(pegfilgrastim)": 0.0} | columns
        if "peg" in told:
            told |= {"count(pegfilgrastim)": 1.0, "dose(pegfilgrastim)": told["peg"]}
        found = individual(kernel, np.zeros(len(kernel.model.effect_names)), [told[name] for name in kernel.covariates])
        return [found[name] for name in ("F", "KSC", "VD", "CLD", "KD", "STM2", "KINT")]

    assert values() == pytest.approx([1.0, 0.123, 3.12, 0.833, 0.0237, 3.89, 0.113])
    assert values(peg=6.0) == pytest.approx([0.646, 0.0188, 5.76, 0.362, 0.0959, 3.89, 0.113])
    assert values(peg=21.0)[3] == pytest.approx(0.107)  # 300 ug/kg
    assert values(HEALTHY=1.0)[5:] == pytest.approx([5.21, 0.197])
    assert values(WT=140.0)[2:4] == pytest.approx([3.12 * 2**0.943, 0.833 * 2**0.641])


def test_free_and_bound_g_csf_are_in_balance_and_the_cells_clear_it() -> None:
    """What is given is found again: the free part by its assay, the bound by the neutrophils, the rest is cleared."""
    hours = np.array([1.0, 4, 12, 24, 48])
    alone = typical("gcsf_melhem2018", hours, {"filgrastim": infusion([], [(0, 0.35, "sc")])})
    more = typical("gcsf_melhem2018", hours, {"filgrastim": infusion([], [(0, 0.70, "sc")])})
    assert (alone["gcsf"] > 0.003).all()
    # Few neutrophils clear less: saturable, so twice the dose is more than twice the exposure.
    assert more["gcsf"][2] > 2.2 * alone["gcsf"][2]
    assert alone["neutrophils"].max() > 3 * 3.9
    late = typical("gcsf_melhem2018", [240.0], {"pegfilgrastim": infusion([], [(0, 6.0, "sc")])})
    gone = typical("gcsf_melhem2018", [240.0], {"filgrastim": infusion([], [(0, 6.0, "sc")])})
    assert late["gcsf"][0] > gone["gcsf"][0]  # pegfilgrastim stays


def test_a_steroid_dose_is_one_milligram_whatever_it_is_and_acts_after_its_lag() -> None:
    hours = [16.0, 24.0, 40.0]
    small, large = (
        typical("gcsf_melhem2018", hours, {"dexamethasone": infusion([], [(0, mg, "iv")], [0])})["neutrophils"]
        for mg in (4.0, 20.0)
    )
    np.testing.assert_array_equal(small, large)
    assert small[0] == pytest.approx(3.898, abs=0.001)
    assert small[1] > 2 * small[0]


def test_chemotherapy_of_melhem_empties_the_marrow_after_its_lag() -> None:
    hours = np.arange(0.0, 505.0, 6)
    counts = typical("gcsf_melhem2018", hours, {"chemotherapy": infusion([], [(0, 100.0, "iv")])})["neutrophils"]
    np.testing.assert_allclose(counts[hours <= 66], counts[0], rtol=1e-9)
    assert counts.min() < 0.5
    assert counts[-1] > 3.5


def test_no_febrile_neutropenia_before_chemotherapy_nor_in_the_first_days_of_a_cycle() -> None:
    given = {"chemotherapy": infusion([], [(0, 1.0, "iv"), (504 * HOUR_MS, 1.0, "iv")], [0, 504 * HOUR_MS])}
    hours = [84.0, 85, 504, 588, 589]
    happened = typical("fn_hazard_netterberg2018", hours, given)["febrile_neutropenia"]
    cumulative = -np.log1p(-happened)
    expected = 3.3e-4 / 24 * np.array([0.0, 1, 420, 420, 421])
    np.testing.assert_allclose(cumulative, expected, rtol=1e-6, atol=1e-12)
    assert typical("fn_hazard_netterberg2018", [5000.0])["febrile_neutropenia"][0] == 0


def test_the_hazard_follows_interleukin_6_within_days_and_the_neutrophils_of_the_start() -> None:
    given = {"chemotherapy": infusion([], [(0, 1.0, "iv")], [0])}

    def hazard(hour: float, **covariates: float) -> float:
        told = [(0.0, {"ANC0": covariates.pop("ANC0", 3.53)}), (100.0, covariates)]
        happened = typical("fn_hazard_netterberg2018", [hour, hour + 0.01], given, told)["febrile_neutropenia"]
        return float(np.log((1 - happened[0]) / (1 - happened[1])) / 0.01)

    assert hazard(150, IL6=2.5) == pytest.approx(3.3e-4 / 24, rel=1e-4)
    assert hazard(900, IL6=25.0) == pytest.approx(3.3e-4 / 24 * 10**3.13, rel=1e-4)
    assert hazard(150, IL6=2.5, ANC0=2.5) == pytest.approx(3.3e-4 / 24 * np.exp(1.07 * 1.03), rel=1e-4)
    # 0.491 per day: half of the way after 1.4 days.
    half = hazard(100 + 24 * np.log(2) / 0.491, IL6=25.0)
    assert half == pytest.approx(3.3e-4 / 24 * 10 ** (3.13 / 2), rel=0.01)


def proteins(luck6: float, luck_c: float, hours: Floats) -> dict[str, Floats]:
    """Proteins over one cycle of a patient who is typical but for whether the cycle surges."""
    kernel = compile_model(load_model("fn_biomarkers_netterberg2018"))
    names = kernel.model.effect_names
    timeline = timeline_of(kernel, {"chemotherapy": infusion([], [(0, 1.0, "iv")], [0])})
    effects = np.zeros((1, len(names)))
    effects[0, [names.index("luck6"), names.index("luckC")]] = luck6, luck_c
    solver = Solver(kernel, effects, step_sizes_for(kernel), shared=False)
    marks = np.round(hours * HOUR_MS).astype(np.int64)
    _, out = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)
    return {name: out[:, i, 0] for i, name in enumerate(kernel.outputs)}


def test_proteins_surge_about_a_week_after_a_cycle_as_the_article_writes_them() -> None:
    hours = np.arange(1.0, 505.0)
    grid = np.linspace(0, 504, 50_401)
    step = grid[1] - grid[0]
    six, protein = np.empty_like(grid), np.empty_like(grid)
    six[0], protein[0] = 2.5, 1.88
    surge6 = 7.99 / (((grid - 137) / 32.4) ** 4 + 1)
    surge_c = 4.4 / (((grid - 187.3) / 53.8) ** 4 + 1)
    for i in range(len(grid) - 1):  # Heun's method on a fine grid
        for level, rate in ((six, 0.0141), (protein, 0.0224)):
            slopes = []
            for j, value in ((i, level[i]), (i + 1, None)):
                now = level[i] + step * slopes[0] if value is None else value
                drive = surge6[j] if level is six else surge_c[j] + 1.05 * (six[j] - 2.5) / 2.5
                slopes.append(rate * ((2.5 if level is six else 1.88) * (1 + drive) - now))
            level[i + 1] = level[i] + step * (slopes[0] + slopes[1]) / 2
    both = proteins(-1.0, -1.0, hours)
    np.testing.assert_allclose(both["interleukin_6"], np.interp(hours, grid, six), rtol=1e-5)
    np.testing.assert_allclose(both["c_reactive_protein"], np.interp(hours, grid, protein), rtol=1e-4)
    assert 100 < hours[both["interleukin_6"].argmax()] < 200


def test_a_cycle_surges_with_the_published_probability_and_crp_follows_interleukin_6_alone() -> None:
    hours = np.arange(1.0, 505.0)
    neither, only_six = proteins(1.0, 1.0, hours), proteins(-1.0, 1.0, hours)
    np.testing.assert_allclose(neither["interleukin_6"], 2.5, rtol=1e-9)
    np.testing.assert_allclose(neither["c_reactive_protein"], 1.88, rtol=1e-9)
    assert only_six["c_reactive_protein"].max() > 2 * 1.88
    values = typical_values(load_model("fn_biomarkers_netterberg2018"))
    assert norm.cdf(values["threshold6"]) == pytest.approx(0.634, rel=1e-12)
    assert norm.cdf(values["thresholdC"]) == pytest.approx(0.443, rel=1e-12)
    spread = {p.name: p.iov for p in load_model("fn_biomarkers_netterberg2018").parameters if p.iov is not None}
    # 61.4, 83.8, 59.7 and 81.3 % of log-normal parameters.
    between_cycles = {"SAC": 0.614, "SWC": 0.838, "PT6": 0.597, "PTCplus": 0.813}
    printed = {name: math.log1p(cv**2) for name, cv in between_cycles.items()}
    assert spread == pytest.approx(printed | {"luck6": 1, "luckC": 1}, rel=1e-4)
