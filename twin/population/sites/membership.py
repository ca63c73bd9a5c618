"""Which patients are of one site.

The value of a covariate tells (`twin.model.spec.SiteSpec`). Whoever has its reference's value, as one of whom nothing
was reported, is a site alone: what such a patient shows of a site is then shared with nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin.arrays import Integers
from twin.model.spec import Model
from twin.population.subjects import Subject
from twin.population.theta import FitError


def sites_of(model: Model, subjects: Sequence[Subject]) -> Integers | None:
    """Number (N,) of each patient's site, from 0 on in the order in which they are met; ``None`` of a model without.

    Raises:
        FitError: a patient's site changes, all patients are alone, or all are of one site.
    """
    if model.sites is None:
        return None
    name = model.sites.covariate
    column = next(i for i, one in enumerate(model.covariates) if one.name == name)
    reference, numbers = model.covariates[column].reference, dict[float | str, int]()
    found = np.empty(len(subjects), dtype=np.int64)
    for n, subject in enumerate(subjects):
        values = np.unique(subject.timeline.covariates[:, column])
        if len(values) > 1:
            raise FitError(
                f"patient {subject.id}: {name} changes from {values[0]:g} to {values[1]:g}, and a patient is of one"
                " site; give every record of the patient the same"
            )
        key = subject.key if values[0] == reference else float(values[0])
        found[n] = numbers.setdefault(key, len(numbers))
    if len(numbers) in (1, len(subjects)):
        which = "all are of one site" if len(numbers) == 1 else "no two are of one site"
        raise FitError(
            f"{name}: of {len(subjects)} patients {which}, so that nothing tells sites from patients; leave isv out of"
            f" the model file, or give {name} with the data"
        )
    return found


def drawn_sites(site: Integers, which: Integers) -> Integers:
    """Sites (K,) of patients ``which`` (K,), sorted: where one is there for the n-th time is its site's n-th copy.

    >>> drawn_sites(np.array([0, 0, 1]), np.array([0, 0, 1, 1, 2])).tolist()
    [0, 1, 0, 1, 2]
    """
    begins = np.searchsorted(which, which)
    copy = np.arange(len(which)) - begins
    numbers: dict[tuple[int, int], int] = {}
    pairs = zip(site[which].tolist(), copy.tolist(), strict=True)
    return np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], dtype=np.int64)
