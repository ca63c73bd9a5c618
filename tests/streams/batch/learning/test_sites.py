"""Answers of sites about a version: what is none is refused, and the running ratios of all multiply."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from connectors.releases import digest
from streams.batch.cases import CaseError
from streams.batch.learning.account import Account
from streams.batch.learning.judging import Comparison
from streams.batch.learning.sites import Answer, answer_from, joint_verdict
from streams.batch.learning.verdicts import Version
from tests.streams.worker.versions.released import MODEL, WARD
from twin.learning.population import anchor_of
from twin.learning.tally import subgroup, tally

HEAVY = subgroup("WT>=80", ["WT"])
VERSION = Version(WARD.id, digest(WARD), "s", "draft", "learnt from sums", ())
COMPARED = Comparison(anchor_of(MODEL), WARD, MODEL, VERSION, Account(MODEL.id, digest(MODEL)))


def said(*better: float, weight: float = 90.0) -> Answer:
    """A site's answer about the ward's version."""
    found = tally(better, [{"WT": weight}] * len(better), [HEAVY])
    return Answer(WARD.id, digest(WARD), MODEL.id, digest(MODEL), found)


SITES = {Path(f"{n}.json"): one for n, one in enumerate((said(*[0.3] * 9), said(*[0.1] * 7), said(*[0.0] * 5)))}


def test_ratios_multiply_in_any_order() -> None:
    found, account = joint_verdict(COMPARED, SITES)
    assert found.log_ratio == pytest.approx(9 * 0.3 + 7 * 0.1)
    assert found.accepted, found.reasons
    assert math.isclose(math.exp(found.log_ratio), math.prod(math.exp(one.tally.log_ratio) for one in SITES.values()))
    back, other = joint_verdict(COMPARED, dict(reversed(SITES.items())))
    assert (back, other.as_toml()) == (found, account.as_toml())


def test_no_site_decides_for_a_subgroup_that_none_can_tell() -> None:
    hidden = {path: answer_from(one.as_json()) for path, one in SITES.items()}
    few = tally([0.5] * 25, [{"WT": 60.0}] * 25, [HEAVY])
    found, _ = joint_verdict(COMPARED, {Path("x"): Answer(WARD.id, digest(WARD), MODEL.id, digest(MODEL), few)})
    assert found.reasons == ("WT>=80: 0 patients, at least 5 must show that none loses",)
    assert joint_verdict(COMPARED, hidden)[0].groups[0].patients == 21


def test_what_went_against_a_version_before_stays() -> None:
    other = Answer("toy_first", "f" * 64, MODEL.id, digest(MODEL), said(*[-0.4] * 8).tally)
    before = Comparison(COMPARED.anchor, MODEL, MODEL, VERSION, COMPARED.account)
    with pytest.raises(CaseError, match="is about toy_first against toy_absorption, and other texts than"):
        joint_verdict(before, {Path("y"): other})
    _, account = joint_verdict(COMPARED, {Path("y"): said(*[-0.4] * 8)})
    later = Comparison(COMPARED.anchor, MODEL, MODEL, VERSION, account)
    found, _ = joint_verdict(
        later, {Path("z"): Answer(MODEL.id, digest(MODEL), MODEL.id, digest(MODEL), said(*[0.3] * 20).tally)}
    )
    assert found.log_ratio == pytest.approx(20 * 0.3 - 8 * 0.4)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"format": 9}, "format: is not 1"),
        ({"sha256": None}, "must be texts"),
        ({"patients": 4}, "patients: 4; a site answers with sums over at least 5"),
        ({"patients": 8}, "subgroup WT>=80: 9 of 8 patients cannot be"),
        ({"subgroup_patients": [3]}, "subgroup WT>=80: 3 of 9 patients cannot be"),
        ({"total": said(*[0.9] * 30).tally.as_said()["total"]}, "9 patients cannot count for 27 in log score"),
        ({"total": ["x"]}, "no tally"),
    ],
)
def test_what_is_no_answer_is_refused(changed: dict[str, object], named: str) -> None:
    text = said(*[0.3] * 9).as_json()
    assert answer_from(text).as_json() == text
    with pytest.raises(ValueError, match=named):
        answer_from(json.dumps({**json.loads(text), **changed}))
    with pytest.raises(ValueError, match="not JSON"):
        answer_from("{")
