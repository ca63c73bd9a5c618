"""A ward that begins with a wrong population learns the right one, and foresees the next value better on the way."""

from __future__ import annotations

import pytest

from streams.bench.learning.ward import WARD, WardPlan, run_ward
from twin.modelfile.library import load_model


@pytest.mark.slow
def test_a_ward_with_a_wrong_population_recovers() -> None:
    said: list[str] = []
    found = run_ward(load_model(WARD), WardPlan(quarters=3, quarterly=20, particles=200), said.append)
    assert found.patients == 60
    assert len(said) == 3
    for one in found.numbers:
        assert abs(one.likeliest - one.exact) < 0.5 * one.error, f"maximum likelihood, but for 200 particles: {one}"
        assert abs(one.learnt - one.truth) < 4 * one.error, one
        assert abs(one.learnt - one.likeliest) < 0.6 * one.error, f"nearly all of the way is taken: {one}"
    assert found.worst >= 0, "never worse than the published population"
    assert found.quarters[0].version == WARD
    assert any(quarter.released for quarter in found.quarters)
