"""Several fits of the same data, held against one another by the likelihood itself.

Objectives of approximations are other functions than the likelihood, and not of one another: what is compared is
-2 log likelihood by importance sampling, with the standard error it has (`twin.population.importance`), and its AIC
and BIC (Akaike 1974; Schwarz 1978). Where one fit is another with some numbers held at what they were, twice the log
likelihood ratio is chi-squared with as many degrees of freedom (Wilks 1938). Of a variance held at 0 that would be too
strict by half (Stram & Lee 1994, Biometrics 50:1171), so no such pair is tested, nor one whose ratio is within two
standard errors of a decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from twin.population.values import LEVELS

LEVEL = 0.05

SE_APART = 2.0
"""Standard errors that a ratio must be away from where the decision turns."""


class CompareError(ValueError):
    """Fits that cannot be compared: which, and why."""


@dataclass(frozen=True)
class FitFound:
    """One fit as its file says.

    Attributes:
        name: what it is called in the table.
        data: hash of its data; ``model`` hash of the model that it began with.
        free: names of what was estimated; ``fixed``: what the other numbers were held at.
        minus_2_log, error: the likelihood, and the standard error of it.
        alike: two classes of a mixture are one, so that their shares are no numbers that the data tell.
    """

    name: str
    data: str
    model: str
    method: str
    free: frozenset[str]
    fixed: tuple[tuple[str, float], ...]
    minus_2_log: float
    error: float
    aic: float
    bic: float
    converged: bool
    alike: bool = False


@dataclass(frozen=True)
class RatioTest:
    """``smaller`` against ``larger``, which has ``freedom`` more numbers: the ratio, its error, and p.

    ``said`` is the decision at `LEVEL`, or why there is none.
    """

    smaller: str
    larger: str
    freedom: int
    ratio: float
    error: float
    p: float
    said: str


def ranked(fits: Sequence[FitFound]) -> tuple[FitFound, ...]:
    """The fits, the least AIC first.

    Raises:
        CompareError: fewer than two, two of one name, or other data.
    """
    if len(fits) < 2:
        raise CompareError("give at least two fits to compare")
    names = [fit.name for fit in fits]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CompareError(f"{twice} is given twice; name other fits")
    for fit in fits[1:]:
        if fit.data != fits[0].data:
            raise CompareError(
                f"{fit.name} is of other data ({fit.data}) than {fits[0].name} ({fits[0].data}): likelihoods of other"
                " data say nothing of one another; fit both to the same files"
            )
    return tuple(sorted(fits, key=lambda fit: (fit.aic, fit.name)))


def ratio_tests(fits: Sequence[FitFound]) -> tuple[RatioTest, ...]:
    """Of every pair of which one is the other with some numbers held."""
    return tuple(
        _tested(small, large)
        for small in fits
        for large in fits
        if small.model == large.model and small.free < large.free
    )


def chi_squared_tail(ratio: float, freedom: int) -> float:
    """P(chi-squared > ratio).

    >>> round(chi_squared_tail(3.841459, 1), 4)
    0.05
    """
    return float(special.chdtrc(freedom, max(0.0, ratio)))


def _tested(small: FitFound, large: FitFound) -> RatioTest:
    freedom, ratio = len(large.free) - len(small.free), small.minus_2_log - large.minus_2_log
    error = (small.error**2 + large.error**2) ** 0.5
    p, turn = chi_squared_tail(ratio, freedom), float(special.chdtri(freedom, LEVEL))
    # Where classes are one, their shares can be anything and the ratio is not chi-squared (McLachlan & Peel 2000, 6.4).
    held = {name for name, value in small.fixed if name in large.free and name.split(".")[0] in LEVELS}
    if not (small.converged and large.converged):
        said = "no test: one of them did not converge"
    elif small.alike or large.alike:
        said = "no test: classes of one of them are alike, and Wilks' theorem does not hold there; go by AIC or BIC"
    elif held and any(value < 1e-6 for name, value in small.fixed if name in held):
        said = "no test: a variance is held at the edge of what it can be"
    elif abs(ratio - turn) < SE_APART * error:
        said = "not decided: within two standard errors of the turn; give the likelihood more draws"
    else:
        said = f"{large.name} is better" if ratio > turn else f"{small.name} does as well"
    return RatioTest(small.name, large.name, freedom, ratio, error, p, said)
