"""One twin moved to another version of its model: its record is folded from the beginning, and nothing of it is told
again.

The belief is that of a twin that had the new version from the start, bit for bit. Estimates, forecasts and predictions
so far stay as they were published, those that follow carry the new version. An alert that both versions support stays
the same alert; what the new one does not support is withdrawn, and what it alone supports is raised, as of now. Advice
that was given stands.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from twin.alerts.ledger import AlertLedger
from twin.alerts.rules import rules_hash
from twin.alerts.thresholds import DEFAULT, Thresholds
from twin.model.spec import Model
from twin.patient.advising.desk import Adviser, DeskState
from twin.patient.averaged import AveragedTwin, AverageState, averaged_in
from twin.patient.fold import Because, Update
from twin.patient.held_alerts import standing
from twin.patient.rivals import classes_of
from twin.patient.state_row import unpack_state
from twin.patient.twin import PatientTwin
from twin.record.history import History
from twin.steps import Steps
from twin.wording import say


def moving(
    row: bytes,
    old: Model,
    new: Model,
    thresholds: Thresholds = DEFAULT,
    adviser: Adviser | None = None,
    *,
    level: bool = True,
) -> Steps[tuple[PatientTwin | AveragedTwin, Update]]:
    """The twin of a row by another version of its model, an estimate a step, and the alerts that there are to tell.

    Args:
        row: of a twin by ``old``; the twin itself is left as it is.
        old, new: of one structure: they take the same events in the same units, and have the same classes if any.
        thresholds, adviser: as of `twin.PatientTwin`.
        level: as of `twin.PatientTwin.observe`.

    Raises:
        UnreadableState: the row is damaged, or not of ``old``.
    """
    rules = rules_hash(thresholds)
    twin = (_of_one if old.mixture is None else _of_classes)(row, old, new, rules, thresholds, adviser)
    because = Because(say("because.moved", "version {model} of the model, by which the twin goes on,", model=new.id))
    update = yield from twin.beginning_again(because, level=level)
    return twin, update


def _of_one(
    row: bytes, old: Model, new: Model, rules: str, thresholds: Thresholds, adviser: Adviser | None
) -> PatientTwin:
    state = unpack_state(row, old, rules, adviser)
    held = _carried(state.held, state.history, state.patient_id, state.model_hash, new.hash)
    begun = replace(state, model_hash=new.hash, points=(), held=held, desk=_answering(state.desk, adviser, (new,)))
    return PatientTwin(state.patient_id, new, state.particles, begun, thresholds, adviser)


def _of_classes(
    row: bytes, old: Model, new: Model, rules: str, thresholds: Thresholds, adviser: Adviser | None
) -> AveragedTwin:
    before, after = classes_of(old), classes_of(new)
    found = averaged_in(row, before, rules)
    members = tuple(
        replace(one, model_hash=model.hash, points=()) for one, model in zip(found.members, after.models, strict=True)
    )
    held = _carried(found.held, found.members[0].history, found.patient_id, before.hash, after.hash)
    desk = _answering(found.desk, adviser, after.models)
    begun = AverageState(members, found.ledger, held, (), desk)
    return AveragedTwin(found.patient_id, after, found.particles, begun, thresholds, adviser)


def _answering(desk: DeskState, adviser: Adviser | None, models: tuple[Model, ...]) -> DeskState:
    return desk if adviser is None else msgspec.structs.replace(desk, adviser=adviser.hash_of(models))


def _carried(held: AlertLedger, history: History, patient_id: str, old: str, new: str) -> AlertLedger:
    """The alerts about what is held, which no model changes, as the version of the hash ``new`` calls them."""
    names = dict(zip(standing(history, patient_id, old), standing(history, patient_id, new), strict=True))
    published = tuple(
        msgspec.structs.replace(entry, fold_id=names.get(entry.fold_id, entry.fold_id)) for entry in held.published
    )
    return msgspec.structs.replace(held, published=published)
