"""How the matrix of an implicit step is taken apart: Gauss's elimination of a sparse matrix, planned once per model.

The pattern of the Jacobian is known from the equations, so that which products an elimination needs, and where it fills
in, is known before any number is. Pivots are on the diagonal, in the order that fills in least (Markowitz 1957, Manage
Sci 3:255): of 1 - gamma h J, with J that of a body's compartments and cells, they are far from 0. So all particles do
the same, and none needs another.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Elimination:
    """Positions of a matrix's entries, and what is done with them one after another.

    Attributes:
        place: position of each entry (row, column) that is, or becomes, other than 0; the diagonal is always there.
        factor: triples of positions: ``(a, -1, -1)`` is a <- 1 / a, of a pivot; ``(a, b, -1)`` a <- a b, of what is
            under it; ``(a, b, c)`` a <- a - b c.
        forward: triples ``(i, a, j)``, x_i <- x_i - a x_j.
        backward: the same, and ``(i, a, -1)``, x_i <- x_i a.
    """

    place: dict[tuple[int, int], int]
    factor: tuple[tuple[int, int, int], ...]
    forward: tuple[tuple[int, int, int], ...]
    backward: tuple[tuple[int, int, int], ...]


def eliminated(size: int, entries: Set[tuple[int, int]]) -> Elimination:
    """The elimination of a (size, size) matrix with these entries, and its diagonal, other than 0."""
    columns: list[set[int]] = [{i} | {c for r, c in entries if r == i} for i in range(size)]
    rows: list[set[int]] = [{i} | {r for r, c in entries if c == i} for i in range(size)]
    order, left = list[int](), set(range(size))
    below: dict[int, list[int]] = {}
    beside: dict[int, list[int]] = {}
    while left:
        pivot = min(left, key=lambda i: ((len(rows[i] & left) - 1) * (len(columns[i] & left) - 1), i))
        left.remove(pivot)
        order.append(pivot)
        below[pivot], beside[pivot] = sorted(rows[pivot] & left), sorted(columns[pivot] & left)
        for row in below[pivot]:
            columns[row].update(beside[pivot])
        for column in beside[pivot]:
            rows[column].update(below[pivot])
    place = {entry: number for number, entry in enumerate((r, c) for r in range(size) for c in sorted(columns[r]))}
    factor: list[tuple[int, int, int]] = []
    forward: list[tuple[int, int, int]] = []
    backward: list[tuple[int, int, int]] = []
    for pivot in order:
        factor.append((place[pivot, pivot], -1, -1))
        for row in below[pivot]:
            factor.append((place[row, pivot], place[pivot, pivot], -1))
            factor += [(place[row, c], place[row, pivot], place[pivot, c]) for c in beside[pivot]]
            forward.append((row, place[row, pivot], pivot))
    for pivot in reversed(order):
        backward += [(pivot, place[pivot, column], column) for column in beside[pivot]]
        backward.append((pivot, place[pivot, pivot], -1))
    return Elimination(place, tuple(factor), tuple(forward), tuple(backward))
