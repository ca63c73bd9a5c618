"""The row of a patient who was erased: it says so, and nothing of the patient.

It stands under a fingerprint of the pseudonym, from which the pseudonym cannot be read; who knows the pseudonym can
recognise it. So nothing that comes later makes a new twin: it is refused with the reason ``erased``, in a dead letter
that tells where the record stood and nothing else.
"""

from __future__ import annotations

from connectors.privacy.pseudonyms import fingerprint
from streams.worker.rows.state_row import sealed_row
from twin.events import Rejected

REASON = "erased"
"""Why events of an erased patient are refused."""

DETAIL = "this patient was erased: nothing is kept, and nothing may come; enrol under another pseudonym"

PREFIX = b"#erased/"
"""No patient id begins so."""


def erased_key(patient: bytes) -> bytes:
    """The fingerprint under which it stands that the patient of this key was erased.

    >>> erased_key(b"P-0009")
    b'#erased/d9239dd53fdf2e8f7f69a4c3f8ec8eb7'
    """
    return PREFIX + fingerprint(patient.decode(errors="surrogateescape")).encode()


def erased_row() -> bytes:
    """The row, of no holder's term yet."""
    return sealed_row("", REASON, DETAIL)


def without_patient(letter: Rejected) -> Rejected:
    """The dead letter of an event of an erased patient."""
    return Rejected(reason=REASON, detail=DETAIL, topic=letter.topic, partition=letter.partition, offset=letter.offset)
