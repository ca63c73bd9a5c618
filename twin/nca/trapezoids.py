"""Areas under a course of concentrations and of its first moment, piece by piece.

A piece is a straight line or, where that is asked for and possible, a falling exponential through its two ends
(Gibaldi and Perrier 1982, Pharmacokinetics, 2nd ed., appendix D; Purves 1992, J Pharmacokinet Biopharm 20 211).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats

Rule = Literal["linear", "linear_up_log_down", "linear_log"]
"""Straight lines; exponentials wherever it falls; exponentials after the peak."""

RULES: tuple[Rule, ...] = ("linear", "linear_up_log_down", "linear_log")


class Course(NamedTuple):
    """Times (n,), increasing, concentrations (n,), and which pieces (n - 1,) between two are exponentials."""

    times: Floats
    values: Floats
    logarithmic: NDArray[np.bool_]

    @classmethod
    def by(cls, rule: Rule, times: Floats, values: Floats) -> Course:
        """The course by a rule; a piece is straight where an exponential cannot be drawn."""
        before, after = values[:-1], values[1:]
        possible = (before > 0.0) & (after > 0.0) & (before != after)
        if rule == "linear":
            return cls(times, values, np.zeros_like(possible))
        if rule == "linear_up_log_down":
            return cls(times, values, possible & (after < before))
        return cls(times, values, possible & (times[:-1] >= times[int(np.argmax(values))]))

    def areas(self) -> Floats:
        """(n - 1,) area under each piece."""
        lengths, logs = np.diff(self.times), self.logarithmic
        areas = lengths * (self.values[:-1] + self.values[1:]) / 2
        before, after = self.values[:-1][logs], self.values[1:][logs]
        areas[logs] = (before - after) / self._rates()
        return areas

    def moments(self) -> Floats:
        """(n - 1,) area under time times concentration of each piece."""
        times, lengths, logs = self.times, np.diff(self.times), self.logarithmic
        curve = times * self.values
        moments = lengths * (curve[:-1] + curve[1:]) / 2
        rates = self._rates()
        before, after = self.values[:-1][logs], self.values[1:][logs]
        moments[logs] = (curve[:-1][logs] - curve[1:][logs]) / rates + (before - after) / rates**2
        return moments

    def at(self, time: float) -> float:
        """The concentration at a time within the course."""
        place = self._piece(time)
        before, after = float(self.values[place]), float(self.values[place + 1])
        share = (time - self.times[place]) / (self.times[place + 1] - self.times[place])
        if self.logarithmic[place]:
            return float(before * (after / before) ** share)
        return float(before + (after - before) * share)

    def within(self, begin: float, end: float) -> Course:
        """The part from one time to another, both within the course; its pieces are those of the whole."""
        inner = (self.times > begin) & (self.times < end)
        times = np.concatenate(([begin], self.times[inner], [end]))
        values = np.concatenate(([self.at(begin)], self.values[inner], [self.at(end)]))
        pieces = [self._piece(float(time)) for time in times[:-1]]
        return Course(times, values, self.logarithmic[pieces] & (values[:-1] != values[1:]))

    def _piece(self, time: float) -> int:
        """The piece that begins at or before a time."""
        return min(max(int(np.searchsorted(self.times, time, side="right")) - 1, 0), len(self.times) - 2)

    def _rates(self) -> Floats:
        """(k,) by which the exponential pieces fall."""
        logs = self.logarithmic
        rates: Floats = np.log(self.values[:-1][logs] / self.values[1:][logs]) / np.diff(self.times)[logs]
        return rates
