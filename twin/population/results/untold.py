"""Which numbers nothing that was measured can tell of, by what equations read, and which no fit estimates at all.

A model of levels and effects that is fitted to levels alone has parameters of the effect, sizes of its error and random
effects that no prediction hangs on: a search would leave them where they are, and find no certainty of anything beside.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from twin.model.formula import arguments_of, names_in
from twin.model.measured.error_numbers import NUMBERS
from twin.model.spec import Model
from twin.model.structure import input_calls
from twin.population.theta import Element, Theta, effect_names
from twin.population.values import LEVELS, Level


def untold(
    theta: Theta, measured: Iterable[int], repeatedly: Iterable[int] = (), lacking: Iterable[str] = ()
) -> tuple[str, ...]:
    """Names of what is free in ``theta`` and moves no prediction of the outputs (their numbers) that were ``measured``.

    A block of Omega is untold where none of its effects is read, the correlation of replicates where an output has
    none, which is not among those that were measured ``repeatedly`` at one instant, and what an unreported
    characteristic widens where it is not among those that somebody is ``lacking`` (`Model.widening_names`).
    """
    model, outputs, replicated = theta.model, frozenset(measured), frozenset(repeatedly)
    read = read_by(model, outputs)
    rows = {(level, row) for level in LEVELS for block in _unread(theta, level, read) for row in block}
    rows |= {("widens", row) for row, name in enumerate(model.widening_names) if name not in frozenset(lacking)}

    def tells(element: Element) -> bool:
        match element.kind:
            case "place":
                return theta.parameter(element.i).name in read
            case "error":
                return element.i in (replicated if NUMBERS[element.j].name == "replicate_correlation" else outputs)
            case "residual":
                return {element.i, element.j} <= outputs
            case "share":
                return True
        return (element.kind, element.i) not in rows

    return tuple(name for element, name in zip(theta.elements, theta.names, strict=True) if not tells(element))


def never_estimated(model: Model) -> dict[str, float]:
    """Numbers of a model that likelihoods hang on and that no fit moves, by name: what readings of wearables scatter by
    beside their output's error."""
    found = dict[str, float]()
    for output in model.outputs:
        if output.vital is not None:
            found |= {f"vital.{output.name}.independent": output.vital.independent}
            found |= {f"vital.{output.name}.df": output.vital.df}
    return found


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
