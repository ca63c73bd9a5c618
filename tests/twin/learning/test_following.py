"""A record folded under a version: occasions are averaged over, and a drift's message is of before the lag."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.toys import LEVELS
from twin.kernel.kernel import compile_model
from twin.learning.following import followed
from twin.modelfile.reader import parse_model
from twin.study.design import design
from twin.study.prediction import Predictor
from twin.study.simulation import simulate

OCCASIONS = LEVELS.replace("iiv = 0.09", "iiv = 0.09\niov = 0.02", 1) + (
    '\n[occasions]\ndrug = "toxin"\ngap = 20\nassumed = "for a test"\n'
)
DRIFTING = LEVELS.replace("iiv = ", "drift = 0.0001\niiv = ") + (
    '\n[drift]\ngrid = 24\nlag = 48\nassumed = "for a test"\n'
)


@pytest.mark.parametrize("text", [LEVELS, OCCASIONS, DRIFTING], ids=["plain", "occasions", "drift"])
def test_a_message_has_one_eta_for_each_parameter(text: str) -> None:
    kernel = compile_model(parse_model(text, "toy.toml"))
    model = kernel.model
    timeline = simulate(Predictor(kernel, "P1"), np.zeros(len(model.eta_names)), design(kernel))
    message, foreseen = followed(kernel, "P1", timeline, 100)
    assert message.eta.shape == (100, len(model.eta_names))
    assert len(foreseen) == len(timeline.observations)
    total = sum(one.log_score for one in foreseen)
    if model.drift is None:
        assert message.log_evidence == pytest.approx(total)
        assert message.observations == len(foreseen)
    else:
        assert 0 < message.observations < len(foreseen), "of what came before the lag"
