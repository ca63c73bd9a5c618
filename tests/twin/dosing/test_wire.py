"""Advice as the event has it: what is asked beside the dose is told, and what cannot be followed says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.twin.bedside import PATIENT, at, dose, plan
from twin import PatientTwin, load_model
from twin.dosing.live import LiveAdviser
from twin.dosing.whatif import what_if
from twin.dosing.wire import EVERY, PARTICLES_ALONG
from twin.events import Advice, AdviceRequested, BadEvent, Genotype, decode, encode
from twin.wording import Wording

OF = {"drug": "fluorouracil"}


def ask(hours: float = 60.0, **changes: Any) -> AdviceRequested:
    head = {"event_id": f"ask {hours}", "patient_id": PATIENT, "time": at(hours), "source": "ward", "by": "dr-1"}
    return AdviceRequested(**head | changes)


def twin(particles: int = 60) -> PatientTwin:
    found = PatientTwin(PATIENT, load_model("fluorouracil_yamada2025"), particles, adviser=LiveAdviser())
    found.observe([plan(-1.0, (336.0, 4600.0, 46.0), **OF), dose(0.0, 4600.0, 46.0, **OF)])
    return found


def answer(request: AdviceRequested, particles: int = 60) -> Advice:
    (found,) = (one for one in twin(particles).observe([request]).outputs if isinstance(one, Advice))
    return found


def test_a_genotype_that_is_told_has_its_published_rule_and_none_is_assumed() -> None:
    known = answer(ask(genotypes=(Genotype(gene="DPYD", value="1.5"),)))
    rule = next(one for one in known.published if one.rule == "cpic_dpyd")
    assert rule.low_mg == rule.high_mg == pytest.approx(2300.0)
    assert "cpic_dpyd" not in [one.rule for one in answer(ask()).published]


def test_where_nothing_is_planned_the_advice_notes_of_what_it_is() -> None:
    unplanned = PatientTwin(PATIENT, load_model("fluorouracil_yamada2025"), 60, adviser=LiveAdviser())
    unplanned.observe([dose(0.0, 4600.0, 46.0, **OF)])
    (found,) = (one for one in unplanned.observe([ask()]).outputs if isinstance(one, Advice))
    assert found.note == (
        "no dose of fluorouracil is planned: the last one is taken to come again after the usual interval"
    )
    assert found.note_said == Wording("dose.comes_again", {"drug": "fluorouracil"})


@pytest.mark.parametrize(
    ("gene", "value", "says"),
    [
        ("TP53", "poor", "field 'genotypes': genotype TP53: no rule here is of it; known are DPYD"),
        ("DPYD", "7", "field 'genotypes': genotype DPYD=7: the rule has 0, 0.5, 1, 1.5, 2; write one of them"),
    ],
)
def test_a_genotype_that_no_rule_knows_is_answered_with_the_mend(gene: str, value: str, says: str) -> None:
    found = answer(ask(genotypes=(Genotype(gene=gene, value=value),)))
    assert (found.outcome, found.alternatives) == ("none", ())
    assert found.reason.startswith(says)
    assert found.said is not None
    assert found.said.key == "genotype.field"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"genotypes": [{"gene": "DPYD", "value": "1"}, {"gene": "DPYD", "value": "2"}]}, "has DPYD twice"),
        ({"genotypes": [{"gene": "DPYD *2A", "value": "1"}]}, "genotypes.0.gene"),
        ({"genotypes": [{"gene": "DPYD"}]}, "genotypes.0.value"),
        ({"genotypes": [{"gene": f"G{n}", "value": "poor"} for n in range(17)]}, "at most 16"),
        ({"branches": [""]}, "branches.0"),
        ({"branches": ["skip fluorouracil"] * 9}, "at most 8"),
        ({"by": "Dr. Hans Mueller"}, "field 'by'"),
    ],
)
def test_a_request_that_says_too_much_is_no_event(changes: dict[str, Any], says: str) -> None:
    said = json.loads(encode(ask())) | changes
    with pytest.raises(BadEvent, match=says):
        decode(json.dumps(said).encode())


def test_branches_are_foreseen_beside_the_plan_as_what_if_does_and_one_that_cannot_be_says_why() -> None:
    found = answer(ask(branches=("skip fluorouracil", "stop fluorouracil", "dance")))
    assert [(one.words, one.problem is None) for one in found.branches] == [
        ("as planned", True),
        ("skip fluorouracil", True),
        ("stop fluorouracil", False),
        ("dance", False),
    ]
    assert "nothing of fluorouracil runs now" in (found.branches[2].problem or "")
    assert "begin with one of" in (found.branches[3].problem or "")
    assert [one.said.key if one.said else "" for one in found.branches] == ["", "", *["branch.refused"] * 2]
    alone = twin()
    alone.observe([ask()])
    plan_alone, skipped = what_if(alone, ["skip fluorouracil"])
    for told, seen in zip(found.branches, (plan_alone, skipped), strict=False):
        assert told.outputs[0].median == pytest.approx(seen.outputs[0].median[::EVERY], rel=1e-4)
        assert [one.p for one in told.toxicities] == [one.odds.p for one in seen.toxicities]
    assert len(found.ahead) == len(found.branches[1].outputs[0].q95)


def test_an_answer_with_branches_survives_the_wire() -> None:
    found = answer(ask(branches=("skip fluorouracil",)))
    assert Advice.model_validate_json(encode(found)) == found
    request = ask(genotypes=(Genotype(gene="DPYD", value="1.5"),), branches=("skip fluorouracil",))
    assert decode(encode(request)) == request


def test_many_branches_are_foreseen_by_fewer_particles_that_say_the_same() -> None:
    branches = ("skip fluorouracil", *(f"scale fluorouracil 0.{tenths}" for tenths in range(3, 10)))
    told = answer(ask(branches=branches, asks="what_if"), 1000).branches
    whole = what_if(twin(1000), branches, round(at(60.0).timestamp() * 1000))
    assert len(told) == len(whole) == 9
    for few, all_of_them in zip(told, whole, strict=True):
        assert few.ess <= PARTICLES_ALONG / 9 < all_of_them.ess
        for odds, harm in zip(few.toxicities, all_of_them.toxicities, strict=True):
            assert odds.p == pytest.approx(harm.odds.p, abs=4.0 * odds.se + 1e-9)
        for curve, band in zip(few.outputs, all_of_them.outputs, strict=True):
            highest = max(band.median)
            assert curve.median == pytest.approx(band.median[::EVERY], abs=0.1 * highest)
