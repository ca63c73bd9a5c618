"""Models: those of the library and one's own files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twin.model.spec import Model
from twin.modelfile.library import library_ids
from twin.modelfile.library import load_model as load

ModelLike = Model | str | Path
"""A model, or how `load_model` finds it."""


def load_model(id_or_path: str | Path) -> Model:
    """A model of the library by its id, or any model file by its path (a ``Path``, or text that ends in ``.toml``).

    Raises:
        ModelError: no such model, or a file that does not pass the checks; the message names file, key and mend.

    >>> load_model("docetaxel_ozawa2007")
    <Model docetaxel_ozawa2007: docetaxel, dexamethasone; docetaxel_plasma (mg/L), neutrophils (10*9/L)>
    """
    return load(id_or_path)


def library() -> tuple[str, ...]:
    """Ids of the models that come with the package, sorted.

    >>> "docetaxel_ozawa2007" in library()
    True
    """
    return library_ids()


def the_model(model: ModelLike, *, mixtures: bool = False) -> Model:
    """The model that an argument ``model`` is; ``mixtures`` says whether it may be one of classes that nobody sees.

    Raises:
        ModelError: no such model.
        TypeError: it is something else.
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, str | Path):
        return load(model, mixtures=mixtures)
    raise TypeError(f"model: {model!r} is no model; give one of load_model, an id of the library or a path")


def the_models(models: ModelLike | Sequence[ModelLike]) -> list[Model]:
    """One model, or several that an argument ``model`` lists.

    Raises:
        ModelError, TypeError: as `the_model`.
    """
    if isinstance(models, Sequence) and not isinstance(models, str):
        return [the_model(model) for model in models]
    return [the_model(models)]
