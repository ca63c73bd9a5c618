"""What a belief was made from, but for doses, dates and values: residuals by particle, and covariates' extremes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.bedside import follow_up
from tests.twin.observation import together
from tests.twin.timeline.records import history_of
from tests.twin.toys import LEVELS
from twin.filter.belief import prior
from twin.filter.learning import learn
from twin.filter.trunk import Trunk
from twin.kernel.kernel import compile_model
from twin.modelfile.reader import parse_model
from twin.observation.likelihood import output_of
from twin.observation.scatter import scatter
from twin.patient.accounts.initial_effects import residuals_of
from twin.study.design import design
from twin.study.prediction import Predictor
from twin.study.simulation import simulate
from twin.timeline.timeline import build

KERNEL = compile_model(parse_model(LEVELS, "toy.toml"))


def test_residuals_are_those_of_the_values_a_belief_rests_on() -> None:
    model = KERNEL.model
    timeline = simulate(Predictor(KERNEL, "P1"), np.zeros(len(model.eta_names)), design(KERNEL))
    limited = replace(timeline.observations[0], below=2.0)
    timeline = replace(timeline, observations=(limited, *timeline.observations[1:6]))
    trunk = Trunk(KERNEL, "P1")
    position = trunk.begin(timeline, prior(model, 50, "P1"))
    for observation in timeline.observations[:4]:
        position, _ = learn(trunk, position, timeline, observation)
    found = residuals_of(trunk, timeline, position.belief)
    seen = timeline.observations[:4]
    rows = Predictor(KERNEL, "P1").rows(position.belief.eta, timeline, seen)
    for output in range(2):
        own = [(o, row) for o, row in zip(seen, rows, strict=True) if o.output == output]
        each = [scatter(output_of(model.outputs, o), o, row)[0] for o, row in own]
        assert found.count[:, output] == pytest.approx(sum(one.count for one in each), rel=1e-6)
        assert found.squares[:, output] == pytest.approx(sum(one.squares for one in each), rel=1e-6)
        assert found.exact[output] == (output != limited.output)


def test_residuals_of_values_measured_together_say_what_their_joint_density_does() -> None:
    """Its first derivative by the logarithm of each size, so that where nothing is left to learn is where it is."""
    kernel = compile_model(together.model())
    values = {1.0: (5.5, 17.0, 25.0), 6.0: (3.4, 16.0, 18.5)}
    told = [together.measured(hours, i, value) for hours, three in values.items() for i, value in enumerate(three)]
    timeline = build(history_of([follow_up(0.0), *told]), kernel)
    assert timeline is not None
    trunk = Trunk(kernel, "P1")
    position = trunk.begin(timeline, prior(kernel.model, 50, "P1"))
    for observation in timeline.observations:
        position, _ = learn(trunk, position, timeline, observation)
    found = residuals_of(trunk, timeline, position.belief)
    known, inverse = np.full((50, 3), -float(len(values))), np.linalg.inv(together.CORRELATION)
    for hours, three in values.items():
        shown = (together.PLACE + position.belief.eta) @ together.design_of(hours, [0, 1, 2]).T
        z = (np.array(three) - shown) / together.SD
        known += z * (z @ inverse)
    np.testing.assert_allclose(found.squares - found.count, known, rtol=1e-4, atol=1e-4)
    assert not found.exact.any()
