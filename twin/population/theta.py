"""What is estimated of a population, as a vector that may go anywhere, and back.

| numbers | names | in the vector |
|---|---|---|
| typical values, coefficients of covariates | ``CL`` | on the scale of the parameter (`twin.kernel.free.scale_of`) |
| shape of Box-Cox effects | ``shape.CL`` | the shape |
| variances and covariances of eta | ``omega.CL``, ``omega.CL.V`` | log-Cholesky of each block |
| of an occasion's kappa | ``iov.CL``, ``iov.CL.V`` | the same |
| variance that a drift gains per unit of time | ``drift.CL`` | the same |
| that a lacking characteristic adds | ``widens.WT.CL`` | the same |
| of a site's effects | ``isv.CL``, ``isv.CL.V`` | the same |
| residual error of an output, and of readings | ``error.plasma.df``, ``vital.bp.df`` | its scale, `error_numbers` |
| correlation of the residuals of two outputs | ``residual.plasma.effect`` | entry of L, `residual_correlation` |
| share of patients who are of a class, but the last | ``share.slow`` | logarithm of its ratio to the last one's share |

A covariate's coefficient is estimated where the model file has it as a parameter; a number within a formula stays as it
is written. Omega's pattern is what the model file says (`twin.population.factors`).
Everything that is not named in ``fixed`` is free.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.kernel.free import Scale, natural, placed, slope
from twin.model.formula import names_in
from twin.model.measured.error import ErrorSpec
from twin.model.measured.error_numbers import NUMBERS, ErrorNumber, numbers_of, renumbered
from twin.model.spec import Model, ParameterSpec
from twin.model.structure import analyse
from twin.observation.residual_correlation import correlated, correlation_of, entries_of, pattern_of, with_entries
from twin.population.factors import Factor, blocks_of, factor_of, pattern_of_effects
from twin.population.mixture.mixing import logits_of, share_slopes, shares_of
from twin.population.values import LEVELS, Level, Penalty, Population, scales, shaped

COMPLEX_STEP = 1e-30
"""Imaginary displacement that derivatives of covariances are taken with: exact."""

Entry = tuple[int, int]
"""Row and column, column <= row."""


class FitError(ValueError):
    """A fit that cannot be done as asked for: what, its value, and the mend."""


class Element(NamedTuple):
    """One number of the vector: a ``kind`` and where it is.

    ``place``: number i of `Population.place`. A level (`values.LEVELS`): entry (i, j) of L. ``error``: output i,
    number j of `NUMBERS`. ``residual``: outputs i and j, entry of their L. ``share``: class i.
    """

    kind: Literal["place", "error", "residual", "share"] | Level
    i: int
    j: int = 0


class Known(Protocol):
    """What is known of the numbers before the data (`twin.population.prior`)."""

    @property
    def source(self) -> str:
        """Where from."""
        ...

    def check(self, theta: Theta, /) -> None:
        """Refuse numbers that are not free."""
        ...

    def at(self, theta: Theta, vector: Floats, /) -> Penalty:
        """What it adds to the objective at a vector (K,)."""
        ...

    def as_numbers(self) -> dict[str, object]:
        """It all by name, as JSON has it."""
        ...

    def __hash__(self) -> int:
        """Of what it says: the same prior is the same question."""
        ...


@dataclass(frozen=True)
class Theta:
    """The free numbers of a model's population.

    Attributes:
        model: whose.
        start: what is not free stands here.
        elements: of the vector, in order.
        patterns: of each level which entries of its covariance are not 0.
        prior: what is known of the numbers before the data.
    """

    model: Model
    start: Population
    elements: tuple[Element, ...]
    patterns: Mapping[Level, NDArray[np.bool_]]
    prior: Known | None = None

    @classmethod
    def of(cls, model: Model, fixed: Iterable[str] = (), start: Population | None = None) -> Theta:
        """All numbers of a model but those named in ``fixed`` or fixed in its file; a block of Omega is fixed by any of
        its names, and so are the shares of classes.

        Raises:
            FitError: a name of nothing that could be free, or nothing is left.
        """
        return cls.whole(model, start)._without(frozenset((*fixed, *model.fixed)))

    @classmethod
    def whole(cls, model: Model, start: Population | None = None) -> Theta:
        """All numbers of a model, also those that its file fixes."""
        start = Population.of(model) if start is None else start
        _refuse_weighing_class(model)
        patterns = {level: pattern_of_effects(model, effect_names(model, level), level) for level in LEVELS}
        elements = [Element("place", i) for i in range(len(start.place))]
        for level in LEVELS:
            rows, columns = np.nonzero(np.tril(patterns[level]))
            elements += [Element(level, i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)]
        elements += [Element("error", i, j) for i, error in enumerate(start.errors) for j in numbers_of(error)]
        rows, columns = np.nonzero(np.tril(pattern_of(start.errors), -1))
        elements += [Element("residual", i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)]
        elements += [Element("share", i) for i in range(len(start.shares) - 1)]
        return cls(model, start, tuple(elements), patterns)

    def _without(self, fixed: frozenset[str]) -> Theta:
        names = dict(zip(self.elements, self.names, strict=True))
        for unknown in sorted(fixed - {*names.values()}):
            raise FitError(f"fixed: {unknown!r} is no number of {self.model.id}; it has {', '.join(names.values())}")
        given = _weighing(self.model)
        gone = {element for element, name in names.items() if name in fixed}
        gone |= {e for e, name in names.items() if e.kind == "place" and name in given}
        for level, pattern in self.patterns.items():
            for block in blocks_of(pattern):
                inside = {e for e in self.elements if e.kind == level and e.i in block}
                if inside & gone:
                    gone |= inside
        for kind in ("share", "residual"):
            if any(e.kind == kind for e in gone):
                gone |= {e for e in self.elements if e.kind == kind}
        left = tuple(e for e in self.elements if e not in gone)
        if not left:
            raise FitError("fixed: names every number of the model; leave one free to be estimated")
        return replace(self, elements=left)

    def with_prior(self, prior: Known | None) -> Theta:
        """The same with a prior.

        Raises:
            PriorError: it is of numbers that are not free here.
        """
        if prior is not None:
            prior.check(self)
        return replace(self, prior=prior)

    def penalty(self, vector: Floats) -> Penalty | None:
        """What the prior adds to the objective at a vector (K,); ``None`` where there is none."""
        return None if self.prior is None else self.prior.at(self, vector)

    def blocks(self, level: Level) -> list[tuple[int, ...]]:
        """Rows of each free block of a covariance, in order."""
        free = {element.i for element in self.elements if element.kind == level}
        return sorted(tuple(sorted(block)) for block in blocks_of(self.patterns[level]) if block <= free)

    @property
    def size(self) -> int:
        """Length of the vector."""
        return len(self.elements)

    @property
    def names(self) -> tuple[str, ...]:
        """What each number is called: of Omega's entries, the variance or covariance at their place."""
        return tuple(self._name(element) for element in self.elements)

    def _name(self, element: Element) -> str:
        model, (kind, i, j) = self.model, element
        if kind == "place":
            return ("" if i < len(model.parameters) else "shape.") + self.parameter(i).name
        if kind == "error":
            return NUMBERS[j].called(model.outputs[i].name)
        if kind == "residual":
            return f"residual.{model.outputs[j].name}.{model.outputs[i].name}"
        if kind == "share":
            assert model.mixture is not None, "only a mixture has shares"
            return f"share.{model.mixture.classes[i]}"
        of = effect_names(model, kind)
        return f"{kind}.{of[i]}" if i == j else f"{kind}.{of[j]}.{of[i]}"

    def pack(self, population: Population) -> Floats:
        """The vector (K,) of a population."""
        lower = {level: factor_of(population.covariance(level)) for level in LEVELS}
        residual = entries_of(correlation_of(population.errors))
        found = np.empty(self.size)
        for at, (kind, i, j) in enumerate(self.elements):
            if kind == "place":
                found[at] = population.place[i]
            elif kind == "error":
                found[at] = NUMBERS[j].placed(self._of_error(population.errors[i], j))
            elif kind == "residual":
                found[at] = residual[i, j]
            elif kind == "share":
                found[at] = logits_of(population.shares)[i]
            else:
                entry = lower[kind][i, j]
                found[at] = np.log(entry) if i == j else entry
        return found

    def unpack(self, vector: Floats) -> Population:
        """The population of a vector (K,)."""
        place = self.start.place.copy()
        at, of = self._places
        place[of] = vector[at]
        of_errors: dict[int, dict[str, float]] = {}
        for n, (_, i, j) in self._of_errors:
            of_errors.setdefault(i, {})[NUMBERS[j].name] = NUMBERS[j].natural(float(vector[n]))
        each = enumerate(self.start.errors)
        errors = tuple(renumbered(e, of_errors[i]) if i in of_errors else e for i, e in each)
        if self.joint:
            errors = correlated(errors, self._residual(vector))
        logits = vector[self.shares]
        shares = shares_of(logits) if len(logits) else self.start.shares
        found = replace(self.start, place=place, errors=errors, shares=shares)
        return found.with_covariances({level: self._omega(level, vector) for level in LEVELS})

    @functools.cached_property
    def joint(self) -> list[int]:
        """Places in the vector of correlations of residuals."""
        return [at for at, element in enumerate(self.elements) if element.kind == "residual"]

    def _residual(self, vector: NDArray[np.float64] | NDArray[np.complex128]) -> Floats:
        """Correlation (O, O) of the residuals of outputs."""
        begin = correlation_of(self.start.errors)
        entries = {(self.elements[at].i, self.elements[at].j): vector[at] for at in self.joint}
        return with_entries(entries_of(begin).astype(vector.dtype), begin != 0.0, entries)

    @functools.cached_property
    def scatter(self) -> list[int]:
        """Places in the vector of what values scatter by: numbers of errors and correlations of residuals."""
        return [at for at, element in enumerate(self.elements) if element.kind in ("error", "residual")]

    def moved_errors(self, errors: Sequence[ErrorSpec], at: int, by: float) -> tuple[ErrorSpec, ...]:
        """Errors with one number of `scatter` moved in the vector, the others held."""
        kind, i, j = self.elements[at]
        if kind == "error":
            number = NUMBERS[j]
            moved = number.moved(self._of_error(errors[i], j), by)
            return tuple(renumbered(e, {number.name: moved}) if n == i else e for n, e in enumerate(errors))
        correlation = correlation_of(errors)
        lower = entries_of(correlation)
        entries = {(e.i, e.j): lower[e.i, e.j] for e in self.elements if e.kind == "residual"}
        entries[i, j] += by
        return correlated(errors, with_entries(lower, correlation != 0.0, entries))

    @functools.cached_property
    def shares(self) -> list[int]:
        """Places in the vector of the shares of classes: all but the last one's, or none."""
        return [at for at, element in enumerate(self.elements) if element.kind == "share"]

    def omega_slopes(self, vector: Floats, level: Level) -> dict[int, Floats]:
        """Of each element of a covariance, by its place in the vector: d covariance / d element."""
        found: dict[int, Floats] = {}
        for at, element in enumerate(self.elements):
            if element.kind == level:
                moved = vector.astype(np.complex128)
                moved[at] += 1j * COMPLEX_STEP
                found[at] = np.imag(self._omega(level, moved)) / COMPLEX_STEP
        return found

    def _omega(self, level: Level, vector: NDArray[np.float64] | NDArray[np.complex128]) -> Floats:
        """The covariance of a level, symmetric to the last bit."""
        return self._factors[level].covariance(vector)

    @functools.cached_property
    def _places(self) -> tuple[list[int], list[int]]:
        """Places in the vector of typical values, and whose these are."""
        found = [(n, e.i) for n, e in enumerate(self.elements) if e.kind == "place"]
        return [n for n, _ in found], [i for _, i in found]

    @functools.cached_property
    def _of_errors(self) -> list[tuple[int, Element]]:
        """Numbers of errors with their places in the vector."""
        return [(n, e) for n, e in enumerate(self.elements) if e.kind == "error"]

    @functools.cached_property
    def _factors(self) -> dict[Level, Factor]:
        return {
            level: Factor.of(
                self.patterns[level],
                self.start.covariance(level),
                [(n, e.i, e.j) for n, e in enumerate(self.elements) if e.kind == level],
            )
            for level in LEVELS
        }

    def population(self, numbers: Mapping[str, float]) -> Population:
        """The population that numbers by name make, as `natural` gives them; what is not named stays as it was.

        Raises:
            FitError: a name that is none of `names`.
        """
        known = dict(zip(self.names, self.elements, strict=True))
        place, covariances = self.start.place.copy(), {level: self.start.covariance(level).copy() for level in LEVELS}
        errors, shares = list(self.start.errors), self.start.shares.copy()
        correlation = correlation_of(errors)
        for name, value in numbers.items():
            if name not in known:
                raise FitError(f"{name!r} is no free number of {self.model.id}; it has {', '.join(known)}")
            kind, i, j = known[name]
            if kind == "place":
                place[i] = placed(self.scale(i), value)
            elif kind == "error":
                errors[i] = renumbered(errors[i], {NUMBERS[j].name: value})
            elif kind == "residual":
                correlation[i, j] = correlation[j, i] = value
            elif kind == "share":
                shares[i] = value
            else:
                covariances[kind][i, j] = covariances[kind][j, i] = value
        shares[-1] = 1.0 - shares[:-1].sum()
        if shares.min() <= 0.0:
            raise FitError(f"shares of the classes are {shares.tolist()}; each is more than 0, and all make 1")
        if np.linalg.eigvalsh(correlation).min() <= 0.0:
            raise FitError("correlations of residuals: together they are not positive definite; lower them")
        found = replace(self.start, place=place, errors=correlated(errors, correlation), shares=shares)
        return found.with_covariances(covariances)

    def natural(self, vector: Floats) -> Floats:
        """The numbers (K,) that `names` speak of: typical values, variances, covariances, standard deviations."""
        return self.natural_of(self.unpack(vector))

    def natural_of(self, population: Population) -> Floats:
        """The same of a population."""
        found = np.empty(self.size)
        for at, (kind, i, j) in enumerate(self.elements):
            if kind == "place":
                found[at] = natural(self.scale(i), population.place[i])
            elif kind == "error":
                found[at] = self._of_error(population.errors[i], j)
            elif kind == "residual":
                found[at] = population.errors[i].beside[j]
            elif kind == "share":
                found[at] = population.shares[i]
            else:
                found[at] = population.covariance(kind)[i, j]
        return found

    def parameter(self, place: int) -> ParameterSpec:
        """The parameter that a number of `Population.place` is of."""
        count = len(self.model.parameters)
        return self.model.parameters[place if place < count else shaped(self.model)[place - count]]

    def scale(self, place: int) -> Scale:
        """The scale that a number of `Population.place` is moved on."""
        return self._scales[place]

    @functools.cached_property
    def _scales(self) -> tuple[Scale, ...]:
        return scales(self.model)

    def placed(self, at: int, value: float) -> float:
        """The element of the vector that makes a typical value, or a number of an error, so much."""
        kind, i, j = self.elements[at]
        return placed(self.scale(i), value) if kind == "place" else NUMBERS[j].placed(value)

    def error_number(self, at: int) -> ErrorNumber | None:
        """Which number of an error an element is; ``None`` of any other."""
        kind, _, j = self.elements[at]
        return NUMBERS[j] if kind == "error" else None

    @staticmethod
    def _of_error(error: ErrorSpec, j: int) -> float:
        found = NUMBERS[j].of(error)
        assert found is not None, "elements are of what an error has"
        return found

    def _residual_slopes(self, vector: Floats) -> list[Floats]:
        """d correlation / d each of `joint`."""
        found = []
        for at in self.joint:
            moved = vector.astype(np.complex128)
            moved[at] += 1j * COMPLEX_STEP
            found.append(np.imag(self._residual(moved)) / COMPLEX_STEP)
        return found

    def natural_slopes(self, vector: Floats) -> Floats:
        """(K, K) d natural / d vector: what a covariance of the vector is carried over by."""
        value, slopes = self.natural(vector), np.zeros((self.size, self.size))
        of_shares = share_slopes(self.unpack(vector).shares)
        by_level = {level: self.omega_slopes(vector, level) for level in LEVELS}
        for at, (kind, i, j) in enumerate(self.elements):
            if kind == "place":
                slopes[at, at] = slope(self.scale(i), value[at])
            elif kind == "error":
                slopes[at, at] = NUMBERS[j].slope(value[at])
            elif kind == "residual":
                slopes[at, self.joint] = [matrix[i, j] for matrix in self._residual_slopes(vector)]
            elif kind == "share":
                slopes[at, self.shares] = of_shares[i]
            else:
                for other, matrix in by_level[kind].items():
                    slopes[at, other] = matrix[i, j]
        return slopes


def _weighing(model: Model) -> frozenset[str]:
    """What doses are weighed by when they are given: their sizes are worked out once, so it stays as it is."""
    read = frozenset(name for formula in analyse(model).weights.values() for name in names_in(formula))
    for derived in reversed(model.derived):
        if derived.name in read:
            read |= names_in(derived.expression)
    return read


def _refuse_weighing_class(model: Model) -> None:
    """Refuse doses whose size hangs on the class: they are weighed once, for all classes."""
    if model.mixture is None:
        return
    read, name = _weighing(model), model.mixture.covariate
    of_parameters = {n for p in model.parameters if p.name in read and p.expression for n in names_in(p.expression)}
    if name in read | of_parameters:
        raise FitError(
            f"{name}: the size of doses hangs on the class, and a dose is weighed once for all classes; let what"
            " becomes of the dose hang on it, as a rate constant or a clearance"
        )


def effect_names(model: Model, level: Level) -> tuple[str, ...]:
    """What effects of a level are called, in the order of its covariance: by their parameters."""
    drifting = () if model.drift is None else model.eta_names
    own = {"omega": model.eta_names, "iov": model.iov_names, "drift": drifting, "widens": model.widening_names}
    return model.isv_names if level == "isv" else own[level]
