"""Whether a version that was learnt may take the place of the one in use: patients it has not seen decide.

For a patient who came after those it was learnt from, the sum of the log scores of every next value is

    sum_j log p(y_j | y_1..j-1, theta) = log p(y_1..n | theta),

so what a version is better by is told by the same messages, without a value: log sum_k (w_k / q_k) p(z_k | theta). The
differences of two versions, one a patient, are tested one-sidedly (Student's t on the patients' means), and no declared
subgroup may lose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from twin.learning.contribution import Reach, reweighed
from twin.learning.population import Particles, Theta

LEVEL = 0.05
"""Probability that a version that is no better is accepted."""

LEAST_JUDGES = 20
"""Patients without whom nothing is judged."""

LEAST_OF_GROUP = 5
"""Patients of a subgroup without whom it cannot be shown not to lose."""


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


@dataclass(frozen=True)
class GroupVerdict:
    """What a version is better by in a subgroup, in log score a patient; ``worse`` where it must not be used.

    Of fewer than `LEAST_OF_GROUP` patients nothing can be said, and it counts as worse.
    """

    name: str
    patients: int
    better_by: float

    @property
    def worse(self) -> bool:
        return self.patients < LEAST_OF_GROUP or not self.better_by >= 0.0


@dataclass(frozen=True)
class Verdict:
    """The judgement.

    Attributes:
        patients: who judged.
        better_by: mean gain in log score a patient, with its standard error.
        p_value: of no gain.
        groups: the declared subgroups.
        unreached: judges whose particles do not reach one of the versions.
    """

    patients: int
    better_by: float
    error: float
    p_value: float
    groups: tuple[GroupVerdict, ...]
    unreached: tuple[Reach, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the version is not accepted; none where it is."""
        found = []
        if self.patients < LEAST_JUDGES:
            found.append(f"{self.patients} patients judged, at least {LEAST_JUDGES} must")
        elif not self.p_value < LEVEL:
            found.append(
                f"better by {self.better_by:.3g} in log score a patient, p = {self.p_value:.2g}: may be chance"
            )
        for group in self.groups:
            if group.patients < LEAST_OF_GROUP:
                found.append(
                    f"{group.name}: {group.patients} patients, at least {LEAST_OF_GROUP} must show that none loses"
                )
            elif group.worse:
                found.append(f"{group.name}: worse by {-group.better_by:.3g} in log score a patient")
        if self.unreached:
            names = ", ".join(one.patient_id for one in self.unreached[:6])
            found.append(f"{len(self.unreached)} whose particles do not reach a version ({names}): fold them again")
        return tuple(found)

    @property
    def accepted(self) -> bool:
        return not self.reasons


def gains(patients: Sequence[Particles], candidate: Theta, current: Theta) -> tuple[float, ...]:
    """By how much ``candidate`` scores better than ``current``, for each patient."""
    return tuple(reweighed(one, candidate)[1] - reweighed(one, current)[1] for one in patients)


def verdict(
    better: Sequence[float],
    covariates: Sequence[Mapping[str, float]],
    subgroups: Sequence[Subgroup] = (),
    unreached: Sequence[Reach] = (),
) -> Verdict:
    """The verdict on differences in log score, one a patient."""
    each = np.array(better, dtype=np.float64)
    count = len(each)
    mean = float(each.mean()) if count else 0.0
    error = float(each.std(ddof=1) / math.sqrt(count)) if count > 1 else math.inf
    p_value = float(stats.t.sf(mean / error, count - 1)) if 0 < error < math.inf else 1.0
    groups = []
    for group in subgroups:
        own = each[[group.holds(one) for one in covariates]] if count else each
        groups.append(GroupVerdict(group.name, len(own), float(own.mean()) if len(own) else 0.0))
    return Verdict(count, mean, error, p_value, tuple(groups), tuple(unreached))
