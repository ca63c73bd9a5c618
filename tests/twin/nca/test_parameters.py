"""Against WinNonlin's printed values, and against bodies of which the truth is known."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.places import REFERENCE
from twin.nca.parameters import Analysis, analyse
from twin.nca.profile import profile_of
from twin.nca.terminal import terminal_between

THEOPHYLLINE = REFERENCE / "population" / "nca_theophylline_linear.json"
WINNONLIN = {
    "Rsq": "r_squared", "Rsq_adjusted": "adjusted_r_squared", "Corr_XY": "correlation",
    "No_points_lambda_z": "lambda_z_points", "Lambda_z": "lambda_z", "Lambda_z_lower": "lambda_z_lower",
    "Lambda_z_upper": "lambda_z_upper", "HL_Lambda_z": "half_life", "Tlag": "tlag", "Tmax": "tmax", "Cmax": "cmax",
    "Cmax_D": "cmax_per_dose", "Tlast": "tlast", "Clast": "clast", "AUClast": "auc_last", "AUCall": "auc_all",
    "AUCINF_obs": "auc_inf_obs", "AUCINF_D_obs": "auc_inf_per_dose_obs", "AUC_%Extrap_obs": "auc_extrapolated_obs",
    "Vz_F_obs": "vz_f_obs", "Cl_F_obs": "clearance_f_obs", "AUCINF_pred": "auc_inf_pred",
    "AUCINF_D_pred": "auc_inf_per_dose_pred", "AUC_%Extrap_pred": "auc_extrapolated_pred", "Vz_F_pred": "vz_f_pred",
    "Cl_F_pred": "clearance_f_pred", "AUMClast": "aumc_last", "AUMCINF_obs": "aumc_inf_obs",
    "AUMC_%Extrap_obs": "aumc_extrapolated_obs", "AUMCINF_pred": "aumc_inf_pred",
    "AUMC_%Extrap_pred": "aumc_extrapolated_pred", "MRTlast": "mrt_last", "MRTINF_obs": "mrt_inf_obs",
    "MRTINF_pred": "mrt_inf_pred",
}  # fmt: skip


def courses(path: Path) -> dict[str, tuple[list[float], list[float]]]:
    found: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            found[row["ID"]][0].append(float(row["TIME"]))
            found[row["ID"]][1].append(float(row["DV"]))
    return found


@pytest.mark.skipif(not THEOPHYLLINE.is_file(), reason=f"needs {THEOPHYLLINE}")
def test_all_that_winnonlin_prints_of_twelve_subjects_is_found() -> None:
    of = courses(THEOPHYLLINE.with_suffix(".csv"))
    printed = json.loads(THEOPHYLLINE.read_text())["references"][0]["subjects"]
    assert len(printed) == 12
    for subject in printed:
        found = analyse(profile_of(*of[f"{subject.pop('Subject'):g}"], 320, "extravascular"), "linear").found
        for name, value in subject.items():
            assert found[WINNONLIN[name]] == pytest.approx(value, rel=1e-7), name


def bolus(times: np.ndarray, dose: float = 100.0, volume: float = 20.0, rate: float = 0.1) -> Analysis:
    return analyse(profile_of(times, dose / volume * np.exp(-rate * times), dose, "bolus"))


@given(st.floats(1.0, 500.0), st.floats(1.0, 100.0), st.floats(0.02, 0.5))
def test_of_one_compartment_everything_is_exact(dose: float, volume: float, rate: float) -> None:
    found = bolus(np.array([0.5, 1, 3, 6, 12, 24]), dose, volume, rate).found
    expected = {
        "c0": dose / volume, "lambda_z": rate, "clearance_obs": rate * volume, "clearance_pred": rate * volume,
        "vz_obs": volume, "vss_obs": volume, "mrt_inf_obs": 1 / rate, "auc_inf_obs": dose / volume / rate,
        "half_life": np.log(2) / rate,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def infused(times: np.ndarray, tau: float | None = None) -> Analysis:
    """100 mg over 2 h into 20 L, cleared by 2 L/h; at steady state every ``tau`` h."""
    rate, volume, clearance, lasts = 50.0, 20.0, 2.0, 2.0
    k = clearance / volume
    rising = rate / clearance * (1 - np.exp(-k * np.minimum(times, lasts)))
    once = rising * np.exp(-k * np.maximum(times - lasts, 0.0))
    if tau is not None:
        peak = rate / clearance * (1 - np.exp(-k * lasts))
        once = once + peak * np.exp(-k * (times + tau - lasts)) / (1 - np.exp(-k * tau))
    return analyse(profile_of(times, once, 100.0, "infusion", duration=lasts, tau=tau))


def test_the_residence_of_an_infusion_is_told_from_its_middle() -> None:
    found = infused(np.concatenate((np.linspace(0, 2, 200), np.array([4, 8, 16, 32, 48])))).found
    assert found["clearance_obs"] == pytest.approx(2.0, rel=1e-4)
    assert found["mrt_inf_obs"] == pytest.approx(10.0, rel=1e-3)
    assert found["vss_obs"] == pytest.approx(20.0, rel=1e-3)


def test_at_steady_state_the_interval_tells_clearance_volume_and_residence() -> None:
    found = infused(np.concatenate((np.linspace(0, 2, 200), np.array([4, 6, 8, 12]))), tau=12.0).found
    assert found["clearance_ss"] == pytest.approx(2.0, rel=1e-4)
    assert found["caverage"] == pytest.approx(100 / 2 / 12, rel=1e-4)
    assert found["mrt_ss"] == pytest.approx(10.0, rel=1e-3)
    assert found["vss_ss"] == pytest.approx(20.0, rel=1e-3)
    assert found["accumulation"] == pytest.approx(1 / (1 - np.exp(-1.2)), rel=1e-6)
    assert found["ctau"] == pytest.approx(found["cmin"], rel=1e-9)
    assert found["fluctuation"] == pytest.approx(100 * (found["cmax"] - found["cmin"]) / found["caverage"])
    assert "clearance_obs" not in found, "the area to infinity of a dose at steady state is of all doses before it"


def test_an_interval_that_ends_after_the_last_value_follows_the_terminal_line() -> None:
    found = infused(np.concatenate((np.linspace(0, 2, 200), np.array([3, 5, 8]))), tau=12.0).found
    assert found["clearance_ss"] == pytest.approx(2.0, rel=1e-4)
    assert "mrt_ss" not in found


def test_areas_of_their_own_add_up_and_reach_beyond_the_last_value() -> None:
    times = np.array([0.0, 1, 3, 6, 12, 24])
    profile = profile_of(times, 5 * np.exp(-0.1 * times), 100, "bolus")
    found = analyse(profile, intervals=[(0, 2), (2, 24), (24, 1000), (30, 40)]).found
    assert found["auc_0_2"] + found["auc_2_24"] == pytest.approx(found["auc_last"])
    assert found["auc_last"] + found["auc_24_1000"] == pytest.approx(found["auc_inf_obs"])
    assert found["auc_30_40"] == pytest.approx(50 * (np.exp(-3) - np.exp(-4)))


def test_without_a_terminal_slope_what_needs_it_is_left_out_and_said() -> None:
    result = analyse(profile_of([0, 1, 2], [0, 3, 2], 10, "extravascular"), intervals=[(0, 2), (0, 9)])
    assert {"lambda_z", "auc_inf_obs", "clearance_f_obs", "auc_0_9"}.isdisjoint(result.found)
    assert result.found["auc_0_2"] == result.found["auc_last"]
    assert [remark.partition(":")[0] for remark in result.remarks] == [
        "no three values after the peak fall", "auc_0_9"
    ]  # fmt: skip


def test_what_supposes_a_single_dose_is_left_out_after_an_earlier_one() -> None:
    result = analyse(profile_of([0, 1, 2, 4, 8], [1, 9, 6, 3, 1], 10, "extravascular", alone=False))
    assert {"clearance_f_obs", "vz_f_obs", "mrt_inf_obs", "mrt_last"}.isdisjoint(result.found)
    assert {"auc_last", "half_life"} <= result.found.keys()
    assert "an earlier dose was in the body" in result.remarks[0]


def test_an_area_that_lies_mostly_ahead_is_remarked() -> None:
    assert any("beyond the last value" in remark for remark in bolus(np.array([0.5, 1, 2, 3])).remarks)
    assert not bolus(np.array([0.5, 1, 2, 30])).remarks


def test_a_named_stretch_is_the_terminal_line() -> None:
    profile = profile_of([0, 1, 2, 3, 4, 6], [0, 8, 4, 2, 1, 0.9], 10, "extravascular")
    assert analyse(profile, terminal=terminal_between(profile, 1, 4)).found["lambda_z"] == pytest.approx(np.log(2))
