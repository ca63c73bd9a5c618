"""What a belief was made from, but for doses, dates and values: residuals by particle, and covariates' extremes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.toys import LEVELS
from twin.filter.belief import prior
from twin.filter.learning import learn
from twin.filter.trunk import Trunk
from twin.kernel.kernel import compile_model
from twin.modelfile.reader import parse_model
from twin.observation.observation import output_of
from twin.observation.scatter import scatter
from twin.patient.accounts.initial_effects import residuals_of
from twin.study.design import design
from twin.study.prediction import Predictor
from twin.study.simulation import simulate

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
        each = [scatter(output_of(model.outputs, o), o, row) for o, row in own]
        assert found.count[:, output] == pytest.approx(sum(one.count for one in each), rel=1e-6)
        assert found.squares[:, output] == pytest.approx(sum(one.squares for one in each), rel=1e-6)
        assert found.exact[output] == (output != limited.output)
