"""The pharmacokinetic models of the library give the numbers that their papers and rules of thumb give.

Every check goes through the compiled model, for the typical patient (eta = 0), within the digits it was stated with.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.twin.equations import infusion
from tests.twin.library.levels import hourly, over, typical
from twin.clock import HOUR_MS
from twin.model.typical import typical_values
from twin.modelfile.library import load_model
from twin.timeline.delivery import Delivered


def test_arshad_five_days_reach_their_steady_state_and_nadirs() -> None:
    given = {"fluorouracil": infusion(over(120, 5 * 1000 * 1.95))}
    alone = typical("fluorouracil_arshad2020", given, hourly(60))
    assert alone["fluorouracil_plasma"][118] == pytest.approx(0.326, abs=5e-4)
    with_cisplatin = typical("fluorouracil_arshad2020", given, hourly(60), {"CISPLATIN": 1})
    for found, nadir, day in [(alone, 4.09, 23), (with_cisplatin, 2.02, 24)]:
        counts = found["leukocytes"]
        assert counts.min() == pytest.approx(nadir, abs=0.005)
        assert (counts.argmin() + 1) / 24 == pytest.approx(day, abs=0.5)


def test_arshad_and_yamada_differ_by_a_fifth_in_clearance() -> None:
    given = {"fluorouracil": infusion(over(46, 4320))}
    arshad = typical("fluorouracil_arshad2020", given, [150.0], {"BSA": 1.8})
    yamada = typical("fluorouracil_yamada2025", given, [150.0], {"BSA": 1.8})
    assert arshad["AUC"][0] == pytest.approx(19.6, abs=0.05)
    assert yamada["AUC"][0] == pytest.approx(24.1, abs=0.05)
    clearance = typical_values(load_model("fluorouracil_arshad2020"), {"BSA": 1.8})["CL"]
    assert clearance == pytest.approx(220, abs=0.5)
    assert 179 / clearance == pytest.approx(1 - 0.19, abs=0.005)


@pytest.mark.parametrize("model_id", ["fluorouracil_arshad2020", "fluorouracil_yamada2025"])
def test_dpyd_carriers_clear_half_and_who_must_avoid_the_drug_is_refused(model_id: str) -> None:
    model = load_model(model_id)
    usual, carrier = (typical_values(model, {"DPYD": score})["CL"] for score in (2.0, 1.5))
    assert carrier == pytest.approx(usual / 2)
    (score,) = (c for c in model.covariates if c.name == "DPYD")
    assert (score.reference, score.low, score.source) == (2, 1, None)
    assert dict(score.widens) == pytest.approx({"CL": 0.06 * 0.94 * math.log(2) ** 2}, rel=0.01)


LEVELS = [24.0, 36.0, 42.0, 48.0, 72.0]


@pytest.mark.parametrize(
    ("creatinine", "levels"),
    [(29, [71, 1.28, 0.66, 0.37, 0.10]), (58, [84, 1.96, 1.00, 0.56, 0.15])],
)
def test_taylor_levels_after_five_grams_per_square_metre(creatinine: float, levels: list[float]) -> None:
    given = {"methotrexate": infusion(over(24, 5000 * 1.73))}
    found = typical("methotrexate_taylor2020", given, LEVELS, {"creatinine": creatinine})["methotrexate_plasma"]
    assert found == pytest.approx(levels, abs=0.005, rel=0.006)


def test_taylor_kidney_injury_is_a_low_eta_and_crosses_every_rescue_threshold() -> None:
    given = {"methotrexate": infusion(over(24, 5000 * 1.73))}
    injured = typical("methotrexate_taylor2020", given, LEVELS, eta={"CL": math.log(3 / 11)})["methotrexate_plasma"]
    assert injured == pytest.approx([244, 39.7, 20.9, 12, 2.3], rel=0.02)
    # Consensus of 2018: 30 umol/L at 36 h, 10 at 42 h, 5 at 48 h.
    assert injured[1] > 30
    assert injured[2] > 10
    assert injured[3] > 5
    # Creatinine alone does not do it: ten times the reference still stays below the first threshold.
    failing = typical("methotrexate_taylor2020", given, LEVELS, {"creatinine": 290})["methotrexate_plasma"]
    assert failing[1] < 30


def test_more_creatinine_is_less_clearance() -> None:
    for name, clearance in [("methotrexate_taylor2020", "CL"), ("carboplatin_zandvliet2008", "CL")]:
        model = load_model(name)
        reference = next(c.reference for c in model.covariates if c.name == "creatinine")
        usual, worse = (typical_values(model, {"creatinine": scale * reference})[clearance] for scale in (1, 2))
        assert worse < usual, name


def test_a_gram_of_methotrexate_per_litre_is_2200_micromoles() -> None:
    given = {"methotrexate": Delivered(impulses=[(0, 16500.0, "iv")])}
    found = typical("methotrexate_taylor2020", given, [1e-5])["methotrexate_plasma"]
    assert found[0] == pytest.approx(1000 / 0.45444, rel=1e-4)


def test_glucarpidase_clears_what_the_kidney_does_not() -> None:
    methotrexate = infusion(over(4, 1730))
    enzyme = Delivered(impulses=[(48 * HOUR_MS, 5.19, "iv")])
    hours = [47.9, 48.25, 49.0, 60.0, 100.0]
    alone = typical("glucarpidase_kimura2023", {"methotrexate": methotrexate}, hours)["methotrexate_plasma"]
    rescued = typical("glucarpidase_kimura2023", {"methotrexate": methotrexate, "glucarpidase": enzyme}, hours)
    levels = rescued["methotrexate_plasma"]
    assert levels[0] == pytest.approx(alone[0])
    assert levels[1] < 0.05 * alone[1]
    assert levels[2] < 0.01 * alone[2]
    assert (levels < 1.0)[2:].all()


def test_fifty_units_per_kilogram_are_what_the_two_constants_say() -> None:
    values = typical_values(load_model("glucarpidase_kimura2023"))
    # alpha is 800 L/s per mol/L: one umol turns over 800 umol a second.
    units_per_umol = values["alpha"] / 60
    assert 50 * 60 / units_per_umol * values["mg_per_umol_enzyme"] == pytest.approx(5.19, abs=0.005)


def test_chen_peak_area_and_nadir_after_260_per_square_metre() -> None:
    given = {"nabpaclitaxel": infusion(over(0.5, 260 * 1.9))}
    # Albumin 3.9 g/dL is typical for elimination, 4.0 for the baseline: an eta sets the latter to its own 4.28.
    baseline = {"Circ0": 0.998 * math.log(39 / 40)}
    fine = np.unique(np.concatenate([np.geomspace(0.01, 0.5, 40), 0.5 + np.geomspace(0.001, 500, 600)]))
    found = typical("nabpaclitaxel_chen2014", given, fine.tolist())
    level = found["nabpaclitaxel_plasma"] / 1000
    assert level.max() == pytest.approx(14.2, abs=0.05)
    assert np.trapezoid(level, fine) == pytest.approx(18.8, abs=0.1)
    counts = typical("nabpaclitaxel_chen2014", given, hourly(21), eta=baseline)["neutrophils"]
    assert counts.min() == pytest.approx(1.24, abs=0.005)
    assert (counts.argmin() + 1) / 24 == pytest.approx(9.6, abs=0.1)


def test_chen_covariates_have_their_own_references() -> None:
    model = load_model("nabpaclitaxel_chen2014")
    assert typical_values(model, {"albumin": 39})["VMEL"] == 8070
    assert typical_values(model, {"albumin": 40})["Circ0"] == 4.28
    assert typical_values(model, {"albumin": 30})["Circ0"] > 4.28
    assert typical_values(model, {"AGE": 64})["Slope"] == 0.00253
    assert typical_values(model, {"AGE": 65})["Slope"] == pytest.approx(0.00253 * 1.501)


def test_zandvliet_clearance_is_renal_and_calvert_s_rest() -> None:
    model = load_model("carboplatin_zandvliet2008")
    values = typical_values(model, {"AGE": 40, "WT": 72, "creatinine": 88.4, "FEMALE": 0})
    # Cockcroft-Gault at 1 mg/dL: (140 - 40)*72/72 = 100 mL/min = 6 L/h.
    assert values["CrCL"] == pytest.approx(6.0, rel=0.01)
    assert values["CL"] == pytest.approx(0.76 * values["CrCL"] + 1.5)
    assert values["CL_nonrenal"] * 1000 / 60 == pytest.approx(25)
    woman = typical_values(model, {"AGE": 40, "WT": 72, "creatinine": 88.4, "FEMALE": 1})
    assert woman["CrCL"] == pytest.approx(0.85 * values["CrCL"])


@pytest.mark.parametrize(
    ("model_id", "dose", "auc"), [("carboplatin_zandvliet2008", 490, 5.5), ("carboplatin_mapbayr188", 530, 5.0)]
)
def test_carboplatin_regimens_reach_the_exposure_they_are_for(model_id: str, dose: float, auc: float) -> None:
    found = typical(model_id, {"carboplatin": infusion(over(0.5, dose))}, [300.0])
    (target,) = load_model(model_id).targets
    milligram_minutes = found["AUC"][0] * 60 / 1000
    assert milligram_minutes == pytest.approx(auc, rel=0.01)
    assert target.low < found["AUC"][0] < target.high


def test_mapbayr188_central_volume_is_per_square_metre() -> None:
    assert typical_values(load_model("carboplatin_mapbayr188"), {"BSA": 2.0})["V1"] == 19.0


def test_pembrolizumab_shares_its_random_effects_between_flows_and_between_volumes() -> None:
    model = load_model("pembrolizumab_ahamadi2017")
    assert model.eta_names == ("CL_Q", "Vc_Vp")
    dose = {"pembrolizumab": infusion(over(0.5, 153.6))}
    hours = [0.5, 24.0 * 400]
    usual, doubled = (
        typical("pembrolizumab_ahamadi2017", dose, hours, eta={"Vc_Vp": eta})["pembrolizumab_serum"]
        for eta in (0.0, math.log(2))
    )
    assert usual[0] == pytest.approx(153.6 / 3.48, rel=0.01)
    assert doubled[0] == pytest.approx(usual[0] / 2, rel=0.01)


def test_pembrolizumab_clearance_falls_with_ecog_as_the_table_says_not_the_footnote() -> None:
    model = load_model("pembrolizumab_ahamadi2017")
    fit, ill = (typical_values(model, {"ECOG": score})["CL"] for score in (0, 1))
    assert fit == 0.22
    assert ill == pytest.approx(0.22 * (1 - 0.0739))


def test_nivolumab_clearance_falls_to_three_quarters_and_no_further() -> None:
    values = typical_values(load_model("nivolumab_bajaj2017"))
    first, final = values["CL"], values["CL"] * math.exp(values["Emax"])
    assert first == pytest.approx(0.226, abs=0.0005)
    assert final == pytest.approx(0.168, abs=0.0005)
    # At steady state, years on, the rate of loss is that clearance; at first it is the other.
    rate, year = 10.0, 365.0 * 24
    given = {"nivolumab": infusion([(0, rate), (round(4 * year) * HOUR_MS, 0.0)])}
    found = typical("nivolumab_bajaj2017", given, [24.0, 4 * year])["nivolumab_serum"]
    assert found[1] == pytest.approx(24 * rate / final, rel=0.001)


def test_nivolumab_time_runs_from_its_first_dose_not_from_the_record() -> None:
    early = typical("nivolumab_bajaj2017", {"nivolumab": infusion(over(1, 240))}, [24.0 * day for day in (60, 120)])
    late_dose = {"nivolumab": infusion(over(1, 240, start=24.0 * 90))}
    late = typical("nivolumab_bajaj2017", late_dose, [24.0 * day for day in (150, 210)])
    assert early["nivolumab_serum"] == pytest.approx(late["nivolumab_serum"], rel=1e-5)


def test_nivolumab_change_of_clearance_may_go_either_way() -> None:
    model = load_model("nivolumab_bajaj2017")
    (change,) = (p for p in model.parameters if p.name == "Emax")
    assert (change.value, change.distribution, change.iiv) == (-0.295, "normal", 0.0719)
    rising = typical_values(model, eta={"Emax": 0.5})
    assert rising["Emax"] == pytest.approx(0.205)
