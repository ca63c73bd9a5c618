"""Boosted regression trees with two levels of questions: an additive function with interactions of pairs.

Friedman 2001 (Ann Stat 29:1189), squared error: every tree is grown on what those before it have left, and added with
the share `RATE`. A question "x_j <= t" is where the weighted squares that it explains are most,

    S_l^2 / W_l + S_r^2 / W_r - S^2 / W,    S = sum w r, W = sum w,

with no fewer than ``least`` patients on either side; of patients who are alike (`twin.covariates.alike`) r is less
what is believed, before each tree, to be common to their site. Deterministic: of questions that explain the same it is
the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats, Integers
from twin.covariates.alike import Alike
from twin.kernel.compiling.by_hand import compiled

RATE = 0.1
"""Of a tree's answer, what is added."""


@dataclass(frozen=True, eq=False)
class Trees:
    """T trees: ``column`` and ``limit`` (T, 3) of the first question and of those after "yes" and "no" (column -1: none
    is asked), and answers (T, 4)."""

    column: Integers
    limit: Floats
    answer: Floats

    def predict(self, x: Floats, count: int | None = None) -> Floats:
        """(N,) by the first ``count`` of the trees, of rows (N, C)."""
        return np.asarray(
            _predict(x, self.column, self.limit, self.answer, len(self.column) if count is None else count)
        )

    @property
    def asked(self) -> list[int]:
        """Columns that any question is about."""
        return sorted(set(self.column.ravel().tolist()) - {-1})


def boosted(x: Floats, y: Floats, weight: Floats, count: int, least: int, alike: Alike) -> Trees:
    """So many trees of rows (N, C), values and weights (N,), by how much they are missed of patients who are alike."""
    order = np.argsort(x, axis=0, kind="stable").T.copy()
    column, limit, answer = np.full((count, 3), -1, dtype=np.int64), np.zeros((count, 3)), np.zeros((count, 4))
    rows = np.ascontiguousarray(x)
    _boost(rows, y.copy(), weight, order, least, alike.site, alike.held, column, limit, answer)
    return Trees(column, limit, answer)


@compiled
def _boost(x, residual, weight, order, least, site, held, column, limit, answer):  # type: ignore[no-untyped-def]
    node, left = np.zeros(len(residual), dtype=np.int64), np.empty(len(residual))
    for t in range(len(column)):
        node[:] = 0
        _own(residual, weight, site, held, left)
        column[t, 0], limit[t, 0] = _question(x, left, weight, order, node, 0, least)
        if column[t, 0] >= 0:
            for i in range(len(left)):
                node[i] = 1 if x[i, column[t, 0]] <= limit[t, 0] else 2
            for side in (1, 2):
                column[t, side], limit[t, side] = _question(x, left, weight, order, node, side, least)
        total, mass = np.zeros(4), np.zeros(4)
        for i in range(len(left)):
            leaf = _leaf(x[i], column[t], limit[t])
            total[leaf] += weight[i] * left[i]
            mass[leaf] += weight[i]
        for leaf in range(4):
            if mass[leaf] > 0.0:
                answer[t, leaf] = RATE * total[leaf] / mass[leaf]
        for i in range(len(left)):
            residual[i] -= answer[t, _leaf(x[i], column[t], limit[t])]


@compiled
def _own(residual, weight, site, held, left):  # type: ignore[no-untyped-def]
    """`Alike.own`, into ``left`` (N,)."""
    total, mass = np.zeros(site.max() + 1), np.zeros(site.max() + 1)
    for i in range(len(residual)):
        total[site[i]] += weight[i] * residual[i]
        mass[site[i]] += weight[i]
    for i in range(len(residual)):
        left[i] = residual[i] - total[site[i]] / (held + mass[site[i]])


@compiled
def _question(x, left, weight, order, node, which, least):  # type: ignore[no-untyped-def]
    """The column and limit that explain most in a node; column -1 where none explains anything."""
    total, mass, members = 0.0, 0.0, 0
    for i in range(len(left)):
        if node[i] == which:
            total += weight[i] * left[i]
            mass += weight[i]
            members += 1
    best, column, limit = 1e-12, -1, 0.0
    for j in range(len(order)):
        below, light, count, last = 0.0, 0.0, 0, 0.0
        for k in range(len(left)):
            i = order[j, k]
            if node[i] != which:
                continue
            if count >= least and members - count >= least and x[i, j] > last:
                gain = below**2 / light + (total - below) ** 2 / (mass - light) - total**2 / mass
                if gain > best:
                    best, column, limit = gain, j, 0.5 * (last + x[i, j])
            below += weight[i] * left[i]
            light += weight[i]
            count += 1
            last = x[i, j]
    return column, limit


@compiled
def _leaf(row, column, limit):  # type: ignore[no-untyped-def]
    if column[0] < 0:
        return 0
    side = 1 if row[column[0]] <= limit[0] else 2
    if column[side] < 0:
        return 2 * (side - 1)
    return 2 * (side - 1) + (0 if row[column[side]] <= limit[side] else 1)


@compiled
def _predict(x, column, limit, answer, count):  # type: ignore[no-untyped-def]
    found = np.zeros(len(x))
    for i in range(len(x)):
        for t in range(count):
            found[i] += answer[t, _leaf(x[i], column[t], limit[t])]
    return found
