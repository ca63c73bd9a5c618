"""Random numbers that depend on their purpose alone.

Randomness is counter-based and keyed by (patient, what was measured when, purpose): the same history draws the same
numbers, whoever computes it and however often (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
"""

from __future__ import annotations

import hashlib

import numpy as np
from scipy import special

from twin.arrays import Floats

SOBOL_BITS = 30


def generator(*key: object) -> np.random.Generator:
    """The random numbers of one purpose, e.g. ``generator(patient_id, millis, "move")``."""
    text = "\x1f".join(map(str, key)).encode()
    digest = hashlib.blake2b(text, digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def even_points(rng: np.random.Generator, count: int, dimension: int) -> Floats:
    """Points (count, dimension) that fill the open unit cube evenly: Sobol' points, scrambled by ``rng``."""
    if not dimension:
        return np.zeros((count, 0))
    from scipy.stats import qmc  # most of a second to load: only for who draws

    # The sequence spawns generators, which one made from a bare key cannot.
    scrambling = np.random.Generator(np.random.Philox(int(rng.integers(2**62))))
    sequence = qmc.Sobol(dimension, scramble=True, bits=SOBOL_BITS, rng=scrambling)
    # Asked for by a power of two, whose beginning is taken; half a cell off, so that none lies on a face.
    points = sequence.random_base2(max(count - 1, 1).bit_length())[:count]
    return np.asarray(points + 0.5 ** (SOBOL_BITS + 1))


def even_normals(rng: np.random.Generator, count: int, dimension: int) -> Floats:
    """Standard normal draws (count, dimension) from `even_points`."""
    return np.asarray(special.ndtri(even_points(rng, count, dimension)))
