"""The model library: published models as data, loaded by id or from a user's own file.

A model file is TOML that can be held against the paper line by line (see `twin/library` for examples); loading checks
names, formulas, dimensions, sources and Omega, so that a `Model` in hand is one that makes sense. An installed package
adds model files by naming the package that they are in, in the entry point group ``dosetwin.models``.

>>> load_model("docetaxel_ozawa2007").drug
'docetaxel'
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType

from twin.model.budget import LARGEST_FILE
from twin.model.evidence import CitationSpec
from twin.model.measured.error import ErrorSpec, OutlierSpec
from twin.model.spec import (
    CadenceSpec,
    CovariateSpec,
    DerivedSpec,
    InputSpec,
    Model,
    ModelError,
    NumericsSpec,
    OutputSpec,
    ParameterSpec,
    RegimenSpec,
    StateSpec,
    TargetSpec,
    ToxicitySpec,
)
from twin.modelfile.reader import parse_model
from twin.registry import OURS, Found, Gathering, PluginError, entry_points_of, nearest

GROUP = "dosetwin.models"


@functools.cache
def library() -> Found[Traversable]:
    """Every model file by the model's id, ours and those of installed packages, and what of these cannot be used."""
    gathering = Gathering[Traversable]("model")
    for name, file in _model_files(files("twin").joinpath("library")):
        gathering.take(name, OURS, "", file)
    for candidate in entry_points_of(GROUP):
        try:
            found = list(_model_files(_folder(candidate.imported())))
        except PluginError as error:
            gathering.refuse(candidate.name, candidate.origin, error)
        else:
            for name, file in found:
                gathering.take(name, candidate.origin, "", file)
    return gathering.found()


def library_ids() -> tuple[str, ...]:
    """Ids of the models that come with dosetwin and with the packages beside it, sorted."""
    return library().names


def loaded_library() -> Found[Model]:
    """Every model of the library, loaded; one that does not pass the checks is among the broken."""
    gathering = Gathering[Model]("model")
    for plugin in library().plugins:
        try:
            model = load_model(plugin.name)
        except (ModelError, OSError) as error:
            mend = f"correct the file, or get {plugin.origin} anew"
            gathering.refuse(plugin.name, plugin.origin, PluginError(str(error), mend))
        else:
            gathering.take(model.id, plugin.origin, model.title, model)
    for broken in library().broken:
        gathering.refuse(broken.name, broken.origin, PluginError(broken.reason, broken.mend))
    return gathering.found()


_NO_MODELS = {
    frozenset({".csv", ".tsv", ".dat", ".nmtran", ".ndjson", ".npz"}): (
        "is a table of records or what was made of one, and no model; name the model's id or its file, as my.toml, and"
        " records as the other files of the command"
    ),
    frozenset({".mod", ".ctl", ".cpp", ".r", ".xml", ".sbml"}): (
        "is a model of another program; bring it over with 'dosetwin models import' and name the file that it writes"
    ),
}
"""What is said of files that are named where a model is wanted, by how their names end."""


@functools.cache
def library_drugs() -> frozenset[str]:
    """Every drug that a model of the library knows."""
    return frozenset(drug for model in loaded_library().offers for drug in model.drugs)


def load_model(id_or_path: str | Path, *, mixtures: bool = False) -> Model:
    """A model of the library by its id, or any model file by its path (a ``Path``, or text that ends in ``.toml``).

    Args:
        mixtures: whether whoever asks can follow patients of classes that nobody sees (`Model.mixture`).

    Raises:
        ModelError: no such model, a file that does not pass the checks, or a mixture that nobody asked for.
    """
    model = _load(id_or_path)
    if model.mixture is not None and not mixtures:
        name = model.mixture.covariate
        raise ModelError(
            f"{model.id}.toml",
            "mixture",
            "is of classes that nobody sees, and here every patient is of one that is known; fix it first: delete"
            f" [mixture], then {name} can be reported, and its reference, one of {_levels(model, name)}, stands where"
            " it is not",
        )
    return model


def _levels(model: Model, covariate: str) -> str:
    of = next(one for one in model.covariates if one.name == covariate)
    return ", ".join(f"{value:g} ({name})" for name, value in of.levels)


def _load(id_or_path: str | Path) -> Model:
    suffixes = {suffix.lower() for suffix in Path(id_or_path).suffixes}
    for kind, what in _NO_MODELS.items():
        if kind & suffixes:
            raise ModelError(str(id_or_path), "", what)
    if isinstance(id_or_path, Path) or id_or_path.endswith(".toml"):
        return _parse_once(text_of(Path(id_or_path)), Path(id_or_path).name)
    found = library().named(id_or_path)
    if found is None:
        hint = nearest(id_or_path, library_ids())
        if not hint.startswith("did you mean"):
            hint = f"{len(library_ids())} have other names ('dosetwin models list')"
        raise ModelError(id_or_path, "", f"no such model; {hint}; a file of your own is named by its path")
    file = found.offer
    text = text_of(file) if isinstance(file, Path) else file.read_text(encoding="utf-8")
    model = _parse_once(text, file.name)
    if model.id != id_or_path:
        raise ModelError(f"{id_or_path}.toml", "id", f"is '{model.id}'; a library file is named by its id")
    return model


def _folder(offered: object) -> Traversable:
    """The folder of a package.

    Raises:
        PluginError: it is no package, or has no model files.
    """
    if not isinstance(offered, ModuleType) or not hasattr(offered, "__path__"):
        raise PluginError("is no package", "name the package (folder) that the model files are in")
    folder = files(offered)
    if not any(_model_files(folder)):
        raise PluginError("has no model file", "name the package (folder) that the files, ID.toml each, are in")
    return folder


def _model_files(folder: Traversable) -> Iterable[tuple[str, Traversable]]:
    """Id and file of each model in a folder, sorted."""
    found = {file.name: file for file in folder.iterdir() if file.name.endswith(".toml")}
    return ((name.removesuffix(".toml"), found[name]) for name in sorted(found))


# Checking dimensions costs tenths of a second, and a Model never changes. Were there room for no more than the library,
# one model beside it would have all of it read anew each time that somebody goes through it.
@functools.lru_cache(maxsize=256)
def _parse_once(text: str, file: str) -> Model:
    return parse_model(text, file)


def text_of(path: Path) -> str:
    """The text of a model file.

    Raises:
        ModelError: a file that cannot be read, or is none of a model.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(path.name, "", f"has more than {LARGEST_FILE} bytes; this is not a model file")
        return path.read_text(encoding="utf-8-sig")  # what some editors begin a file with is no part of it
    except UnicodeDecodeError:
        raise ModelError(path.name, "", "is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ModelError(path.name, "", f"cannot be read ({error.strerror}); check the path {path}") from None


__all__ = [
    "CadenceSpec",
    "CitationSpec",
    "CovariateSpec",
    "DerivedSpec",
    "ErrorSpec",
    "InputSpec",
    "Model",
    "ModelError",
    "NumericsSpec",
    "OutlierSpec",
    "OutputSpec",
    "ParameterSpec",
    "RegimenSpec",
    "StateSpec",
    "TargetSpec",
    "ToxicitySpec",
    "library",
    "library_drugs",
    "library_ids",
    "load_model",
    "loaded_library",
    "parse_model",
    "text_of",
]
