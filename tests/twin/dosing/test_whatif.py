"""Branches side by side: the same particles, the same chance, and a twin that stays as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.bedside import PATIENT, clock, dose, plan, sample, start
from tests.twin.dosing.patients import counted, infused
from twin import PatientTwin, load_model
from twin.dosing.advice import advise
from twin.dosing.branches import BranchError
from twin.dosing.protocol import usual_protocol
from twin.dosing.sampling import next_sample
from twin.dosing.whatif import Foreseen, what_if
from twin.events import Forecast, to_millis
from twin.patient.averaged import AveragedTwin
from twin.patient.rivals import rivals

DRUG = "fluorouracil"

BRANCHES = [
    f"stop {DRUG}",
    f"slow {DRUG} 0.5",
    f"rate {DRUG} 1.2",
    f"extend {DRUG} 6 h",
    f"double {DRUG}",
    f"scale {DRUG} 0.8 all",
    f"skip {DRUG}",
    f"delay {DRUG} 1 wk",
    f"give {DRUG} 400 mg iv in 30 h over 15 min",
    "level fluorouracil_plasma 0.4 mg/L in 10 h",
]


def medians(one: Foreseen, output: str) -> tuple[float, ...]:
    return next(band.median for band in one.outputs if band.name == output)


def test_the_future_as_planned_is_the_forecast_that_the_twin_publishes() -> None:
    twin = PatientTwin(PATIENT, counted().model, 100)
    order = plan(-1.0, (0.0, 96.0, 1.0), (504.0, 96.0, 1.0), drug="docetaxel")
    update = twin.observe([order, dose(0.0, 96.0, 1.0, drug="docetaxel")])
    said = [one for one in update.outputs if isinstance(one, Forecast)][-1]
    planned = what_if(twin, ())[0]
    assert to_millis(said.time) == planned.times[0]
    assert said.outputs == planned.outputs
    assert [one.probability for one in said.toxicities] == [one.odds.p for one in planned.toxicities]


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from(BRANCHES), min_size=1, max_size=3))
def test_a_twin_is_bit_equal_before_and_after(branches: list[str]) -> None:
    twin = infused()
    before, points = twin.row(), len(twin.points)
    found = what_if(twin, branches)
    assert [one.words for one in found] == ["as planned", *branches]
    assert (twin.row(), len(twin.points)) == (before, points)
    assert what_if(twin, branches) is not found
    assert [one.outputs for one in what_if(twin, branches)] == [one.outputs for one in found]


def test_each_branch_moves_what_it_says() -> None:
    plain, stopped, slowed, given_more, level = what_if(infused(), [BRANCHES[i] for i in (0, 1, 2, 9)])
    plasma = [medians(one, "fluorouracil_plasma") for one in (plain, stopped, slowed, given_more)]
    assert plasma[1][2] < 0.01 * plasma[0][2]
    assert plasma[2][2] == pytest.approx(0.5 * plasma[0][2], rel=0.2)
    assert plasma[3][2] == pytest.approx(1.2 * plasma[0][2], rel=0.05)
    assert level.ess < plain.ess


def test_a_later_or_missing_dose_is_foreseen_from_the_same_particles() -> None:
    twin = counted()
    plain, none, later = what_if(twin, ["skip docetaxel", "delay all 7 d"], twin.points[-1].millis + 20 * 86_400_000)
    worst = [one.toxicities[0].worst.median for one in (plain, none, later)]
    assert worst[1] > worst[0]
    assert plain.outputs[0].median[0] == none.outputs[0].median[0] == later.outputs[0].median[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "begin with one of stop, slow"),
        ("pause fluorouracil", "begin with one of"),
        ("stop aspirin", "'aspirin' is no drug of fluorouracil_yamada2025"),
        ("delay fluorouracil 7 mg", "'mg' is no unit of a time; write one like 'h'"),
        ("scale fluorouracil", "a factor is missing"),
        ("scale fluorouracil -1", "cannot be a factor"),
        ("slow fluorouracil 0", "say 'stop'"),
        ("stop fluorouracil now", "'now' is too much"),
        ("give fluorouracil 5 mg skin", "'skin' is no route"),
        ("level ANC 1 10*9/L in 2 d", "'ANC' is no output"),
        ("level fluorouracil_plasma 1 mg/L", "say when"),
    ],
)
def test_words_that_cannot_be_used_are_named_with_their_mend(words: str, said: str) -> None:
    with pytest.raises(BranchError) as refused:
        what_if(infused(), [words])
    assert said in str(refused.value)


def test_what_does_not_run_cannot_be_stopped() -> None:
    with pytest.raises(BranchError, match="nothing of docetaxel runs now"):
        what_if(counted(), ["stop docetaxel"])


def test_rival_models_are_averaged_by_the_names_of_their_outputs() -> None:
    models = [load_model("fluorouracil_yamada2025"), load_model("fluorouracil_arshad2020")]
    alone = [PatientTwin(PATIENT, model, 60) for model in models]
    together = AveragedTwin(PATIENT, rivals(models), 60)
    told = [dose(0.0, 4320.0, 46.0, drug=DRUG), clock(20.0)]
    for twin in (*alone, together):
        twin.observe(told)
    found = what_if(together, [f"stop {DRUG}"])[0]
    each = [next(b for b in what_if(twin, ())[0].outputs if b.name == "leukocytes").median[0] for twin in alone]
    assert min(each) <= next(b for b in found.outputs if b.name == "leukocytes").median[0] <= max(each)
    # The two look ahead for different times, so neither probability is that of both.
    assert not found.toxicities
    with pytest.raises(ValueError, match="do not state it alike"):
        advise(together, None, usual_protocol(models[0]))
    with pytest.raises(ValueError, match="ask each alone"):
        next_sample(together, None, usual_protocol(models[0]))
    free = replace(usual_protocol(models[0]), limits={})
    assert advise(together, None, free).advised.exposures[0].within.p > 0.2


def test_a_pump_that_may_have_stopped_is_stopped_only_where_it_runs() -> None:
    twin = PatientTwin(PATIENT, load_model("fluorouracil_yamada2025"), 60)
    pump = [start(0.0, 93.9, drug=DRUG), *(sample(hour / 4, 93.9, drug=DRUG) for hour in range(1, 20))]
    twin.observe([plan(-1.0, (0.0, 4320.0, 46.0), drug=DRUG), *pump, clock(10.0)])
    assert len(twin.components()) > 1
    plain, stopped = what_if(twin, [f"stop {DRUG}"])
    assert medians(stopped, "leukocytes")[20] > medians(plain, "leukocytes")[20]
