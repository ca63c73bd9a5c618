"""One twin moved where a command stands in the log, or the reason why it is not.

Reasons given here:

- ``not_enrolled``: there is no twin to move;
- ``other_model``: the twin goes by another model than the one that is replaced;
- ``unknown_model``: the version does not load here, is not released, has another hash, or is no version of the model;
- ``internal_error``: folding failed; the twin is as it was.

A command that is told again finds the twin moved, and does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from connectors.releases import Version
from streams.worker.rows.patient_state import PatientState
from streams.worker.twin_factory import Twin, TwinFactory, TwinUpdate, UnknownModel
from twin.events import ModelMove
from twin.steps import Steps


@runtime_checkable
class MovableTwins(TwinFactory, Protocol):
    """Where twins come from that can go on by another version of their model."""

    def versions(self) -> Mapping[str, Version]:
        """Released versions by the models that they replace, as they are now."""

    def make_ready(self, model_id: str) -> None:
        """Do beside this process what else the first twin of a model would wait for.

        Raises:
            UnknownModel: no such model.
        """

    def moving(self, row: bytes, old_id: str, new_id: str, *, level: bool) -> Steps[tuple[Twin, TwinUpdate]]:
        """The twin of a row by another version of its model, a step at a time, and what there is to tell.

        Raises:
            UnknownModel: one of them does not load, or they are no versions of one another.
        """


class Moved(NamedTuple):
    """A twin by its new version, what there is to tell, and its row."""

    twin: Twin
    update: TwinUpdate
    row: bytes


class NotMoved(Exception):
    """Why a twin stays as it is: the reason of its dead letter, and the text."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def moving(state: PatientState, event: ModelMove, twins: TwinFactory) -> Steps[Moved | None]:
    """Fold a patient's twin anew as the command says; nothing where that was done. The state is left as it is.

    Raises:
        NotMoved: naming the field, its value and the mend.
    """
    if state.twin is None:
        raise NotMoved("not_enrolled", f"field 'patient_id': patient {event.patient_id!r} has no twin to move")
    if (state.model_id, state.model_hash) == (event.model, event.model_hash):
        return None
    if state.model_id != event.replaces:
        detail = f"field 'replaces': the twin goes by {state.model_id!r}, not by {event.replaces!r}"
        raise NotMoved("other_model", detail)
    if not isinstance(twins, MovableTwins):
        raise NotMoved("unknown_model", "field 'model': the twins of this worker cannot be moved")
    try:
        known = twins.model_hash(event.model)
        if known != event.model_hash:
            detail = f"field 'model_hash': {event.model!r} is {known} here, not {event.model_hash}: put that file here"
            raise NotMoved("unknown_model", detail)
        twin, update = yield from twins.moving(state.twin.row(), state.model_id, event.model, level=state.level)
    except UnknownModel as error:
        raise NotMoved("unknown_model", f"field 'model': {error}") from None
    except NotMoved:
        raise
    except Exception as error:  # a model that breaks must not stop the partition
        raise NotMoved("internal_error", f"moving to {event.model!r}: {type(error).__name__}: {error}") from error
    return Moved(twin, update, twin.row())
