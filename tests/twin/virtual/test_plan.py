"""Study files."""

from __future__ import annotations

import pytest

from twin import load_model
from twin.virtual.plan import FIXED, StudyError, parse_study

STUDY = """
id = "reduced"
title = "With and without a reduction"
model = "docetaxel_ozawa2007"
assumed = "an example"
patients = 10
days = 42
[[arms]]
name = "full"
[[arms]]
name = "reduced"
scale = 0.8
[[arms.rules]]
output = "neutrophils"
below = 0.5
scale = 0.8
[[endpoints]]
name = "grade 4"
output = "neutrophils"
measure = "below"
limit = 0.5
"""


def test_what_a_file_does_not_say_is_as_documented() -> None:
    plan = parse_study(STUDY, "study.toml").checked(load_model("docetaxel_ozawa2007"))
    assert (plan.trials, plan.seed, plan.level, plan.count_days, plan.missing) == (1, 1, 0.05, 7.0, 0.0)
    assert [(arm.name, arm.scale, arm.by, len(arm.rules)) for arm in plan.arms] == [
        ("full", 1.0, FIXED, 0),
        ("reduced", 0.8, FIXED, 1),
    ]
    assert plan.dropout.per_day == 0.0
    assert plan.endpoints[0].leavers == "as seen"


@pytest.mark.parametrize(
    ("old", "new", "key", "mend"),
    [
        ("patients = 10", "patients = 10.5", "patients", "whole number"),
        ("patients = 10", "patient = 10", "patient", "did you mean 'patients'"),
        ("days = 42", "days = 42\nlevel = 1.5", "level", "below 1"),
        ("days = 42", "days = 42\ntrials = 1000000", "trials", "at most 1000000"),
        ('name = "reduced"', 'name = "full"', "arms[1].name", "two arms"),
        ("below = 0.5", "below = 0.5\nabove = 2", "arms[1].rules[0].below", "exactly one"),
        ("scale = 0.8\n[[endp", "[[endp", "arms[1].rules[0].scale", "exactly one"),
        ("scale = 0.8\n[[endp", "scale = 0.8\nmost = 2\n[[endp", "arms[1].rules[0].most", "goes with 'delay'"),
        ("scale = 0.8\n[[arms.rules]]", 'by = "twin"\n[[arms.rules]]', "arms[1].protocol", "neither without"),
        (
            "scale = 0.8\n[[arms.rules]]",
            'by = "twin"\nprotocol = "p.toml"\n[[arms.rules]]',
            "arms[1].rules",
            "make it two arms",
        ),
        ('measure = "below"', 'measure = "least"', "endpoints[0].measure", "below, above"),
        ("limit = 0.5", "", "endpoints[0].limit", "write a number"),
        ("limit = 0.5", "limit = 0.5\nfrom_days = 9\nuntil_days = 3", "endpoints[0].until_days", "not after"),
        ("[[endpoints]]", "[dropout.after]\nx = 2\n[[endpoints]]", "dropout.after.x", "at most 1"),
        ("[[endpoints]]", "[sampling]\nmissing = 1\n[[endpoints]]", "sampling.missing", "below 1"),
        ('assumed = "an example"', "", "source", "assumed"),
        ("[[arms]]", "[uncertainty]\nfile = 'a'\nrse.CL = 0.1\n[[arms]]", "uncertainty.rse", "leave one of them out"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_mend(old: str, new: str, key: str, mend: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(STUDY.replace(old, new, 1), "study.toml")
    assert (caught.value.file, caught.value.key) == ("study.toml", key)
    assert mend in caught.value.problem


def test_text_that_is_no_toml_is_refused() -> None:
    with pytest.raises(StudyError, match="no TOML"):
        parse_study("id = ", "study.toml")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('output = "neutrophils"\nbelow', 'output = "platelets"\nbelow', "arms[1].rules[0].output"),
        ('output = "neutrophils"\nmeasure', 'output = "platelets"\nmeasure', "endpoints[0].output"),
        ("[[arms]]", "[uncertainty.rse]\nKA = 0.1\n[[arms]]", "uncertainty.rse.KA"),
        ("[[arms]]", "[dropout.after]\nnausea = 0.1\n[[arms]]", "dropout.after.nausea"),
        (
            "[[arms]]",
            "[people.draw.HT]\ndistribution = 'uniform'\nlow = 1\nhigh = 2\n[[arms]]",
            "people.draw.HT",
        ),
    ],
)
def test_what_the_model_does_not_have_is_named(old: str, new: str, key: str) -> None:
    plan = parse_study(STUDY.replace(old, new, 1), "study.toml")
    with pytest.raises(StudyError, match="docetaxel_ozawa2007; it has") as caught:
        plan.checked(load_model("docetaxel_ozawa2007"))
    assert caught.value.key == key
