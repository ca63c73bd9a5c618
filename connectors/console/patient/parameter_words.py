"""What a parameter means and on what its number rests, as the model file says: for whoever reads "V1" or "Slope"."""

from __future__ import annotations

from twin.model.spec import ParameterSpec


def said_of(parameter: ParameterSpec) -> str | None:
    """What a parameter means; ``None`` where the file does not say it: a symbol means one thing here and another there.

    >>> from twin import load_model
    >>> by_name = {each.name: each for each in load_model("docetaxel_ozawa2007").parameters}
    >>> said_of(by_name["V1"])
    'volume of the central compartment'
    """
    return " ".join(parameter.note.split()) if parameter.note else None


def rests_on(parameter: ParameterSpec) -> str | None:
    """Where its number was published, or why it is assumed."""
    if parameter.source:
        return " ".join(parameter.source.split())
    return f"assumed: {' '.join(parameter.assumed.split())}" if parameter.assumed else None
