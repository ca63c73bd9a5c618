"""Which numbers nothing that was measured can tell of, by what equations read, and which no fit estimates at all.

A model of levels and effects that is fitted to levels alone has parameters of the effect, sizes of its error and random
effects that no prediction hangs on: a search would leave them where they are, and find no certainty of anything beside.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twin.model.formula import arguments_of, names_in
from twin.model.measured.error_numbers import NUMBERS, ErrorNumber
from twin.model.spec import Model
from twin.model.structure import input_calls
from twin.population.theta import Element, Theta, effect_names
from twin.population.values import LEVELS, Level
from twin.timeline.timeline import Timeline


@dataclass(frozen=True)
class Measured:
    """What there is in the records of a cohort.

    Attributes:
        outputs: numbers of those that were measured; ``repeatedly``, at one instant.
        singly: of those with values that sum up no readings; ``summed_up``, with such that do.
        apart: of those whose windows have readings in different numbers, or in others than what was measured singly.
        lacking: of `Model.widening_names` those that somebody lacks.
    """

    outputs: frozenset[int]
    repeatedly: frozenset[int]
    singly: frozenset[int]
    summed_up: frozenset[int]
    apart: frozenset[int]
    lacking: frozenset[str]

    @classmethod
    def of(cls, model: Model, timelines: Iterable[Timeline]) -> Measured:
        """In some timelines."""
        each = list(timelines)
        every = [one for timeline in each for one in timeline.observations]
        counts = {(one.output, 1 if one.readings is None else one.readings.number) for one in every}
        outputs = Counter(output for output, _ in counts)
        names = enumerate(model.widening_names)
        return cls(
            frozenset(outputs),
            frozenset(one.output for one in every if one.earlier),
            frozenset(one.output for one in every if one.readings is None),
            frozenset(one.output for one in every if one.readings is not None),
            frozenset(output for output, count in outputs.items() if count > 1),
            frozenset(name for at, name in names if any(timeline.lacking[at] for timeline in each)),
        )

    def told(self, number: ErrorNumber) -> frozenset[int]:
        """Numbers of the outputs of whose errors something tells of a ``number``."""
        match number.name:
            case "replicate_correlation":
                return self.repeatedly
            case "df" | "outlier_share" | "outlier_widening":
                return self.singly
            case "vital_df":
                return self.summed_up
            case "independent":
                return self.summed_up & self.apart
        return self.outputs


def untold(theta: Theta, measured: Measured) -> tuple[str, ...]:
    """Names of what is free in ``theta`` and of which nothing that was ``measured`` tells.

    A block of Omega is untold where none of its effects is read, the correlation of replicates where an output has
    none, what an unreported characteristic widens where nobody lacks it, and what medians of readings scatter by where
    there are none; how many of these are independent also where all count alike.
    """
    model, outputs = theta.model, measured.outputs
    read = read_by(model, outputs)
    rows = {(level, row) for level in LEVELS for block in _unread(theta, level, read) for row in block}
    rows |= {("widens", row) for row, name in enumerate(model.widening_names) if name not in measured.lacking}

    def tells(element: Element) -> bool:
        match element.kind:
            case "place":
                return theta.parameter(element.i).name in read
            case "error":
                return element.i in measured.told(NUMBERS[element.j])
            case "residual":
                return {element.i, element.j} <= outputs
            case "share":
                return True
        return (element.kind, element.i) not in rows

    return tuple(name for element, name in zip(theta.elements, theta.names, strict=True) if not tells(element))


def read_by(
    model: Model, outputs: Iterable[int], seen: Callable[[ast.expr], ast.expr] = lambda formula: formula
) -> frozenset[str]:
    """Names that predictions of some outputs read, at once or through states, derived values and parameters; of each
    formula as it is ``seen``."""
    formulas: dict[str, tuple[ast.expr, ...]] = {one.name: (one.expression,) for one in model.derived}
    formulas |= {one.name: (one.initial, one.derivative) for one in model.states}
    formulas |= {one.name: (one.expression,) for one in model.parameters if one.expression is not None}
    chosen = [model.outputs[i] for i in outputs]
    ahead = {word for one in chosen for formula in (one.expression, *one.further) for word in _words(seen(formula))}
    found: set[str] = set()
    while ahead:
        word = ahead.pop()
        if word not in found:
            found.add(word)
            ahead |= {each for formula in formulas.get(word, ()) for each in _words(seen(formula))}
    return frozenset(found)


def _words(formula: ast.expr) -> frozenset[str]:
    """What a formula reads, lags, durations and the like of what is given into a state too."""
    of_doses = [each for call in input_calls(formula) for each in arguments_of(call)[2].values()]
    return names_in(formula).union(*(names_in(each) for each in of_doses))


def _unread(theta: Theta, level: Level, read: frozenset[str]) -> list[tuple[int, ...]]:
    names = [name.rpartition(".")[2] for name in effect_names(theta.model, level)]
    return [block for block in theta.blocks(level) if not read & {names[row] for row in block}]
