"""What may be done, and which role may do it: one table, and whoever asks with a role and a group of patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from connectors.alert_filter import chosen

Role = Literal["viewer", "clinician", "engineer"]


class Deed(StrEnum):
    """What somebody may do."""

    LOOK = "look"
    """See patients, alerts and how the twins do."""

    ACT = "act"
    """Acknowledge, shelve or comment an alert, and take that back."""

    ASK = "ask"
    """Ask a twin for advice."""

    EXPORT = "export"
    """Take a patient's figures along as a file."""

    MEND = "mend"
    """See also what was refused of nobody who is known: dead letters without a patient."""


MAY: Mapping[Role, frozenset[Deed]] = {
    "viewer": frozenset({Deed.LOOK}),
    "clinician": frozenset({Deed.LOOK, Deed.ACT, Deed.ASK, Deed.EXPORT}),
    "engineer": frozenset({Deed.LOOK, Deed.MEND}),
}
"""Each role, and all that it may do."""


@dataclass(frozen=True)
class Who:
    """Somebody who is let in.

    Attributes:
        name: a pseudonym; empty where nobody logs in.
        role: what may be done; None may do everything.
        patients: patterns of pseudonyms; none are all patients.
    """

    name: str
    role: Role | None
    patients: tuple[str, ...]

    def may(self, deed: Deed) -> bool:
        """Whether this may be done."""
        return self.role is None or deed in MAY[self.role]

    def sees(self, patient_id: str) -> bool:
        """Whether a patient is of the group."""
        return not self.patients or chosen(patient_id, self.patients)


WHOEVER = Who("", None, ())
"""Who uses this machine, where nobody logs in: the console answers this machine alone then."""
