"""Exponential, logarithm and angles that the compiler can run on several particles at once.

Calls into the mathematics library keep a loop from being vectorised. These are plain arithmetic on the bits of a
double, without branches, to about one unit in the last place; and as they use nothing but IEEE operations, a particle
gets the same bits alone, in company, and on any machine.

Argument reduction as usual (Cody & Waite 1980): x = n ln 2 + r, |r| <= ln 2 / 2, for the exponential; x = 2^e m,
sqrt(1/2) <= m < sqrt(2), log m = 2 artanh((m - 1)/(m + 1)) for the logarithm; x = n pi/2 + r for sine and cosine, with
the polynomials of Sun's fdlibm (1993), good while |x| is under a million.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490
_LN2_LOW = 1.90821492927058770002e-10
_TWO_BY_PI = 0.6366197723675814
_HALF_PI_HIGH = 1.57079632673412561417
_HALF_PI_MIDDLE = 6.07710050630396597660e-11
_HALF_PI_LOW = 2.02226624879595063154e-21
_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits of the sum


def _bits_of(_context: Any, value: Any) -> Any:  # noqa: ARG001 (the name is the signature)
    """The bits of a double as an integer."""

    def generate(_codegen: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


def _double_of(_context: Any, value: Any) -> Any:  # noqa: ARG001
    """The double with these bits."""

    def generate(_codegen: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


def _fused(_context: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001
    """a b + c, rounded once."""

    def generate(_codegen: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


fma: Any = intrinsic(_fused)
_bits: Any = intrinsic(_bits_of)
_double: Any = intrinsic(_double_of)


@njit(error_model="numpy")
def _reduced(x):  # type: ignore[no-untyped-def]
    """(2^n, expm1(r)) of x = n ln 2 + r; x is taken between -708 and 709, where the result is a normal number."""
    x = min(max(x, -708.0), 709.0)
    shifted = x * _LOG2_E + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    # Estrin's scheme: a step of the integrator waits for these, so a short chain counts, not few operations.
    r2 = r * r
    r4 = r2 * r2
    low = fma(fma(1.0 / 24.0, r, 1.0 / 6.0), r2, fma(0.5, r, 1.0))
    middle = fma(fma(1.0 / 40320.0, r, 1.0 / 5040.0), r2, fma(1.0 / 720.0, r, 1.0 / 120.0))
    high = fma(fma(1.0 / 479001600.0, r, 1.0 / 39916800.0), r2, fma(1.0 / 3628800.0, r, 1.0 / 362880.0))
    p = fma(fma(1.0 / 6227020800.0, r4, high), r4 * r4, fma(middle, r4, low))
    return _double((_bits(shifted) << 52) + (1023 << 52)), p * r


@njit(error_model="numpy")
def exp(x):  # type: ignore[no-untyped-def]
    """e^x; not a number where x is none."""
    scale, rest = _reduced(x)
    return scale * rest + scale if x == x else x


@njit(error_model="numpy")
def expm1(x):  # type: ignore[no-untyped-def]
    """e^x - 1, exact near 0."""
    scale, rest = _reduced(x)
    return scale * rest + (scale - 1.0) if x == x else x


@njit(error_model="numpy")
def log(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of a normal positive number; not a number below 0, and for 0 that of the smallest one."""
    bits = _bits(max(x, 2.2250738585072014e-308))
    # Counted from the bits of sqrt(1/2), what is left of the exponent field is the power of two, with its usual bias.
    power_of_two = ((bits + (0x3FF0000000000000 - 0x3FE6A09E667F3BCD)) >> 52) & 0x7FF
    m = _double(bits - ((power_of_two - 1023) << 52))
    exponent = _double(0x4330000000000000 + power_of_two) - 4503599627370496.0 - 1023.0
    f = (m - 1.0) / (m + 1.0)
    s = f * f
    s2 = s * s
    s4 = s2 * s2
    low = fma(fma(1.0 / 9.0, s, 1.0 / 7.0), s2, fma(1.0 / 5.0, s, 1.0 / 3.0))
    middle = fma(fma(1.0 / 17.0, s, 1.0 / 15.0), s2, fma(1.0 / 13.0, s, 1.0 / 11.0))
    p = fma(fma(1.0 / 21.0, s, 1.0 / 19.0), s4 * s4, fma(middle, s4, low))
    result = exponent * _LN2_HIGH + (2.0 * f + (2.0 * f * s * p + exponent * _LN2_LOW))
    return result + 0.0 * math.sqrt(x)


@njit(error_model="numpy")
def power(x, y):  # type: ignore[no-untyped-def]
    """x^y for x > 0."""
    return exp(y * log(x))


@njit(error_model="numpy")
def _turned(x, quarters):  # type: ignore[no-untyped-def]
    """Sine of x + quarters * pi/2."""
    shifted = x * _TWO_BY_PI + _ROUND
    n = shifted - _ROUND
    r = ((x - n * _HALF_PI_HIGH) - n * _HALF_PI_MIDDLE) - n * _HALF_PI_LOW
    s = r * r
    p = 1.58969099521155010221e-10
    p = p * s - 2.50507602534068634195e-08
    p = p * s + 2.75573137070700676789e-06
    p = p * s - 1.98412698298579493134e-04
    p = p * s + 8.33333333332248946124e-03
    p = p * s - 1.66666666666666324348e-01
    sine = r + r * s * p
    q = -1.13596475577881948265e-11
    q = q * s + 2.08757232129817482790e-09
    q = q * s - 2.75573143513906633035e-07
    q = q * s + 2.48015872894767294178e-05
    q = q * s - 1.38888888888741095749e-03
    q = q * s + 4.16666666666666019037e-02
    cosine = 1.0 - 0.5 * s + s * s * q
    quadrant = (_bits(shifted) + quarters) & 3
    value = cosine if quadrant & 1 else sine
    return -value if quadrant & 2 else value


@njit(error_model="numpy")
def sin(x):  # type: ignore[no-untyped-def]
    """Sine of x radians."""
    return _turned(x, 0)


@njit(error_model="numpy")
def cos(x):  # type: ignore[no-untyped-def]
    """Cosine of x radians."""
    return _turned(x, 1)


@njit(error_model="numpy")
def tanh(x):  # type: ignore[no-untyped-def]
    """Hyperbolic tangent."""
    q = expm1(2.0 * min(abs(x), 30.0))
    value = q / (q + 2.0)
    return x if x != x else (-value if x < 0.0 else value)
