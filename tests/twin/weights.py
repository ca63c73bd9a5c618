"""Weights of particles that all count alike."""

from __future__ import annotations

import numpy as np

from twin.arrays import Floats


def evenly(count: int) -> Floats:
    return np.full(count, 1.0 / count)
