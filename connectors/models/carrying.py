"""From a foreign model to a model file: read by its language, written, and read again by our own reader."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.models.characteristics import references, usual
from connectors.models.drawn import Drawn
from connectors.models.effects import draw
from connectors.models.formulas import call, mapped
from connectors.models.source import Entry, Lost, Source, SourceError
from connectors.models.sources import mrgsolve, nlmixr, nonmem, sbml
from connectors.models.units import infer
from connectors.models.writing import Asked, model_text
from twin.model.budget import LARGEST_FILE
from twin.model.spec import Model, ModelError
from twin.modelfile.reader import parse_model

LANGUAGES: Mapping[str, Callable[[str, str, str], Source]] = {
    "nonmem": nonmem.read,
    "mrgsolve": mrgsolve.read,
    "nlmixr2": nlmixr.read,
    "sbml": sbml.read,
}
"""Languages that are read, each by a function of text, file name and drug."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A model file made of a source: its text, the model that it is, and what it could not carry."""

    text: str
    model: Model
    lost: tuple[Lost, ...]


def language_of(text: str, file: str) -> str:
    """Which language a text is in, by what only one of them has.

    Raises:
        SourceError: none that is known.
    """
    if re.search(r"\bini\s*\(\s*\{", text) and re.search(r"\bmodel\s*\(\s*\{", text):
        return "nlmixr2"
    if re.search(r"<sbml\b|<\w+:sbml\b", text):
        return "sbml"
    if re.search(r"^\s*(\$\s*|\[\s*)(PARAM|CMT|INIT|MAIN|ODE|PKMODEL|CAPTURE)\b", text, re.MULTILINE):
        return "mrgsolve"
    if re.search(r"^\s*\$\s*(PRO|PK|PRED|SUB|EST|INP)", text, re.IGNORECASE | re.MULTILINE):
        return "nonmem"
    if file.lower().endswith(".toml"):
        raise SourceError(file, None, "is a model file, or none of a program's; 'dosetwin models check' looks at it")
    raise SourceError(file, None, f"is in no language that is known; say which with --from: {', '.join(LANGUAGES)}")


def carry(
    text: str,
    file: str,
    *,
    language: str | None = None,
    drug: str = "drug",
    id: str | None = None,
    time_unit: str | None = None,
    units: Mapping[str, str] | None = None,
    given: Mapping[str, float] | None = None,
    dose_into: str | None = None,
) -> Carried:
    """A model file of a source's text; ``units`` and reference values (``given``) of names that the source leaves open.

    ``dose_into`` is the state that doses enter where the source does not say, or says another.

    Raises:
        SourceError: what cannot be read, with its line.
    """
    if len(text) > LARGEST_FILE:
        raise SourceError(file, None, f"has more than {LARGEST_FILE} characters; this is no model")
    source = LANGUAGES[language or language_of(text, file)](text, file, drug)
    if dose_into is not None:
        _dose(source, dose_into, drug)
    return written(source, drug, id, time_unit, units or {}, given or {})


def _dose(source: Source, state: str, drug: str) -> None:
    """Let doses enter a state; fraction and lag stay with the one that the source has them for."""
    if state not in [each.name for each in source.states]:
        known = ", ".join(each.name for each in source.states)
        raise SourceError(source.file, None, f"has no state {state} for doses to enter; it has {known}")
    if [entry.state for entry in source.entries] != [state]:
        source.entries = [Entry(state, drug)]


def written(
    source: Source,
    drug: str,
    id: str | None,
    time_unit: str | None,
    units: Mapping[str, str],
    given: Mapping[str, float],
) -> Carried:
    """A model file of what was read: with units where its formulas allow one reading, else of plain numbers.

    Raises:
        SourceError: the model language cannot say it.
    """
    source.references |= given
    drawn = draw(source, {theta: word for word, theta in source.aliases.items()})
    asked = Asked(id or _id(source.file), drug, time_unit, units, references(source))
    unknown = [word for word in (*units, *given) if word not in _known(drawn)]
    if unknown:
        raise SourceError(
            source.file, None, f"has nothing called {unknown[0]}; it has {', '.join(sorted(_known(drawn)))}"
        )
    found = _tried(drawn, asked)
    if (isinstance(found, ModelError) and "has no value" in found.problem) or "have no value" in str(found):
        _guard(drawn)
        found = _tried(drawn, asked)
    if isinstance(found, ModelError):
        raise SourceError(source.file, None, f"cannot be said as a model file: {found.key}: {found.problem}")
    return found


def _known(drawn: Drawn) -> set[str]:
    every = (
        [p.name for p in drawn.parameters]
        + [s.name for s in drawn.source.states]
        + [o.name for o in drawn.source.observed]
    )
    return {*every, *drawn.definitions, *drawn.covariates}


def _tried(drawn: Drawn, asked: Asked) -> Carried | ModelError:
    """The file with units that fit, or of plain numbers, or why it is none."""
    time = asked.time_unit or drawn.source.time_unit or "h"
    of_covariates = {w: asked.covariate_unit(w) for w in drawn.covariates if w in asked.units or usual(w) is not None}
    known = {word: unit for word, unit in asked.units.items() if word not in of_covariates}
    file = f"{asked.id}.toml"
    for bare in (False, True):
        worked_out = infer(drawn, time, known, of_covariates, bare=bare)
        if worked_out is not None:
            text, lost = model_text(drawn, asked, worked_out)
            with contextlib.suppress(ModelError):
                return Carried(text, parse_model(text, file), tuple(lost))
    text, lost = model_text(drawn, asked, None)
    try:
        return Carried(text, parse_model(text, file), tuple(lost))
    except ModelError as error:
        return error


def _guard(drawn: Drawn) -> None:
    """Let the logarithm of 0, which a source avoids by a test, have a value: here both sides are worked out."""

    def guarded(formula: ast.expr) -> ast.expr:
        def change(each: ast.expr) -> ast.expr:
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "log":
                return call("log", call("max", each.args[0], ast.Constant(1e-30)))
            return each

        return mapped(formula, change)

    source = drawn.source
    drawn.definitions = {word: guarded(each) for word, each in drawn.definitions.items()}
    source.states = [dataclasses.replace(state, derivative=guarded(state.derivative)) for state in source.states]
    source.lose(0, "the logarithm of what is below 1e-30 is taken as that of 1e-30")


def _id(file: str) -> str:
    stem = re.sub(r"\W+", "_", Path(file).stem).strip("_").lower()
    return (stem if re.match(r"[a-z]", stem) else f"model_{stem}")[:60]
