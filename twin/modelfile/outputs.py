"""What can be measured, as a model file writes it: a section of [outputs] for each, read by the kind that it names."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from twin.model.spec import OutputSpec, StateSpec
from twin.model.table import Table, check_name
from twin.observation.kind import OutputSection
from twin.observation.kinds import USUAL, kind_named, kinds


def read_outputs(
    top: Table, names: Collection[str], record: Mapping[str, Collection[str]]
) -> tuple[tuple[OutputSpec, ...], tuple[StateSpec, ...]]:
    """The outputs, and the states that their kinds add to the model.

    Raises:
        ModelError: a name taken twice, an unknown kind, one without what it needs, or a formula outside the language.
    """
    outputs: list[OutputSpec] = []
    states: list[StateSpec] = []
    taken: set[str] = set()
    for name, table in top.named("outputs"):
        check_name(table, name)
        aliases = table.aliases("aliases")
        for word in (name, *aliases):
            if word in taken:
                raise table.wrong("aliases", f"'{word}' already names an output; each analyte belongs to one output")
            taken.add(word)
        kind = kind_named(table.choice("kind", kinds().names) if table.has("kind") else USUAL)
        output, own = kind.read(OutputSection(name, aliases, table, names, record))
        outputs.append(output)
        states += own
    if not outputs:
        raise top.wrong("outputs", "is missing; declare at least one, [outputs.plasma]")
    return tuple(outputs), tuple(states)
