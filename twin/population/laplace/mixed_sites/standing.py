"""Where sites stand whose patients may be of several classes, and how all of it responds to whatever moves.

Given the effects b of a site a member m = (i, k), patient i as one of class k, has the objective o_m of its method at
its mode psi_m, and is who the patient is with probability r_m:

    F_i = -2 log sum_k p_k exp(-o_m / 2),      r_m = p_k exp(-o_m / 2) / exp(-F_i / 2)

Where b balances what it costs with the pull of everybody, R = P E,

    g = sum_m r_m R'(psi_m - E b) - P_b b = 0,

the objective of the site is

    sum_i F_i + b' P_b b + log det Omega_isv + log det S,      S = P_b + sum_i E'(P - P C_i P) E
    C_i = sum_k r_m (H_m^-1 + d_m d_m'),      d_m = psi_m - sum_k r_m psi_m,

C_i being the covariance of psi given b, within classes and between them: with one class that of
`twin.population.sites.arrow`. S is bounded where it is no minimum's (`twin.population.laplace.bounded`). Who is alone
in a site has a b for each class, as if each were a site of one patient with r = 1, and the sum over classes is over
what these come to. Where anything moves so do psi, b and r, and with them each other: what that comes to is a linear
system of the size of b.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.population.laplace.bounded import Bounded
from twin.population.mixture.mixing import HARDLY, Mixed, together
from twin.population.modes.curvatures import inverse_of, positive_definite
from twin.population.modes.descent import Look
from twin.population.sites.arrow import by_site


class Moved(NamedTuple):
    """How things move by K numbers, all else held: the gradients (N, D, K) of U in psi, the objectives (N, K) of
    members, the logarithms (N, K) of their shares, and g (sites, q, K)."""

    u_e: Floats
    of_members: Floats
    log_share: Floats
    balance: Floats


class Response(NamedTuple):
    """What follows: of psi (N, D, K), of b (sites, q, K) and of r (N, K)."""

    psi: Floats
    b: Floats
    posterior: Floats


@dataclass(frozen=True)
class Standing:
    """Of N members in sites with q effects.

    Attributes:
        psi, b: (N, D) and (sites, q) where they are; ``site`` (N,) of members, ``above`` (D, q) E.
        look: what members see given b; ``made`` what the method makes of it.
        of_members: (N,) o.
        mixed: log L_i and r (n, K).
        alone: (N,) who is of a patient alone.
        schur, of_site: (sites, q, q) S, and what stands for it.
        of_b: (q, q) P_b.
        reach: (D, q) R.
        possible: (N,) members whose values can be.
    """

    psi: Floats
    b: Floats
    site: Integers
    above: Floats
    look: Look
    made: Bounded
    of_members: Floats
    mixed: Mixed
    alone: NDArray[np.bool_]
    schur: Floats
    of_site: Bounded
    of_b: Floats
    reach: Floats
    possible: NDArray[np.bool_]

    @property
    def weight(self) -> Floats:
        """(N,) by which members count in their site: r, of who is alone 1."""
        return np.where(self.alone, 1.0, self.mixed.posterior.reshape(-1))

    @property
    def away(self) -> Floats:
        """psi - E b (N, D)."""
        return np.asarray(self.psi - self.b[self.site] @ self.above.T)

    @property
    def apart(self) -> Floats:
        """d (N, D)."""
        return self.centred(self.psi)

    @property
    def balance(self) -> Floats:
        """g (sites, q)."""
        return by_site(self.weight[:, None] * (self.away @ self.reach), self.site) - self.b @ self.of_b

    @property
    def follows(self) -> Floats:
        """(N, D, q) how psi follows b."""
        return np.asarray(inverse_of(self.look.curvature) @ self.reach)

    def centred(self, of_members: Floats) -> Floats:
        """What members have (N, ...), less the mean of their patient; nothing of who is alone."""
        mean = together(of_members, self.mixed.posterior)
        found = of_members - np.repeat(mean, self.mixed.posterior.shape[1], axis=0)
        found[self.alone] = 0.0
        return np.asarray(found)

    def responses(self, moved: Moved, along: Floats) -> Response:
        """How all of it responds, where objectives of members have derivatives ``along`` (N, D) in psi at the mode."""
        weight, pull, follows = self.weight[:, None], self.psi @ self.reach, self.follows
        psi = -inverse_of(self.look.curvature) @ moved.u_e
        own = moved.log_share - 0.5 * (moved.of_members + np.einsum("nd,ndk->nk", along, psi))
        posterior = weight * self.centred(own)
        by_b = weight * self.centred(self.away @ self.reach - 0.5 * np.einsum("nd,ndq->nq", along, follows))
        each = weight[:, :, None] * (self.reach.T @ psi) + pull[:, :, None] * posterior[:, None]
        b = inverse_of(self._stiffness(follows, pull, by_b)) @ (moved.balance + by_site(each, self.site))
        there = b[self.site]
        return Response(psi + follows @ there, b, posterior + np.einsum("nq,nqk->nk", by_b, there))

    def _stiffness(self, follows: Floats, pull: Floats, by_b: Floats) -> Floats:
        """-dg/db (sites, q, q), of what r moves by with b (N, q)."""
        each = self.weight[:, None, None] * (self.reach.T @ (self.above - follows)) - pull[:, :, None] * by_b[:, None]
        return by_site(each, self.site) + self.of_b

    def step(self) -> tuple[Floats, Floats, Floats]:
        """The step of psi (N, D) and of b (sites, q) to where they balance, and what `remains`; what moves H on the way
        is left out, and where b is at no maximum what classes have between them, which never leads down."""
        pull, follows = self.psi @ self.reach, self.follows
        stiffness = self._stiffness(follows, pull, self.weight[:, None] * self.centred(pull))
        usual = self.of_b + np.bincount(self.site, self.weight)[:, None, None] * (self.above.T @ self.reach)
        upward = np.where(positive_definite(stiffness)[:, None, None], stiffness, usual)
        alone = self.to_modes
        slope = self.balance + by_site(self.weight[:, None] * (alone @ self.reach), self.site)
        b = (inverse_of(upward) @ slope[:, :, None])[:, :, 0]
        return alone + (follows @ b[self.site][:, :, None])[:, :, 0], b, self.remains(b)

    @property
    def to_modes(self) -> Floats:
        """The step (N, D) of psi to the modes, given b."""
        return -(inverse_of(self.look.curvature) @ self.look.gradient[:, :, None])[:, :, 0]

    def remains(self, b: Floats) -> Floats:
        """(N,) squared length of what is left to the modes, in posterior standard deviations, where b is still to be
        moved by (sites, q): nothing of who hardly is of this class."""
        own = np.abs((self.look.gradient * self.to_modes).sum(axis=1))
        of_sites = np.abs((b * self.balance).sum(axis=1))
        return np.asarray(
            np.where(self.hardly, 0.0, own) + np.where(self.alone & self.hardly, 0.0, of_sites[self.site])
        )

    @property
    def hardly(self) -> NDArray[np.bool_]:
        """(N,) members who hardly are of this class."""
        return np.asarray(self.mixed.posterior.reshape(-1) < HARDLY)
