"""Whose particles do not reach what was learnt is folded again under it, until all do; the others never are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from streams.batch.cases import Problem, RecordedCases, read_cases
from streams.batch.learning.folding import folded
from streams.batch.learning.rounds import digest, judge_all, learn_all
from tests.twin.learning.known import message
from tests.twin.toys import LEVELS
from twin.learning.messages.message import Message
from twin.learning.messages.structure import Centres, centres_of, sizes_of, structure_of
from twin.learning.population import anchor_of
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.patient.accounts.initial_effects import Residuals

TOY = parse_model(LEVELS.replace('unit = "10*9/L"\niiv = 0.04', 'unit = "10*9/L"', 1), "toy.toml")
MEASURED = np.array([0.7, -0.4]) + np.random.default_rng(6).standard_normal((30, 2)) @ np.linalg.cholesky(TOY.omega).T
ERROR = np.full(2, 0.02)


def said(number: int, model: Model) -> Message:
    """What the twin of a patient says under a version."""
    shift = centres_of(model).at - centres_of(TOY).at
    found = message(f"P{number}", MEASURED[number], ERROR, 200, (shift, model.omega), number)
    at = Centres(TOY.eta_names, centres_of(model).at)
    sizes = sizes_of(model)
    return replace(
        found, model=model.id, model_hash=model.hash, structure=structure_of(model), centres=at, sizes=sizes,
        residuals=Residuals.none(len(found.eta), len(sizes.names)),
    )  # fmt: skip


MESSAGES = [said(number, TOY) for number in range(30)]


def again(model: Model, patients: Sequence[str]) -> Mapping[str, Message]:
    return {patient: said(int(patient[1:]), model) for patient in patients}


def test_who_is_not_reached_is_folded_again_under_what_was_learnt() -> None:
    anchor = anchor_of(TOY)
    alone = learn_all(TOY, anchor, MESSAGES, "toy_learnt")
    assert alone.found.to_fold
    assert alone.folded == ()
    found = learn_all(TOY, anchor, MESSAGES, "toy_learnt", fold_again=again)
    assert 1 <= len(found.folded) <= 4
    assert not found.found.to_fold
    versions = {one.model_hash for one in found.messages}
    assert len(versions) > 1, "messages under several versions are used together"
    at, _ = anchor.natural(found.found.theta)
    assert at - centres_of(TOY).at == pytest.approx(MEASURED.mean(axis=0), abs=0.06)


def test_judges_who_are_not_reached_score_what_their_fold_does() -> None:
    anchor = anchor_of(TOY)
    draft = learn_all(TOY, anchor, MESSAGES, "toy_learnt", fold_again=again).draft
    assert judge_all(anchor, MESSAGES, draft, TOY)[1]
    said, unreached = judge_all(anchor, MESSAGES, draft, TOY, fold_again=again)
    assert not unreached
    exact = [again(draft, [f"P{n}"])[f"P{n}"].log_evidence - MESSAGES[n].log_evidence for n in range(30)]
    assert said.mean == pytest.approx(np.mean(exact), abs=0.05)


def test_the_hash_of_messages_does_not_depend_on_their_order() -> None:
    assert digest(MESSAGES) == digest(MESSAGES[::-1]) != digest(MESSAGES[1:])


def test_records_are_folded_and_those_that_say_nothing_are_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    record = tmp_path_factory.mktemp("records") / "two.csv"
    record.write_text("ID,TIME,EVID,AMT,DV,DVID\nA,0,1,100,.,1\nA,4,0,.,2.1,1\nB,0,1,100,.,1\n")
    told: list[Problem] = []
    cases = read_cases([record], RecordedCases(TOY), told.append, lambda _: None, lambda _: None)
    done: list[int] = []
    found = folded(cases, TOY, 100, 0, told.append, done.append)
    assert list(found) == ["A"]
    assert found["A"].observations == 1
    assert [str(one) for one in told] == ["patient B: patient B: no value was measured yet"]
    assert done == [1, 2]
