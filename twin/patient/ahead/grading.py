"""The toxicities of a model by another version of the criteria than its file is written in."""

from __future__ import annotations

from dataclasses import replace

from twin.model.measured.ctcae import Version, graded
from twin.model.spec import Model, ToxicitySpec


def by_version(model: Model, version: Version) -> Model:
    """A model whose toxicities are of the grades that they are, by a version of the CTCAE.

    A grade that the version does not have as a number, or that was not read of it, stays as the file has it, with the
    version that the file has.
    """
    if all(one.ctcae in (None, version) for one in model.toxicities):
        return model
    return replace(model, toxicities=tuple(_by_version(one, version) for one in model.toxicities))


def _by_version(toxicity: ToxicitySpec, version: Version) -> ToxicitySpec:
    if toxicity.criterion is None or toxicity.grade is None:
        return toxicity
    known = graded(toxicity.criterion, toxicity.grade, version)
    if known is None or (known.side, known.unit) != (toxicity.side, toxicity.unit):
        return toxicity
    return replace(toxicity, limit=known.limit, ctcae=version)
