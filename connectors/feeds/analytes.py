"""Which outputs of a model are levels of a drug, and which are counts and other laboratory values."""

from __future__ import annotations

from twin.model.spec import Model, OutputSpec


def drug_of(output: OutputSpec, model: Model) -> str | None:
    """The drug whose level ``output`` is, if any, by a name or alias such as ``docetaxel`` or ``docetaxel_plasma``."""
    names = (output.name, *output.aliases)
    return next((d for d in model.drugs if any(n == d or n.startswith(f"{d}_") for n in names)), None)
