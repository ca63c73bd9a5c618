"""Random numbers that depend on their purpose alone.

Randomness is counter-based and keyed by (patient, what was measured when, purpose): the same history draws the same
numbers, whoever computes it and however often (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
"""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twin.arrays import Floats, Integers

SOBOL_BITS = 30
"""Bits of a coordinate."""


def generator(*key: object) -> np.random.Generator:
    """The random numbers of one purpose, e.g. ``generator(patient_id, millis, "move")``."""
    text = "\x1f".join(map(str, key)).encode()
    digest = hashlib.blake2b(text, digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def even_points(rng: np.random.Generator, count: int, dimension: int) -> Floats:
    """Points (count, dimension) that fill the open unit cube evenly: Sobol' points, scrambled by ``rng``.

    Bit for bit those of `scipy.stats.qmc.Sobol`, which takes most of a second to load: Gray code order, a random lower
    triangular matrix for each dimension and a shift (Matousek 1998), direction numbers of Joe and Kuo (2008).
    """
    if not dimension:
        return np.zeros((count, 0))
    # SciPy's sequence spawns its generator, which one made from a bare key cannot do.
    scrambling = np.random.Generator(np.random.Philox(int(rng.integers(2**62)))).spawn(1)[0]
    shift = scrambling.integers(2, size=(dimension, SOBOL_BITS), dtype=np.uint32) @ (1 << np.arange(SOBOL_BITS))
    lower = np.tril(scrambling.integers(2, size=(dimension, SOBOL_BITS, SOBOL_BITS), dtype=np.uint32))
    lower[:, range(SOBOL_BITS), range(SOBOL_BITS)] = 1
    # Sums of at most 30 ones are exact in any kind of float, and floats multiply fast.
    odd = (lower.astype(np.float32) @ _direction_bits(dimension)).astype(np.int64) & 1
    direction = (odd << np.arange(SOBOL_BITS - 1, -1, -1)[:, None]).sum(axis=1)
    order = np.arange(count)
    order ^= order >> 1
    found = np.tile(shift, (count, 1))
    for place in range(max(count - 1, 1).bit_length()):
        found ^= np.where((order >> place & 1)[:, None], direction[:, place], 0)
    # Half a cell off, so that none lies on a face.
    return np.asarray(found * 0.5**SOBOL_BITS + 0.5 ** (SOBOL_BITS + 1))


@functools.lru_cache(maxsize=64)
def _direction_bits(dimension: int) -> NDArray[np.float32]:
    """Bits (dimension, bit, number) of the direction numbers, the highest first (Bratley and Fox 1988)."""
    polynomials, begin = _direction_numbers()
    numbers = np.ones((dimension, SOBOL_BITS), dtype=np.int64)
    for at in range(1, dimension):
        polynomial = int(polynomials[at])
        degree = polynomial.bit_length() - 1
        row = [int(number) for number in begin[at, :degree]]
        for j in range(degree, SOBOL_BITS):
            number = row[j - degree]
            for k in range(degree):
                if polynomial >> (degree - 1 - k) & 1:
                    number ^= row[j - k - 1] << (k + 1)
            row.append(number)
        numbers[at] = row
    highest = np.arange(SOBOL_BITS - 1, -1, -1)
    bits = (numbers << highest)[:, None, :] >> highest[:, None] & 1
    return bits.astype(np.float32)


@functools.cache
def _direction_numbers() -> tuple[Integers, Integers]:
    """Polynomials (D,) and the first numbers (D, 18) of as many dimensions as SciPy knows."""
    numbers = files("scipy") / "stats" / "_sobol_direction_numbers.npz"  # a package's files need no loading of it
    with numbers.open("rb") as file, np.load(file) as known:
        return known["poly"], known["vinit"]


def even_normals(rng: np.random.Generator, count: int, dimension: int) -> Floats:
    """Standard normal draws (count, dimension) from `even_points`."""
    return np.asarray(special.ndtri(even_points(rng, count, dimension)))
