"""Arrays that rest come back to the last bit, and take less meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from twin.arrays import Floats, storable
from twin.resting_arrays import pack_numbers, rest, unpack_numbers
from twin.solver.cloud import Cloud

SOME = np.random.default_rng(1).lognormal(0.0, 1.0, (200, 3))


@given(arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(width=32)), st.sampled_from(["<f4", "<f8"]))
def test_numbers_come_back_to_the_last_bit(values: Floats, dtype: str) -> None:
    exact = values.astype(dtype)
    back = unpack_numbers(pack_numbers(exact), len(exact), dtype)
    assert back.tobytes() == exact.tobytes()


@pytest.mark.parametrize(("values", "dtype", "most"), [(SOME, "<f8", 0.9), (storable(SOME), "<f4", 0.9)])
def test_numbers_that_are_much_alike_take_less(values: Floats, dtype: str, most: float) -> None:
    exact = values.astype(dtype)
    assert len(pack_numbers(exact)) < most * exact.nbytes


def test_a_cloud_that_rests_is_there_again_when_it_is_asked_for() -> None:
    z, y = SOME[:, :2].copy(), SOME[:, 2:].copy()
    cloud, other = Cloud(0, 0, z, y), Cloud(1, 0, z, y)
    rest([cloud, other])
    assert not {"z", "y"} & {*vars(cloud), *vars(other)}
    packed = vars(cloud)["_packed"]["z"]
    assert packed is vars(other)["_packed"]["z"], "what they share is kept once"
    assert np.array_equal(cloud.z, z)
    assert cloud.z is cloud.z
    assert np.array_equal(cloud.y, y)
    assert cloud.y.flags.writeable
    rest([cloud])
    assert vars(cloud)["_packed"]["z"] is packed, "what rested before is not packed again"
    with pytest.raises(AttributeError, match="a cloud has no 'x'"):
        _ = cloud.x  # type: ignore[attr-defined]
