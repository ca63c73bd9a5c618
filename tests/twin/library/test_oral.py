"""Levels of drugs that are swallowed are those of their articles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.twin.library.levels import daily, typical
from twin.model.typical import typical_values
from twin.modelfile.library import load_model
from twin.timeline.delivery import Delivered


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


def test_imatinib_clearance_and_volume_follow_weight_age_sex_and_disease() -> None:
    model = load_model("imatinib_widmer2006")
    man = typical_values(model, {"WT": 84, "AGE": 60, "MALE": 1, "GIST": 0})
    assert man["CL"] == pytest.approx(14.3 + 5.42 * 0.2 + 1.49 - 5.81 * 0.2 + 0.806)
    assert man["V"] == pytest.approx(347 + 46.2)
    woman = typical_values(model, {"MALE": 0, "GIST": 1})
    assert (woman["CL"], woman["V"]) == (pytest.approx(14.3 - 1.49 - 0.806), pytest.approx(347 - 46.2))
    assert model.omega[0, 1] / math.sqrt(model.omega[0, 0] * model.omega[1, 1]) == pytest.approx(0.798)


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
    assert typical_values(model, {"AGE": 64, "WT": 78})["V2"] == 212
    assert typical_values(model, {"ASIAN": 1})["V2"] == pytest.approx(0.696 * 212)
    assert typical_values(model, {"BLACK": 1})["CL"] == pytest.approx(1.18 * 2.48)


def test_cabozantinib_capsules_are_absorbed_more_slowly_and_less() -> None:
    hours = [float(h) for h in np.concatenate([np.linspace(0.001, 24, 2000), np.geomspace(24.1, 4000, 3000)])]
    given = {"cabozantinib": Delivered(impulses=[(0, 60.0, "oral")])}
    tablet, capsule = (
        typical("cabozantinib_nguyen2019", given, hours, {"CAPSULE": form})["cabozantinib_plasma"] for form in (0, 1)
    )
    assert np.trapezoid(capsule, hours) / np.trapezoid(tablet, hours) == pytest.approx(0.847, rel=1e-4)
    values = typical_values(load_model("cabozantinib_nguyen2019"), {"CAPSULE": 1})
    assert values["KA"] == pytest.approx(0.402 * 1.24)
