"""The model library: published models as data, loaded by id or from a user's own file.

A model file is TOML that can be held against the paper line by line (see `twin/library` for examples); loading checks
names, formulas, dimensions, sources and Omega, so that a `Model` in hand is one that makes sense.

>>> load_model("docetaxel_ozawa2007").drug
'docetaxel'
"""

from __future__ import annotations

import difflib
import functools
from importlib.resources import files
from pathlib import Path

from twin.model.spec import (
    CadenceSpec,
    CitationSpec,
    CovariateSpec,
    DerivedSpec,
    ErrorSpec,
    InputSpec,
    Model,
    ModelError,
    NumericsSpec,
    OutlierSpec,
    OutputSpec,
    ParameterSpec,
    RegimenSpec,
    StateSpec,
    TargetSpec,
    ToxicitySpec,
)
from twin.modelfile.reader import parse_model

LARGEST = 1_000_000
"""Largest model file in bytes; those of the library have some 8,000."""


def library_ids() -> tuple[str, ...]:
    """Ids of the models that come with the package, sorted."""
    names = (entry.name for entry in files("twin").joinpath("library").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_model(id_or_path: str | Path) -> Model:
    """A model of the library by its id, or any model file by its path (a ``Path``, or text that ends in ``.toml``).

    Raises:
        ModelError: no such model, or a file that does not pass the checks.
    """
    if isinstance(id_or_path, Path) or id_or_path.endswith(".toml"):
        return _parse_once(text_of(Path(id_or_path)), Path(id_or_path).name)
    known = library_ids()
    if id_or_path not in known:
        close = difflib.get_close_matches(id_or_path, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"the library has {', '.join(known)}"
        raise ModelError(id_or_path, "", f"no such model; {hint}; a file of your own is named by its path")
    source = files("twin").joinpath("library", f"{id_or_path}.toml")
    model = _parse_once(source.read_text(encoding="utf-8"), f"{id_or_path}.toml")
    if model.id != id_or_path:
        raise ModelError(f"{id_or_path}.toml", "id", f"is '{model.id}'; a library file is named by its id")
    return model


# Checking dimensions costs tenths of a second, and a Model never changes.
@functools.lru_cache(maxsize=64)
def _parse_once(text: str, file: str) -> Model:
    return parse_model(text, file)


def text_of(path: Path) -> str:
    """The text of a model file.

    Raises:
        ModelError: a file that cannot be read, or is none of a model.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ModelError(path.name, "", f"has more than {LARGEST} bytes; this is not a model file")
        return path.read_text(encoding="utf-8")
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
    "library_ids",
    "load_model",
    "parse_model",
    "text_of",
]
