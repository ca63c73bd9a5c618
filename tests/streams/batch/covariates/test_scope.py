"""What a search is to look at is said in words, and what cannot be is refused."""

from __future__ import annotations

import pytest

from streams.batch.covariates.scope import included, scope_of, shapes_of
from tests.twin import toys
from twin.covariates.characteristics import Characteristic, CovariateError
from twin.modelfile.reader import parse_model

AGE = '[covariates.AGE]\nunit = "a"\nreference = 40\nsource = "made up for a test"\n\n[parameters.CL]'
MODEL = parse_model(toys.ABSORPTION.replace("[parameters.CL]", AGE), "toy.toml")
DESCRIBED = {
    "WT": Characteristic("WT", "kg", 70.0, 40.0, 120.0),
    "AGE": Characteristic("AGE", "a", 40.0, 0.0, 80.0),
}
SHAPES = shapes_of("linear,hockey-stick")


def test_by_default_every_pair_that_the_model_has_not_yet_is_looked_at() -> None:
    scope = scope_of("", SHAPES, MODEL, DESCRIBED)
    # CL has its weight in the file; ka, growth and others do not vary.
    assert ("CL", "WT") not in scope
    assert [pair for pair in scope if pair[0] in ("CL", "V")] == [("CL", "AGE"), ("V", "WT"), ("V", "AGE")]
    assert {pair[0] for pair in scope} == {"CL", "V", "Base", "kill"}
    assert list(scope["V", "WT"]) == ["linear", "hockey-stick"]


def test_named_pairs_may_have_shapes_of_their_own() -> None:
    scope = scope_of("CL:WT=power, V:AGE", SHAPES, MODEL, DESCRIBED)
    assert {pair: list(shapes) for pair, shapes in scope.items()} == {
        ("CL", "WT"): ["power"],
        ("V", "AGE"): ["linear", "hockey-stick"],
    }
    assert [str(each) for each in included("CL:AGE=exponential", MODEL, DESCRIBED)] == ["CL:AGE=exponential"]


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ("CLWT", "'CLWT' is no pair; write PARAMETER:COVARIATE, as CL:WT"),
        ("CL:WT=cubic", "'cubic' is no shape"),
        ("CL:HT", "'HT' is no covariate of toy_absorption; it has WT, AGE"),
        ("V:AGE=power", "AGE goes down to 0; a power needs values above 0"),
    ],
)
def test_pairs_that_cannot_be_are_refused(pairs: str, said: str) -> None:
    with pytest.raises(CovariateError, match=said):
        scope_of(pairs, SHAPES, MODEL, DESCRIBED)


def test_what_is_included_needs_a_shape_and_only_one() -> None:
    with pytest.raises(CovariateError, match="'CL:WT' has no shape; write CL:WT=linear"):
        included("CL:WT", MODEL, DESCRIBED)
    with pytest.raises(CovariateError, match="CL:WT is there twice; keep one shape"):
        included("CL:WT=linear,CL:WT=power", MODEL, DESCRIBED)
    with pytest.raises(CovariateError, match="'straight' is no shape"):
        shapes_of("straight")
