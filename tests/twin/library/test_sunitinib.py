"""Sunitinib's effects are those of its articles, and share one truth about the proteins."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.library.effects import assert_one_truth, same, tablets, typical
from twin.model.typical import typical_values
from twin.modelfile.library import load_model
from twin.observation.residual import scale
from twin.randomness import generator

HANSSON = ("sunitinib_dbp_hansson2013", "sunitinib_biomarkers_hansson2013a", "sunitinib_anc_hansson2013",
           "sunitinib_tgi_hansson2013b")  # fmt: skip


def test_sunitinib_exposure_is_daily_dose_over_the_clearance_of_its_own_article() -> None:
    for model_id in HANSSON:
        (clearance,) = (c for c in load_model(model_id).covariates if c.name == "CLI")
        assert clearance.reference == 32.819
        assert 50 / clearance.reference == pytest.approx(1.52, abs=0.005)
    # Not the clearance of the concentrations: who joins the two must rescale.
    assert typical_values(load_model("sunitinib_yu2014"))["CLs"] == 35.7


def test_sunitinib_raises_diastolic_pressure_as_computed() -> None:
    pressure = typical("sunitinib_dbp_hansson2013", [0, 28 * 24, 10000], {"sunitinib": tablets(50, 500)})
    np.testing.assert_allclose(pressure["diastolic_pressure"], [71.8, 82.8, 84.8], atol=0.05)
    placebo = typical("sunitinib_dbp_hansson2013", [0, 500], {}, [(0, {"PLACEBO": 1.0})])
    np.testing.assert_allclose(placebo["diastolic_pressure"], 77.6, rtol=1e-12)


def test_sunitinib_raises_a_pressure_less_where_it_began_high() -> None:
    """After 28 days their SD is 9.3 mmHg and one in a hundred over 110; with the other sign 17.5 mmHg and one in 12."""
    model = load_model("sunitinib_dbp_hansson2013")
    assert model.eta_names == ("dBP0", "MRT", "slope")
    eta = generator(4, "pressures").multivariate_normal(np.zeros(3), model.omega, 200_000)
    base, residence, slope = (np.array([71.8, 361, 0.119]) * np.exp(eta)).T
    pressure = base * (1 + slope * 50 / 32.819 * (1 - np.exp(-28 * 24 / residence)))
    assert pressure.std() == pytest.approx(9.3, abs=0.1)
    assert (pressure > 110).mean() == pytest.approx(0.010, abs=0.002)


def test_sunitinib_moves_the_four_proteins_to_where_their_equations_rest() -> None:
    hours, auc = 400 * 24.0, 50 / 32.819
    found = typical("sunitinib_biomarkers_hansson2013a", [hours], {"sunitinib": tablets(50, 500)})
    assert found["sVEGFR3_plasma"][0] == pytest.approx(63900 / (1 + auc), rel=1e-4)
    assert found["sVEGFR2_plasma"][0] == pytest.approx(8670 / (1 + auc**1.54), rel=1e-4)
    # VEGF leaves more slowly under the drug, and its production rises with the disease meanwhile.
    kept = 1 + auc**3.31
    assert found["VEGF_plasma"][0] == pytest.approx(59.7 * kept * (1 + 3.5e-5 * (hours - 91 * kept)), rel=1e-4)
    untreated = typical("sunitinib_biomarkers_hansson2013a", [hours])
    assert untreated["sKIT_plasma"][0] > 39200
    assert found["sKIT_plasma"][0] < 39200


def test_sunitinib_neutrophils_follow_the_fall_of_svegfr3() -> None:
    auc = 50 / 32.819
    found = typical("sunitinib_anc_hansson2013", [30000.0], {"sunitinib": tablets(50, 1300)})
    fall = auc / (1 + auc)
    rest = 4.94 * (1 - 0.52 * fall / (0.552 + fall)) ** (1 / 0.362)
    assert found["neutrophils"][0] == pytest.approx(rest, rel=1e-3)
    # Neutrophils leave the blood with a half-life of 7 h, which the marrow's stages fill up accordingly.
    week_five = typical("sunitinib_anc_hansson2013", [0.0, 35 * 24], {"sunitinib": tablets(50, 28)})["neutrophils"]
    np.testing.assert_allclose(week_five, [4.94, 1.97], atol=0.005)
    japanese = typical_values(load_model("sunitinib_anc_hansson2013"), {"JAPANESE": 1})
    assert japanese["Circ0"] == pytest.approx(3.69)


def test_sunitinib_keeps_the_scales_on_which_its_residuals_were_fitted() -> None:
    (counts,) = (o.error for o in load_model("sunitinib_anc_hansson2013").outputs if o.name == "neutrophils")
    assert (counts.kind, counts.additive, counts.box_cox) == ("box_cox", 0.406, 0.2)
    proteins = {o.name: o.error for o in load_model("sunitinib_biomarkers_hansson2013a").outputs}
    for name, size in [("VEGF_plasma", 0.445), ("sVEGFR3_plasma", 0.22), ("sKIT_plasma", 0.224)]:
        assert (proteins[name].kind, proteins[name].additive) == ("log_additive", size)
    # W = sqrt(0.12^2 + (583/A)^2) on the logarithm.
    predicted = np.array([8670.0, 2000.0])
    np.testing.assert_allclose(scale(proteins["sVEGFR2_plasma"], predicted), np.hypot(0.12, 583 / predicted))


def test_sunitinib_spread_of_neutrophils_and_levels_is_that_of_their_authors() -> None:
    counts, levels = load_model("sunitinib_anc_hansson2013"), load_model("sunitinib_yu2014")
    at = [counts.eta_names.index(name) for name in ("Circ0", "Emax", "MTT")]
    block = [[0.172, 0.0477, 0], [0.0477, 0.0155, 0.000914], [0, 0.000914, 0.0279]]
    np.testing.assert_allclose(counts.omega[np.ix_(at, at)], block, rtol=1e-12)
    at = [levels.eta_names.index(name) for name in ("Vs", "Vm", "CLm", "CLs")]
    chain = np.diag(levels.omega[np.ix_(at, at)], 1)
    np.testing.assert_allclose(chain, [0.09005, 0.10969, 0.07564], atol=5e-6)


def test_sunitinib_tumours_grow_without_it_and_shrink_with_it_at_the_published_rates() -> None:
    weeks = np.array([0.0, 6, 20])
    untreated = typical("sunitinib_tgi_hansson2013b", weeks * 168)["tumour_size"]
    np.testing.assert_allclose(untreated, 194 * np.exp(0.0118 * weeks), rtol=1e-8)
    treated = typical("sunitinib_tgi_hansson2013b", weeks * 168, {"sunitinib": tablets(50, 140)})["tumour_size"]
    assert treated[1] < 194 < untreated[1]
    # Before the proteins have moved, exposure alone acts.
    early = typical("sunitinib_tgi_hansson2013b", [0, 1.0], {"sunitinib": tablets(50, 1)})["tumour_size"]
    assert 168 * np.log(early[1] / early[0]) == pytest.approx(0.0118 - 0.00503 * 50 / 32.819, rel=0.02)


def test_sunitinib_resistance_counts_from_the_first_dose() -> None:
    late = typical("sunitinib_tgi_hansson2013b", [2000.0, 2001], {"sunitinib": tablets(50, 1, begin=2000)})
    size = late["tumour_size"]
    assert 168 * np.log(size[1] / size[0]) == pytest.approx(0.0118 - 0.00503 * 50 / 32.819, rel=0.02)


def test_sunitinib_parts_share_one_truth_about_the_proteins() -> None:
    proteins = "sunitinib_biomarkers_hansson2013a"
    shared = same("base_sVEGFR3", "eta_MRT", "MRT_sVEGFR3", "IC50_sVEGFR3")
    assert_one_truth("sunitinib_anc_hansson2013", proteins, shared)
    shared |= same("base_sKIT", "MRT_sKIT", "IC50_sKIT", "DP_sKIT")
    assert_one_truth("sunitinib_tgi_hansson2013b", proteins, shared)
