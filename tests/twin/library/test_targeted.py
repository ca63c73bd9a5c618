"""Drugs that aim at kinases, and what else is swallowed for months, show what is published of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.library.levels import daily, hourly, typical
from twin.clock import HOUR_MS
from twin.model.typical import typical_values
from twin.modelfile.library import load_model
from twin.timeline.delivery import Delivered

ONCE = [float(hour) for hour in np.concatenate([np.linspace(0.02, 24, 600), np.geomspace(24.1, 600, 400)])]


def once(drug: str, model_id: str, amount: float, covariates: dict[str, float] | None = None) -> np.ndarray:
    """Levels at `ONCE` after a dose by mouth."""
    given = {drug: Delivered(impulses=[(0, amount, "oral")])}
    return next(iter(typical(model_id, given, ONCE, covariates).values()))


def half_life(level: np.ndarray, begin: float, end: float) -> float:
    first, last = np.searchsorted(ONCE, [begin, end])
    return float(np.log(2) * (ONCE[last] - ONCE[first]) / np.log(level[first] / level[last]))


def test_axitinib_is_as_its_label_says_and_food_moves_only_the_early_form() -> None:
    level = once("axitinib", "axitinib_rini2013", 5.0)
    # Label of Inlyta: a half-life of 2.5 to 6.1 h; the article: F of the marketed form is 0.402.
    assert 2.5 < half_life(level, 8, 24) < 6.1
    assert np.trapezoid(level, ONCE) == pytest.approx(5000 * 0.402 / 14.6, rel=0.005)
    model = load_model("axitinib_rini2013")
    shares = [typical_values(model, {"FORM_XLI": form, "FED": fed})["F"] for form in (1, 0) for fed in (1, 0)]
    assert shares == pytest.approx([0.402, 0.402, 0.457, 0.608], abs=5e-4)
    assert typical_values(model, {"FED": 0})["ka"] == pytest.approx(1.43, abs=0.005)
    who = typical_values(model, {"AGE": 70, "JAPANESE": 1, "SMOKER": 1, "WT": 60})
    assert who["CL"] == pytest.approx(14.6 * 0.787 * 0.751 * 2.02)
    assert who["V1"] == pytest.approx(47.3 * (60 / 74.1) ** 0.778)
    assert [model.omega[i, i] for i in range(4)] == pytest.approx([0.359, 0.158, 0.753, 0.593], abs=5e-4)


def test_lenvatinib_leaves_by_halves_in_28_hours_as_its_label_says() -> None:
    level = once("lenvatinib", "lenvatinib_gupta2016", 24.0)
    assert half_life(level, 72, 120) == pytest.approx(28, rel=0.06)
    assert np.trapezoid(level, ONCE) == pytest.approx(24000 * 0.896 / 6.56, rel=0.005)
    ill = typical_values(load_model("lenvatinib_gupta2016"), {"albumin": 25, "ALP_ULN": 2, "WT": 60})
    assert ill["CL"] == pytest.approx(6.56 * 0.8**0.75 * 0.837 * 0.883)
    assert typical_values(load_model("lenvatinib_gupta2016"), {"CAPSULE": 0})["F"] == 1


def test_nilotinib_exposure_falls_behind_its_dose() -> None:
    averages = []
    for amount in (400.0, 300.0):
        found = typical("nilotinib_giles2013", {"nilotinib": daily(amount, 12, 40)}, hourly(20))["nilotinib_plasma"]
        averages.append(found[-24:].mean())
        share = np.exp(-1.65 * (amount - 50) / 1150) * 0.649**0.5
        assert averages[-1] == pytest.approx(1000 * share * amount / 12 / 12.8, rel=0.01)
    assert averages[0] / averages[1] < 1.2


def test_everolimus_clears_by_weight_and_haplotype() -> None:
    found = typical("everolimus_dewit2016", {"everolimus": daily(10, 24, 30)}, hourly(30))["everolimus_blood"]
    assert found[-24:].mean() * 24 == pytest.approx(10_000 / 17.4, rel=0.04)
    assert typical_values(load_model("everolimus_dewit2016"), {"TTT": 1})["F"] == 0.792


def test_palbociclib_levels_and_counts_are_those_of_routine_care() -> None:
    days = [day for cycle in range(2) for day in range(28 * cycle, 28 * cycle + 21)]
    given = {"palbociclib": Delivered(impulses=[(day * 24 * HOUR_MS, 125.0, "oral") for day in days])}
    found = typical("palbociclib_marouille2021", given, hourly(56))
    level, count = found["palbociclib_plasma"], found["neutrophils"]
    # The 181 levels of the article had a mean of 77 ug/L, under 125 mg in most.
    assert level[14 * 24 : 21 * 24].mean() == pytest.approx(125_000 / 24 / 57.13, rel=0.02)
    assert level[20 * 24 - 1] == pytest.approx(77, rel=0.1)
    # Counts fall to 1.1 some days after the last tablet, and do not come back to 2.92 in the week without.
    assert count.min() == pytest.approx(1.14, abs=0.01)
    assert 22 < (count[: 28 * 24].argmin() + 1) / 24 < 26
    assert typical_values(load_model("palbociclib_marouille2021"), {"AGE": 80})["Base"] > 3.2


def test_mitotane_takes_months_to_its_window() -> None:
    found = typical("mitotane_cazaubon2019", {"mitotane": daily(1500, 12, 600)}, [90 * 24.0, 300 * 24.0])
    at_steady = 0.35 * 3000 / 70
    for level, day in zip(found["mitotane_plasma"], (90, 300), strict=True):
        assert level == pytest.approx(at_steady * (1 - np.exp(-70 / 8900 * day)), rel=0.01)
    fast = typical_values(load_model("mitotane_cazaubon2019"), {"FAST": 1})
    assert fast["CL"] / 70 == pytest.approx(3.06, abs=0.01)
