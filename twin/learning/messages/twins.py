"""The message of a running twin, whatever it goes by."""

from __future__ import annotations

from twin.learning.messages.message import Message, NoMessage, message_of
from twin.patient.averaged import AveragedTwin
from twin.patient.twin import PatientTwin


def message_by(twin: PatientTwin | AveragedTwin) -> Message:
    """What a twin says of itself: by one model, or by the classes of a mixture.

    Raises:
        NoMessage: nothing can be learnt from what it says, or it goes by rival models.
    """
    if isinstance(twin, PatientTwin):
        return message_of(twin.patient_id, twin.model, twin.initial_effects())
    if twin.models.mixture is None:
        raise NoMessage(f"patient {twin.patient_id}: goes by rival models, {twin.models.id}, which share no population")
    return message_of(twin.patient_id, twin.models.mixture, *twin.initial_effects())
