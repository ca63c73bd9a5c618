"""Sums over patients: all that leaves a site.

A site adds up what its patients contribute at a population that everybody tries, and says the sums and how many
patients they are of. Sums are exact (`twin.learning.exact_sums`), so the population that is learnt is the same to the
last bit whatever order patients or sites come in and however patients are spread over sites. Sums over few patients
would tell of one of them, so there are none over less than `LEAST_PATIENTS`; two of nearly the same patients would too,
so a site says one sum for each population that is tried. Normal noise may be added; it is of the coordinates' unit, a
published standard deviation, and no more is promised of it than that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats
from twin.learning.contribution import contribution
from twin.learning.exact_sums import Exact, as_text, exact, from_text, rounded
from twin.learning.population import Anchor, Particles, Theta, theta_as_text, theta_from

LEAST_PATIENTS = 5
"""Patients that a sum for others is of, at least."""

FORMAT = 3


class TooFew(ValueError):
    """A sum over so few patients that it would tell of one."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Exact sums over some patients at one population: first moments (size,), counts and squares of residuals
    (outputs,), how probable classes are (classes,), second moments above and on the diagonal, and the gain, one after
    the other.

    Moments are of effects and of slopes by coefficients (`twin.learning.contribution`), which are ``size`` in all.
    """

    patients: int
    total: Exact
    size: int
    outputs: int = 0
    classes: int = 0

    @property
    def first(self) -> Floats:
        """(size,)."""
        return rounded(self.total[: self.size])

    @property
    def count(self) -> Floats:
        """(outputs,)."""
        return rounded(self.total[self.size : self.size + self.outputs])

    @property
    def squares(self) -> Floats:
        """(outputs,), in units of the sizes of errors that were tried."""
        return rounded(self.total[self.size + self.outputs : self.size + 2 * self.outputs])

    @property
    def of_classes(self) -> Floats:
        """(classes,) patients of each class, by how probable it is of each patient."""
        start = self.size + 2 * self.outputs
        return rounded(self.total[start : start + self.classes])

    @property
    def second(self) -> Floats:
        """(size, size)."""
        found = np.zeros((self.size, self.size))
        found[np.triu_indices(self.size)] = rounded(self.total[self.size + 2 * self.outputs + self.classes : -1])
        return found + np.triu(found, 1).T

    @property
    def gain(self) -> float:
        """Sum of log p(y | theta) - log p(y | theta_0), theta_0 being the published population."""
        return float(rounded(self.total[-1:])[0])

    def __add__(self, other: Sums) -> Sums:
        return replace(self, patients=self.patients + other.patients, total=self.total + other.total)


def sums_of(patients: Sequence[Particles], theta: Theta) -> Sums:
    """The sums of some patients at ``theta``."""
    size = len(theta.mean) + (len(patients[0].anchor.effects) if patients else 0)
    shape = size, len(theta.scatter), len(theta.shares)
    upper = np.triu_indices(size)
    total = Sums(0, exact(np.zeros(_length(*shape))), *shape)
    for one in patients:
        part = contribution(one, theta)
        numbers = [part.first, part.count, part.squares, part.classes, part.second[upper], np.array([part.gain])]
        total += Sums(1, exact(np.concatenate(numbers)), *shape)
    return total


def _length(size: int, outputs: int, classes: int) -> int:
    return size + 2 * outputs + classes + size * (size + 1) // 2 + 1


def joined(parts: Sequence[Sums]) -> Sums:
    """The sums of several sites.

    Raises:
        ValueError: there are none, or they are of different parameters.
    """
    if not parts or len({(part.size, part.outputs, part.classes) for part in parts}) != 1:
        raise ValueError("sums: name at least one site's, all of the same model")
    return sum(parts[1:], parts[0])


def for_others(sums: Sums, noise: float = 0.0, rng: np.random.Generator | None = None) -> Sums:
    """Sums that may leave the site, each with normal noise of SD ``noise`` (published standard deviations).

    Raises:
        TooFew: of fewer than `LEAST_PATIENTS` patients.
        ValueError: noise that is none, or without chance to draw it from.
    """
    if sums.patients < LEAST_PATIENTS:
        raise TooFew(
            f"patients: {sums.patients}, and a sum over fewer than {LEAST_PATIENTS} tells of one; wait for more"
        )
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise: {noise} is no standard deviation; 0 for none")
    if not noise:
        return sums
    if rng is None:
        raise ValueError("rng: noise is drawn from chance, which must be given")
    disturbed = noise * rng.standard_normal(len(sums.total) - 1)
    return replace(sums, total=sums.total + exact(np.append(disturbed, 0.0)))


def as_json(sums: Sums, structure: str, theta: Theta, reached: int) -> str:
    """A site's sums at ``theta`` for a file; ``reached`` is of how many patients the particles reach it."""
    said = {
        "format": FORMAT,
        "structure": structure,
        "theta": json.loads(theta_as_text(theta)),
        "patients": sums.patients,
        "reached": reached,
        "total": as_text(sums.total),
    }
    return json.dumps(said, indent=1) + "\n"


def from_json(text: str, anchor: Anchor) -> tuple[Sums, Theta, int]:
    """Inverse of `as_json`.

    Raises:
        ValueError: no such file, or of another model.
    """
    try:
        said = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}; 'dosetwin learn sums' writes it") from None
    if not isinstance(said, Mapping) or said.get("format") != FORMAT:
        raise ValueError(f"format: is not {FORMAT}; 'dosetwin learn sums' writes it")
    if said.get("structure") != anchor.structure:
        other = said.get("structure")
        raise ValueError(f"structure: {other!r} is of another model, this one's is {anchor.structure!r}")
    theta = theta_from(said.get("theta", {}), anchor)
    patients, reached, texts = (said.get(name) for name in ("patients", "reached", "total"))
    if not isinstance(patients, int) or patients < LEAST_PATIENTS:
        raise ValueError(f"patients: {patients!r}; a site says sums over at least {LEAST_PATIENTS}")
    if not isinstance(reached, int) or not 0 <= reached <= patients:
        raise ValueError(f"reached: {reached!r} is no number of these {patients} patients")
    shape = len(theta.mean) + len(anchor.effects), len(theta.scatter), len(theta.shares)
    length = _length(*shape)
    if not isinstance(texts, list) or len(texts) != length or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"total: must be {length} hexadecimal numbers")
    try:
        return Sums(patients, from_text(texts), *shape), theta, reached
    except ValueError as error:
        raise ValueError(f"total: {error}") from None
