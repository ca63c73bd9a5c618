"""Whether one question can be asked of two models: of the one that arms believe in, and of a rival that is true.

Doses are chosen for a window and within limits of the one, and what comes of them is judged in patients of the other:
both have to mean the same by them.
"""

from __future__ import annotations

from twin.clock import HOUR_MS, UNIT_MS
from twin.dosing.protocol import Protocol
from twin.model.spec import Model, TargetSpec, ToxicitySpec
from twin.writing import number


def judged_alike(protocol: Protocol, model: Model, truth: Model) -> None:
    """Doses that are chosen by ``model`` can be judged in patients of ``truth``.

    Raises:
        ValueError: the drug, the target, or a toxicity that is limited is not the same in both; what is to be changed.
    """
    if protocol.drug not in truth.drugs:
        raise ValueError(f"{truth.id} gives no {protocol.drug}; it has {', '.join(truth.drugs)}")
    aim = protocol.target_of(model)
    if aim is not None:
        real = [one for one in truth.targets if (one.drug, one.name) == (aim.drug, aim.name)]
        _same(aim.name, "target", model, truth, _of_target(model, aim), *(_of_target(truth, one) for one in real))
    for limited in protocol.toxicities_of(model):
        also = [one for one in truth.toxicities if one.name == limited.name]
        own, theirs = _of_toxicity(model, limited), (_of_toxicity(truth, one) for one in also)
        _same(limited.name, "toxicity", model, truth, own, *theirs)


def _same(name: str, what: str, model: Model, truth: Model, asked: str, *found: str) -> None:
    mend = "make a model file in which it is the same"
    if not found:
        raise ValueError(f"{truth.id} has no {what} {name}, which {model.id} doses by; {mend}")
    if found != (asked,):
        raise ValueError(f"{name} is {found[0]} in {truth.id}, and {asked} in {model.id}, which doses by it; {mend}")


def _of_target(model: Model, one: TargetSpec) -> str:
    low, high = (("any" if limit is None else number(limit, 9)) for limit in (one.low, one.high))
    gap = number(one.course_gap * UNIT_MS[model.time_unit] / HOUR_MS)
    return f"{low} to {high} {one.unit} of a {one.measure} that ends after {gap} h"


def _of_toxicity(model: Model, one: ToxicitySpec) -> str:
    """Without its horizon: how far ahead is asked by the model that doses are chosen by."""
    hours = number(one.lasting * UNIT_MS[model.time_unit] / HOUR_MS)
    return f"{one.output} {one.side} {number(one.limit, 9)} {one.unit} for {hours} h"
