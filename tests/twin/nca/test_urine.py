"""Excretion of a body of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from twin.nca.profile import NcaError
from twin.nca.urine import excretion

ENDS = np.array([0.0, 2, 4, 8, 12, 24])


def amounts(rate: float = 0.2, share: float = 0.6, dose: float = 100.0) -> np.ndarray:
    """In each collection, of a body that excretes a share of a bolus by one rate."""
    return share * dose * -np.diff(np.exp(-rate * ENDS))


def test_what_is_recovered_and_how_fast_is_told() -> None:
    found = excretion(ENDS[:-1], ENDS[1:], amounts(), 100.0).found
    assert found["recovered"] == pytest.approx(60 * (1 - np.exp(-4.8)))
    assert found["recovered_share"] == pytest.approx(found["recovered"])
    assert (found["rate_tmax"], found["rate_tlast"]) == (1.0, 18.0)
    assert found["lambda_z"] == pytest.approx(0.2, rel=0.1), "long collections blur the slope"
    assert found["aurc_inf_obs"] > found["aurc_last"]
    assert found["aurc_extrapolated_obs"] == pytest.approx(100 * (1 - found["aurc_last"] / found["aurc_inf_obs"]))


def test_of_short_collections_the_area_under_the_rates_is_what_was_excreted() -> None:
    ends = np.linspace(0, 40, 401)
    found = excretion(ends[:-1], ends[1:], 60 * -np.diff(np.exp(-0.2 * ends)), 100.0).found
    assert found["lambda_z"] == pytest.approx(0.2, rel=1e-9)
    assert found["aurc_inf_obs"] == pytest.approx(60.0, rel=0.01)


def test_collections_may_come_in_any_order_and_be_empty_at_the_end() -> None:
    order = [3, 0, 4, 1, 2]
    amount = amounts()
    amount[-1] = 0.0
    first = excretion(ENDS[:-1], ENDS[1:], amount, 100.0)
    other = excretion(ENDS[:-1][order], ENDS[1:][order], amount[order], 100.0)
    assert first.found == other.found
    assert first.found["rate_tlast"] == 10.0
    assert first.found["aurc_all"] > first.found["aurc_last"]


@pytest.mark.parametrize(
    ("begins", "ends", "found", "said"),
    [
        ([0, 4], [4, 4], [1, 1], "collection 4 to 4: it has to end after it begins"),
        ([0, 3], [4, 6], [1, 1], "collection 3 to 6 begins before the one from 0 ends"),
        ([-1, 3], [2, 6], [1, 1], "collection -1 to 2 begins before the dose"),
        ([0, 3], [2, 6], [1, -1], "value -0.333333 is negative"),
        ([0, 3], [2, 6], [0, 0], "no value is above 0"),
    ],
)
def test_collections_that_cannot_be_are_refused_by_name(
    begins: list[float], ends: list[float], found: list[float], said: str
) -> None:
    with pytest.raises(NcaError, match=said):
        excretion(begins, ends, found, 100.0)
