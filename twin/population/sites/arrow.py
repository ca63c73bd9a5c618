"""The matrix of a site and its patients: an arrow, solved patient by patient.

With psi_i = eta_i + E b of patients whose data say nothing of one another once b is known, the second derivatives of

    U = sum_i [u_i(psi_i) + (psi_i - E b)' P (psi_i - E b) / 2] + b' P_b b / 2

by (b, psi_1, ..., psi_n) are

    P_b + n E'PE    -E'P   -E'P  ...
    -PE              A_1     0   ...            A_i = u_i'' + P,
    -PE               0     A_2  ...

whose determinant is |S| prod |A_i|, with the Schur complement S = P_b + sum E'(P - P A_i^-1 P) E: the precision of b
when all else is integrated over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats, Integers


@dataclass(frozen=True)
class Arrow:
    """Of N patients with D effects in S sites with q effects.

    Attributes:
        site: (N,) number of each patient's site.
        inverse: (N, D, D) of A.
        along: (N, D, q) A^-1 P E: how psi follows b.
        schur, covariance: (S, q, q) S and its inverse, the covariance of b.
    """

    site: Integers
    inverse: Floats
    along: Floats
    schur: Floats
    covariance: Floats

    @classmethod
    def of(cls, inverse: Floats, precision: Floats, above: Floats, of_site: Floats, site: Integers) -> Arrow:
        """Of inverses of A (N, D, D), P (D, D), E (D, q) and P_b (q, q)."""
        reach = precision @ above
        along = inverse @ reach
        each = above.T @ reach - reach.T @ along
        schur = by_site(each, site) + of_site
        return cls(site, inverse, along, schur, np.asarray(np.linalg.inv(schur)))

    def solved(self, of_site: Floats, of_patients: Floats) -> tuple[Floats, Floats]:
        """x (S, q, K) and (N, D, K) of H x = r, for r of sites (S, q, K) and of patients (N, D, K)."""
        back = self.along.swapaxes(1, 2) @ of_patients
        b = self.covariance @ (of_site + by_site(back, self.site))
        return b, self.inverse @ of_patients + self.along @ b[self.site]

    def where(self, schur: Floats) -> Arrow:
        """The same with another S (S, q, q)."""
        return replace(self, schur=schur, covariance=np.asarray(np.linalg.inv(schur)))

    @property
    def of_patients(self) -> Floats:
        """(N, D, D) covariance of psi, whatever b is."""
        return self.inverse + self.along @ self.covariance[self.site] @ self.along.swapaxes(1, 2)

    def within(self, above: Floats) -> Floats:
        """(N, D, D) covariance of psi - E b."""
        away = self.along - above
        return self.inverse + away @ self.covariance[self.site] @ away.swapaxes(1, 2)


def first_of(site: Integers) -> Integers:
    """(S,) the first patient of each site."""
    return np.asarray(np.unique(site, return_index=True)[1], dtype=np.int64)


def by_site(of_patients: Floats, site: Integers) -> Floats:
    """Sums (S, ...) over the patients of each site, of (N, ...)."""
    found = np.zeros((int(site.max()) + 1, *of_patients.shape[1:]))
    np.add.at(found, site, of_patients)
    return found
