"""Modes that weigh little keep their weight: half, a fifth, a tenth, a twenty-fifth and a hundredth, by quadrature.

A few keys of each; ``python -m tests.twin.minor_modes 20`` tells of twenty.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.minor_modes import POSTERIORS, USUAL, FlipFlop
from twin.filter.drawing import KEPT

TWO_EFFECTS = [posterior for posterior in POSTERIORS if len(posterior.variances) == 2]
LIGHT = [posterior for posterior in POSTERIORS if posterior.share <= 0.04 and posterior.sampling is USUAL]


def named(posterior: FlipFlop) -> str:
    return posterior.name


@pytest.mark.slow
@pytest.mark.parametrize("posterior", [*TWO_EFFECTS, *(p for p in LIGHT if p not in TWO_EFFECTS)], ids=named)
def test_every_mode_keeps_its_weight_in_every_key(posterior: FlipFlop) -> None:
    known = posterior.weight()
    assert known == pytest.approx(posterior.share, rel=0.05)
    for key in ("P-4", "P-18") if posterior in LIGHT else ("P-4",):
        weight, particles = posterior.kept(key)
        assert weight == pytest.approx(known, rel=0.2)
        assert particles > 0.8 * KEPT * 1000


def test_the_quadrature_sees_both_modes_alike_where_the_prior_does() -> None:
    """Typical rates that are alike: every posterior is its own mirror image, and both modes weigh the same."""
    alike = FlipFlop(0.5, 12.0, 5.0 / 12.0, (1.5, 1.5))
    # Elimination and absorption then differ from their typical values by the same law where clearance is known.
    assert alike.weight() == pytest.approx(0.5, abs=1e-6)
    assert np.isfinite(alike.weight())
