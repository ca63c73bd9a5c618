"""The pharmacodynamic models of the library against what was published and computed about them by others.

Every figure is reached by the project's own kernel and solver on the typical patient.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.equations import infusion
from tests.twin.library.effects import DAYS, assert_one_truth, hour_infusion, same, tablets, typical
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.model.typical import typical_values
from twin.modelfile.library import load_model


def test_docetaxel_of_kloft_driven_by_ozawa_has_the_computed_nadir() -> None:
    counts = typical("docetaxel_kloft2006_netterberg2017", DAYS * 24, {"docetaxel": hour_infusion(180, 1)})
    nadir = counts["neutrophils"]
    assert nadir.min() == pytest.approx(0.18, abs=0.005)
    assert DAYS[nadir.argmin()] == pytest.approx(8.6, abs=0.1)


@pytest.mark.parametrize("hours", [[0], [0, 12, 24, 36, 48, 60], [0, 0, 12]])
def test_a_course_of_dexamethasone_fills_the_pool_of_ozawa_once(hours: list[int]) -> None:
    times = [round((hour + 504 * cycle) * HOUR_MS) for cycle in (0, 1) for hour in hours]
    premedication = infusion([], [(t, 8.0, "oral") for t in times], times)
    given = {"docetaxel": hour_infusion(96, 1, [0.0, 504.0]), "dexamethasone": premedication}
    counts = typical("docetaxel_ozawa2007", np.arange(0, 1008.0, 3), given)["neutrophils"]
    assert counts[:168].min() == pytest.approx(0.973, abs=0.001)
    # Each course fills it anew.
    assert counts[168:200].max() - counts[167] > 0.5


def test_docetaxel_of_kloft_shares_its_kinetics_with_ozawa() -> None:
    kinetics = same("CL", "V1", "Q2", "V2", "Q3", "V3")
    assert_one_truth("docetaxel_kloft2006_netterberg2017", "docetaxel_ozawa2007", kinetics)


def test_docetaxel_of_kloft_has_the_published_covariate_effects() -> None:
    def values(**covariates: float) -> dict[str, float]:
        return typical_values(load_model("docetaxel_kloft2006_netterberg2017"), covariates)

    plain = values()
    assert plain["Circ0"] == 5.21965
    assert plain["SL"] * plain["per_mg"] == pytest.approx(19.27, abs=0.005)
    assert values(FEMALE=1)["Circ0"] == pytest.approx(5.21965 * (1 - 0.121451))
    assert values(ECOG=1)["Circ0"] == values(ECOG=3)["Circ0"] == pytest.approx(5.21965 * 1.130406)
    assert values(PRIOR=1)["Circ0"] == pytest.approx(5.21965 * (1 - 0.146837))
    assert values(AAG=1.0)["Circ0"] == pytest.approx(5.21965 * (1 - 0.34 * 0.174677))
    assert values(AAG=2.0)["Circ0"] == pytest.approx(5.21965 * (1 + 0.66 * 0.494618))
    assert values(AAG=2.0)["SL"] == pytest.approx(15.5711 * (1 - 0.66 * 0.350693))
    assert values(AAG=4.0)["SL"] > 0


def test_paclitaxel_clearance_and_slope_stay_on_one_scale() -> None:
    """The slope belongs to clearances near 285 L/h; with those of total paclitaxel it would wipe out the marrow."""
    model = load_model("paclitaxel_friberg2002_leukocytes")
    values = typical_values(model)
    assert values["Slope"] == 28.9
    assert values["CLI"] == 285
    assert [output.name for output in model.outputs] == ["leukocytes"]  # no level on that scale can be measured
    given = {"paclitaxel": hour_infusion(300, 3)}
    nadir = typical(model.id, DAYS * 24, given)["leukocytes"].min()
    assert 2.5 < nadir < 3.5
    slow = typical(model.id, DAYS * 24, given, [(0, {"CLI": 160.0})])["leukocytes"].min()
    assert slow < nadir  # slower clearance, deeper nadir


def test_paclitaxel_dose_is_counted_in_micromoles() -> None:
    assert typical_values(load_model("paclitaxel_friberg2002_leukocytes"))["per_mg"] == pytest.approx(1000 / 853.9)


def test_platelets_rest_at_their_baseline_and_live_four_and_a_half_days() -> None:
    counts = typical("platelets_perezruixo2015", [0, 500, 2000])["platelets"]
    np.testing.assert_allclose(counts, 237, rtol=1e-9)

    def residence(**covariates: float) -> float:
        v = typical_values(load_model("platelets_perezruixo2015"), covariates)
        r = v["ktr"] / (v["ktr"] + v["ks"])
        return float((1 - r**5) / (1 - r) / (v["ktr"] + v["ks"]) / 24)

    # The reading of the article's 3.23 and 7.78 d is open; these follow from its rate constants.
    assert residence() == pytest.approx(4.6, abs=0.05)
    assert residence(SPLENECTOMY=1) == pytest.approx(8.9, abs=0.05)


def test_platelets_rise_after_surgery_and_fall_under_oxaliplatin() -> None:
    hours = np.arange(0, 1500, 24.0)
    operated = typical("platelets_perezruixo2015", hours, {"surgery": infusion([], pulses=[0])})["platelets"]
    assert operated.max() > 2 * 237
    treated = typical("platelets_perezruixo2015", hours, {}, [(0, {"CP": 1.0}), (20, {"CP": 0.0})])["platelets"]
    assert treated.min() < 237
    # A dose of oxaliplatin by itself says nothing: the article's concentrations are an input.
    dosed = typical("platelets_perezruixo2015", hours, {"oxaliplatin": hour_infusion(150, 2)})["platelets"]
    np.testing.assert_allclose(dosed, 237, rtol=1e-9)


def test_ibrutinib_raises_systolic_pressure_as_computed() -> None:
    given = {"ibrutinib": tablets(420, 1500)}
    pressure = typical("ibrutinib_sbp_ibrahim2023", [0, 1500 * 24.0], given)["systolic_pressure"]
    np.testing.assert_allclose(pressure, [126.5, 139.1], atol=0.05)


def test_ibrutinib_exposure_is_anchored_to_the_area_of_the_label() -> None:
    values = typical_values(load_model("ibrutinib_sbp_ibrahim2023"))
    assert 420 * values["AUC_per_mg"] == pytest.approx(680)
    older = typical_values(load_model("ibrutinib_sbp_ibrahim2023"), {"AGE": 75})
    assert older["MTT"] == pytest.approx(79.9 * (75 / 63) ** -5.038)


def test_pressure_over_the_day_is_the_published_curve_on_the_patients_clock() -> None:
    hours = np.arange(0.0, 24.0, 0.5)
    found = typical("ambulatory_bp_sheng2013", hours)
    day = hours / 24

    def curve(mean: float, half: float, whole: float, day: Floats) -> Floats:
        twelve, full = 2 * np.pi * (day + 0.652) / 0.5, np.pi * (day - 3.61) / 0.5
        return mean + half * np.cos(twelve) + whole * np.cos(full)

    np.testing.assert_allclose(found["systolic_pressure"], curve(140, 7.52, 8.64, day), rtol=1e-9)
    np.testing.assert_allclose(found["diastolic_pressure"], curve(89.5, 5.61, 6.27, day), rtol=1e-9)
    assert found["systolic_pressure"].mean() == pytest.approx(140, rel=1e-9)
    # A reading at four in the morning lies far under the mean of the day.
    assert found["systolic_pressure"][hours == 4.0] < 130
    china = typical("ambulatory_bp_sheng2013", hours, {}, [(0, {"UTC_OFFSET": 8.0})])
    np.testing.assert_allclose(china["systolic_pressure"], curve(140, 7.52, 8.64, day + 8 / 24), rtol=1e-9)


def test_pressures_of_the_cohort_differ_as_its_standard_errors_allow() -> None:
    spread = {p.name: p for p in load_model("ambulatory_bp_sheng2013").parameters if p.iiv is not None}
    assert (spread["Base_SBP"].iiv, spread["Base_DBP"].iiv) == (pytest.approx(0.079**2), pytest.approx(0.12**2))
    # Errors as the article's table has them, relative to the value; `twin.modelfile.gates` holds the variances to them.
    errors = {"Base_SBP": 0.018, "Base_DBP": 0.018, "A1_SBP": 0.087, "A2_SBP": 0.091, "A1_DBP": 0.076, "A2_DBP": 0.093,
              "PHS1": 0.013, "PHS2": 0.008}  # fmt: skip
    assert spread.keys() == errors.keys()
    for name, error in errors.items():
        assert spread[name].stated.se == pytest.approx(error * abs(spread[name].value), rel=0.02), name
        assert spread[name].stated.patients == 38


def test_qtcf_on_ivosidenib_is_the_published_line_and_says_what_of_it_is_a_stand_in() -> None:
    model = load_model("ivosidenib_qtcf_jiang2021")
    change = typical(model.id, [0, 1.0, 25.0], {}, [(0.5, {"CP": 6551.0}), (24.5, {"CP": 0.0})])["qtcf_change"]
    np.testing.assert_allclose(change, [0.3, 17.2, 0.3], atol=0.01)
    (intercept,) = (p for p in model.parameters if p.iiv is not None)
    assert intercept.assumed is not None
    assert "none is published" in intercept.assumed
    assert model.outputs[0].error.assumed is not None


def odds_of_henin(previous: int, rate: float, clearance: float = 75.5) -> list[float]:
    """Probabilities of grades 0, 1 and 2 after a grade, at an outflow in mg/week, as the article's logits give them."""
    intercept, effect, step = [(4.14, 3.17, 0.626), (0.855, 6.65, 7.24), (1.47, 8.92, 0.33)][previous]
    logit = intercept - effect * rate / (rate + 12900) + 0.0065 * (clearance - 75.5)
    none, mild = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(-(logit + step)))
    return [none, mild - none, 1 - mild]


@pytest.mark.parametrize("previous", [0, 1, 2])
def test_the_grade_of_a_week_depends_on_the_last_one_and_on_the_outflow_of_the_doses(previous: int) -> None:
    weeks, mg = 2.0, 50000.0
    given = {"capecitabine": infusion([], [(0, mg, "oral")])}
    seen = [(24.0, "hand_foot_syndrome", float(previous))]
    told = [(0.0, {"CRCL": 60.0})]
    found = typical("capecitabine_hfs_henin2009", [weeks * 168], given, told, seen)["hand_foot_syndrome"]
    rate = 0.102 * mg * np.exp(-0.102 * weeks)
    np.testing.assert_allclose(found[0], odds_of_henin(previous, rate, 60.0), rtol=1e-9)


def test_before_the_first_grade_skin_counts_as_whole() -> None:
    found = typical("capecitabine_hfs_henin2009", [24.0])["hand_foot_syndrome"]
    np.testing.assert_allclose(found[0], odds_of_henin(0, 0.0), rtol=1e-9)
