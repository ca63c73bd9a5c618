"""The ward as a visitor may see it: the patients of the group, and of what was refused what concerns them.

What is refused and names no patient whom anybody may see is told to those who mend it. A patient of another group is
as one of whom nothing is known.
"""

from __future__ import annotations

import msgspec

from connectors.access.roles import Deed, Who
from connectors.alert_filter import Judged
from connectors.console.board import PatientFrame, UnknownPatient, WardFrame
from connectors.console.inbox.explanation import Explanation, UnknownAlert, explanation
from connectors.console.pulse import WELL, Pulse
from connectors.console.topic_reader import LiveBoard
from connectors.console.views import Refused
from connectors.console.ward.sources import HeardFrame


class Seen:
    """What one sees of a board. Those who see the same have the same ``share``, and may share what was encoded."""

    def __init__(self, live: LiveBoard, who: Who) -> None:
        self.live, self._who = live, who
        self.share = (who.patients, who.may(Deed.MEND))
        self._all = not who.patients and who.may(Deed.MEND)

    def __len__(self) -> int:
        """Patients who are seen."""
        return len(self.live.known(self._who.sees))

    def ward(self, since: int = 0) -> WardFrame:
        """The ward's rows."""
        frame = self.live.ward(since)
        if self._all:
            return frame
        rows = tuple(row for row in frame.rows if self._who.sees(row.id))
        refused = None if frame.refused is None else tuple(filter(self._concerns, frame.refused))
        return msgspec.structs.replace(frame, rows=rows, refused=refused)

    def patient(self, patient_id: str, since: int = 0) -> PatientFrame:
        """One patient. Raises `UnknownPatient`, also of one whom others see."""
        if not self._who.sees(patient_id):
            raise UnknownPatient(patient_id)
        return self.live.patient(patient_id, since)

    def explanation(self, alert_id: str) -> Explanation:
        """Why an alert stands. Raises `UnknownAlert`, also of a patient whom others see."""
        with self.live.lock:
            found = explanation(self.live.board, alert_id)
        if not self._who.sees(found.patient):
            raise UnknownAlert(alert_id)
        return found

    def near(self, patient_id: str) -> str | None:
        """The patient who is seen and whose id is most like this one, if any is."""
        return self.live.near(patient_id, self._who.sees)

    def pulse(self, patient_id: str | None = None) -> Pulse:
        """The pulse of a patient's twin, or the worst of all; none of one who is not seen."""
        if patient_id is not None and not self._who.sees(patient_id):
            return WELL
        return self.live.pulse(patient_id, self._who.sees)

    def heard(self, turn: int = -1) -> HeardFrame:
        """When the sources of those who are seen were heard last."""
        frame = self.live.heard(turn)
        heard = {name: at for name, at in frame.heard.items() if self._who.sees(name)}
        return msgspec.structs.replace(frame, heard=heard)

    def sealed(self) -> dict[str, str]:
        """Of twins that are seen and sealed, why."""
        return {patient: reason for patient, reason in self.live.sealed().items() if self._who.sees(patient)}

    def wants(self, alert: Judged) -> bool:
        """Whether an alert is of a patient who is seen."""
        return self._who.sees(alert.patient_id)

    def _concerns(self, refused: Refused) -> bool:
        patient = refused.patient_id
        return self._who.may(Deed.MEND) if patient is None else self._who.sees(patient)
