"""What somebody does about an alert, on its way to the twin: one way for the command line, the console and FHIR.

An action counts when the worker has read it; it is on its way when Kafka has it (`connectors.kafka.publish.Sender`),
and until then nobody is told so.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from twin.events import Action, AlertAction, HandledAlert, SeenAlert
from twin.events.malformed import first_fault


def action_on(
    alert: SeenAlert,
    action: Action,
    by: str,
    now: datetime,
    source: str,
    reason: str = "",
    until: datetime | None = None,
) -> AlertAction:
    """What ``by`` does about an alert as it was told last, ``now`` or as soon as it was told.

    Raises:
        ValueError: the action says too little, or too much; the message names field, value and mend.
    """
    try:
        return AlertAction.about(alert, action, by, now, source, reason, until)
    except ValidationError as error:
        raise ValueError(first_fault(error, whole="")) from None


def taken_back(alert: HandledAlert, by: str, now: datetime, source: str, reason: str) -> AlertAction:
    """The retraction of what was done last about an alert as it was told last.

    Raises:
        ValueError: nothing was done about it, or this says too little; the message names field, value and mend.
    """
    if not reason.strip():
        raise ValueError("field 'reason': it is empty; write why it is taken back")
    try:
        return AlertAction.taking_back(alert, by, now, source, reason)
    except ValidationError as error:
        raise ValueError(first_fault(error, whole="")) from None
