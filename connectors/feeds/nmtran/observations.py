"""What an NM-TRAN observation record says: a value or a limit, and of which model output.

- ``DV`` is in the unit of the model's output. Data that were written for an error on the log scale hold the natural
  logarithm, by custom in ``LNDV``: where there is no DV, its exponential is.
- A value of 0 or less is one like any other where the output's error does not vanish with the prediction (an additive
  one). Elsewhere a 0 of blood cells (10*9/L) is one too low to count, and any other is refused.
- Which output: ``DVID`` n is the n-th output (or its name); else the ``output`` asked for; else the output that reads
  the state that ``CMT`` numbers or names; else the model's only output; else its first, and a note says so. ``CMT`` is
  NONMEM's rule, DVID that of Monolix (its observation id) and nlmixr.
- ``CENS`` as in Monolix ("censored observation"): 1, the value is only known to lie below ``DV``; -1, above it.
  ``LIMIT`` is then the other end of an interval; one that says no more than that (not above 0 for a value below) is
  passed over, a real interval is refused.
- ``BLQ`` 1 is the flag of the M3 method in NONMEM (Beal 2001; Bergstrand & Karlsson 2009, AAPS J 11:371): below the
  limit of quantification, which ``LLOQ`` or ``LIMIT`` holds, or ``DV`` where there is neither.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from connectors.feeds.analytes import drug_of
from connectors.feeds.nmtran.compartments import compartment
from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord, NmtranError
from twin.model.formula import names_in
from twin.model.spec import Model, OutputSpec
from twin.observation.kinds import kind_of

LARGEST_LOGARITHM = 100.0
"""Nothing that is measured has a larger one."""


@dataclass(frozen=True)
class Observed:
    """A value of an output in its unit; ``below`` or ``above`` where it is only the limit that was passed."""

    output: OutputSpec
    value: float
    below: bool = False
    above: bool = False


class Observer:
    """Reads observations of one model; ``asked`` names what DV is where nothing in the record says so.

    Raises:
        NmtranError: the model has no such output.
    """

    def __init__(self, model: Model, asked: str | None, notes: Counter[str]) -> None:
        self.model = model
        self.notes = notes
        self.asked = None if asked is None else self._named(asked)
        if asked is not None and self.asked is None:
            raise NmtranError(f"output {asked!r} is not in {model.id}; it has {_listed(model.outputs)}")

    def observed(self, record: DataRecord, measured: bool) -> Observed | None:
        """What a record says, ``None`` for nothing; ``measured`` where MDV says that there must be something."""
        side = self._side(record)
        value = _measured(record) if side != "BLQ" else _blq_limit(record)
        if value is None and measured:
            raise BadRecord("DV is missing, but MDV 0 says that it was measured")
        if value is None:
            self.notes["observations without DV were passed over"] += 1
            return None
        output = self._output(record)
        if side is not None:
            return _limited(record, output, value, side)
        if value < 0 and not kind_of(output).weighs_negative(output):
            what = f"DV {value:g} cannot be {output.name}: it is negative"
            raise BadRecord(f"{what}; if DV holds logarithms, call it LNDV, else leave it out or correct it")
        if value == 0:
            self._zero(output)
        return Observed(output, value)

    def _zero(self, output: OutputSpec) -> None:
        """Refuse a measured 0 that has no likelihood, unless it is a count too low to count."""
        kind = kind_of(output)
        limit = kind.zero_below(output) if drug_of(output, self.model) is None else None
        if limit is None and not kind.weighs_zero(output):
            why = (
                "it has no logarithm" if output.error.logarithmic else "the model's error vanishes with the prediction"
            )
            raise BadRecord(
                f"DV 0 cannot be {output.name}: {why}; where it was below a limit of quantification, write that limit "
                "as DV with CENS 1, or as LLOQ with BLQ 1; where nothing was measured, leave DV empty or write MDV 1"
            )
        if limit is not None and not kind.weighs_negative(output):
            self.notes[f"{output.name} of 0: too few to count, known only to be below {limit:g} {output.unit}"] += 1

    @staticmethod
    def _side(record: DataRecord) -> str | None:
        """Which flag is set, ``CENS``, ``-CENS`` or ``BLQ``, if one is."""
        cens, blq = record.integer("CENS") or 0, record.integer("BLQ") or 0
        if cens not in (-1, 0, 1):
            raise BadRecord(f"CENS {cens} is none of 0 (measured), 1 (below DV) and -1 (above DV)")
        if blq not in (0, 1):
            raise BadRecord(f"BLQ {blq} is neither 0 nor 1")
        if cens and blq:
            raise BadRecord(f"CENS {cens} and BLQ 1 both say that the value is a limit; keep one")
        return {1: "CENS", -1: "-CENS", 0: "BLQ" if blq else None}[cens]

    def _output(self, record: DataRecord) -> OutputSpec:
        outputs = self.model.outputs
        if (identifier := record.text("DVID")) is not None:
            named = self._named(identifier)
            if named is not None:
                return named
            number = record.integer("DVID") or 0
            if not 1 <= number <= len(outputs):
                raise BadRecord(f"DVID {number}: outputs 1 to {len(outputs)} are {_listed(outputs)}")
            return outputs[number - 1]
        if self.asked is not None:
            return self.asked
        if len(outputs) == 1:
            return outputs[0]
        if number := compartment(record, self.model):
            return self._of_state(number)
        self.notes[f"DV without DVID, CMT or a chosen output was taken as {outputs[0].name}"] += 1
        return outputs[0]

    def _of_state(self, number: int) -> OutputSpec:
        state = self.model.states[number - 1].name
        for output in self.model.outputs:
            if state in names_in(output.expression):
                return output
        raise BadRecord(f"CMT {number} ({state}) is read by no output of {self.model.id}; give DVID instead")

    def _named(self, name: str) -> OutputSpec | None:
        return next((output for output in self.model.outputs if name in (output.name, *output.aliases)), None)


def _measured(record: DataRecord) -> float | None:
    """DV, or the exponential of LNDV."""
    value, logarithm = record.number("DV"), record.number("LNDV")
    if value is not None or logarithm is None:
        return value
    if logarithm > LARGEST_LOGARITHM:
        raise BadRecord(
            f"LNDV {logarithm:g} is no natural logarithm of a value; it must be at most {LARGEST_LOGARITHM:g}"
        )
    return math.exp(logarithm)


def _blq_limit(record: DataRecord) -> float | None:
    """The limit of quantification that a value flagged by BLQ lies under."""
    for value in (record.number("LLOQ"), record.number("LIMIT"), _measured(record)):
        if value is not None:
            return value
    raise BadRecord("BLQ 1 without a limit of quantification; give it as LLOQ, LIMIT or DV")


def _limited(record: DataRecord, output: OutputSpec, value: float, side: str) -> Observed:
    if value <= 0:
        raise BadRecord(f"{side.lstrip('-')} with the limit {value:g}: a limit of {output.name} must be above 0")
    if side == "BLQ":
        return Observed(output, value, below=True)
    other = record.number("LIMIT")
    if other is not None and (side == "-CENS" or other > 0):
        low, high = sorted((value, other))
        raise BadRecord(f"an interval from {low:g} to {high:g} (LIMIT) is not supported; leave LIMIT out")
    return Observed(output, value, below=side == "CENS", above=side == "-CENS")


def _listed(outputs: Iterable[OutputSpec]) -> str:
    return ", ".join(output.name for output in outputs)
