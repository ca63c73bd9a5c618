"""Who virtual patients are: characteristics by distributions, or as whole rows of real or made-up people.

A row is drawn with everything that stands in it, so that what goes together in people goes together in patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from twin.model.spec import Model, ModelError
from twin.model.table import Table

Distribution = Literal["normal", "log-normal", "uniform", "choice"]
DISTRIBUTIONS: tuple[Distribution, ...] = ("normal", "log-normal", "uniform", "choice")

TRIES = 1000
"""How often a value is drawn again that lies outside its limits."""


@dataclass(frozen=True)
class Draw:
    """How one characteristic is drawn.

    Attributes:
        mean, sd: of a normal one; of a log-normal one its median, and the SD of the logarithm.
        low, high: limits; of a uniform one its ends.
        values, shares: of a choice; shares sum to 1.
    """

    distribution: Distribution
    mean: float = 0.0
    sd: float = 0.0
    low: float = -np.inf
    high: float = np.inf
    values: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    def drawn(self, rng: np.random.Generator) -> float:
        """One value.

        Raises:
            ValueError: the limits leave next to nothing of the distribution.
        """
        if self.distribution == "choice":
            return float(self.values[int(np.searchsorted(np.cumsum(self.shares), rng.random() * sum(self.shares)))])
        if self.distribution == "uniform":
            return float(rng.uniform(self.low, self.high))
        for _ in range(TRIES):
            moved = self.sd * rng.standard_normal()
            value = self.mean * np.exp(moved) if self.distribution == "log-normal" else self.mean + moved
            if self.low <= value <= self.high:
                return float(value)
        raise ValueError(f"of {TRIES} values about {self.mean:g} none lies from {self.low:g} to {self.high:g}")


def read_draw(table: Table) -> Draw:
    """A table ``[people.draw.NAME]``.

    Raises:
        ModelError: an entry that cannot be used.
    """
    kind = cast("Distribution", table.choice("distribution", DISTRIBUTIONS))
    if kind == "choice":
        return _choice(table)
    low, high = table.optional_number("low"), table.optional_number("high")
    if kind == "uniform":
        low, high = table.number("low"), table.number("high")
    if low is not None and high is not None and low >= high:
        raise table.wrong("high", f"is {high:g}, not above low {low:g}; exchange or mend them")
    ends = (-np.inf if low is None else low, np.inf if high is None else high)
    if kind == "uniform":
        return Draw(kind, low=ends[0], high=ends[1])
    mean = table.number("mean", above=0.0) if kind == "log-normal" else table.number("mean")
    if not ends[0] <= mean <= ends[1]:
        raise table.wrong("mean", f"is {mean:g}, outside low to high; mend one of them")
    return Draw(kind, mean, table.number("sd", above=0.0), *ends)


def _choice(table: Table) -> Draw:
    values, shares = table.listed_numbers("values"), table.listed_numbers("shares")
    if not values or len(values) != len(shares):
        raise table.wrong("shares", f"has {len(shares)} numbers for {len(values)} values; write one for each")
    if min(shares) < 0.0 or abs(sum(shares) - 1.0) > 1e-6:
        raise table.wrong("shares", f"come to {sum(shares):g}; they are at least 0 and come to 1")
    return Draw("choice", values=values, shares=shares)


def characteristics(
    model: Model,
    usual: Mapping[str, float],
    draws: Sequence[tuple[str, Draw]],
    people: Sequence[Mapping[str, float]],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Characteristics of one patient by name, every covariate of the model.

    Args:
        usual: what holds of those that are neither drawn nor in ``people``.
        people: rows, of which one is drawn.

    Raises:
        ModelError: a value that the model says is not plausible.
    """
    found = dict(usual)
    found |= people[int(rng.integers(len(people)))] if people else {}
    found |= {name: draw.drawn(rng) for name, draw in draws}
    for spec in model.covariates:
        low, high = spec.low, spec.high
        if not (-np.inf if low is None else low) <= found[spec.name] <= (np.inf if high is None else high):
            problem = f"{found[spec.name]:g} {spec.unit} is outside {low} to {high}, which {model.id} says is plausible"
            raise ModelError(
                "people", spec.name, f"{problem}; limit what is drawn by 'low' and 'high', or mend the row"
            )
    return found


def read_people(rows: Sequence[Mapping[str, str]], model: Model, file: str) -> tuple[dict[str, float], ...]:
    """Rows of a table of people as covariates of a model; columns of no covariate are left alone.

    Raises:
        ModelError: no row, no column of a covariate, one of the class that nobody sees, or a cell that is no number
            (its line is named).
    """
    known = [spec.name for spec in model.covariates]
    if not rows or not set(known) & set(rows[0]):
        has = ", ".join(rows[0]) if rows else "no rows"
        raise ModelError(file, "", f"has {has}; a column of people is one of the covariates: {', '.join(known)}")
    for name in rows[0]:
        require_seen(model, name, file, name)
    found: list[dict[str, float]] = []
    for line, row in enumerate(rows, start=2):
        person = {}
        for name in known:
            if name in row:
                person[name] = number_in(row[name], file, f"line {line}, {name}")
        found.append(person)
    return tuple(found)


def require_seen(model: Model, name: str, file: str, key: str) -> None:
    """Refuse to be told the class that nobody sees: whoever is of it is drawn by the shares of the mixture.

    Raises:
        ModelError: ``name`` is that class.
    """
    if model.mixture is not None and name == model.mixture.covariate:
        problem = f"is the class that nobody sees of {model.id}, drawn by its shares in [mixture]; leave it out here"
        raise ModelError(file, key, f"{problem}, or take [mixture] out of the model file")


def number_in(text: str | None, file: str, where: str) -> float:
    """A cell as a finite number.

    Raises:
        ModelError: it is none.
    """
    try:
        value = float(text or "")
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise ModelError(file, where, f"'{text}' is no number; write one, or leave the row out")
    return value
