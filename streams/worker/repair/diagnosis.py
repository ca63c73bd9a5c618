"""What is wrong with a patient's row, and which way back applies.

| what is wrong | way back |
|---|---|
| the row is damaged, of another version, lost or too large, or a twin failed for good | fold it anew from the inputs |
| another model file than the one that made the twin, and the model is there | fold it anew, by the model as it is now |
| the model is not there | none, until it is: put the file back; or begin anew by another model |
| the inputs hold no enrolment any more | begin anew: what was known is lost |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from connectors.kafka.topics import topic_of
from connectors.privacy.patient_keys import PatientKeys
from streams.worker.repair.refold import Told
from streams.worker.rows.patient_state import Inputs, restored
from streams.worker.twin_factory import TwinFactory, UnknownModel
from twin.events import BadEvent, Enrolment, decode

FAILED = "internal_error"
"""Why a twin is sealed whose row is sound but lacks events: only its worker knows it."""


class Way(Enum):
    """The way back of a patient."""

    NOTHING_TO_MEND = "nothing to mend"
    REBUILD = "rebuild"
    REENROL = "reenrol"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with a patient: ``reason`` as workers name it, empty where nothing is, and in words.

    ``needed`` is what somebody must do first: without it only ``REENROL`` is left.
    """

    patient_id: str
    way: Way
    reason: str
    detail: str
    needed: str = ""


def diagnose(
    patient_id: str,
    row: bytes | None,
    told: Told,
    twins: TwinFactory,
    said: Mapping[str, str],
    keys: PatientKeys | None = None,
) -> Diagnosis:
    """Look at a patient as a worker would that starts now.

    Args:
        row: the one that counts, if there is any.
        told: what the inputs hold.
        twins: the models as the workers have them.
        said: reasons of the patients whom their workers named as sealed last.
        keys: of encrypted rows.

    Raises:
        KeysUnusable: the row is encrypted, and no store of keys is set or it cannot be used.
    """
    models = _enrolled_by(told)
    state = restored(patient_id, row, twins, Inputs(), keys)
    if state.quarantined is not None:
        reason, detail = state.quarantined
    elif said.get(patient_id) == FAILED:
        reason, detail = FAILED, "its twin failed and could not be brought back; its row lacks what came since"
    elif row is None and models:
        reason, detail = "row_missing", "there is no state row, and the inputs hold an enrolment"
    else:
        sound = "nothing is known of this patient" if row is None else "its row is sound"
        return Diagnosis(patient_id, Way.NOTHING_TO_MEND, "", sound)
    if not models:
        gone = f"; the first records of {', '.join(told.shortened)} are gone" if told.shortened else ""
        return Diagnosis(patient_id, Way.REENROL, reason, detail, f"the inputs hold no enrolment to fold from{gone}")
    missing = [problem for model in models if (problem := _problem(model, twins))]
    if len(missing) == len(models):
        needed = f"{'; '.join(missing)}: put the file back, or name it by --model ID=FILE as the workers have it"
        return Diagnosis(patient_id, Way.REENROL, reason, detail, needed)
    return Diagnosis(patient_id, Way.REBUILD, reason, detail)


def _enrolled_by(told: Told) -> tuple[str, ...]:
    """The models that the enrolments among the inputs name."""
    models: dict[str, None] = {}
    for record in told.records:
        if record.topic.endswith(topic_of(Enrolment)):
            try:
                event = decode(record.value or b"")
            except BadEvent:
                continue
            if isinstance(event, Enrolment) and event.status != "retracted":
                models[event.model] = None
    return tuple(models)


def _problem(model_id: str, twins: TwinFactory) -> str:
    try:
        twins.model_hash(model_id)
    except UnknownModel as error:
        return str(error)
    return ""
