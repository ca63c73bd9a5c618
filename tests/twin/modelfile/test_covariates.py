"""Characteristics: the classes of a mixture and their shares, and from which patients effects were learnt."""

from __future__ import annotations

import pytest

from tests.twin import toys
from tests.twin.population.mixture.mixtures import eliminated
from twin.model.spec import ModelError
from twin.modelfile.reader import parse_model

TEXT = eliminated().text
SHARES = "shares = { slow = 0.4, fast = 0.6 }"


def test_shares_are_of_the_classes_in_the_order_of_their_levels_and_make_one() -> None:
    text = TEXT.replace(SHARES, "shares = { fast = 0.602, slow = 0.4 }")
    found = parse_model(text, "made.toml").mixture
    assert found is not None
    assert (found.covariate, found.classes, found.values) == ("SORT", ("slow", "fast"), (1.0, 2.0))
    assert found.shares == pytest.approx((0.4 / 1.002, 0.602 / 1.002))
    assert parse_model(text, "made.toml").hash != eliminated().hash


@pytest.mark.parametrize(
    ("good", "bad", "key", "problem"),
    [
        ('covariate = "SORT"', 'covariate = "WT"', "mixture.covariate", "'WT' is not known; write one of SORT"),
        ("levels = { slow = 1, fast = 2 }", "", "covariates.SORT.levels", "names no classes; write two or more"),
        (SHARES, "", "mixture.shares", "are of nothing; write one for each of slow, fast"),
        (SHARES, "shares = { slow = 0.4 }", "mixture.shares", "are of slow; write one for each of slow, fast"),
        (SHARES, "shares = { slow = 0.4, fast = 0.4 }", "mixture.shares", "sum to 0.8; they are of everybody"),
        (SHARES, "shares = { slow = 0, fast = 1 }", "mixture.shares.slow", "is 0; it must be greater than 0"),
        ("levels =", 'missing = { widens = { CL = 0.1 }, source = "x" }\nlevels =', "covariates.SORT.missing",
         "is of what may be reported, and a class never is"),
        ("[mixture]", "[mixture]\nwings = 2", "mixture.wings", "unknown key"),
    ],
)  # fmt: skip
def test_a_wrong_mixture_is_refused_with_key_and_mend(good: str, bad: str, key: str, problem: str) -> None:
    assert good in TEXT
    with pytest.raises(ModelError) as caught:
        parse_model(TEXT.replace(good, bad, 1), "made.toml")
    assert caught.value.key == key
    assert problem in caught.value.problem


def test_a_mixture_without_any_characteristic_is_told_to_write_one() -> None:
    text = TEXT[: TEXT.index("[covariates.SORT]")] + TEXT[TEXT.index("[mixture]") :]
    with pytest.raises(ModelError, match=r"mixture.covariate: there is none; write the class as one"):
        parse_model(text.replace("SORT == 1", "ratio == 1"), "made.toml")


def test_from_which_patients_effects_were_learnt_is_read() -> None:
    text = toys.ABSORPTION.replace("[covariates.WT]", "[covariates.WT]\nstudied = { low = 40, high = 90 }", 1)
    (weight,) = parse_model(text, "made.toml").covariates
    assert weight.studied == (40.0, 90.0)
    assert toys.absorption().covariates[0].studied is None


@pytest.mark.parametrize(
    ("studied", "key", "problem"),
    [
        ("{ low = 90, high = 40 }", "covariates.WT.studied", "is from 90 to 40; write the least value and one that is"),
        ("{ low = 71, high = 90 }", "covariates.WT.reference", "is 70, outside the studied 71 to 90"),
        ("{ low = 40 }", "covariates.WT.studied.high", "is missing"),
        ("{ low = 40, high = 90, mean = 60 }", "covariates.WT.studied.mean", "unknown key"),
    ],
)
def test_patients_that_cannot_be_are_refused_with_key_and_mend(studied: str, key: str, problem: str) -> None:
    text = toys.ABSORPTION.replace("[covariates.WT]", f"[covariates.WT]\nstudied = {studied}", 1)
    with pytest.raises(ModelError) as caught:
        parse_model(text, "made.toml")
    assert caught.value.key == key
    assert problem in caught.value.problem
