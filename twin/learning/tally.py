"""What judges of a version say together: sums over patients that do not depend on their order, to the last bit.

Of each patient there is by how much a version's log score is better than that of the version in use. Sums are exact
(`twin.learning.exact_sums`), so that a tally is the same however patients came, and two tallies add up to what one of
all patients would be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.learning.exact_sums import Exact, as_text, exact, from_text, rounded
from twin.learning.sums import LEAST_PATIENTS, TooFew

MOST_OF_ONE = 1.0
"""Log score by which one patient counts for a version at most, however much better it foresaw: nobody decides alone,
and what nobody foresees (a wrong dose, a mixed-up sample) does not either."""


@dataclass(frozen=True)
class Subgroup:
    """Patients with a characteristic within ``low`` to before ``high``, as in ``WT<3`` or ``AGE>=65``."""

    name: str
    covariate: str
    low: float = -math.inf
    high: float = math.inf

    def holds(self, covariates: Mapping[str, float]) -> bool:
        """Whether somebody is of it."""
        return self.low <= covariates[self.covariate] < self.high


def subgroup(text: str, covariates: Sequence[str]) -> Subgroup:
    """A subgroup as written: ``NAME<NUMBER``, ``NAME>=NUMBER`` or ``NAME=NUMBER`` (a level).

    Raises:
        ValueError: it is none.

    >>> subgroup("AGE>=65", ["AGE"])
    Subgroup(name='AGE>=65', covariate='AGE', low=65.0, high=inf)
    """
    for sign in ("<", ">=", "="):
        name, found, number = (part.strip() for part in text.partition(sign))
        if found and name in covariates:
            try:
                value = float(number)
            except ValueError:
                break
            if math.isfinite(value):
                low = -math.inf if sign == "<" else value
                high = {"<": value, ">=": math.inf, "=": math.nextafter(value, math.inf)}[sign]
                return Subgroup(text, name, low, high)
    known = ", ".join(covariates) or "none"
    raise ValueError(f"subgroup {text!r}: write NAME<NUMBER, NAME>=NUMBER or NAME=NUMBER; covariates are {known}")


class Sum(NamedTuple):
    """Of a subgroup: patients, and the exact sum (1,) of what a version is better by."""

    patients: int
    total: Exact

    @property
    def mean(self) -> float:
        """What a version is better by, a patient; 0 of nobody."""
        return float(rounded(self.total)[0]) / self.patients if self.patients else 0.0

    def plus(self, other: Sum) -> Sum:
        """Both together."""
        return Sum(self.patients + other.patients, self.total + other.total)


NOBODY = Sum(0, exact(np.zeros(1)))


@dataclass(frozen=True, eq=False)
class Tally:
    """Of some judges.

    Attributes:
        patients: how many.
        total: exact sums (3,) of log scores as they count (`MOST_OF_ONE`), of log scores, and of their squares.
        groups: by the name of each declared subgroup.
    """

    patients: int
    total: Exact
    groups: Mapping[str, Sum]

    @property
    def log_ratio(self) -> float:
        """Logarithm of the likelihood ratio, as patients count."""
        return float(rounded(self.total)[0])

    @property
    def mean(self) -> float:
        """What the version is better by in log score, a patient."""
        return float(rounded(self.total)[1]) / self.patients if self.patients else 0.0

    @property
    def error(self) -> float:
        """Standard error of `mean`; inf of fewer than two."""
        if self.patients < 2:
            return math.inf
        rest = float(rounded(self.total)[2]) - self.patients * self.mean**2
        return math.sqrt(max(rest, 0.0) / (self.patients - 1) / self.patients)

    def plus(self, other: Tally) -> Tally:
        """Both together: of subgroups that one of them did not count, those that the other counted."""
        names = dict.fromkeys((*self.groups, *other.groups))
        groups = {name: self.groups.get(name, NOBODY).plus(other.groups.get(name, NOBODY)) for name in names}
        return Tally(self.patients + other.patients, self.total + other.total, groups)

    def as_said(self) -> dict[str, object]:
        """For a file: numbers, texts and lists of these."""
        return {
            "patients": self.patients,
            "total": as_text(self.total),
            "subgroups": list(self.groups),
            "subgroup_patients": [each.patients for each in self.groups.values()],
            "subgroup_totals": [as_text(each.total)[0] for each in self.groups.values()],
        }


EMPTY = Tally(0, exact(np.zeros(3)), {})


def tally(
    better: Sequence[float], covariates: Sequence[Mapping[str, float]], subgroups: Sequence[Subgroup] = ()
) -> Tally:
    """The tally of differences in log score, one a patient.

    Raises:
        ValueError: a difference that is no number.
    """
    each = np.array(better, dtype=np.float64)
    total = _summed(np.stack([np.minimum(each, MOST_OF_ONE), each, each * each], axis=1))
    groups = {}
    for group in subgroups:
        own = each[[group.holds(known) for known in covariates]] if len(each) else each
        groups[group.name] = Sum(len(own), _summed(own[:, None]))
    return Tally(len(each), total, groups)


def for_others(said: Tally, covariates: Sequence[Mapping[str, float]], subgroups: Sequence[Subgroup]) -> Tally:
    """A tally that may leave a site: of subgroups those by which, with the others that are told, patients are not told
    apart to fewer than `LEAST_PATIENTS`; of the others nobody is counted.

    Raises:
        TooFew: of fewer patients.
    """
    if said.patients < LEAST_PATIENTS:
        raise TooFew(
            f"patients: {said.patients}, and a sum over fewer than {LEAST_PATIENTS} tells of one; wait for more"
        )
    apart, told = np.zeros(said.patients, np.int64), dict.fromkeys(said.groups, NOBODY)
    for group in subgroups:
        inside = np.array([group.holds(known) for known in covariates])
        _, further, sizes = np.unique(2 * apart + inside, return_inverse=True, return_counts=True)
        if sizes.min() >= LEAST_PATIENTS:
            apart, told[group.name] = further, said.groups[group.name]
    return Tally(said.patients, said.total, told)


def _summed(values: Floats) -> Exact:
    """Exact sums (k,) of values (n, k)."""
    return np.asarray(exact(values).sum(axis=0, initial=0), dtype=object)


def tally_from(said: Mapping[str, object]) -> Tally:
    """Inverse of `Tally.as_said`.

    Raises:
        ValueError: it is none.
    """
    try:
        names, counts, totals = (said[f"subgroup{end}"] for end in ("s", "_patients", "_totals"))
        groups = {
            str(name): Sum(_count(count), from_text([total]))
            for name, count, total in zip(names, counts, totals, strict=True)  # type: ignore[call-overload]
        }
        total = from_text(said["total"])  # type: ignore[arg-type]
        found = Tally(_count(said["patients"]), total, groups)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no tally ({error}); 'dosetwin learn judge' writes it") from None
    if len(found.total) != len(EMPTY.total):
        raise ValueError(f"total: must be {len(EMPTY.total)} hexadecimal numbers; 'dosetwin learn judge' writes it")
    return found


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no number of patients")
    return value
