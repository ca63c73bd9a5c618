"""What every kind of output answers where its file says nothing else."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.twin.observation.outcomes import EVENT, GRADES, LEVEL, POISSON, look
from twin.model.spec import OutputSpec
from twin.observation.kind import OutputKind, not_whole
from twin.observation.kinds import kind_of, kinds


@pytest.mark.parametrize(("value", "highest", "wanted"), [(2.5, None, "a whole number"), (3.0, 2, "one of 0 to 2")])
def test_what_is_no_whole_number_is_named_with_its_mend(value: float, highest: int | None, wanted: str) -> None:
    said = not_whole(replace(GRADES, name="neuropathy"), value, highest)
    assert said == f"field 'value': {value:g} is no ordinal of neuropathy; send {wanted}"


@pytest.mark.parametrize(("value", "highest"), [(0.0, None), (1e9, None), (2.0, 2)])
def test_a_whole_number_in_its_range_is_well(value: float, highest: int | None) -> None:
    assert not_whole(GRADES, value, highest) is None


def test_a_kind_that_leaves_out_what_all_must_say_cannot_be_made() -> None:
    class Unfinished(OutputKind):
        name = "unfinished"
        discrete = False

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()  # type: ignore[abstract]


@pytest.mark.parametrize("output", [POISSON, GRADES, EVENT], ids=lambda output: output.kind)
def test_discrete_values_stay_as_they_are_and_are_weighed_one_by_one(output: OutputSpec) -> None:
    kind, values = kind_of(output), np.array([0.0, 1.0])
    assert kind.discrete
    assert kind.weighs_zero(output)
    assert kind.zero_below(output) is None
    assert kind.batches(output, [look(1.0)]) == ()
    np.testing.assert_array_equal(kind.on_scale(output, values), values)


@pytest.mark.parametrize("output", [GRADES, EVENT], ids=lambda output: output.kind)
def test_what_has_no_standard_deviation_has_no_weighted_residual(output: OutputSpec) -> None:
    assert math.isnan(kind_of(output).iwres(output, 1.0, 0.5))
    assert kind_of(output).scatter_in_words(output) == ""


def test_what_is_awaited_happens_at_a_moment_and_nothing_else_does() -> None:
    assert [plugin.name for plugin in kinds().plugins if plugin.offer.awaited] == ["event"]
    assert kind_of(LEVEL).moment(0.5, 0.0, np.array([1.0]), np.array([[1.0]])) is None
