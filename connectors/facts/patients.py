"""Who a patient is here: a pseudonym made of the source's id, never of a name.

An id means something only beside its authority: the same number under two is two people. The pseudonym is the HMAC of
both (RFC 2104, SHA-256) under a key that stands in the environment or under those of a store, which are changed
(`connectors.privacy.pseudonyms`), or is looked up in a table; those of test sources begin with ``test-`` and are others
even for the same id, so that what is trained on never reaches a patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.facts.fact import NotAFact, Subject
from connectors.privacy.pseudonyms import PseudonymStore, pseudonym_by

LEAST_KEY_BYTES = 16
"""Shortest key of an HMAC that is taken."""

LEAST_FILL = 4
"""So often one character alone is what fills a field, as 9999 does, and no number of anybody."""

PLACEHOLDERS = frozenset(
    {
        *("unknown", "unknown patient", "unk", "none", "n/a", "na", "null", "0", "test", "anonymous", "dummy"),
        *("default", "default patient", "no id", "noid", "no patient", "nopatient", "not available", "unassigned"),
    }
)
"""What monitors and gateways send where they know nobody."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Gives patients their ids here.

    Attributes:
        key: of the HMAC; secret. Or the store of such keys.
        table: ``{(authority, id): pseudonym}``, used instead of the key where there is one.
        authorities: those whose ids count, the first of them that a message has; any if empty.
        types: which types of id count (HL7 table 0203), an id without one always does.
        test: whether these are patients of a test source.
        placeholders: ids that stand for nobody here, beside `PLACEHOLDERS`: a monitor's default, beds.
    """

    key: bytes | PseudonymStore = b""
    table: Mapping[tuple[str, str], str] | None = None
    authorities: tuple[str, ...] = ()
    types: tuple[str, ...] = ("MR", "PI", "PT", "")
    test: bool = False
    placeholders: frozenset[str] = frozenset()

    @property
    def authority(self) -> str:
        """Whose an id is that stands without an authority, in a topic or a source's own JSON: that of the only one."""
        return self.authorities[0] if len(self.authorities) == 1 else ""

    def choose(self, subjects: Iterable[Subject]) -> Subject:
        """The id of several that counts.

        Raises:
            NotAFact: ``no_patient`` where none is usable or several are, ``unknown_patient_id`` where none is of an
                authority that counts.
        """
        given = [subject for subject in subjects if not self._nobody(subject.id)]
        if not given:
            raise NotAFact("no_patient", "no patient's id, or a placeholder; a device needs an association instead")
        usable = [subject for subject in given if subject.type in self.types]
        if self.authorities:
            usable = [subject for subject in usable if subject.authority in self.authorities]
            usable.sort(key=lambda subject: self.authorities.index(subject.authority))
            if not usable:
                mend = "name it in the profile under patients.authorities"
                raise NotAFact("unknown_patient_id", f"no id of an authority that counts; {mend}")
            return usable[0]
        if len({(subject.authority, subject.id) for subject in usable}) != 1:
            raise NotAFact(
                "no_patient", "several ids, or none of a type that counts; set patients.authorities or types"
            )
        return usable[0]

    def pseudonym(self, subject: Subject) -> str:
        """The patient's id here.

        Raises:
            NotAFact: ``no_patient`` or ``unknown_patient_id``.
            KeysUnusable: the store of keys cannot be read or written.
        """
        if self._nobody(subject.id):
            raise NotAFact("no_patient", "no patient's id, or a placeholder; a device needs an association instead")
        if self.authorities and subject.authority not in self.authorities:
            raise NotAFact("unknown_patient_id", "an authority that patients.authorities of the profile does not name")
        start = "test-" if self.test else ""
        if self.table is not None:
            try:
                return start + self.table[(subject.authority, subject.id)]
            except KeyError:
                raise NotAFact("unknown_patient_id", "an id that the profile's table does not have; add it") from None
        if isinstance(self.key, PseudonymStore):
            return self.key.pseudonym(start, subject.authority, subject.id)
        return pseudonym_by(self.key, start, subject.authority, subject.id)

    def _nobody(self, text: str) -> bool:
        said = text.strip()
        filled = len(said) >= LEAST_FILL and len(set(said.lower())) == 1
        return said.lower() in PLACEHOLDERS or said in self.placeholders or not said.strip("?0-*") or filled
