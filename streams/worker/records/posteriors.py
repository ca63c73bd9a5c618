"""What a twin says of itself after each value, where the worker is told to send it (``DOSETWIN_POSTERIORS``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from connectors.posteriors import sealed
from connectors.privacy.patient_keys import KeyDestroyed, PatientKeys
from twin.events import OutputEvent, Posterior, Prediction
from twin.learning.messages.message import NoMessage
from twin.learning.messages.twins import message_by
from twin.patient.averaged import AveragedTwin
from twin.patient.twin import PatientTwin


class Said(NamedTuple):
    """What a twin says, and how many particles it has that did not find room in the message."""

    posterior: Posterior
    left_out: int


def posterior_of(twin: object, outputs: Iterable[OutputEvent], keys: PatientKeys) -> Said | None:
    """What a twin says after an update with these outputs; None where no value was met, and of what has no message.

    Raises:
        KeysUnusable: the store cannot be used.
    """
    met = max((output.time for output in outputs if isinstance(output, Prediction)), default=None)
    if met is None or not isinstance(twin, PatientTwin | AveragedTwin):
        return None
    try:
        message = message_by(twin)
        posterior = sealed(message, met, keys)
    except (NoMessage, KeyDestroyed):
        return None
    return Said(posterior, len(message.eta) - posterior.particles)
