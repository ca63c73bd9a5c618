"""Rules by which an arm moves its doses from course to course, as protocols have them: by what was measured.

A rule is looked at before each course but the first. It asks whether any value of ``output`` that was measured since
the beginning of the course before, and is known by then, was below or above a limit; then every later dose is
multiplied by ``scale``, or, with ``delay``, the course begins so many days later, until the newest value is on the
other side of the limit, at most ``most`` times in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.model.table import Table


@dataclass(frozen=True)
class DoseRule:
    """One rule; see the module docstring. Exactly one of ``below`` and ``above``, of ``scale`` and ``delay``."""

    output: str
    below: float | None
    above: float | None
    scale: float | None
    delay: float | None
    most: int = 3

    @classmethod
    def read(cls, table: Table) -> DoseRule:
        """A table ``[[arms.rules]]``.

        Raises:
            ModelError: an entry that cannot be used.
        """
        below, above = table.optional_number("below"), table.optional_number("above")
        if (below is None) == (above is None):
            raise table.wrong("below", "or 'above' says when the rule applies; write exactly one of them")
        scale, delay = table.optional_number("scale", above=0.0), table.optional_number("delay", above=0.0)
        if (scale is None) == (delay is None):
            raise table.wrong("scale", "or 'delay' (days) says what the rule does; write exactly one of them")
        most = table.optional_number("most", least=1)
        if most is not None and (delay is None or most != round(most)):
            raise table.wrong("most", f"is {most:g}; it is a whole number of delays in a row, and goes with 'delay'")
        return cls(table.text("output"), below, above, scale, delay, 3 if most is None else int(most))

    def beyond(self, value: float) -> bool:
        """Whether a value is on the side that the rule asks for."""
        return value < self.below if self.below is not None else value > (self.above or 0.0)

    def applies(self, values: Sequence[float]) -> bool:
        """Whether it does by the values of its output, the newest last: any of them, of a delay the newest."""
        asked = values[-1:] if self.delay is not None else values
        return any(map(self.beyond, asked))
