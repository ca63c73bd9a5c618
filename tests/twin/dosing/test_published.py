"""Published rules stand beside the advice, with their sources and with why the two differ."""

from __future__ import annotations

import functools

import pytest

from tests.twin.bedside import PATIENT, clock, covariate, dose, level, plan
from tests.twin.dosing.patients import infused
from twin import PatientTwin, load_model
from twin.dosing.advice import advise
from twin.dosing.protocol import usual_protocol
from twin.dosing.published import UnknownGenotype, beside, rules


@functools.cache
def measured() -> PatientTwin:
    twin = PatientTwin(PATIENT, load_model("fluorouracil_yamada2025"), 100)
    order = {"drug": "fluorouracil"}
    doses = [dose(0.0, 4600.0, 46.0, **order), plan(-1.0, (336.0, 4600.0, 46.0), **order)]
    twin.observe([*doses, level(40.0, 0.5, analyte="fluorouracil_plasma"), clock(60.0)])
    return twin


def test_every_rule_has_a_source_and_says_why_it_may_differ() -> None:
    found = [*rules()["starting"], rules()["calvert"], rules()["proportional"]]
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
