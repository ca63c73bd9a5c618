"""Units: every quantity on the wire carries a UCUM code and is converted once, where it enters.

Codes are read by ucumvert's grammar and weighed by one pint registry, made when first needed; a conversion seen before
is a multiplication. Dimensions alone do not protect: ``[iU]/L`` and ``10*9/L`` are both "one per volume", ``mg/kg`` and
``%`` both "one". So two units convert only when they are also of one kind, see `_Kind`.

A few local spellings that are not UCUM but can mean one thing only are understood, and what was probably meant by
others is suggested (`twin.spellings`).
"""

from __future__ import annotations

import functools
import math
import re
from importlib.resources import files
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from twin.spellings import canonical_spelling, meant

if TYPE_CHECKING:
    from twin.events import Quantity

AMOUNT_UNIT = "mg"
"""What amounts of a drug are kept in, once converted."""

RATE_UNIT = "mg/h"
"""What rates of a drug are kept in, once converted."""

LONGEST_CODE = 64
"""Longest unit code that is read."""

LARGEST_EXPONENT = 30
"""Largest exponent in a code; beyond it lies nothing anybody measures, and numbers that overflow."""

_FAMILIES = (
    ("mg", "a mass"),
    ("L", "a volume"),
    ("mg/L", "a mass concentration"),
    ("umol/L", "a substance concentration"),
    ("umol", "an amount of substance"),
    ("mg/h", "a mass rate"),
    ("mL/h", "a volume rate"),
    ("mg.h/L", "an exposure"),
    ("10*9/L", "a count per volume"),
    ("[iU]/L", "an international-unit concentration"),
    ("U/L", "an enzyme activity concentration"),
    ("mg/m2", "a dose per body surface"),
    ("mg/kg", "a dose per body weight"),
    ("ug/kg/min", "a rate per body weight"),
    ("m2", "an area"),
    ("cm", "a length"),
    ("h", "a time"),
    ("/min", "a frequency"),
    ("Cel", "a temperature"),
    ("mm[Hg]", "a pressure"),
    ("1", "a plain number"),
)

_NUMERIC = frozenset({"_10", "percent", "ppth", "ppm", "ppb", "pptr"})
"""Dimensionless pint units that are mere numbers; every other one (an international unit, a radian) is a kind."""

_NEVER_MEANT = frozenset({"megaliter", "megagram", "megamole", "megameter", "petagram", "petaliter", "exagram"})
"""Units that come of a wrong upper case, ML for mL: read as written they would be wrong by powers of ten."""

_APART = frozenset({"osmole", "equivalents", "drop"})
"""Pint units that share a dimension with another unit but no fixed factor."""


class UnitError(ValueError):
    """A unit that cannot be read or does not fit; the message names it, what was expected and how to mend it."""


class _Kind(NamedTuple):
    """What, besides dimensions, two units must share to be convertible.

    Attributes:
        marks: units that count things of their own, with exponents, such as ``international_unit``.
        ratio: dimensions that were divided by themselves, such as mass in ``mg/kg``.
        per_surface: an annotation says the value was normalised to a body surface.
    """

    marks: tuple[tuple[str, float], ...]
    ratio: frozenset[str]
    per_surface: bool


class _Ucum:
    """One registry with its parser."""

    def __init__(self) -> None:
        # Grammar and registry take a third of a second and more to read: only who converts pays for it.
        from pint import UnitRegistry
        from ucumvert import UcumToPintTransformer, get_ucum_parser

        # As ucumvert's own registry, which makes a second one for nothing and takes three times as long.
        self.registry: Any = UnitRegistry()
        self.registry.load_definitions(str(files("ucumvert") / "pint_ucum_defs.txt"))
        self._parser: Any = get_ucum_parser()
        # Bound to this registry: by default its quantities would belong to pint's global one and mix with no other.
        self._transformer: Any = UcumToPintTransformer(ureg=self.registry)

    def read(self, code: str) -> Any:
        found = self._transformer.transform(self._parser.parse(code))
        # A code that is an annotation only, such as {score}, comes back as its token.
        return found if isinstance(found, self.registry.Quantity) else self.registry.Quantity(1, "")


_LOCK = Lock()
_UCUM: list[_Ucum] = []


def _ucum() -> _Ucum:
    if not _UCUM:
        _UCUM.append(_Ucum())
    return _UCUM[0]


@functools.lru_cache(maxsize=1024)
def _read(code: str) -> tuple[Any, _Kind] | str:
    """A code as a pint quantity with its kind, or what is wrong with it and what was probably meant."""
    found = _parsed(code)
    if found is None:
        return f"unit '{code}' is not a UCUM code{_meant(code)}"
    return found


@functools.lru_cache(maxsize=1024)
def _parsed(code: str) -> tuple[Any, _Kind] | str | None:
    """A code as a pint quantity with its kind, what is wrong with it, or ``None`` where it is no code at all."""
    spelled = canonical_spelling(code)
    if not spelled or len(spelled) > LONGEST_CODE:
        return f"unit '{code[:LONGEST_CODE]}' is not a UCUM code; write e.g. 'mg/L', or '1' for a plain number"
    with _LOCK:
        try:
            quantity = _ucum().read(spelled)
            if any(abs(exponent) > LARGEST_EXPONENT for _, exponent in quantity.unit_items()):
                return f"unit '{code}' has an exponent beyond {LARGEST_EXPONENT}; check it"
            kind = _kind(quantity, spelled)
        # The grammar, its transformer and pint each raise families of their own, without a common base.
        except Exception:
            return None
    if kind is None:
        return f"unit '{code}' multiplies percent by another unit; write it without '%'"
    mega = next((name for name, _ in quantity.unit_items() if name in _NEVER_MEANT), None)
    if mega is not None:
        return f"unit '{code}' counts in {mega}s, which nobody measures{_meant(code)}"
    return quantity, kind


def _kind(quantity: Any, code: str) -> _Kind | None:
    registry = _ucum().registry
    marks: list[tuple[str, float]] = []
    above: set[str] = set()
    below: set[str] = set()
    items = dict(quantity.unit_items())
    if "percent" in items and len(items) > 1:
        return None
    for name, exponent in items.items():
        root = registry.parse_unit_name(name)[0][1]
        dimension = str(registry.Unit(name).dimensionality)
        if root in _APART or (dimension == "dimensionless" and root not in _NUMERIC):
            marks.append((root, float(exponent)))
        (above if exponent > 0 else below).add(dimension)
    ratio = (above & below) - {"dimensionless"}
    surface = bool(re.search(r"\{[^}]*m2[^}]*\}", code))
    return _Kind(tuple(sorted(marks)), frozenset(ratio), surface)


def _meant(code: str) -> str:
    """A suggestion, as the end of a message: a code that can be read, or how codes are written."""
    candidate = next((one for one in meant(code) if one != code and isinstance(_parsed(one), tuple)), None)
    if candidate is not None:
        return f"; did you mean '{candidate}'?"
    return "; UCUM codes have no blanks and mind upper and lower case, e.g. 'mg/L', 'umol/L', '10*9/L'"


# --- conversion ------------------------------------------------------------------------------------------------------


def quantity_of(code: str) -> Any:
    """A unit as a pint quantity of the one registry, e.g. for dimension checks. Raises `UnitError`."""
    found = _read(code)
    if isinstance(found, str):
        raise UnitError(found)
    return found[0]


def convert(value: float, unit: str, to: str, molar_mass: float | None = None) -> float:
    """``value`` in ``unit``, expressed in ``to``; with ``molar_mass`` (g/mol) also between mass and substance.

    >>> convert(250, "ng/mL", "mg/L")
    0.25
    >>> convert(1, "umol/L", "mg/L", molar_mass=454.44)
    0.45444

    Raises:
        UnitError: a unit cannot be read, the two are not of one kind, or the result is no finite number.
    """
    slope, offset = straight_line(unit, to, molar_mass)
    converted = value * slope + offset
    if not math.isfinite(converted):
        raise UnitError(f"{value} {unit} is not a finite number of {to}; check the value")
    return converted


def straight_line(unit: str, to: str, molar_mass: float | None = None) -> tuple[float, float]:
    """Slope and offset by which `convert` makes numbers of ``to`` from those of ``unit``, for whoever converts many.

    >>> straight_line("10*9/L", "/uL")
    (1000.0, 0.0)

    Raises:
        UnitError: a unit cannot be read, or the two are not of one kind.
    """
    line = _line(unit, to, molar_mass)
    if isinstance(line, str):
        raise UnitError(line)
    return line


# Refusals are kept too: a device that sends a wrong unit sends it with every event.
@functools.lru_cache(maxsize=4096)
def _line(unit: str, to: str, molar_mass: float | None) -> tuple[float, float] | str:
    """Slope and offset of the conversion, or why there is none."""
    source, target = _read(unit), _read(to)
    for found in (source, target):
        if isinstance(found, str):
            return found
    assert not isinstance(source, str)
    assert not isinstance(target, str)
    (quantity, kind), (wanted, wanted_kind) = source, target
    if kind != wanted_kind:
        return _unfit(unit, to)
    quantity = _by_molar_mass(quantity, wanted, molar_mass)
    if quantity is None:
        return f"{_unfit(unit, to)}, or give the molar mass"
    if quantity.dimensionality != wanted.dimensionality:
        return _unfit(unit, to)
    try:
        return _straight_line(quantity, wanted)
    except Exception:  # Overflow, or pint's many errors about offset and logarithmic units in products.
        return _unfit(unit, to)


def _by_molar_mass(quantity: Any, wanted: Any, molar_mass: float | None) -> Any:
    """The quantity with substance turned into mass or back; ``None`` when that is needed and cannot be done."""
    have, want = quantity.dimensionality, wanted.dimensionality
    if have == want:
        return quantity
    registry = _ucum().registry
    per_mole = registry.Quantity(1.0, "g/mol")
    if have * per_mole.dimensionality == want:
        return None if molar_mass is None else quantity * (per_mole * molar_mass)
    if have / per_mole.dimensionality == want:
        return None if molar_mass is None else quantity / (per_mole * molar_mass)
    return quantity


def _straight_line(quantity: Any, wanted: Any) -> tuple[float, float]:
    # Units are converted through their own origin (temperatures have one), magnitudes as plain factors.
    registry, ratio = _ucum().registry, float(quantity.magnitude) / float(wanted.magnitude)

    def moved(value: float) -> float:
        return float(registry.Quantity(value, quantity.units).to(wanted.units).magnitude)

    offset = moved(0.0)
    slope = moved(1.0) if offset == 0 else (moved(1e6) - offset) / 1e6
    return _tidy(slope * ratio), _tidy(offset / float(wanted.magnitude))


def _tidy(number: float) -> float:
    # Pint multiplies factors one by one; where only their rounding is left, give 0.001, not 0.0009999999999999998.
    short = float(f"{number:.12g}")
    return short if math.isclose(short, number, rel_tol=1e-15, abs_tol=0.0) else number


def family(code: str) -> str:
    """What a unit measures, in words with an example, for messages.

    >>> family("ng/mL")
    'a mass concentration (like mg/L)'
    """
    found = _read(code)
    if isinstance(found, str):
        return "no unit"
    quantity, kind = found
    for example, words in _FAMILIES:
        other = _read(example)
        if not isinstance(other, str) and other[1] == kind and other[0].dimensionality == quantity.dimensionality:
            return f"{words} (like {example})"
    return f"{quantity.dimensionality}"


def _unfit(unit: str, to: str) -> str:
    candidate = next((one for one in meant(unit) if one != unit and _alike(one, to)), None)
    hint = f"; did you mean '{candidate}'?" if candidate else f"; send it in '{to}' or a unit of that kind"
    return f"unit '{unit}' is {family(unit)}, where {family(to)} is expected{hint}"


def _alike(unit: str, to: str) -> bool:
    """Whether both are units of one kind and dimension."""
    one, other = _parsed(unit), _parsed(to)
    if not isinstance(one, tuple) or not isinstance(other, tuple):
        return False
    return bool(one[1] == other[1] and one[0].dimensionality == other[0].dimensionality)


# --- pumps -----------------------------------------------------------------------------------------------------------


def drug_rate(rate: Quantity, concentration: Quantity | None, to: str = RATE_UNIT) -> float:
    """The rate at which drug is delivered, from a drug rate or from a volume rate with the drug's concentration.

    >>> from twin.events import Quantity
    >>> drug_rate(Quantity(value=5, unit="mL/h"), Quantity(value=2, unit="mg/mL"))
    10.0

    Raises:
        UnitError: the units do not fit, or a volume rate comes without a concentration.
    """
    return _of_drug(rate, concentration, to, "mL/h", "mg/h")


def drug_amount(delivered: Quantity, concentration: Quantity | None, to: str = AMOUNT_UNIT) -> float:
    """The amount of drug delivered, from an amount or from a volume with the drug's concentration; as `drug_rate`."""
    return _of_drug(delivered, concentration, to, "mL", "mg")


def _of_drug(quantity: Quantity, concentration: Quantity | None, to: str, volume: str, mass: str) -> float:
    if isinstance(_line(quantity.unit, volume, None), str):
        return convert(quantity.value, quantity.unit, to)
    if concentration is None:
        raise UnitError(
            f"unit '{quantity.unit}' counts volume; send 'concentration' (like 'mg/mL') or a unit like '{mass}'"
        )
    strength = convert(concentration.value, concentration.unit, "mg/mL")
    return convert(convert(quantity.value, quantity.unit, volume) * strength, mass, to)
