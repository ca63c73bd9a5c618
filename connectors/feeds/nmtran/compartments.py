"""Which state of a model ``CMT`` means: by number, in the order of the model file, or by name."""

from __future__ import annotations

from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord
from twin.model.spec import Model


def compartment(record: DataRecord, model: Model) -> int:
    """Number of the state, from 1; 0 where the record names none.

    Raises:
        BadRecord: there is no such state, or it is to be switched off.
    """
    cell = record.text("CMT")
    names = [state.name for state in model.states]
    if cell is not None and (named := _number_of(cell, names)):
        return named
    if cell is not None and cell[0].isalpha():
        raise BadRecord(f"CMT {cell!r} is no state of {model.id}; it has {', '.join(names)}")
    number = record.integer("CMT") or 0
    if number < 0:
        raise BadRecord(f"CMT {number}: compartments cannot be switched off; give the number or name of a state")
    if number > len(names):
        raise BadRecord(f"CMT {number}: {model.id} has states 1 to {len(names)}")
    return number


def _number_of(cell: str, names: list[str]) -> int:
    """Without regard to case where that leaves no doubt."""
    if cell in names:
        return names.index(cell) + 1
    alike = [number for number, name in enumerate(names, start=1) if name.casefold() == cell.casefold()]
    return alike[0] if len(alike) == 1 else 0
