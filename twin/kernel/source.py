"""Source text under construction, and what the things of a model are called in it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from twin.clock import UNIT_HOURS
from twin.model.formula import to_source
from twin.model.record_functions import value_source
from twin.model.spec import Model
from twin.model.structure import Structure


class Lines:
    """Source text under construction."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, depth: int, *lines: str) -> None:
        """Append lines, indented by ``depth``."""
        self._lines += ["    " * depth + line for line in lines]

    def compiled(self, signature: str) -> None:
        """Append the head of a function for Numba to compile."""
        self.add(0, "@njit(nogil=True, error_model='numpy', no_cfunc_wrapper=True)", f"def {signature}:")

    def text(self) -> str:
        """Everything so far."""
        return "\n".join(self._lines) + "\n"


@dataclass(frozen=True)
class Scope:
    """A model and the local variables of its generated functions.

    Attributes:
        names: local variable of every model name: prefixed, so that no model name meets a Python one.
        record: local variables that hold the columns of the patient's record.
    """

    model: Model
    structure: Structure
    names: Mapping[str, str]
    record: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, structure: Structure) -> Scope:
        """The scope of a model."""
        names = [*model.individual_names, *structure.unweighed]
        names += [c.name for c in model.covariates] + [s.name for s in model.states]
        record = tuple(f"record_{i}" for i in range(len(structure.record)))
        hours = UNIT_HOURS[model.time_unit]
        values = {
            column: value_source(column, variable, hours)
            for column, variable in zip(structure.record, record, strict=True)
        }
        return cls(model, structure, {name: f"m_{name}" for name in names} | values | {"t": "time"}, record)

    @property
    def individual(self) -> tuple[str, ...]:
        """Columns of ``par``."""
        return (*self.model.individual_names, *self.structure.unweighed)

    def source(self, formula: ast.expr) -> str:
        """Scalar source of a formula in these variables."""
        return to_source(formula, self.names)

    def bind_covariates(self, lines: Lines, depth: int = 1) -> None:
        """Add local variables for the covariate vector ``cov``: the patient's, then the columns of the record."""
        variables = [f"m_{c.name}" for c in self.model.covariates] + [*self.record]
        lines.add(depth, *(f"{variable} = cov[{i}]" for i, variable in enumerate(variables)))
