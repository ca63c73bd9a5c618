"""By which codes a ward names what it measures, and what of an event a message can say as exactly as our own JSON does.

What the tables of `connectors.facts` have goes by their code. What only the ward's models know, as the assay of a drug,
has a code of the ward's own, which the profile made for it explains (`connectors.speaking.source`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from connectors.facts.codes import Coding, Quantified, coding_of, known_quantities
from connectors.facts.fact import NotAFact
from connectors.facts.units_of_sources import quantity
from connectors.feeds.stream import Measured
from twin.events import Covariate, DrugLevel, LabResult, Quantity, VitalSample

OWN = "WARD"
"""The code system of the ward's own codes, and the authority of its patients' numbers."""


def hospital_number(patient_id: str) -> str:
    """A patient's number at the simulated hospital: not the pseudonym, which a table makes of it."""
    ward, _, number = patient_id.rpartition("-")
    return f"{number}/{ward}"


class Named(NamedTuple):
    """How a quantity is named: its key in the profile, and what it is."""

    key: str
    what: Quantified


_UNNAMED: tuple[str, Quantified | None] = ("", None)


class Words:
    """The codes of a ward whose models know these quantities."""

    def __init__(self, measured: Iterable[Measured]) -> None:
        self._known = known_quantities()
        self.named = {(one.kind, one.name): self._named(one) for one in measured}

    def _named(self, one: Measured) -> Named:
        table = self._known.get(one.name)
        if table is not None and table.kind == one.kind:
            return Named(one.name, table)
        key = one.name if table is None else f"{one.kind}.{one.name}"
        return Named(key, Quantified(key, one.kind, one.unit))

    def coding(self, event: LabResult | DrugLevel | Covariate | VitalSample) -> Coding | None:
        """The code of what an event is of; None where a listener would refuse its number, or has no word for it."""
        loinc = event.loinc if isinstance(event, LabResult) else None
        match event:
            case VitalSample():
                name: str = event.channel
                key, what = name, self._known.get(name)
            case Covariate():
                name = event.name
                key, what = self.named.get((event.kind, name), _UNNAMED)
            case _:
                name = event.analyte
                key, what = self.named.get((event.kind, name), _UNNAMED)
        value = event.value
        if what is None or value is None or not _taken(value, what):
            return None
        coding = coding_of(name) if what is self._known.get(name) else None
        if coding is not None and isinstance(event, LabResult) and coding.code != loinc:
            coding = None  # a code of LOINC would be told again with the result
        if coding is None and isinstance(event, VitalSample):
            return None
        return coding or Coding(key, OWN)


def _taken(value: Quantity, what: Quantified) -> bool:
    """Whether a listener takes the number for one of this quantity."""
    try:
        quantity(value.value, value.unit, what.unit, means={}, low=what.low, high=what.high, molar_mass=what.molar_mass)
    except NotAFact:
        return False
    return True


def is_plain(event: LabResult | DrugLevel) -> bool:
    """Whether a result has nothing beyond a value, or a limit that it is only known to lie beyond."""
    limits = (event.below_lloq and event.lloq != event.value) or (event.above_uloq and event.uloq != event.value)
    return not limits and event.draw_time_sd is None
