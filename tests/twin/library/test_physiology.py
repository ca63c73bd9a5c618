"""Whole bodies and binding sites: what their flows and clearances say on paper is what is solved."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.equations import infusion
from tests.twin.library.levels import over, typical
from twin.arrays import Floats

HOURS = [float(hour) for hour in np.concatenate([np.linspace(0.02, 24, 1200), np.geomspace(24.1, 1000, 300)])]


def test_paclitaxel_is_cleared_by_a_liver_that_blood_flows_through() -> None:
    found = typical("paclitaxel_fu2019", {"paclitaxel": infusion(over(3, 315.0))}, HOURS)
    flow, cells = 0.221 * 394.6, 0.05 * 449.886
    area = np.trapezoid(found["paclitaxel_plasma"], HOURS)
    assert area == pytest.approx(315 * (flow + cells) / (flow * cells), rel=0.005)
    # The liver holds 2.8 times what leaves it, a fifth less than what comes.
    liver = np.trapezoid(found["paclitaxel_liver"], HOURS)
    assert liver / area == pytest.approx(2.82516 * flow / (flow + cells), rel=1e-3)
    # Label of Taxol, 175 mg/m2 over three hours: 3.65 mg/L at the end, an area of 15.0 mg.h/L.
    assert found["paclitaxel_plasma"].max() == pytest.approx(3.65, rel=0.3)
    assert area == pytest.approx(15.0, rel=0.2)


def test_vincristine_that_is_bound_comes_back_and_is_cleared() -> None:
    level = typical("vincristine_nijstad2022", {"vincristine": infusion(over(0.05, 2.0))}, HOURS)["vincristine_plasma"]
    assert np.trapezoid(level, HOURS) / 1000 == pytest.approx(2 / 30.6, rel=0.02)
    # While nothing binds, 2 mg would be 370 ug/L in 5.39 L; half a milligram is bound at most, at once.
    assert level.max() < 2000 / 5.39
    # The terminal half-life is that of 400 L and what binds, 12 h and more.
    first, last = np.searchsorted(HOURS, [48, 96])
    assert np.log(2) * (HOURS[last] - HOURS[first]) / np.log(level[first] / level[last]) > 9


def irinotecan(covariates: dict[str, float] | None = None) -> dict[str, Floats]:
    return typical("irinotecan_toshimoto2017", {"irinotecan": infusion(over(1.5, 600.0))}, HOURS, covariates)


def test_sn38_of_irinotecan_through_a_whole_body_is_that_of_the_article() -> None:
    found = irinotecan()
    # Toshimoto 2017, Discussion: the exposure to unbound SN-38 in blood of parameter set 2, 26.35 nmol.h/L.
    assert 1000 * 0.022 * np.trapezoid(found["SN38_blood"], HOURS) == pytest.approx(26.35, rel=0.03)
    # SN-38 is made while irinotecan comes in, SN-38G of SN-38.
    assert HOURS[int(found["SN38_blood"].argmax())] == pytest.approx(1.5, abs=0.5)
    assert found["SN38G_blood"].argmax() > found["SN38_blood"].argmax()


def test_fewer_glucuronides_leave_more_sn38() -> None:
    areas = {
        alleles: {
            name: float(np.trapezoid(level, HOURS)) for name, level in irinotecan({"UGT1A1_28": float(alleles)}).items()
        }
        for alleles in (0, 1, 2)
    }
    assert areas[0]["SN38_blood"] < areas[1]["SN38_blood"] < areas[2]["SN38_blood"]
    assert areas[0]["SN38G_blood"] > areas[1]["SN38G_blood"] > areas[2]["SN38G_blood"]
    # The parent does not know of it.
    assert areas[2]["irinotecan_blood"] == pytest.approx(areas[0]["irinotecan_blood"], rel=1e-6)
    # Transport into the liver by half leaves it in blood.
    slow = np.trapezoid(irinotecan({"SLCO1B1_521C": 2.0})["SN38_blood"], HOURS)
    assert slow > 1.5 * areas[0]["SN38_blood"]
