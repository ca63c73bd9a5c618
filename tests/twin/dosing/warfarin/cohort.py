"""The patients of the benchmark, to the last digit, and others drawn like them.

Read in DavAug/mipd-warfarin, ``results/S1_systems_pharmacology_model/5_simulate_cohort_for_mipd_trial.py``
(genotypes, ages and seeds), ``model.py`` beside it (effects of genotype and age),
``models/hartmann_coagulation_model_parameters.csv`` (distributions) and
``results/1_systems_pharmacology_model/10_simulate_tdm_data_no_explained_IIV.py`` (delays, intake of vitamin K, errors
of measuring and their seeds). Volume and the shifts of both conversions are as ``results/data/mipd_trial_cohort.csv``
has them, log mean 3.353 and 0.532; other versions of the table of distributions have others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.twin.dosing.warfarin.coagulation import Patients, at_rest, forward, inr
from twin.arrays import Floats

DAYS = 19
ERROR = 0.1
"""SD of the logarithm of a measured INR."""

VKORC1_AA = 0.532
CYP2C9_22, CYP2C9_33 = 0.495, 0.757
STEPS = 120
"""Of a day, and of the hours by which somebody is late."""


@dataclass
class Trial:
    """Patients in treatment.

    Attributes:
        s22, s33: (N,) share of the alleles of CYP2C9 that are *2, and *3.
        vkorc1: (N,) alleles A.
        delays: (D, N) hours by which dose and sample of a day are late.
        intake: (D, N) of vitamin K, of the average.
        errors: (D, N) that a measured INR is the true one times.
    """

    s22: Floats
    s33: Floats
    age: Floats
    vkorc1: Floats
    who: Patients
    delays: Floats
    intake: Floats
    errors: Floats

    _day: int = field(default=0, init=False)
    _moved: Floats | None = field(default=None, init=False)

    @property
    def _state(self) -> Floats:
        if self._moved is None:
            self._moved = at_rest(self.who)
        return self._moved

    def true_inr(self) -> Floats:
        """Of this day's sample, before its dose (N,)."""
        late = self.delays[self._day]
        return inr(forward(self._state, self.who, late, STEPS, self.intake[self._day]), self.who)

    def measured(self) -> Floats:
        """What the laboratory says of it (N,)."""
        return self.true_inr() * self.errors[self._day]

    def concentration(self) -> Floats:
        """Of warfarin before this day's dose, mg/L (N,)."""
        return np.asarray(self._state[1] / self.who.volume)

    def dose(self, amounts: Floats) -> None:
        """Take this day's dose, mg (N,), and come to the next day."""
        late, intake = self.delays[self._day], self.intake[self._day]
        state = forward(self._state, self.who, late, STEPS, intake)
        state[0] += amounts
        self._moved = forward(state, self.who, 24.0 - late, STEPS, intake)
        self._day += 1

    def of(self, chosen: slice | NDArray[np.int64]) -> Trial:
        """Some of the patients, from the beginning."""
        who = Patients(*(values[chosen] for values in self.who))
        people = (self.s22[chosen], self.s33[chosen], self.age[chosen], self.vkorc1[chosen])
        return Trial(*people, who, *(each[:, chosen] for each in (self.delays, self.intake, self.errors)))


def benchmark() -> Trial:
    """The 1,000 patients of the article."""
    n = 1000
    chance = np.random.RandomState(42)
    cyp2c9, vkorc1 = np.zeros(n), np.zeros(n)
    until = 0
    for share in (0.01, 0.02, 0.03, 0.12, 0.20):
        until += int(np.ceil(share * n))
        cyp2c9[:until] += 1.0
    age = chance.lognormal(np.log(50.0), 0.15, n)
    vkorc1[:200] += 1.0
    vkorc1[:650] += 1.0
    cyp2c9 = cyp2c9[chance.choice(np.arange(n), replace=False, size=n)]
    delays = np.random.default_rng(4).exponential(0.5, (DAYS, n))
    intake = np.random.default_rng(14).normal(1.0, 0.1, (DAYS, n))
    mean = -(ERROR**2) / 2.0
    errors = np.array([np.random.default_rng(n * (day + 1)).lognormal(mean, ERROR, n) for day in range(DAYS)])
    return _trial(cyp2c9, age, vkorc1, np.random.default_rng(765), (delays, intake, errors))


def others(n: int, seed: int, days: int = DAYS) -> Trial:
    """Patients who are drawn like those of the benchmark, and are not them."""
    rng = np.random.default_rng(seed)
    cyp2c9 = rng.choice(6, n, p=[0.62, 0.20, 0.12, 0.03, 0.02, 0.01]).astype(float)
    age = rng.lognormal(np.log(50.0), 0.15, n)
    vkorc1 = rng.choice(3, n, p=[0.35, 0.45, 0.20]).astype(float)
    chance = (
        rng.exponential(0.5, (days, n)),
        rng.normal(1.0, 0.1, (days, n)),
        rng.lognormal(-(ERROR**2) / 2.0, ERROR, (days, n)),
    )
    return _trial(cyp2c9, age, vkorc1, rng, chance)


def _trial(
    cyp2c9: Floats, age: Floats, vkorc1: Floats, rng: np.random.Generator, chance: tuple[Floats, Floats, Floats]
) -> Trial:
    n = len(age)
    alleles = {1: (0.5, 0.0), 2: (0.0, 0.5), 3: (1.0, 0.0), 4: (0.5, 0.5), 5: (0.0, 1.0)}
    s22, s33 = np.array([alleles.get(int(one), (0.0, 0.0)) for one in cyp2c9]).T
    shift = np.log(1.0 - VKORC1_AA * vkorc1 / 2.0)
    cleared = np.log(1.0 - CYP2C9_22 * s22 - CYP2C9_33 * s33) + np.log(1.0 - np.tanh((age - 71.0) * 0.00571))
    volume = rng.lognormal(3.353, 0.054, n)
    vk_vkh2, vko_vk = rng.lognormal(-3.781 + shift, 0.240), rng.lognormal(-1.478 + shift, 0.240)
    elimination, ec50 = rng.lognormal(-3.716 + cleared, 0.071), rng.lognormal(-2.0 + shift, 0.1)
    ii, ix, _ = rng.normal([139.4, 26.1, 30.1], [27.88, 5.22, 6.02], (n, 3)).T
    rng.normal(49.8, 9.96, n)  # protein S, which has no part in the test
    v, vii = rng.normal([1.15, 12.0], [0.223, 2.4], (n, 2)).T
    x, xi, _, xiii = rng.normal([31.4, 2.9, 4.5, 0.25], [6.28, 0.58, 0.9, 0.05], (n, 4)).T
    who = Patients(volume, vk_vkh2, vko_vk, elimination, ec50, ii, ix, v, vii, x, xi, xiii)
    return Trial(s22, s33, age, vkorc1, who, *chance)
