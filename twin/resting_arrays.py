"""Arrays of floats that nobody works with for a while, as fewer bytes that give them back to the last bit.

The lower bytes of measured or drawn numbers are noise; those of sign and exponent are much alike and shrink.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats


def pack_numbers(values: NDArray[Any]) -> bytes:
    """The bytes of each number but the highest (of eight the two highest), and then those, compressed."""
    size = values.itemsize
    each = np.ascontiguousarray(values).reshape(-1).view(np.uint8).reshape(-1, size)
    low = size - size // 4
    return each[:, :low].tobytes() + zlib.compress(each[:, low:].T.tobytes(), 1)


def unpack_numbers(packed: bytes, count: int, dtype: str) -> NDArray[Any]:
    """Inverse of `pack_numbers`: (count,) numbers."""
    size = np.dtype(dtype).itemsize
    low = size - size // 4
    each = np.empty((count, size), dtype=np.uint8)
    each[:, :low] = np.frombuffer(packed[: low * count], dtype=np.uint8).reshape(count, low)
    high = np.frombuffer(zlib.decompress(packed[low * count :]), dtype=np.uint8)
    each[:, low:] = high.reshape(size - low, count).T
    return each.reshape(-1).view(dtype)


class Packed(NamedTuple):
    """An array as bytes."""

    packed: bytes
    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, values: Floats, dtype: str) -> Packed:
        """Values that are exact in a type."""
        return cls(pack_numbers(values.astype(dtype)), values.shape, dtype)

    def unpacked(self) -> Floats:
        """The values as they were."""
        count = int(np.prod(self.shape))
        return unpack_numbers(self.packed, count, self.dtype).reshape(self.shape).astype(np.float64)


class Resting:
    """A value that never changes and whose arrays may rest: one that is asked for is there again.

    ``RESTS`` names them, each with the type that it is exact in.
    """

    RESTS: ClassVar[Mapping[str, str]]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            packed = self.__dict__.get("_packed", {}).get(name)
            if packed is None:
                raise AttributeError(f"a {type(self).__name__.lower()} has no {name!r}")
            found = self.__dict__[name] = packed.unpacked()
            return found


def rest(values: Iterable[Resting]) -> None:
    """Let the arrays of these rest; what they share they share at rest too. What rested before is not packed again."""
    known: dict[int, tuple[Floats, Packed]] = {}
    for value in values:
        state = vars(value)
        packed: dict[str, Packed] = state.setdefault("_packed", {})
        for name, dtype in value.RESTS.items():
            if name not in state:
                continue
            array = state.pop(name)
            if id(array) not in known:
                # What is known by its address stays meanwhile.
                known[id(array)] = array, packed.get(name) or Packed.of(array, dtype)
            packed[name] = known[id(array)][1]
