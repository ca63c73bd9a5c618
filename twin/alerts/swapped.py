"""Whether two samples bear each other's names: values that surprise at their own patient and fit at the other.

A tube with another patient's label brings two wrong values, one to each. Of every output that both samples have, the
densities that the two twins predicted are compared,

    log BF = sum over outputs of  log f_A(x_B) + log f_B(x_A) - log f_A(x_A) - log f_B(x_B)

and the odds that the two were exchanged are BF times `RATE` over the number of samples with which either may have been.
A value alone, whose counterpart was not measured, tells nothing: it would have to be `RATE` times as many patients as
likely elsewhere, which heavy tails never allow.

Between its published quantiles a density is taken for that of the logarithm (of the value itself where a quantile is
not positive) with a spread of its own on either side, and beyond them for a Student t with 4 degrees of freedom: how
unlikely a far value is nobody published, so it is never taken for impossible. What is found follows from the set of
predictions, in whatever order they came.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from twin.events import Prediction

RATE = 1 / 2000
"""Samples that are of another patient than their label says: about the median of hospitals of ten countries (Dzik et
al. 2003, doi:10.1046/j.1423-0410.2003.00313.x; of blood groups, taken to hold for other tubes)."""

WITHIN = timedelta(hours=4)
"""Between the drawing of two samples that may be exchanged (assumed: tubes of one round are labelled together)."""

LIKELY = 0.5
"""Probability from which on it is said (assumed: more likely than not)."""

_T, _FREE = 2.1318, 4.0
"""The 95 % quantile of a Student t with 4 degrees of freedom, which the published one is."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured of one patient at one time: a prediction, with the value that it met, for each output."""

    patient_id: str
    millis: int
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class Swap:
    """Two samples that were exchanged with this ``probability``, by pseudonym; ``log10_bf`` is the evidence of the
    values alone, and ``among`` with how many samples either might have been exchanged."""

    first: Sample
    second: Sample
    outputs: tuple[str, ...]
    log10_bf: float
    among: int
    probability: float


def samples_of(predictions: Iterable[Prediction]) -> list[Sample]:
    """The predictions by patient and time; what was measured twice of an output at one time is left out."""
    found: dict[tuple[str, int], list[Prediction]] = {}
    for one in predictions:
        found.setdefault((one.patient_id, round(one.time.timestamp() * 1000)), []).append(one)
    samples = []
    for (patient, millis), own in found.items():
        names = [one.output for one in own]
        once = sorted((one for one in own if names.count(one.output) == 1), key=lambda one: one.output)
        if once:
            samples.append(Sample(patient, millis, tuple(once)))
    return sorted(samples, key=lambda one: (one.millis, one.patient_id))


def swaps(
    predictions: Iterable[Prediction], *, within: timedelta = WITHIN, rate: float = RATE, likely: float = LIKELY
) -> list[Swap]:
    """Pairs of samples that likely bear each other's names, the most likely first.

    Args:
        predictions: those that stand, of any number of patients.
        within: longest time between the drawing of the two.
        rate: of samples that are of another patient than their label says.
        likely: least probability.

    Raises:
        ValueError: ``rate`` or ``likely`` is not between 0 and 1.
    """
    for name, value in (("rate", rate), ("likely", likely)):
        if not 0 < value < 1:
            raise ValueError(f"field '{name}': {value:g} is no probability between 0 and 1")
    samples = samples_of(predictions)
    pairs = _pairs(samples, round(within / timedelta(milliseconds=1)))
    count = [0] * len(samples)
    for one, other, _ in pairs:
        count[one] += 1
        count[other] += 1
    found = []
    for one, other, shared in pairs:
        first, second = samples[one], samples[other]
        log_bf, among = evidence(first, second), max(count[one], count[other])
        odds = math.exp(min(log_bf, 700.0)) * rate / among
        if odds / (1 + odds) >= likely:
            found.append(Swap(first, second, shared, log_bf / math.log(10), among, odds / (1 + odds)))
    return sorted(found, key=lambda swap: (-swap.probability, swap.first.millis, swap.first.patient_id))


def evidence(first: Sample, second: Sample) -> float:
    """The logarithm of how much likelier the values are if the two samples were exchanged."""
    others = {one.output: one for one in second.predictions}
    total = 0.0
    for one in first.predictions:
        other = others.get(one.output)
        if other is not None and other.unit == one.unit:
            total += log_density(one, other.observed) + log_density(other, one.observed)
            total -= log_density(one, one.observed) + log_density(other, other.observed)
    return total


def log_density(prediction: Prediction, value: float) -> float:
    """The logarithm of the density that was predicted at a value, per unit of the logarithm or of the value itself.

    Which of the two it is follows from the prediction's own quantiles, so densities of one prediction can be compared.
    A value that is not positive where logarithms are taken is as far away as any.
    """
    low, middle, high = prediction.q05, prediction.median, prediction.q95
    if low > 0:
        value = math.log(max(value, 1e-3 * low))
        low, middle, high = math.log(low), math.log(middle), math.log(high)
    least = 1e-6 * max(abs(middle), 1.0)
    below, above = max(middle - low, least) / _T, max(high - middle, least) / _T
    score = (value - middle) / (below if value < middle else above)
    norm = math.lgamma((_FREE + 1) / 2) - math.lgamma(_FREE / 2) - 0.5 * math.log(_FREE * math.pi)
    return norm + math.log(2 / (below + above)) - (_FREE + 1) / 2 * math.log1p(score**2 / _FREE)


def _pairs(samples: Sequence[Sample], within: int) -> list[tuple[int, int, tuple[str, ...]]]:
    """Places of samples of two patients that may be exchanged, with the outputs that both have."""
    assert all(one.millis <= other.millis for one, other in pairwise(samples))
    found = []
    for place, one in enumerate(samples):
        units = {prediction.output: prediction.unit for prediction in one.predictions}
        for at in range(place + 1, len(samples)):
            other = samples[at]
            if other.millis - one.millis > within:
                break
            shared = tuple(p.output for p in other.predictions if units.get(p.output) == p.unit)
            if shared and other.patient_id != one.patient_id:
                found.append((place, at, shared))
    return found
