"""Levels that differ between occasions, and busulfan, are those of their articles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize

from tests.twin.equations import infusion, reference, timeline_of
from tests.twin.kernel.test_kernel import assert_close, patients, solved
from tests.twin.library.levels import daily, over, typical
from twin.clock import DAY_MS, HOUR_MS
from twin.kernel.kernel import compile_model
from twin.model.typical import typical_values
from twin.modelfile.library import load_model
from twin.solver.linear_system import individual_parameters
from twin.timeline.delivery import Delivered


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
    daily, course = model.targets
    assert (daily.measure, course.measure) == ("day", "course")
    assert course.low is not None
    assert course.high is not None
    assert course.low < found["AUC"][0] < course.high
    per_day = typical(model_id, {"busulfan": infusion(rate)}, [23.9, 47.9])["AUC_day"]
    assert per_day[1] == pytest.approx(found["AUC"][0] * 24 / (regimen.interval * regimen.cycles), rel=0.1)
    assert daily.low is not None
    assert daily.high is not None
    assert daily.low < per_day[1] < daily.high


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


def test_pazopanib_is_solved_as_one_over_all_its_doses() -> None:
    timeline = timeline_of(compile_model(load_model("pazopanib_yu2017")), {"pazopanib": daily(800, 24, 30)})
    assert len(timeline.epoch) == 31
    assert timeline.stages.tolist() == [0]


def test_pazopanib_in_closed_form_is_its_equations_stepped_through_every_dose() -> None:
    """Tablets of two sizes and a missed day; patients at both corners of the population, and in between."""
    kernel = compile_model(load_model("pazopanib_yu2017"))
    taken = [
        (day * DAY_MS, amount, "oral") for day, amount in enumerate((800.0, 800.0, 400.0, 0.0, 400.0, 800.0)) if amount
    ]
    timeline = timeline_of(kernel, {"pazopanib": Delivered(impulses=taken)})
    eta, marks = patients(kernel, drawn=1), np.arange(1, 7 * DAY_MS, 5 * HOUR_MS, dtype=np.int64)
    expected = np.array([reference(kernel, timeline, row, marks) for row in eta])
    assert_close(solved(kernel, timeline, eta, marks), expected, tolerance=1e-9)


def test_pazopanib_bioavailability_differs_from_cycle_to_cycle() -> None:
    model = load_model("pazopanib_yu2017")
    assert (model.iov_names, model.omega_iov.tolist()) == (("F",), [[0.555025]])
    assert model.occasions is not None
    assert (model.occasions.drug, model.occasions.every) == ("pazopanib", 672)
