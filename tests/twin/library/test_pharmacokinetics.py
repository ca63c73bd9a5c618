"""The pharmacokinetic models of the library give the numbers that their papers and rules of thumb give.

Every check goes through the compiled model, for the typical patient (eta = 0), within the digits it was stated with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import optimize

from tests.twin.equations import BEGINNING, infusion, timeline_of
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.kernel.kernel import compile_model
from twin.model.typical import typical_values
from twin.modelfile.library import load_model
from twin.solver.linear_system import individual_parameters
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.delivery import Delivered


def over(hours: float, amount: float, start: float = 0.0) -> list[tuple[int, float]]:
    """Rate steps of an amount (mg) given evenly over some hours."""
    return [(round(start * HOUR_MS), amount / hours), (round((start + hours) * HOUR_MS), 0.0)]


def typical(
    model_id: str,
    given: Mapping[str, Delivered],
    hours: Sequence[float],
    covariates: Mapping[str, float] | None = None,
    eta: Mapping[str, float] | None = None,
) -> dict[str, Floats]:
    """Outputs and target states at some hours, by name, of the patient with these covariates and etas, else typical."""
    kernel = compile_model(load_model(model_id))
    model = kernel.model
    values = [(covariates or {}).get(c.name, c.reference) for c in model.covariates]
    timeline = timeline_of(kernel, dict(given), covariates=[(BEGINNING, values)])
    effects = np.array([[(eta or {}).get(name, 0.0) for name in model.effect_names]])
    solver = Solver(kernel, effects, step_sizes_for(kernel), shared=False)
    marks = np.round(np.array(hours) * HOUR_MS).astype(np.int64)
    _, out = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)
    names = [o.name for o in model.outputs] + [t.state for t in model.targets]
    return {name: out[:, i, 0] for i, name in enumerate(names)}


def hourly(days: float) -> list[float]:
    return [float(hour) for hour in range(1, round(days * 24) + 1)]


# --- 5-fluorouracil --------------------------------------------------------------------------------------------------


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


# --- methotrexate ----------------------------------------------------------------------------------------------------

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


# --- paclitaxel ------------------------------------------------------------------------------------------------------


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


# --- carboplatin -----------------------------------------------------------------------------------------------------


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


# --- tablets ---------------------------------------------------------------------------------------------------------


def daily(amount: float, every: float, count: int, route: str = "oral") -> Delivered:
    return Delivered(impulses=[(round(i * every * HOUR_MS), amount, route) for i in range(count)])


def test_sunitinib_at_steady_state_is_dose_over_clearance() -> None:
    values = typical_values(load_model("sunitinib_yu2014"))
    hours = [float(h) for h in np.linspace(24 * 60, 24 * 61, 97)]
    found = typical("sunitinib_yu2014", {"sunitinib": daily(50, 24, 61)}, hours)
    area = np.trapezoid(found["sunitinib_plasma"], hours) / 1000
    # The liver extracts CLs/(QH + CLs) of what flows through, so that what is swallowed reaches dose/CLs in the vein.
    assert area == pytest.approx(50 / values["CLs"], rel=0.005)
    metabolite = np.trapezoid(found["SU12662_plasma"], hours) / 1000
    assert metabolite == pytest.approx(50 * values["FM"] / values["CLm"], rel=0.01)
    # Hansson's exposure of 1.52 mg.h/L goes with another clearance, 32.819 L/h: the two may not be mixed unscaled.
    assert pytest.approx(1.52, abs=0.005) == 50 / 32.819
    assert abs(area - 1.52) > 0.1


def test_sunitinib_scales_with_weight_as_flows_and_volumes_do() -> None:
    usual, heavy = (typical_values(load_model("sunitinib_yu2014"), {"WT": weight}) for weight in (70, 140))
    for flow in ("CLs", "CLm", "Qm", "QH"):
        assert heavy[flow] == pytest.approx(usual[flow] * 2**0.75)
    for volume in ("Vs", "Vm", "Vpm"):
        assert heavy[volume] == pytest.approx(usual[volume] * 2)


@pytest.mark.parametrize(("boost", "clearance"), [(0, 8.43), (1, 3.49)])
def test_olaparib_hepatic_clearance_with_and_without_cobicistat(boost: float, clearance: float) -> None:
    values = typical_values(load_model("olaparib_cyp3a_overbeek2025"), {"BOOST": boost})
    assert values["EH"] * values["QHP"] == pytest.approx(clearance, abs=0.01)
    assert values["VL"] == pytest.approx(1.226, abs=0.001)
    assert values["QHP"] == pytest.approx(50.4)


def test_a_third_of_olaparib_with_cobicistat_gives_as_much_as_the_whole_without() -> None:
    hours = [float(h) for h in np.linspace(24 * 6, 24 * 6.5, 121)]
    areas = []
    for dose, boost in [(300, 0), (100, 1)]:
        found = typical("olaparib_cyp3a_overbeek2025", {"olaparib": daily(dose, 12, 14)}, hours, {"BOOST": boost})
        areas.append(np.trapezoid(found["olaparib_plasma"], hours))
    # Exposure by mouth is F*dose over intrinsic clearance of the unbound drug, since the liver is passed once.
    assert areas[0] == pytest.approx(300 / (45.6 * 0.10 * 70**0.59 * 0.181), rel=0.005)
    assert areas[1] / areas[0] == pytest.approx(1.65 / 3 / 0.37, rel=0.005)


def test_imatinib_at_steady_state_is_dose_over_clearance() -> None:
    hours = [float(h) for h in np.linspace(24 * 20, 24 * 21, 97)]
    found = typical("imatinib_widmer2006", {"imatinib": daily(400, 24, 21)}, hours)["imatinib_plasma"]
    assert np.trapezoid(found, hours) / 1000 == pytest.approx(400 / 14.3, rel=0.005)


def test_intraperitoneal_irinotecan_is_shared_between_plasma_and_sn38() -> None:
    hours = [float(h) for h in np.concatenate([np.linspace(0.01, 12, 600), np.geomspace(12.1, 3000, 600)])]
    given = {"irinotecan": Delivered(impulses=[(0, 75.0, "ip")])}
    found = typical("irinotecan_ip_rietveld2024", given, hours)
    dose = 75 / 0.58668
    to_plasma = 1.02 / (1.02 + 0.118)
    assert np.trapezoid(found["irinotecan_plasma"], hours) == pytest.approx(dose * to_plasma / 33.2, rel=0.005)
    sn38 = dose * (0.03 * to_plasma + (1 - to_plasma))
    assert np.trapezoid(found["SN38_plasma"], hours) == pytest.approx(sn38 / 46, rel=0.005)


def test_irinotecan_weight_is_refused_where_its_power_does_not_hold() -> None:
    (weight,) = (c for c in load_model("irinotecan_ip_rietveld2024").covariates if c.name == "WT")
    assert (weight.low, weight.high) == (60, 100)


# --- antibodies ------------------------------------------------------------------------------------------------------


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


# --- late and spread absorption --------------------------------------------------------------------------------------


def test_tamoxifen_enters_late_and_endoxifen_follows_the_phenotype() -> None:
    given = {"tamoxifen": Delivered(impulses=[(0, 20.0, "oral")])}
    found = typical("tamoxifen_terheine2014", given, [0.4, 0.5])
    assert found["tamoxifen_plasma"][0] == 0
    assert found["tamoxifen_plasma"][1] > 0
    hours = [float(h) for h in np.linspace(24 * 250, 24 * 251, 97)]
    model = load_model("tamoxifen_terheine2014")
    for activity in (1560.0, 156.0):
        values = typical_values(model, {"CYP2D6": activity})
        assert values["CL23"] == pytest.approx(0.324 * (activity / 1560) ** 0.262)
        # A steady flow R into the liver: what leaves it for the blood comes back but for CL20.
        flow = values["Q"]
        liver = 20 / 24 / (flow + values["CL23"] - flow**2 / (flow + values["CL20"]))
        steady = typical("tamoxifen_terheine2014", {"tamoxifen": daily(20, 24, 251)}, hours, {"CYP2D6": activity})
        parent = flow * liver / (flow + values["CL20"]) / 371.51456 * 1e6
        metabolite = values["CL23"] * liver / 5.1 / 373.48738 * 1e6
        assert np.trapezoid(steady["tamoxifen_plasma"], hours) / 24 == pytest.approx(parent, rel=0.002)
        assert np.trapezoid(steady["endoxifen_plasma"], hours) / 24 == pytest.approx(metabolite, rel=0.002)


def test_cabozantinib_is_absorbed_whole_by_two_ways_at_once() -> None:
    hours = [float(h) for h in np.concatenate([np.linspace(0.001, 24, 2000), np.geomspace(24.1, 4000, 3000)])]
    given = {"cabozantinib": Delivered(impulses=[(0, 60.0, "oral")])}
    for share in (0.0, 2.0, -2.0):
        level = typical("cabozantinib_nguyen2019", given, hours, eta={"F1": share})["cabozantinib_plasma"]
        assert np.trapezoid(level, hours) == pytest.approx(60 / 2.48, rel=0.002)
        # The first-order part waits for its lag; until then only the other share enters, evenly over 2.48 h.
        early = int(np.searchsorted(hours, 0.1))
        first = 1 / (1 + math.exp(-(math.log(0.83 / 0.17) + share)))
        assert level[early] == pytest.approx((1 - first) * 60 * hours[early] / 2.48 / 212, rel=0.02)


def test_cabozantinib_absorption_rate_follows_the_dose() -> None:
    hours = [0.9, 1.1]
    gains = []
    for dose in (60.0, 20.0):
        given = {"cabozantinib": Delivered(impulses=[(0, dose, "oral")])}
        # All by the first-order way, right after its lag: what enters is KA times the dose.
        level = typical("cabozantinib_nguyen2019", given, hours, eta={"F1": 30.0})["cabozantinib_plasma"] / dose
        gains.append((level[1] - level[0]) / 0.2)
    assert gains[1] / gains[0] == pytest.approx((1 / 3) ** 0.734, rel=0.15)


def test_cabozantinib_tumours_shift_clearance_and_volume() -> None:
    model = load_model("cabozantinib_nguyen2019")
    healthy, thyroid = (typical_values(model, {"MTC": tumour}) for tumour in (0, 1))
    assert thyroid["CL"] / healthy["CL"] == pytest.approx(1.9)
    assert thyroid["V2"] / healthy["V2"] == pytest.approx(0.936)
    assert typical_values(model, {"FEMALE": 1})["CL"] == pytest.approx(0.76 * 2.48)


# --- between occasions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model_id", "grams", "hours", "levels"),
    [
        ("methotrexate_mao2022", 4, [3.0, 24.0, 48.0, 72.0], [327, 1.54, 0.22, 0.11]),
        ("methotrexate_faltaos2006", 5, [4.0, 24.0, 48.0, 72.0], [260, 1.57, 0.22, 0.06]),
    ],
)
def test_methotrexate_levels_of_the_typical_adult(
    model_id: str, grams: float, hours: list[float], levels: list[float]
) -> None:
    given = {"methotrexate": infusion(over(hours[0], 1000 * grams))}
    found = typical(model_id, given, hours)["methotrexate_plasma"]
    # The stated figures are cut off rather than rounded: within one of their last digit.
    assert found[0] == pytest.approx(levels[0], abs=1)
    assert found[1:] == pytest.approx(levels[1:], abs=0.01)


def test_mao_reference_patient_has_the_reference_clearance() -> None:
    model = load_model("methotrexate_mao2022")
    values = typical_values(model)
    assert values["CrCL"] == pytest.approx(98, rel=2e-3)
    assert values["CLi"] == pytest.approx(4.91, rel=1e-3)
    assert typical_values(model, {"AGE": 60})["CLi"] > 1.1 * typical_values(model, {"AGE": 61})["CLi"]
    assert typical_values(model, {"albumin": 20})["CLi"] == pytest.approx(values["CLi"] * 0.5**0.35)
    # The paper prints 222 g/mol; only 454.44 gives its levels.
    assert values["mg_per_umol"] == 0.45444


def test_clearance_of_methotrexate_differs_from_course_to_course() -> None:
    for name, variance in [("methotrexate_mao2022", 0.059220), ("methotrexate_faltaos2006", 0.027225)]:
        model = load_model(name)
        assert model.iov_names == ("CL",)
        assert model.omega_iov.tolist() == [[variance]]
        assert model.occasions is not None
        assert (model.occasions.drug, model.occasions.gap) == ("methotrexate", 96)


# --- busulfan --------------------------------------------------------------------------------------------------------


def test_mccune_clearance_at_62_kg_of_normal_fat_mass_is_the_file_s_not_the_abstract_s() -> None:
    model = load_model("busulfan_mccune2014")

    def normal_fat_mass(weight: float) -> float:
        lean = typical_values(model, {"WT": weight})["FFM"]
        return lean + 0.509 * (weight - lean)

    weight = float(optimize.brentq(lambda kg: normal_fat_mass(kg) - 62, 40, 120))
    clearance = typical_values(model, {"WT": weight})["CLi"]
    assert clearance == pytest.approx(10.4, abs=0.05)
    assert model.note is not None
    assert "12.4" in model.note


def test_mccune_size_and_maturation() -> None:
    model = load_model("busulfan_mccune2014")
    man, woman = (typical_values(model, {"WT": 70, "HT": 1.76, "FEMALE": female}) for female in (0, 1))
    assert man["FFM"] == pytest.approx(42.92 * 1.76**2 * 70 / (30.93 * 1.76**2 + 70))
    assert woman["FFM"] == pytest.approx(37.99 * 1.76**2 * 70 / (35.98 * 1.76**2 + 70))
    lean = woman["FFM"]
    assert woman["Vi"] == pytest.approx(13.9 * 1.07 * (lean + 0.203 * (70 - lean)) / 70)
    newborn, adult = (typical_values(model, {"AGE": age})["Fmat"] for age in (0, 30))
    assert newborn == pytest.approx(1 / (1 + (40 / 45.7) ** -2.3))
    assert adult == pytest.approx(1, abs=5e-4)


@pytest.mark.parametrize(
    ("model_id", "steps"),
    [
        ("busulfan_mccune2014", [(5.9, 1.0), (6.1, 0.932), (35.9, 0.932), (36.1, 0.919)]),
        ("busulfan_shukla2020", [(23.9, 1.0), (24.1, 1 - 0.135), (90.0, 1 - 0.135)]),
    ],
)
def test_busulfan_clearance_steps_down_with_time_since_the_first_dose(
    model_id: str, steps: list[tuple[float, float]]
) -> None:
    kernel = compile_model(load_model(model_id))
    first = 5.0
    timeline = timeline_of(kernel, {"busulfan": infusion(over(3, 200, start=first))})
    effects = np.zeros((1, len(kernel.model.effect_names)))
    usual = typical_values(kernel.model)["CLi"]
    for hour, factor in steps:
        now = np.searchsorted(timeline.epoch, round((first + hour) * HOUR_MS), side="right") - 1
        values = individual_parameters(kernel, effects, timeline.covariates[now])[0]
        assert values[kernel.parameters.index("CLi")] == pytest.approx(factor * usual)


def test_shukla_fat_free_mass_and_effects() -> None:
    model = load_model("busulfan_shukla2020")
    reference = typical_values(model)
    assert reference["FFM"] == pytest.approx(12, rel=0.02)
    body_mass = 15 / 0.98**2
    boy = (0.88 + 0.12 / (1 + (3.5 / 13.4) ** -12.7)) * 9270 * 15 / (6680 + 216 * body_mass)
    girl = (1.11 - 0.11 / (1 + (3.5 / 7.1) ** -1.1)) * 9270 * 15 / (8780 + 244 * body_mass)
    assert reference["FFM"] == pytest.approx(boy)
    assert typical_values(model, {"FEMALE": 1})["FFM"] == pytest.approx(girl)
    assert typical_values(model, {"REGI": 1})["CLi"] == pytest.approx(0.8 * reference["CLi"])
    assert reference["Fmat"] == pytest.approx(0.451 + 0.549 * (1 - math.exp(-1.37 * 3.5)))


@pytest.mark.parametrize(
    ("weight", "offset", "minutes"), [(10, 0, 40), (20, 0, 35), (20, -10, 25), (30, 0, 20), (50, 0, 10), (50, -30, 0)]
)
def test_neroutsos_infusion_reaches_the_vein_late_and_whole(weight: float, offset: float, minutes: float) -> None:
    covariates = {"WT": weight, "LAG_OFFSET": offset}
    values = typical_values(load_model("busulfan_neroutsos2022"), covariates)
    assert values["LAG"] * 60 == pytest.approx(minutes)
    lag = minutes / 60
    hours = [0.01 + lag / 2, lag + 1.0, lag + 2.0, lag + 2.5, 300.0]
    found = typical("busulfan_neroutsos2022", {"busulfan": infusion(over(2, 20))}, hours, covariates)
    level = found["busulfan_plasma"]
    if minutes:
        assert level[0] == 0
    assert level[2] > level[1] > 0
    assert level[3] < level[2]
    assert found["AUC"][-1] == pytest.approx(20 / values["CL"], rel=1e-6)


@pytest.mark.parametrize("model_id", ["busulfan_mccune2014", "busulfan_shukla2020", "busulfan_neroutsos2022"])
def test_busulfan_regimens_reach_the_cumulative_exposure_they_are_for(model_id: str) -> None:
    model = load_model(model_id)
    (regimen,) = model.regimens
    rate = [
        step
        for i in range(regimen.cycles)
        for step in over(regimen.duration, regimen.amount, start=i * regimen.interval)
    ]
    found = typical(model_id, {"busulfan": infusion(rate)}, [400.0])
    (target,) = model.targets
    assert target.low < found["AUC"][0] < target.high


@pytest.mark.parametrize(
    ("model_id", "variances"),
    [
        ("busulfan_mccune2014", {"CL": 0.113**2, "V": 0.224**2}),
        ("busulfan_shukla2020", {"CL": 0.1288**2, "V": 0.1334**2}),
        ("busulfan_neroutsos2022", {"CL": 0.105**2}),
    ],
)
def test_busulfan_differs_from_day_to_day_as_published(model_id: str, variances: dict[str, float]) -> None:
    model = load_model(model_id)
    assert dict(zip(model.iov_names, np.diag(model.omega_iov).tolist(), strict=True)) == pytest.approx(variances)
    assert model.occasions is not None
    assert (model.occasions.drug, model.occasions.every) == ("busulfan", 24)


def test_a_milligram_hour_of_busulfan_is_244_micromolar_minutes() -> None:
    for model_id in ("busulfan_mccune2014", "busulfan_shukla2020", "busulfan_neroutsos2022"):
        (output,) = load_model(model_id).outputs
        assert output.molar_mass is not None
        assert 60 * 1000 / output.molar_mass == pytest.approx(243.6, abs=0.05)


def test_ibrutinib_dose_enters_after_its_lag_over_its_duration() -> None:
    given = {"ibrutinib": Delivered(impulses=[(0, 420.0, "oral")])}
    hours = [0.23, *np.linspace(0.24, 30, 3000), *np.linspace(30.1, 400, 3000)]
    found = typical("ibrutinib_gallais2020", given, hours)
    assert found["ibrutinib_plasma"][0] == 0
    assert found["ibrutinib_plasma"][5] > 0
    values = typical_values(load_model("ibrutinib_gallais2020"))
    whole = values["KA"] + values["K14"]
    parent = 420 * values["KA"] / whole / (values["CLIBRU"] + values["CLMET"])
    metabolite = (420 * values["K14"] / whole + values["CLMET"] * parent) / values["CLDHD"]
    assert np.trapezoid(found["ibrutinib_plasma"], hours) / 1000 == pytest.approx(parent, rel=0.002)
    assert np.trapezoid(found["DHD_plasma"], hours) / 1000 == pytest.approx(metabolite, rel=0.002)
    # With a duration eightfold the peak comes later and is lower, the area stays.
    slow = typical("ibrutinib_gallais2020", given, hours, eta={"D1": math.log(8)})["ibrutinib_plasma"]
    assert slow.argmax() > found["ibrutinib_plasma"].argmax()
    assert slow.max() < found["ibrutinib_plasma"].max()
    assert np.trapezoid(slow, hours) == pytest.approx(np.trapezoid(found["ibrutinib_plasma"], hours), rel=0.002)


def test_ibrutinib_random_effects_are_the_published_blocks() -> None:
    model = load_model("ibrutinib_gallais2020")
    names = model.eta_names

    def covariance(first: str, second: str) -> float:
        return float(model.omega[names.index(first), names.index(second)])

    assert names == ("V3", "V2", "CLDHD", "CLIBRU", "K14", "CLMET", "ALAG", "D1")
    assert covariance("V3", "CLMET") == 0
    assert covariance("V2", "CLMET") == 0.000591386
    assert covariance("ALAG", "D1") == 0.282336
    assert dict(zip(model.iov_names, np.diag(model.omega_iov).tolist(), strict=True)) == {
        "CLDHD": 0.0637684,
        "CLIBRU": 0.197216,
    }


def pazopanib_area(dose: float, count: int) -> float:
    """Area (mg.h/L) that the last of some daily doses adds."""
    hours = [*np.linspace(24.0 * (count - 1), 24.0 * count + 2000, 40000)]
    with_last = typical("pazopanib_yu2017", {"pazopanib": daily(dose, 24, count)}, hours)["pazopanib_plasma"]
    without = typical("pazopanib_yu2017", {"pazopanib": daily(dose, 24, count - 1)}, hours)["pazopanib_plasma"]
    return float(np.trapezoid(with_last - without, hours))


@pytest.mark.parametrize(("dose", "share"), [(200, 1.0), (800, 1 - 600 / 1080)])
def test_pazopanib_absorption_falls_with_the_dose_and_with_the_days(dose: float, share: float) -> None:
    assert pazopanib_area(dose, 1) == pytest.approx(dose * share / 0.27, rel=0.002)
    later = 1 - 0.501 + 0.501 * math.exp(-0.15 * 20)
    assert pazopanib_area(dose, 21) == pytest.approx(dose * share * later / 0.27, rel=0.002)


def test_pazopanib_bioavailability_differs_from_cycle_to_cycle() -> None:
    model = load_model("pazopanib_yu2017")
    assert (model.iov_names, model.omega_iov.tolist()) == (("F",), [[0.555025]])
    assert model.occasions is not None
    assert (model.occasions.drug, model.occasions.every) == ("pazopanib", 672)
