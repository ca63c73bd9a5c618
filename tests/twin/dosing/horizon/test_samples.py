"""Samples before the later doses: which there are, and how what they show weighs the belief."""

from __future__ import annotations

import numpy as np

from tests.twin.dosing.horizon.test_plan import SAMPLED, planned, protocol_of
from twin.clock import HOUR_MS
from twin.dosing.decision import decision
from twin.dosing.horizon.samples import SCENARIOS, Sample, samples_to_come, scenarios, weighed_by


def test_what_is_sampled_before_the_later_doses_tells_particles_apart_and_nothing_does_where_nothing_is() -> None:
    twin = planned("busulfan_mccune2014", (200.0, 200.0), 24.0, 3.0, 20.0)
    protocol, components = protocol_of(twin, limits={}, **SAMPLED), twin.components(None)
    now = components[0].millis
    decided, futures = decision(components, now, protocol)
    samples = samples_to_come(twin.model, protocol, decided, now, now + 48 * HOUR_MS)
    assert samples == [Sample(decided.since + at, 0) for at in protocol.samples if decided.since + at > now]
    assert samples_to_come(twin.model, protocol, decided, now, now) == []

    places = scenarios("P-1", now)
    assert np.all((places >= 0.0) & (places < 1.0))
    assert len(places) == SCENARIOS
    change = decided.change((1.0,) * len(decided.doses))
    before, none = weighed_by([], components, futures, change, now, places)
    after, shown = weighed_by(samples, components, futures, change, now, places)
    assert none == []
    assert [each.sample for each in shown] == samples
    assert all(each.values.shape == (SCENARIOS,) for each in shown)
    np.testing.assert_allclose(before, np.tile(components[0].position.belief.weight, (SCENARIOS, 1)))
    np.testing.assert_allclose(after.sum(axis=1), 1.0)
    effective = 1.0 / (after**2).sum(axis=1)
    assert effective.mean() < 0.8 / (before[0] ** 2).sum()
