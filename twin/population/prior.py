"""What is known of a population's numbers before the data: a prior, as a penalty that the objective is given.

Typical values are normal around what was published, on their natural scale, with its standard error, and so are numbers
of an error that are no sizes, as the exponent of a power. A block of Omega, and the variance of an error, is
inverse-Wishart with the published matrix and degrees of freedom nu (Gisleskog et al. 2002, J Pharmacokinet Pharmacodyn
29:473; NONMEM's NWPRI), so that

    -2 log p = sum (m - m0)^2 / SE^2 + sum_blocks [(nu + d + 1) log det Omega + nu tr(Omega0 Omega^-1)],

without constants. Shares of classes are known as if n patients more had been told apart (Dirichlet),

    -2 log p = -2 n sum_k p0_k log p_k,      n = p0 (1 - p0) / SE^2,

with the least n of them. A standard error of a variance says nu = 2 (omega^2 / SE)^2 + 1; a block has the least nu of
its variances. With plenty of data a prior is nothing; in a sparse ward it keeps what the data do not tell at what is
known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.model.measured.error_numbers import number_called
from twin.population.mixture.mixing import share_slopes
from twin.population.theta import Theta, effect_names
from twin.population.values import LEVELS, Level, Penalty, is_variance

FEWEST = 3.0
"""Degrees of freedom that a variance must have at least: below, its standard error is that of no estimate."""


READ = ("source", "numbers")
"""What the file of a prior says."""


class PriorError(ValueError):
    """A prior that cannot be used: which number, its value, and the mend."""


@dataclass(frozen=True)
class Known:
    """One number, by its name of `twin.population.theta.Theta.names`: what was published of it.

    ``se`` is of the number as it is named: of an error that is its standard deviation. ``degrees`` say the same of a
    variance, or of an error, whose standard error nobody printed.
    """

    name: str
    value: float
    se: float | None = None
    degrees: float | None = None

    @property
    def freedom(self) -> float:
        """nu of a variance; of an error's standard deviation s, whose square has the standard error 2 s SE."""
        if self.degrees is not None:
            return self.degrees
        assert self.se is not None, "of covariances there is none"
        ratio = self.value / self.se
        return (0.5 if self.name.startswith("error.") else 2.0) * ratio**2 + 1.0


class Block(NamedTuple):
    """A block of Omega, or the variance of one error (``level`` "error"), with places in the vector."""

    level: Level | Literal["error"]
    rows: tuple[int, ...]
    matrix: Floats
    degrees: float


@dataclass(frozen=True)
class Prior:
    """What is known of some numbers, and where from."""

    known: tuple[Known, ...]
    source: str

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Prior:
        """Of a TOML file: ``source``, and a table ``numbers`` with ``value`` and ``se`` or ``degrees`` by name.

        Raises:
            PriorError: what is missing or cannot be.
        """
        for unknown in sorted(set(content) - {*READ}):
            mend = f"; write [numbers.{unknown}], with value and se" if isinstance(content[unknown], Mapping) else ""
            raise PriorError(f"prior: {unknown!r} is nothing that a prior says; it has source and numbers{mend}")
        if not isinstance(content.get("source"), str) or not content["source"].strip():
            raise PriorError("prior: source is missing; say where the numbers were published")
        numbers = content.get("numbers")
        if not isinstance(numbers, dict) or not numbers:
            raise PriorError('prior: numbers is missing; write as [numbers."omega.CL"] value = 0.09, se = 0.02')
        return cls(tuple(_read(name, table) for name, table in numbers.items()), content["source"])

    def check(self, theta: Theta) -> None:
        """Refuse numbers that are not free, and blocks of which a variance is missing, or shares.

        Raises:
            PriorError: what is wrong, and the mend.
        """
        for one in self.known:
            if one.name not in theta.names:
                raise PriorError(
                    f"prior: {one.name!r} is no free number of {theta.model.id}; it has {', '.join(theta.names)}"
                )
            at = theta.names.index(one.name)
            number = theta.error_number(at)
            if number is not None and not number.holds(one.value):
                raise PriorError(
                    f"prior: {one.name} is {one.value:g}; it lies between {number.low:g} and {number.high:g}"
                )
            if theta.elements[at].kind == "residual":
                raise PriorError(
                    f"prior: {one.name} is a correlation of residuals, which has none; fix it, or leave it out"
                )
        self.shares(theta)
        self.blocks(theta)

    def at(self, theta: Theta, vector: Floats) -> Penalty:
        """The penalty at a vector (K,)."""
        natural, slopes = theta.natural(vector), theta.natural_slopes(vector)
        value, gradient, curvature = 0.0, np.zeros(theta.size), np.zeros((theta.size, theta.size))
        for one in self.known:
            at = theta.names.index(one.name)
            if is_normal(theta, at):
                assert one.se is not None
                away, along = (float(natural[at]) - one.value) / one.se, slopes[at] / one.se
                value += away * away
                gradient += 2.0 * away * along
                curvature += 2.0 * np.outer(along, along)
        for block in self.blocks(theta):
            matrix, changes = _matrix(theta, vector, block)
            precision = np.linalg.inv(matrix)
            d, nu = len(matrix), block.degrees
            value += (nu + d + 1) * float(np.linalg.slogdet(matrix)[1]) + nu * float((block.matrix * precision).sum())
            inside = (nu + d + 1) * precision - nu * precision @ block.matrix @ precision
            moved = {at: precision @ change for at, change in changes.items()}
            for at, change in changes.items():
                gradient[at] += float((inside * change).sum())
                for other, there in moved.items():
                    curvature[at, other] += nu * float((moved[at] * there.T).sum())
        if (of_shares := self.shares(theta)) is not None:
            here, places = theta.unpack(vector).shares, np.array(theta.shares)
            value -= 2.0 * float(of_shares @ np.log(here))
            gradient[places] += 2.0 * (of_shares.sum() * here - of_shares)[:-1]
            curvature[np.ix_(places, places)] += 2.0 * of_shares.sum() * share_slopes(here)
        return Penalty(value, gradient, curvature)

    def shares(self, theta: Theta) -> Floats | None:
        """How many patients more (K,) are as if they had been told to be of each class; ``None`` if nothing is known.

        Raises:
            PriorError: a share is missing, or all together leave none for the last class.
        """
        wanted = [theta.names[at] for at in theta.shares]
        by_name = {one.name: one for one in self.known if one.name in wanted}
        if not by_name:
            return None
        for missing in (name for name in wanted if name not in by_name):
            raise PriorError(f"prior: {missing} is missing; shares of classes are known together or not at all")
        known = np.array([by_name[name].value for name in wanted])
        if known.min() <= 0.0 or known.sum() >= 1.0:
            raise PriorError(
                f"prior: {', '.join(wanted)} are {known.tolist()}; each is more than 0, and they leave some to the last"
            )
        errors = np.array([by_name[name].se for name in wanted], dtype=np.float64)
        patients = float((known * (1.0 - known) / errors**2).min())
        return np.asarray(patients * np.append(known, 1.0 - known.sum()))

    def as_numbers(self) -> dict[str, object]:
        """It all by name, as `read` reads it."""
        said = {k.name: {"value": k.value, "se": k.se, "degrees": k.degrees} for k in self.known}
        return {
            "source": self.source,
            "numbers": {name: {key: x for key, x in of.items() if x is not None} for name, of in said.items()},
        }

    def blocks(self, theta: Theta) -> list[Block]:
        """What is inverse-Wishart: blocks of Omega, and variances of errors."""
        by_name = {one.name: one for one in self.known}
        found = []
        for at, (kind, _, _) in enumerate(theta.elements):
            one = by_name.get(theta.names[at])
            if one is not None and kind == "error" and not is_normal(theta, at):
                found.append(Block("error", (at,), np.array([[one.value**2]]), one.freedom))
        for level in LEVELS:
            names = effect_names(theta.model, level)
            for rows in theta.blocks(level):
                variances = [f"{level}.{names[i]}" for i in rows]
                pairs = [(f"{level}.{names[j]}.{names[i]}", a, b) for a, i in enumerate(rows) for b, j in
                         enumerate(rows) if j < i]  # fmt: skip
                if not any(name in by_name for name in (*variances, *(name for name, *_ in pairs))):
                    continue
                for missing in (name for name in variances if name not in by_name):
                    raise PriorError(f"prior: {missing} is missing; a block of Omega is known as a whole or not at all")
                matrix = np.diag([by_name[name].value for name in variances])
                for name, a, b in pairs:
                    if name in by_name:
                        matrix[a, b] = matrix[b, a] = by_name[name].value
                if np.linalg.eigvalsh(matrix)[0] <= 0.0:
                    raise PriorError(f"prior: the block of {', '.join(variances)} is not positive definite")
                degrees = min(by_name[name].freedom for name in variances)
                if degrees < max(FEWEST, len(rows)):
                    raise PriorError(
                        f"prior: {', '.join(variances)} have {degrees:.3g} degrees of freedom, less than"
                        f" {max(FEWEST, len(rows)):g}: leave them out, they are next to unknown"
                    )
                found.append(Block(level, rows, matrix, degrees))
        return found


def is_normal(theta: Theta, at: int) -> bool:
    """Whether a prior of an element is normal on its natural scale."""
    number = theta.error_number(at)
    return theta.elements[at].kind == "place" if number is None else not number.size


def _matrix(theta: Theta, vector: Floats, block: Block) -> tuple[Floats, dict[int, Floats]]:
    """A block's matrix, and its slopes by place in the vector."""
    if block.level == "error":
        at = block.rows[0]
        square = np.array([[math.exp(2.0 * vector[at])]])
        return square, {at: 2.0 * square}
    population, rows = theta.unpack(vector), np.ix_(block.rows, block.rows)
    slopes = {at: change[rows] for at, change in theta.omega_slopes(vector, block.level).items()}
    return population.covariance(block.level)[rows], {at: change for at, change in slopes.items() if change.any()}


def _read(name: str, table: object) -> Known:
    if not isinstance(table, dict):
        raise PriorError(f"prior: numbers.{name} is {table!r}; write value = ... and se = ...")
    for unknown in sorted(set(table) - {"value", "se", "degrees"}):
        raise PriorError(f"prior: {name}: {unknown!r} is nothing that is known of a number; it has value, se, degrees")
    for key in ("value", "se", "degrees"):
        given = table.get(key)
        if given is not None and (not isinstance(given, int | float) or not math.isfinite(given)):
            raise PriorError(f"prior: {name}: {key} is {given!r}; write a number")
    value, se, degrees = (table.get(key) for key in ("value", "se", "degrees"))
    if value is None:
        raise PriorError(f"prior: {name}: value is missing")
    kind = name.partition(".")[0]
    variance = is_variance(name)
    covariance = kind in LEVELS and not variance
    number = number_called(name)
    size = number is not None and number.size
    if degrees is not None and not (variance or size):
        raise PriorError(f"prior: {name}: degrees are of a variance or the size of an error; write se")
    if (se is None) == (degrees is None) and not covariance:
        raise PriorError(
            f"prior: {name}: write either se or degrees" if se is not None else f"prior: {name}: se is missing"
        )
    for key, said in (("se", se), ("degrees", degrees), ("value", value if variance or size else None)):
        if said is not None and said <= 0.0:
            raise PriorError(f"prior: {name}: {key} is {said:g}; it must be greater than 0")
    return Known(name, float(value), None if se is None else float(se), None if degrees is None else float(degrees))
