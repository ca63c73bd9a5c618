"""Whether a version that was learnt may take the place of the one in use: patients it has not seen decide.

For a patient who came after those it was learnt from, the sum of the log scores of every next value is

    sum_j log p(y_j | y_1..j-1, theta) = log p(y_1..n | theta),

so what a version is better by is told by the same messages, without a value: log sum_k (w_k / q_k) p(z_k | theta). Over
patients i, each judged once by the version that was learnt from those before,

    R = prod_i  p(y_i | theta_v(i)) / p(y_i | theta_0)

is a martingale of mean 1 as long as the version in use, theta_0, is right; patients who count for less than their ratio
(`twin.learning.tally.MOST_OF_ONE`) make it less. By Ville's inequality it then ever reaches 1/alpha with a probability
of at most alpha, however often one looks and whatever was learnt in between (Ville 1939; Grünwald, de Heide and Koolen
2024, J R Stat Soc B 86:1091). So one running ratio judges all versions that were learnt since the one in use was
released, and where R reaches 1/`LEVEL` the newest is accepted, if its own judges do not say that it is worse and no
declared subgroup loses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from twin.learning.contribution import Reach, reweighed
from twin.learning.population import Particles, Theta
from twin.learning.tally import EMPTY, Tally

LEVEL = 0.05
"""Probability that a version ever takes the place of one that is right."""

LEAST_JUDGES = 20
"""Patients without whom nothing is judged."""

LEAST_OF_GROUP = 5
"""Patients of a subgroup without whom it cannot be shown not to lose."""


@dataclass(frozen=True)
class GroupVerdict:
    """What versions are better by in a subgroup, in log score a patient; ``worse`` where none must be used.

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
        patients: who judged this version, ``judges`` who judged it and those before it.
        better_by: its mean gain in log score a patient, with its standard error.
        log_ratio: logarithm of the running ratio, over all ``judges``.
        groups: the declared subgroups, over all ``judges``.
        unreached: judges whose particles do not reach one of the versions.
    """

    patients: int
    judges: int
    better_by: float
    error: float
    log_ratio: float
    groups: tuple[GroupVerdict, ...]
    unreached: tuple[Reach, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the version is not accepted; none where it is."""
        found = []
        if self.judges < LEAST_JUDGES:
            found.append(f"{self.judges} patients judged, at least {LEAST_JUDGES} must")
        elif not self.log_ratio >= -math.log(LEVEL):
            found.append(
                f"the running likelihood ratio of {self.judges} patients is {ratio_text(self.log_ratio)}, and "
                f"{1.0 / LEVEL:g} would show that it is not chance; let later patients judge too"
            )
        if self.patients and not self.better_by >= 0.0:
            found.append(f"its own {self.patients} judges say that it is worse by {-self.better_by:.3g} in log score")
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


def ratio_text(log_ratio: float) -> str:
    """A likelihood ratio in words: 0.031, 12, 3e+08."""
    return f"{math.exp(min(log_ratio, 700.0)):.2g}"


def gains(patients: Sequence[Particles], candidate: Theta, current: Theta) -> tuple[float, ...]:
    """By how much ``candidate`` scores better than ``current``, for each patient."""
    return tuple(reweighed(one, candidate)[1] - reweighed(one, current)[1] for one in patients)


def verdict(own: Tally, before: Sequence[Tally] = (), unreached: Sequence[Reach] = ()) -> Verdict:
    """The verdict on a version.

    Args:
        own: of its judges.
        before: of the judges of versions that were learnt before it, since the one in use is; nobody is in two.
        unreached: of its judges.
    """
    whole = EMPTY
    for each in (*before, own):
        whole = whole.plus(each)
    groups = tuple(GroupVerdict(name, group.patients, group.mean) for name, group in whole.groups.items())
    return Verdict(
        own.patients, whole.patients, own.mean, own.error, whole.log_ratio, groups, tuple(unreached)
    )  # fmt: skip
