"""Outputs whose values are whole numbers with probabilities, as counts and grades are: all follows from P(y <= k).

A value stands for the range of levels from P(y <= k - 1) to P(y <= k). Where in it the level is taken is drawn evenly,
and the transform is uniform under the right model (Czado et al. 2009, Biometrics 65:1254). Below a limit lie the whole
numbers under it, above it those over it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Protocol

import numpy as np

from twin.arrays import Floats
from twin.model.spec import OutputSpec
from twin.observation.kind import LEAST, OutputKind
from twin.observation.observation import Observation


class WholeNumbers(OutputKind, Protocol):
    """A kind whose values are whole numbers from 0 on."""

    discrete: ClassVar[bool] = True

    @abstractmethod
    def cdf(self, output: OutputSpec, value: int, rows: Floats) -> Floats:
        """P(y <= value) of each particle (N,), for a value of at least 0."""

    def levels(self, output: OutputSpec, observation: Observation, rows: Floats) -> tuple[Floats, Floats]:
        nothing, all_of_it = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
        if observation.below is not None:
            return nothing, self._upto(output, math.ceil(observation.below) - 1, rows)
        if observation.above is not None:
            return self._upto(output, math.floor(observation.above), rows), all_of_it
        value = int(observation.value)
        return self._upto(output, value - 1, rows), self._upto(output, value, rows)

    def log_likelihood(self, output: OutputSpec, observation: Observation, rows: Floats) -> Floats:
        low, high = self.levels(output, observation, rows)
        return np.asarray(np.log(np.maximum(high - low, LEAST)))

    def _upto(self, output: OutputSpec, value: int, rows: Floats) -> Floats:
        return np.zeros(rows.shape[1]) if value < 0 else self.cdf(output, value, rows)
