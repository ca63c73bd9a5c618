"""Observations that are likelihoods: a formula of the observed value itself, for grades, counts and events.

A stream that is fitted with LIKELIHOOD, -2LL or F_FLAG gives the probability of what was observed. Asked for 0, 1, 2
it gives that of each grade; where what is not observed has the probability exp(-H) of a state H, it is an event, and
its hazard is what H gains. A count is told by how its probabilities p_k go on,

    (k + 1) p_(k+1) / p_k = m (1 + d k) / (1 + d m),        k = 1, 2, ...,

which of a Poisson law (d = 0) is m; where p_0 is more than that, zeros come besides. Factorials by Stirling's formula
are near enough.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from connectors.models.formulas import call, number, reads, same, value
from connectors.models.observing.forms import Answers, form, forms
from connectors.models.observing.values import Sampling
from connectors.models.source import Observed, Scatter, Source
from twin.arrays import Floats
from twin.observation.kinds.ordinal import MOST_CATEGORIES

_SUMS = 1e-6
_COUNTED, _RARE, _NEAR = 6, 1e-200, 5e-3
"""Counts that are asked for, the least probability that is told apart from none, and how near Stirling's formula is."""
_LARGEST = 4_000
"""Parts of a probability that is looked at; what is larger no model file could have."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How a source writes a likelihood: its ``kind`` (``likelihood``, ``-2ll``) and the word for what is observed.

    ``flag`` is its F_FLAG, where it has one: 1 for a likelihood, 2 for one in -2LL, by record.
    """

    kind: str
    observed: str
    flag: ast.expr | None = None

    def probability(self, source: Source, y: ast.expr, answers: Answers) -> ast.expr:
        """What Y gives as a probability at a record of which so much is known."""
        flagged = None if self.flag is None else value(form(source, self.flag, answers))
        kind = {1.0: "likelihood", 2.0: "-2ll"}.get(flagged or 0.0, self.kind)
        if kind == "-2ll":
            return call("exp", ast.BinOp(ast.UnaryOp(ast.USub(), y), ast.Div(), number(2.0)))
        return y


def recognised(
    source: Source, y: ast.expr, items: Collection[str], likelihood: Likelihood, sampling: Sampling, line: int
) -> list[Observed]:
    """Events and grades that a Y gives probabilities of; ``items`` are those that may tell one output from another."""
    found, of_events = _events(source, y, items, likelihood, sampling, line)
    graded: dict[str, tuple[ast.expr, ...]] = {}
    tried: dict[str, Answers] = {}
    for grade in (0.0, 1.0):
        for answers, _ in forms(source, form(source, y, Answers({likelihood.observed: grade})), items, None):
            tried.setdefault(answers.label(likelihood.observed), answers)
    for label, answers in tried.items():
        grades = _grades(source, likelihood, y, answers, sampling)
        if grades:
            graded[label] = grades
        elif label not in of_events and (count := _count(source, likelihood, y, answers, sampling, label, line)):
            found.append(count)
            of_events.add(label)
    whole = _grades(source, likelihood, y, Answers(), sampling)
    if whole and len({len(each) for each in graded.values()}) <= 1:
        graded = {"dv": whole}  # the items are characteristics: they change probabilities, not what is graded
    elif found or graded:
        for label in tried.keys() - graded.keys() - of_events:
            source.lose(line, f"Y of {label} is a likelihood that is not read; it is left out")
    return found + [Observed(label, None, None, line, categories=grades) for label, grades in graded.items()]


def _events(
    source: Source, y: ast.expr, items: Collection[str], likelihood: Likelihood, sampling: Sampling, line: int
) -> tuple[list[Observed], set[str]]:
    """Events, and the labels of the forms that are of one."""
    leaves = forms(source, y, items, likelihood.observed)
    found: list[tuple[str, ast.expr]] = []
    for state in source.states:
        survival = call("exp", ast.UnaryOp(ast.USub(), ast.Name(state.name, ast.Load())))
        of_it = [(answers, leaf) for answers, leaf in leaves if reads(leaf, {state.name}, source.definitions)]
        if any(sampling.equal(likelihood.probability(source, leaf, answers), survival) for answers, leaf in of_it):
            found.append((state.name, state.derivative))
    alone, states = len(found) == 1, {word for word, _ in found}
    of_events = {
        answers.label(likelihood.observed)
        for answers, leaf in leaves
        if reads(leaf, states, source.definitions) or value(leaf) is not None
    }
    events = [Observed("event" if alone else f"event_{word}", None, None, line, hazard=each) for word, each in found]
    return events, of_events


def _grades(
    source: Source, likelihood: Likelihood, y: ast.expr, answers: Answers, sampling: Sampling
) -> tuple[ast.expr, ...]:
    found: list[ast.expr] = []
    sums = np.zeros(len(sampling.draws))
    for grade in range(MOST_CATEGORIES):
        asked = answers.tell(likelihood.observed, float(grade))
        probability = likelihood.probability(source, form(source, y, asked), asked)
        if sum(1 for _ in islice(ast.walk(probability), _LARGEST)) == _LARGEST:
            break
        if grade == 1 and same(probability, found[0]):
            break  # a formula without the observed value is no probability of it
        values = [sampling.value(probability, env) for env in sampling.draws]
        known = [each for each in values if each is not None]
        if not known or not all(0 <= each <= 1 for each in known) or not any(each > 0 for each in known):
            break
        found.append(probability)
        sums += [np.nan if each is None else each for each in values]
        worked_out = sums[np.isfinite(sums)]
        if worked_out.size == 0 or worked_out.max() > 1.0 + _SUMS:
            break
        if len(found) > 1 and worked_out.size > len(sums) / 2 and np.allclose(worked_out, 1.0, rtol=_SUMS):
            return tuple(found)
    return ()


def _count(
    source: Source, likelihood: Likelihood, y: ast.expr, answers: Answers, sampling: Sampling, label: str, line: int
) -> Observed | None:
    """A count whose mean, and probability of zeros besides, the source has by a name."""
    probabilities = []
    for value_of in range(_COUNTED):
        asked = answers.tell(likelihood.observed, float(value_of))
        probability = likelihood.probability(source, form(source, y, asked), asked)
        values = [sampling.value(probability, env) for env in sampling.draws]
        probabilities.append([np.nan if each is None else each for each in values])
    p = np.array(probabilities)
    usable = np.isfinite(p).all(axis=0) & (p[1:] > _RARE).all(axis=0) & (p <= 1.0 + _SUMS).all(axis=0)
    if usable.sum() < _COUNTED:
        return None
    p = p[:, usable]
    k = np.arange(1, _COUNTED - 1)[:, None]
    ratio = (k + 1) * p[2:] / p[1:-1]
    growth = ratio[1] / ratio[0]
    with np.errstate(divide="ignore"):  # ratios that no count has
        dispersion = (growth - 1.0) / (2.0 - growth)
    spread = float(np.median(dispersion))
    even = np.isfinite(spread) and np.allclose(dispersion, spread, rtol=_NEAR, atol=_NEAR)
    if not even or spread < -_NEAR:
        return None
    spread = 0.0 if spread < _NEAR else spread
    below = 1.0 + spread - spread * ratio[0]
    if not (below > 0.0).all():
        return None
    mean = ratio[0] / below
    law = stats.poisson(mean) if spread == 0.0 else stats.nbinom(1.0 / spread, 1.0 / (1.0 + spread * mean))
    share = 1.0 - p[1] / law.pmf(1)
    expected = np.array([(1.0 - share) * law.pmf(each) + (share if each == 0 else 0.0) for each in range(_COUNTED)])
    if not np.allclose(p, expected, rtol=_NEAR):
        return None
    of_mean = _called(source, y, sampling, usable, mean)
    besides = bool((np.abs(share) > _NEAR).any())
    zeros = _called(source, y, sampling, usable, share) if besides else None
    if of_mean is None or (besides and zeros is None):
        what = "probability of zeros" if of_mean else "mean"
        source.lose(line, f"{label} is a count, whose {what} the source has by no name; give it one")
        return None
    size: tuple[str, float | str] = ("poisson", "true") if spread == 0.0 else ("negative_binomial", round(spread, 4))
    if spread > 0.0:
        means = [each for each in (of_mean, zeros) if each is not None]
        apart = [eta for eta in source.etas if reads(y, {eta}, source.definitions)]
        apart = [eta for eta in apart if not any(reads(each, {eta}, source.definitions) for each in means)]
        of_whom = f"; that it differs between patients ({', '.join(apart)}) is not carried" if apart else ""
        source.lose(line, f"the dispersion of {label}, {spread:.4g}, is worked out from its probabilities{of_whom}")
    return Observed(label, of_mean, Scatter((size,)), line, zeros=zeros)


def _called(
    source: Source, y: ast.expr, sampling: Sampling, usable: NDArray[np.bool_], values: Floats
) -> ast.expr | None:
    """What the source calls these values: of several names that Y reads the one that no other of them is made of.

    At the draws a mean is what it is without an effect too, where a characteristic takes the effect away.
    """
    found: list[str] = []
    for word in (*source.definitions, *source.thetas):
        every = [sampling.value(ast.Name(word, ast.Load()), env) for env in sampling.draws]
        known = np.array([np.nan if each is None else each for each in every])[usable]
        if np.isfinite(known).all() and np.allclose(known, values, rtol=_NEAR):
            found.append(word)
    read = [word for word in found if reads(y, {word}, source.definitions)]
    inner = {word for word in read for other in read if word != other and _made_of(source, other, word)}
    return next((ast.Name(word, ast.Load()) for word in read if word not in inner), None)


def _made_of(source: Source, word: str, other: str) -> bool:
    return word in source.definitions and reads(source.definitions[word], {other}, source.definitions)
