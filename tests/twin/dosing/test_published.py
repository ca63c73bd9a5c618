"""Published rules stand beside the advice, with their sources and with why the two differ."""

from __future__ import annotations

import functools
import math

import pytest

from tests.twin.bedside import PATIENT, clock, covariate, dose, level, plan
from tests.twin.dosing.patients import infused
from twin import PatientTwin, load_model
from twin.dosing.advice import advise
from twin.dosing.protocol import usual_protocol
from twin.dosing.published import UnknownGenotype, beside, daily, exposure_of_levels, rules


@functools.cache
def measured() -> PatientTwin:
    twin = PatientTwin(PATIENT, load_model("fluorouracil_yamada2025"), 100)
    order = {"drug": "fluorouracil"}
    doses = [dose(0.0, 4600.0, 46.0, **order), plan(-1.0, (336.0, 4600.0, 46.0), **order)]
    twin.observe([*doses, level(40.0, 0.5, analyte="fluorouracil_plasma"), clock(60.0)])
    return twin


def test_every_rule_has_a_source_and_says_why_it_may_differ() -> None:
    found = [*rules()["starting"], rules()["calvert"], rules()["proportional"], rules()["cumulative"]]
    assert all(rule["source"] and rule["why"] and rule["drugs"] for rule in found)


def test_the_next_infusion_by_the_last_level_is_arithmetic() -> None:
    twin = measured()
    said = beside(twin, advise(twin, None, usual_protocol(twin.model)), {})
    assert [one.rule for one in said] == ["auc_guided"]
    # 0.5 mg/L over 46 h are 23 mg.h/L of 4600 mg; the window is 20 to 30.
    assert (said[0].low, said[0].high) == pytest.approx((4000.0, 6000.0))


def test_a_starting_dose_by_genotype_is_of_the_plan() -> None:
    twin = measured()
    advice = advise(twin, None, usual_protocol(twin.model))
    said = next(one for one in beside(twin, advice, {"DPYD": "1.5"}) if one.rule == "cpic_dpyd")
    assert said.low == said.high == pytest.approx(2300.0)
    assert "mg less than advised: the rule knows the activity score alone" in said.compared


def test_what_is_left_of_a_cumulative_exposure_is_for_the_remaining_doses() -> None:
    twin = PatientTwin(PATIENT, load_model("busulfan_shukla2020"), 60)
    order = {"drug": "busulfan"}
    given = dose(0.0, 80.0, 3.0, **order)
    ahead = plan(-1.0, *((24.0 * day, 80.0, 3.0) for day in range(4)), **order)
    twin.observe([given, ahead, *(level(at, mg, analyte="busulfan_plasma") for at, mg in ((3.25, 4.0), (6.0, 2.0)))])
    twin.observe([clock(20.0)])
    said = beside(twin, advise(twin, None, usual_protocol(twin.model)), {})
    auc = exposure_of_levels([(3.25, 4.0), (6.0, 2.0)])
    # By hand: triangle 6.5, logarithmic trapezoid 2.75 * 2 / ln 2, tail 2 * 2.75 / ln 2.
    assert auc == pytest.approx(6.5 + 2 * 2.75 * 2.0 / math.log(2.0))
    assert [one.rule for one in said] == ["auc_remaining"]
    assert (said[0].low, said[0].high) == pytest.approx([(end - auc) * 80.0 / auc for end in (78.0, 101.0)], rel=1e-3)
    assert exposure_of_levels([(3.25, 2.0), (6.0, 2.0)]) is None


def test_tamoxifen_by_genotype_is_told_in_mg_a_day_with_what_is_preferred() -> None:
    (one,) = daily("tamoxifen", {"CYP2D6": "poor", "DPYD": "1.5"})
    assert one.said.startswith("tamoxifen 40 mg a day for CYP2D6; CPIC prefers an aromatase inhibitor")
    assert daily("fluorouracil", {"CYP2D6": "poor"}) == ()
    with pytest.raises(UnknownGenotype, match="the rule has ultrarapid, normal, intermediate, poor"):
        daily("tamoxifen", {"CYP2D6": "slow"})


@pytest.mark.parametrize(
    ("genotypes", "said"), [({"TP53": "poor"}, "no rule here is of it"), ({"DPYD": "3"}, "the rule has")]
)
def test_a_genotype_that_no_rule_knows_is_refused(genotypes: dict[str, str], said: str) -> None:
    with pytest.raises(UnknownGenotype, match=said):
        beside(infused(), advise(infused(), None, usual_protocol(infused().model)), genotypes)


def test_calvert_is_the_target_times_filtration_and_25() -> None:
    twin = PatientTwin(PATIENT, load_model("carboplatin_zandvliet2008"), 100)
    told = (("AGE", 60.0, "a"), ("WT", 70.0, "kg"), ("creatinine", 80.0, "umol/L"))
    known = [covariate(-1.0, *one) for one in told]
    twin.observe([*known, plan(-1.0, (24.0, 500.0, 1.0), drug="carboplatin"), clock(0.0)])
    advice = advise(twin, None, usual_protocol(twin.model))
    said = beside(twin, advice, {})[0]
    filtration = (140 - 60) * 70 / (0.818 * 80)
    assert said.low == pytest.approx(83.3 * 0.06 * (filtration + 25.0))
    assert said.rule == "calvert"
