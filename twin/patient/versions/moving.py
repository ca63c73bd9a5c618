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
from twin.patient.advising.desk import Adviser
from twin.patient.fold import Because, Update
from twin.patient.held_alerts import standing
from twin.patient.state_row import TwinState, unpack_state
from twin.patient.twin import PatientTwin
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
) -> Steps[tuple[PatientTwin, Update]]:
    """The twin of a row by another version of its model, an estimate a step, and the alerts that there are to tell.

    Args:
        row: of a twin by ``old``; the twin itself is left as it is.
        old, new: of one structure: they take the same events in the same units.
        thresholds, adviser: as of `twin.PatientTwin`.
        level: as of `twin.PatientTwin.observe`.

    Raises:
        UnreadableState: the row is damaged, or not of ``old``.
    """
    state = unpack_state(row, old, rules_hash(thresholds), adviser)
    desk = state.desk if adviser is None else msgspec.structs.replace(state.desk, adviser=adviser.hash_of((new,)))
    begun = replace(state, model_hash=new.hash, points=(), held=_carried(state, new), desk=desk)
    twin = PatientTwin(state.patient_id, new, state.particles, begun, thresholds, adviser)
    because = Because(say("because.moved", "version {model} of the model, by which the twin goes on,", model=new.id))
    update = yield from twin.beginning_again(because, level=level)
    return twin, update


def _carried(state: TwinState, new: Model) -> AlertLedger:
    """The alerts about what is held, which no model changes, as the new version calls them."""
    of_old = standing(state.history, state.patient_id, state.model_hash)
    names = dict(zip(of_old, standing(state.history, state.patient_id, new.hash), strict=True))
    published = tuple(
        msgspec.structs.replace(entry, fold_id=names.get(entry.fold_id, entry.fold_id))
        for entry in state.held.published
    )
    return msgspec.structs.replace(state.held, published=published)
