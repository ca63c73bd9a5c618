"""What codes stand for: closed tables of quantities and drugs, and what a profile adds to them.

A code counts only beside the name of a system that is known, whatever that system is called on the wire. A name never
makes up for a code, but one that speaks of something else contradicts it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from connectors.facts.fact import NotAFact

Kind = Literal["lab_result", "drug_level", "vital_sample", "covariate"]


class Coding(NamedTuple):
    """A code, the system that it is of, and the name that stands beside it, as the source writes them."""

    code: str
    system: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Quantified:
    """What is measured: the kind of event, the name it has there, and what its values can be.

    Attributes:
        unit: one that it is measured in; ``low`` and ``high`` are in it.
        words: how people name it, in small letters.
        molar_mass: g/mol, where both masses and amounts of substance are told.
    """

    name: str
    kind: Kind
    unit: str
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()
    molar_mass: float | None = None


_SYSTEMS = {
    "loinc": (
        "ln",
        "loinc",
        "http://loinc.org",
        "https://loinc.org",
        "urn:oid:2.16.840.1.113883.6.1",
        "2.16.840.1.113883.6.1",
    ),
    "mdc": (
        "mdc",
        "urn:iso:std:iso:11073:10101",
        "urn:oid:2.16.840.1.113883.6.24",
        "2.16.840.1.113883.6.24",
    ),
    "atc": ("atc", "http://www.whocc.no/atc", "urn:oid:2.16.840.1.113883.6.73"),
    "rxnorm": ("rxnorm", "rxn", "http://www.nlm.nih.gov/research/umls/rxnorm", "urn:oid:2.16.840.1.113883.6.88"),
    "ndc": ("ndc", "http://hl7.org/fhir/sid/ndc", "urn:oid:2.16.840.1.113883.6.69"),
    "ucum": ("ucum", "http://unitsofmeasure.org", "urn:oid:2.16.840.1.113883.6.8"),
}
_SYSTEM = {spelling: system for system, spellings in _SYSTEMS.items() for spelling in spellings}

_OTHER_THINGS = re.compile(
    r"morpholog|bacteria|identified|culture|presence|ratio\b|/100|per 100|percent|antibod|susceptib|gene\b|urine"
    r"|fraction|\bmean\b|average|minimum|maximum|variab"
)
"""In a name: it is of another property, statistic or specimen than any quantity of the tables."""


def is_known(text: str) -> bool:
    """Whether a code system is one of those by any of its names."""
    return system_of(text) in _SYSTEMS


def system_of(text: str) -> str:
    """A code system by any of its names: ``loinc``, ``mdc``, ``atc``, ``rxnorm``, ``ndc``, ``ucum``; else as it is."""
    return _SYSTEM.get(text.strip().lower(), text.strip())


class Codes:
    """The tables of `connectors/facts/tables` with those of a profile over them.

    Args:
        quantities: further codes, ``{"system|code": name of a quantity}``.
        drugs: further codes or labels, ``{"system|code": drug}`` or ``{"|label": drug}``.
        own: quantities that the tables do not have, or have otherwise.
    """

    def __init__(
        self,
        quantities: Mapping[str, str] | None = None,
        drugs: Mapping[str, str] | None = None,
        own: Iterable[Quantified] = (),
    ) -> None:
        self._by_name = {**known_quantities(), **{one.name: one for one in own}}
        self._quantities = dict(_codes_of_quantities())
        for coded, name in (quantities or {}).items():
            if name not in self._by_name:
                known = ", ".join(sorted(self._by_name))
                raise ValueError(f"codes: {coded!r} = {name!r}: no such quantity; use one of {known}")
            self._quantities[_split(coded)] = name
        self._drugs = dict(_codes_of_drugs())
        self._drugs.update({_split(coded): drug for coded, drug in (drugs or {}).items()})
        self._labels = tuple(label for system, label in self._drugs if not system)

    def quantity(self, codings: Iterable[Coding]) -> Quantified | None:
        """What any of the codings says is measured; None where one is of a known system, and no twin reads that.

        Raises:
            NotAFact: ``unknown_code`` where no system is known, ``code_conflict`` where codes or names disagree.
        """
        given = [coding for coding in codings if coding.code or coding.name]
        found = {name for coding in given for name in self._names(coding)}
        if len(found) > 1:
            raise NotAFact(
                "code_conflict", f"the codes of one result say {' and '.join(sorted(found))}; send one of them"
            )
        if found:
            quantified = self._by_name[found.pop()]
            self._agree(quantified, given)
            return quantified
        if any(self._called(coding) for coding in given if system_of(coding.system) in _SYSTEMS):
            raise NotAFact(
                "code_conflict", "the name is of a quantity that is read, the code is not; send the code of it"
            )
        if not any(system_of(coding.system) in _SYSTEMS for coding in given):
            mend = "add it to the profile: [codes] 'SYSTEM|CODE' = the quantity"
            raise NotAFact("unknown_code", f"no code of LOINC, MDC or a system of the profile; {mend}")
        return None

    def of(self, name: str) -> Quantified:
        """A quantity by its name in the tables."""
        return self._by_name[name]

    def drug(self, codings: Iterable[Coding]) -> str | None:
        """The drug that any of the codings or names is of; None if none is.

        Raises:
            NotAFact: ``code_conflict`` where they are of several; ``unknown_drug`` where a name speaks of a drug that
                neither it nor a code is of, as that of a product does: what is known is not passed over.
        """
        found, given = set(), list(codings)
        for coding in given:
            key = _key(system_of(coding.system), coding.code.strip())
            label = ("", coding.name.strip().lower())
            found |= {drug for drug in (self._drugs.get(key), self._drugs.get(label)) if drug}
        if len(found) > 1:
            raise NotAFact("code_conflict", f"codes and name say {' and '.join(sorted(found))}; send one of them")
        if not found and any(_says(label, coding.name.lower()) for coding in given for label in self._labels):
            mend = "add its code or label to the profile: [drugs] 'SYSTEM|CODE' or '|label' = the drug"
            raise NotAFact(
                "unknown_drug", f"a name that speaks of a drug of the formulary, by none of its codes; {mend}"
            )
        return found.pop() if found else None

    def _names(self, coding: Coding) -> set[str]:
        """By its code; MDC terms by their name, as numbers of drafts and of vendors differ, and by both where both are
        known.
        """
        system = system_of(coding.system)
        keys = [(system, coding.code.strip())]
        if system == "mdc" and coding.name.strip():
            named = (system, coding.name.strip())
            keys = [named, *keys] if named in self._quantities else [named]
        return {self._quantities[key] for key in keys if key in self._quantities}

    def _agree(self, quantified: Quantified, given: Iterable[Coding]) -> None:
        for coding in given:
            if system_of(coding.system) == "mdc" or not coding.name:
                continue
            others = self._named(coding) - {quantified.name}
            about = any(_says(word, coding.name.lower()) for word in quantified.words)
            other_thing = _OTHER_THINGS.search(coding.name.lower()) and quantified.unit != "%"
            if other_thing or (others and not about):
                raise NotAFact("code_conflict", f"the code is of {quantified.name}, its name is of something else")

    def _called(self, coding: Coding) -> bool:
        """Whether a name is that of a quantity and nothing more."""
        name = coding.name.lower().strip().removesuffix("s")
        return any(name == word.removesuffix("s") for one in self._by_name.values() for word in one.words)

    def _named(self, coding: Coding) -> set[str]:
        """The quantities that a name speaks of, unless it is of a property that none of them is."""
        name = coding.name.lower()
        if _OTHER_THINGS.search(name):
            return set()
        return {one.name for one in self._by_name.values() if any(_says(word, name) for word in one.words)}


def _says(word: str, name: str) -> bool:
    return _begins_with(word).search(name) is not None


@cache
def _begins_with(word: str) -> re.Pattern[str]:
    """Finds where a word of the tables begins."""
    return re.compile(rf"\b{re.escape(word)}")


def _split(coded: str) -> tuple[str, str]:
    system, bar, code = coded.rpartition("|")
    if not bar or not code:
        raise ValueError(f"codes: {coded!r}: write it as 'SYSTEM|CODE'")
    return _key(system_of(system), code.strip()) if system else ("", code.strip().lower())


def _key(system: str, code: str) -> tuple[str, str]:
    """A code beside its system; of the spellings of an NDC that of eleven digits, labeller 5, product 4, package 2."""
    parts = code.split("-")
    if system == "ndc" and len(parts) == 3:
        code = "".join(part.zfill(length) for part, length in zip(parts, (5, 4, 2), strict=True))
    return system, code


@cache
def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(files("connectors.facts").joinpath("tables", name).read_text(encoding="utf-8"))


@cache
def known_quantities() -> dict[str, Quantified]:
    """What the tables know, by name."""
    return {name: _quantified(name, row) for name, row in _table("quantities.toml").items()}


def _quantified(name: str, row: dict[str, Any]) -> Quantified:
    words = tuple(row["words"])
    return Quantified(name, row["kind"], row["unit"], row.get("low"), row.get("high"), words, row.get("molar_mass"))


def coding_of(name: str) -> Coding | None:
    """The code by which a sender names a quantity: a device's reading by its first of MDC, else its first of LOINC.

    None of what the tables do not have.
    """
    row = _table("quantities.toml").get(name)
    if row is None:
        return None
    for term, number in row.get("mdc", {}).items() if row["kind"] == "vital_sample" else ():
        return Coding(str(number), "MDC", term)
    return Coding(row["loinc"][0], "LN") if row.get("loinc") else None


@cache
def _codes_of_quantities() -> dict[tuple[str, str], str]:
    found = {}
    for name, row in _table("quantities.toml").items():
        found.update({("loinc", code): name for code in row.get("loinc", ())})
        for term, number in row.get("mdc", {}).items():
            found[("mdc", term)] = name
            found[("mdc", str(number))] = name
    return found


@cache
def _codes_of_drugs() -> dict[tuple[str, str], str]:
    found = {}
    for drug, row in _table("drugs.toml").items():
        found.update({("", label): drug for label in row["labels"]})
        found.update({_key(system, code): drug for system in ("atc", "rxnorm", "ndc") for code in row.get(system, ())})
    return found
