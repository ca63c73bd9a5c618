"""What a patient's records say of its characteristics, one after another, and where records of one TIME are placed.

A record goes by the values that it names. Of what is carried backward, records of one TIME that differ are placed 1 ms
after one another, so that each ends the stretch that it names. What is carried forward holds from its report on. Where
a prediction reads it at once, and not only through what the body holds, a report is placed 1 ms after an observation
that stands above it, and an observation that stands on its record, or below it, 1 ms after the report; and so it is
where an occasion begins with it, of which what is predicted at once has effects of its own.
"""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord
from twin.model.formula import names_in
from twin.model.spec import CovariateSpec, Model
from twin.observation.kinds import kind_of

NEVER = -(1 << 62)
"""A ms that no record has."""


class Characteristics:
    """Of one patient, record by record."""

    def __init__(self, model: Model) -> None:
        self._covariates = {covariate.name: covariate for covariate in model.covariates}
        self._backward = frozenset(c.name for c in model.covariates if c.carry == "backward")
        self._shown = shown_at_once(model)
        self._holding: dict[str, float] = {}
        self._above: DataRecord | None = None
        self._changed = self._observed = NEVER
        self._values: dict[tuple[str, int], set[float]] = {}

    def named(self, record: DataRecord) -> dict[str, float]:
        """Values that a record names.

        Raises:
            BadRecord: one that is none, or negative where it cannot be.
        """
        found = ((name, _value(record, covariate)) for name, covariate in self._covariates.items())
        return {name: value for name, value in found if value is not None}

    def place(self, record: DataRecord, now: Mapping[str, float]) -> None:
        """Place a record, and what it says of characteristics, among those of its TIME."""
        if self._above is not None and self._above.millis == record.millis:
            record.apart = self._above.apart + self._differs(now, self._backward)
        new = self._differs(now, self._shown)
        record.apart += new and self._observed == record.millis + record.apart
        record.changed = record.apart
        record.apart += record.evid == 0 and self._changes(record, new) == record.millis + record.apart

    def news(self, record: DataRecord, now: Mapping[str, float]) -> Iterator[tuple[str, float]]:
        """What of a record's values is to be told: carried backward, a value that stays the same still says until when
        it does."""
        self._changed = self._changes(record, self._differs(now, self._shown))
        for name, value in now.items():
            self._values.setdefault((name, record.millis + record.changed), set()).add(value)
            if self._holding.get(name) != value or name in self._backward:
                yield name, value
        self._holding |= now

    def stands(self, record: DataRecord) -> None:
        """The record can be used: those below it follow."""
        self._above = record
        if record.evid == 0:
            self._observed = record.millis + record.apart

    def _changes(self, record: DataRecord, new: bool) -> int:
        """When what is shown at once changed last."""
        return record.millis + record.changed if new else self._changed

    def note_contradictions(self, notes: Counter[str]) -> None:
        """Say how covariates with several values at one instant are understood."""
        for (name, _), values in self._values.items():
            if len(values) > 1:
                rule = "the last of them holds from then on, in the order of lines"
                notes[f"{name} has several values at one TIME of a patient: {rule}"] += 1

    def _differs(self, now: Mapping[str, float], of: Collection[str]) -> bool:
        """Whether a record goes by other values of some characteristics than what was said before it."""
        return any(name in of and self._holding.get(name, value) != value for name, value in now.items())


@functools.cache
def shown_at_once(model: Model) -> frozenset[str]:
    """Characteristics carried forward that predictions of values read at once: in the formula of an output, or by
    derived values and parameters, and not only by what states have gathered."""
    formulas: dict[str, ast.expr] = {one.name: one.expression for one in model.derived}
    formulas |= {one.name: one.expression for one in model.parameters if one.expression is not None}
    ahead = {
        word
        for output in model.outputs
        if not kind_of(output).awaited
        for formula in (output.expression, *output.further)
        for word in names_in(formula)
    }
    found: set[str] = set()
    while ahead:
        word = ahead.pop()
        if word not in found:
            found.add(word)
            ahead |= names_in(formulas[word]) if word in formulas else frozenset()
    if model.occasions is not None and found & {*model.iov_names}:
        found.add(model.occasions.covariate or "")
    return frozenset(one.name for one in model.covariates if one.carry == "forward" and one.name in found)


def _value(record: DataRecord, covariate: CovariateSpec) -> float | None:
    """The covariate's value in a record: a number, or the name of one of its levels."""
    levels = dict(covariate.levels)
    if (name := record.text(covariate.name)) in levels:
        return levels[name]
    try:
        value = record.number(covariate.name)
    except BadRecord as error:
        if not levels:
            raise
        known = ", ".join(f"{level:g} or {word!r}" for word, level in covariate.levels)
        raise BadRecord(f"{error}, and none of the levels that the model has; write one of {known}") from None
    if value is not None and value < 0 and not (covariate.low is not None and covariate.low < 0):
        why = f"[covariates.{covariate.name}] has no 'low' below 0; correct it, or say there how low it can be"
        raise BadRecord(f"{covariate.name} {value:g} is negative, and {why}")
    return value
