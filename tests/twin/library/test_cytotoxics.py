"""Cytotoxic drugs by vein show the areas, half-lives and covariate effects that are published of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.equations import infusion
from tests.twin.library.levels import hourly, over, typical
from twin.model.typical import typical_values
from twin.modelfile.library import load_model

ONCE = [float(hour) for hour in np.concatenate([np.linspace(0.02, 24, 1200), np.geomspace(24.1, 1000, 400)])]


def area(level: np.ndarray) -> float:
    return float(np.trapezoid(level, ONCE))


def once(drug: str, model_id: str, amount: float, hours: float) -> dict[str, np.ndarray]:
    """Outputs at `ONCE` after an infusion."""
    return typical(model_id, {drug: infusion(over(hours, amount))}, ONCE)


@pytest.mark.parametrize(
    ("drug", "model_id", "amount", "hours", "output", "clearance"),
    [
        ("pemetrexed", "pemetrexed_cao2022", 850.0, 0.25, "pemetrexed_plasma", 8.29),
        ("fludarabine", "fludarabine_langenhorst2019", 69.2, 1.0, "F_ara_A_plasma", 3.2 + 0.78 * 7.2),
        ("cisplatin", "cisplatin_urien2004", 40.5, 0.5, "unbound_platinum", 35.5),
        ("melphalan", "melphalan_nath2007", 106.4, 0.25, "melphalan_plasma", 0.34 * 18.8 + 0.0377 * 115),
        ("carboplatin", "carboplatin_ekhart2009", 724.0, 1.0, "carboplatin_free", 8.38),
    ],
)
def test_an_area_is_dose_over_clearance(
    drug: str, model_id: str, amount: float, hours: float, output: str, clearance: float
) -> None:
    assert area(once(drug, model_id, amount, hours)[output]) == pytest.approx(amount / clearance, rel=0.005)


def test_kidneys_change_pemetrexed_and_fludarabine() -> None:
    half = typical_values(load_model("pemetrexed_cao2022"), {"CRCL": 46.8})["CL"]
    assert half / 8.29 == pytest.approx(0.5**0.58)
    model = load_model("fludarabine_langenhorst2019")
    child = typical_values(model, {"WT": 20, "eGFR": 60})
    assert child["CL"] == pytest.approx((3.2 + 0.78 * 3.6) * (20 / 70) ** 0.75)
    assert child["V1"] == pytest.approx(39 * 20 / 70)
    assert model.eta_names == ("clearing", "spreading")


def test_bound_platinum_stays_for_two_days_where_unbound_is_gone_in_hours() -> None:
    found = once("cisplatin", "cisplatin_urien2004", 40.5, 0.5)
    unbound, total = found["unbound_platinum"], found["total_platinum"]
    first, last = np.searchsorted(ONCE, [48, 300])
    stays = np.log(2) * (ONCE[last] - ONCE[first]) / np.log(total[first] / total[last])
    assert stays == pytest.approx(np.log(2) / 0.014, rel=0.01)
    assert unbound[first] < 1e-6 * unbound.max()
    # What is bound at most is fm/Vm times the dose, as long as little of it has left.
    assert total[np.searchsorted(ONCE, 8.0)] == pytest.approx(0.017 * 40.5, rel=0.12)


def test_gemcitabine_is_gone_in_hours_and_its_metabolite_in_days() -> None:
    found = once("gemcitabine", "gemcitabine_jiang2008", 1730.0, 0.5)
    assert area(found["gemcitabine_plasma"]) * 60 == pytest.approx(1730 / 2.7, rel=0.02)
    clearance = 0.04 * (1 + 0.48 * 83 / 70)
    assert area(found["dFdU_plasma"]) * 60 == pytest.approx(1730 / clearance, rel=0.01)
    assert found["gemcitabine_plasma"][np.searchsorted(ONCE, 6.0)] < 0.2 < found["dFdU_plasma"][-500]
    model = load_model("gemcitabine_jiang2008")
    assert typical_values(model, {"GEM_THEN_OX": 1, "NSCLC": 1})["Vm"] == pytest.approx(46 * 0.65 * 1.24)


def test_pegaspargase_works_for_two_to_three_weeks_and_is_cleared_less_in_reinduction() -> None:
    given = {"pegaspargase": infusion(over(2, 2500 * 0.79 / 85))}
    activity = typical("pegaspargase_wurthwein2021", given, hourly(30))["asparaginase_activity"]
    # Erlang's chain: of what was given, exp(-k t) sum (q t)^i / i! is left, i up to 13.
    volume, clearance, flow = 1.69 * 0.79, 0.126 * 0.79, 0.918 * 0.79
    for day in (7, 14, 21, 28):
        t = day - 1 / 24
        terms = [1.0]
        for i in range(1, 14):
            terms.append(terms[-1] * flow / volume * t / i)
        left = 2500 * 0.79 / volume * np.exp(-(clearance + flow) / volume * t) * sum(terms)
        assert activity[day * 24 - 1] == pytest.approx(left, rel=0.002)
    assert activity[14 * 24 - 1] > 100 > activity[28 * 24 - 1]
    again = typical_values(load_model("pegaspargase_wurthwein2021"), {"PHASE": 3})
    first = typical_values(load_model("pegaspargase_wurthwein2021"))
    assert again["CL"] / first["CL"] == pytest.approx(0.588)
    assert again["V"] / first["V"] == pytest.approx(0.716)
    assert (first["CL"], first["V"], first["Q"]) == pytest.approx((clearance, volume, flow), rel=1e-4)
