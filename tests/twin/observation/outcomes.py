"""Outputs of every kind with what the kernel might have computed of them, for tests."""

from __future__ import annotations

import ast

import numpy as np
from scipy import stats

from twin.arrays import Floats
from twin.model.measured.error import NO_ERROR, ErrorSpec
from twin.model.spec import OutputSpec
from twin.observation.observation import Observation

NOTHING = ast.Constant(0.0)


def output(kind: str, error: ErrorSpec = NO_ERROR, further: int = 0) -> OutputSpec:
    return OutputSpec("out", "1", NOTHING, error, (), None, kind, (NOTHING,) * further)


POISSON = output("count", ErrorSpec("poisson", 0.0, 0.0, None, None, None))
BINOMIAL = output("count", ErrorSpec("negative_binomial", 0.0, 0.0, None, "a test", None, dispersion=0.4))
GRADES = output("ordinal", further=3)
EVENT = output("event", further=2)
LEVEL = output("continuous", ErrorSpec("log_additive", 0.25, 0.0, None, "a test", None))

MEANS = np.array([[0.3, 2.5, 40.0]])
SHARES = np.array([[0.6, 0.1], [0.3, 0.1], [0.1, 0.8]])
HAZARDS = np.array([[0.2, 1.5], [0.05, 0.4]])


def look(value: float, **more: object) -> Observation:
    return Observation(0, "look", 0, value, **more)  # type: ignore[arg-type]


def binomial(mean: Floats) -> stats.rv_discrete:
    return stats.nbinom(1 / 0.4, 1 / (1 + 0.4 * mean))
