"""The form that every foreign model takes on its way into a model file: names, formulas, and what could not be carried.

Formulas are trees of the model language (`twin.model.formula`) over the source's own names: thetas, etas, epsilons,
states, data items and what it defines of those. `connectors.models.effects` makes parameters of thetas and etas,
`connectors.models.observing.residuals` outputs of what is observed, and `connectors.models.writing` the file.
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass, field
from typing import Literal

from twin.names import shown

LAST = "LAST_OBSERVED"
"""Stands in formulas for the last measured value, until it is known which output that is of."""


class SourceError(ValueError):
    """A source that cannot be read: which file, which line, what is wrong there and how to mend it."""

    def __init__(self, file: str, line: int | None, problem: str) -> None:
        self.file, self.line, self.problem = shown(file), line, shown(problem)
        place = self.file if line is None else f"{self.file}:{line}"
        super().__init__(f"{place}: {self.problem}")


@dataclass(frozen=True, slots=True)
class Lost:
    """Something that the model file does not have as the source has it; ``line`` 0 where it is no one line."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}" if self.line else self.what


@dataclass(frozen=True, slots=True)
class Theta:
    """A fixed effect: its value, and what the source says beside it.

    ``unit`` is the source's own word for it, ``None`` where it has none; ``low`` and ``high`` bound an estimation.
    """

    name: str
    value: float
    line: int
    comment: str = ""
    low: float | None = None
    high: float | None = None
    fixed: bool = False
    unit: str | None = None


Level = Literal["iiv", "iov", "isv"]
"""What a random effect is of, as a model file calls it: a patient, an occasion, a site."""


@dataclass(frozen=True, slots=True)
class Eta:
    """A random effect with mean 0: of a patient, of an occasion where it is drawn anew on each, or of a site.

    A ``fixed`` variance is known.
    """

    name: str
    variance: float
    line: int
    level: Level = "iiv"
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """A state: its change without what is given (that is an `Entry`), and its value at the start."""

    name: str
    derivative: ast.expr
    initial: ast.expr | None
    line: int
    amount: bool = True
    """Whether it holds an amount of the drug; ``False`` where the source says that it holds something else."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where doses enter: a fraction, after a lag and over a time that may be formulas."""

    state: str
    drug: str
    fraction: ast.expr | None = None
    lag: ast.expr | None = None
    duration: ast.expr | None = None


@dataclass(frozen=True, slots=True)
class Scatter:
    """The error of an output, as the keys of a model file have it; those of its `numbers` that are ``fixed`` are
    known."""

    sizes: tuple[tuple[str, float | str], ...]
    assumed: str | None = None
    fixed: tuple[str, ...] = ()

    @property
    def numbers(self) -> dict[str, float | str]:
        """What the keys say, a coefficient by the name of its key and an exponent by its own."""
        found: dict[str, float | str] = {}
        for key, size in self.sizes:
            if isinstance(size, str) and size.startswith("{"):
                inner = tomllib.loads(f"law = {size}")["law"]
                found |= {key if word == "coefficient" else word: each for word, each in inner.items()}
            else:
                found[key] = size
        return found


@dataclass(frozen=True, slots=True)
class Observed:
    """Something measured: a prediction with its scatter, a count's mean with its law and the probability of ``zeros``
    besides, probabilities of categories, or a hazard."""

    name: str
    expression: ast.expr | None
    scatter: Scatter | None
    line: int
    categories: tuple[ast.expr, ...] = ()
    hazard: ast.expr | None = None
    unit: str | None = None
    zeros: ast.expr | None = None

    @property
    def counted(self) -> bool:
        """Whether it is a count."""
        laws = {"poisson", "negative_binomial"}
        return self.scatter is not None and any(key in laws for key, _ in self.scatter.sizes)


@dataclass(frozen=True, slots=True)
class Classes:
    """Subpopulations that nobody sees: the characteristic that numbers them from 1, and the share of each, which are
    known if they are ``fixed``."""

    covariate: str
    shares: tuple[float, ...]
    line: int
    fixed: bool


@dataclass(slots=True)
class Source:
    """A model as its source has it.

    Attributes:
        language: in words, for messages and the file's head.
        time_unit: min, h or d where the source says one of these; ``time_said`` is what it says otherwise, in words.
        together: whether the data say which values were measured together (L2), so that their EPS are the same.
        residuals: names of two outputs whose residuals correlate, and how much.
        definitions: formulas by name, each over leaves and those above it.
        covariances: of pairs of etas.
        fixed_sigmas: those whose variances are known.
        lines: where each name was defined.
        references: values that stand for a data item where the source says or implies one.
        occasion: the data item that tells one occasion from the next; ``every`` so much time where none does.
        site: the data item that tells who is of one site.
        aliases: names that the source gives to a theta as it stands.
        classes: of patients, where the source has any.
    """

    language: str
    file: str
    title: str
    time_unit: str | None = None
    time_said: str = "none"
    thetas: dict[str, Theta] = field(default_factory=dict)
    etas: dict[str, Eta] = field(default_factory=dict)
    covariances: dict[tuple[str, str], float] = field(default_factory=dict)
    sigmas: dict[str, float] = field(default_factory=dict)
    sigma_covariances: dict[tuple[str, str], float] = field(default_factory=dict)
    fixed_sigmas: set[str] = field(default_factory=set)
    together: bool = False
    residuals: list[tuple[str, str, float]] = field(default_factory=list)
    definitions: dict[str, ast.expr] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    observed: list[Observed] = field(default_factory=list)
    covariates: tuple[str, ...] = ()
    references: dict[str, float] = field(default_factory=dict)
    occasion: str | None = None
    every: float | None = None
    site: str | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)
    classes: Classes | None = None

    def lose(self, line: int, what: str) -> None:
        """Note what could not be carried, once."""
        entry = Lost(line, what)
        if entry not in self.lost:
            self.lost.append(entry)

    def wrong(self, line: int | None, problem: str) -> SourceError:
        """The error to raise about a line of this source."""
        return SourceError(self.file, line, problem)
