"""What a search is asked to look at, as words: ``CL:WT``, ``V:WT=power``, or everything that there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twin.covariates.characteristics import Characteristic, CovariateError
from twin.covariates.effects import of
from twin.covariates.relations import SHAPES, Relation, Shape, check
from twin.covariates.stepwise import Relations, Scope
from twin.model.formula import names_in
from twin.model.spec import Model

Described = Mapping[str, Characteristic]

USUAL: tuple[Shape, ...] = ("linear", "hockey-stick", "categorical")
"""PsN's: a line, then two slopes; categories have but one shape."""


def shapes_of(text: str) -> tuple[Shape, ...]:
    """The shapes of ``linear,power``; ``categorical`` need not be named.

    Raises:
        CovariateError: one that is none.
    """
    found = _parts(text)
    for word in found:
        if word not in SHAPES:
            raise CovariateError(f"shapes: {word!r} is no shape; the shapes are {', '.join(SHAPES)}")
    kept = [shape for shape in SHAPES if shape in found]
    return tuple(kept) if "categorical" in kept else (*kept, "categorical")


def scope_of(pairs: str, shapes: Sequence[Shape], model: Model, described: Described) -> Scope:
    """The pairs of a search with the shapes that each may have.

    Args:
        pairs: ``CL:WT,V:WT=power``, or empty for every parameter with random effects and every covariate that patients
            differ in, but for pairs that the model has already.
        shapes: of pairs that name none.

    Raises:
        CovariateError: a pair or shape that cannot be.
    """
    if not pairs.strip():
        return _everything(shapes, model, described)
    found: dict[tuple[str, str], list[Shape]] = {}
    for word in _parts(pairs):
        (parameter, covariate), shape = _pair(word)
        characteristic = of(Relation(parameter, covariate, "linear"), model, described)
        suitable = _suitable((parameter, covariate), shapes, characteristic) if shape is None else [shape]
        for each in suitable:
            check(Relation(parameter, covariate, each), characteristic)
        if not suitable:
            raise CovariateError(
                f"{word}: none of the shapes {', '.join(shapes)} suits {covariate}; name one, {word}=linear"
            )
        found.setdefault((parameter, covariate), []).extend(suitable)
    return found


def included(text: str, model: Model, described: Described) -> Relations:
    """The relations ``CL:WT=linear,...`` that a search begins with.

    Raises:
        CovariateError: one without a shape, or that cannot be.
    """
    found = []
    for word in _parts(text):
        pair, shape = _pair(word)
        if shape is None:
            raise CovariateError(f"include: {word!r} has no shape; write {word}=linear")
        relation = Relation(*pair, shape)
        check(relation, of(relation, model, described))
        found.append(relation)
    pairs = [relation.pair for relation in found]
    for relation in found:
        if pairs.count(relation.pair) > 1:
            raise CovariateError(f"include: {relation.parameter}:{relation.covariate} is there twice; keep one shape")
    return tuple(found)


def _everything(shapes: Sequence[Shape], model: Model, described: Described) -> Scope:
    found: dict[tuple[str, str], Sequence[Shape]] = {}
    for parameter in model.parameters:
        if parameter.iiv is None:
            continue
        present = names_in(parameter.expression) if parameter.expression is not None else frozenset()
        for name, characteristic in described.items():
            suitable = _suitable((parameter.name, name), shapes, characteristic)
            if name not in present and suitable:
                found[parameter.name, name] = suitable
    if not found:
        raise CovariateError(
            f"{model.id} has no pair of a parameter with iiv and a covariate that patients differ in; name --pairs"
        )
    return found


def _suitable(pair: tuple[str, str], shapes: Sequence[Shape], of: Characteristic) -> list[Shape]:
    """Those of the shapes that the characteristic bears."""

    def bears(shape: Shape) -> bool:
        try:
            check(Relation(*pair, shape), of)
        except CovariateError:
            return False
        return True

    return [shape for shape in shapes if bears(shape)]


def _pair(word: str) -> tuple[tuple[str, str], Shape | None]:
    pair, _, shape = word.partition("=")
    parameter, colon, covariate = pair.partition(":")
    if not (colon and parameter.strip() and covariate.strip()):
        raise CovariateError(f"pairs: {word!r} is no pair; write PARAMETER:COVARIATE, as CL:WT")
    if shape and shape not in SHAPES:
        raise CovariateError(f"{word}: {shape!r} is no shape; the shapes are {', '.join(SHAPES)}")
    named = next((each for each in SHAPES if each == shape), None)
    return (parameter.strip(), covariate.strip()), named


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
