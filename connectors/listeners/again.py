"""What was refused, once more: messages that were kept are read by the profile as it is now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from connectors.facts.fact import Reading, Refusal
from connectors.facts.memory import Memory
from connectors.listeners.intake import Intake


class Again(NamedTuple):
    """How many messages were read, and of how many something is refused still; those stay kept."""

    read: int
    refused: int


async def read_again(intake: Intake, memory: Memory, read: Callable[[bytes], Sequence[Reading]]) -> Again:
    """Take every message that is kept again, oldest first; what was told of it already tells nothing new.

    Args:
        intake: of the source, running.
        memory: its memory.
        read: what a message says.

    Raises:
        NotSafe: Kafka does not confirm; what was not taken stays kept.
    """
    kept, refused = memory.originals(), 0
    for raw in kept:
        taken = await intake.take(raw, lambda raw=raw: read(raw))  # type: ignore[misc]
        if any(isinstance(outcome, Refusal) for outcome in taken.outcomes):
            refused += 1
        else:
            memory.forget(raw)
    return Again(len(kept), refused)
