"""From a model to machine code: the functions of `twin.kernel.codegen`, compiled by Numba.

What runs is the source as it was generated just now. Each function is a module named by its source: a copy is kept in
the user's cache folder for people to read, and beside it what Numba compiled of it, bound to it by a seal
(`twin.kernel.compiling.sealed`). Models that differ by numbers alone so share what takes longest to compile.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from twin.arrays import Floats
from twin.kernel.arguments import Advance, IndividualParameters, InitialStates, LinearBlock, Timing, Weigh
from twin.kernel.cache import keep_text
from twin.kernel.codegen import generate, generate_stabilised
from twin.kernel.compiling.sealed import seal
from twin.kernel.delayed_input import entry_of
from twin.kernel.reads import reads_of
from twin.kernel.stiffness import is_stiff
from twin.model.budget import LARGEST_SOURCE
from twin.model.record_functions import resting
from twin.model.spec import Model, ModelError
from twin.model.structure import Structure, analyse

WORST_CONDITION = 1e8
"""A linear block whose eigenvectors are worse conditioned than this is stepped instead of solved."""


@dataclass(frozen=True)
class Kernel:
    """Compiled functions of one model and the layout of their arrays.

    Attributes:
        parameters: parameters, then derived values; columns of ``par``, in which what is not for people follows
            (`twin.model.structure.Structure.unweighed`).
        covariates: order of the covariate vector: the model's, then the columns of `record`.
        reference: (C,) the covariate vector while nothing is known of a patient and nothing was given.
        shaping, heeded: (C,) which of them the parameters and the linear block are made of, and which of them any
            function reads (`twin.kernel.reads`).
        outputs: names; output i is shown in row i of the output array at a mark, targets follow, then what
            likelihoods need besides.
        rows: per output, the rows that its likelihood reads (see `twin.model.spec.OutputSpec`).
        weigh: what doses are multiplied by when they are given; ``None`` where nothing is.
        source: what was generated of all functions, one after another.
        implicit: ``advance`` steps as stiff equations ask for, so that accuracy alone bounds its steps.
    """

    model: Model
    structure: Structure
    parameters: tuple[str, ...]
    covariates: tuple[str, ...]
    reference: Floats
    shaping: NDArray[np.bool_]
    heeded: NDArray[np.bool_]
    outputs: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    individual: IndividualParameters
    initial: InitialStates
    system: LinearBlock
    timing: Timing
    advance: Advance
    weigh: Weigh | None
    source: str
    implicit: bool = False

    @functools.cached_property
    def hash(self) -> str:
        """16 hex digits over the generated source: what computed the numbers, as the model's hash says of what."""
        return hashlib.blake2b(self.source.encode(), digest_size=8).hexdigest()

    def read(self, out: Floats, *outputs: int) -> Floats:
        """What the likelihood of a value reads, (R, N), of all rows at one mark (O, N): its output's, and others'
        beside it (`twin.observation.observation.Observation.reads`)."""
        return out[[row for output in outputs for row in self.rows[output]]]

    @property
    def width(self) -> int:
        """Columns of ``par``."""
        return len(self.parameters) + len(self.structure.unweighed)

    @property
    def height(self) -> int:
        """Rows of the output array at a mark."""
        shown = len(self.outputs) + len(self.model.targets)
        return shown + sum(len(output.further) for output in self.model.outputs)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Input calls, in the order of the input rate columns."""
        return self.structure.inputs

    @property
    def late(self) -> tuple[int, ...]:
        """Columns of the inputs whose doses enter at another time in every particle."""
        return tuple(self.inputs.index(call) for call in self.structure.late)

    @functools.cached_property
    def late_kinds(self) -> NDArray[np.int64]:
        """Kind of each late column (`twin.kernel.delayed_input`)."""
        return np.array([entry_of(call) for call in self.structure.late], dtype=np.int64)

    @property
    def record(self) -> tuple[str, ...]:
        """Functions of the patient's record that have a column of the covariate vector
        (`twin.model.record_functions`)."""
        return self.structure.record

    @property
    def linear(self) -> tuple[str, ...]:
        """States of the linear block, those of z (through V)."""
        return self.structure.linear

    @property
    def stepped(self) -> tuple[str, ...]:
        """States integrated by steps, those of y."""
        return self.structure.stepped


_KERNELS: dict[str, Kernel] = {}
_STABILISED: dict[str, Advance] = {}
_MODULES: dict[str, ModuleType] = {}
_COMPILING = Lock()


def compile_model(model: Model) -> Kernel:
    """The kernel of a model, compiled once per process and cached on disk.

    Raises:
        ModelError: the equations use an input in a way that cannot be compiled, or come to too much code.
        CacheError: others may write to the cache folder.
    """
    with _COMPILING:
        if model.hash not in _KERNELS:
            _KERNELS[model.hash] = _build(model)
        return _KERNELS[model.hash]


def stabilised(kernel: Kernel) -> Kernel:
    """The same kernel with an ``advance`` for long steps (`twin.kernel.loops.stabilised`), compiled once per process.

    Its hash is that of the kernel which it stands for. One that steps implicitly takes long steps as it is.
    """
    if kernel.implicit:
        return kernel
    with _COMPILING:
        if kernel.model.hash not in _STABILISED:
            source = generate_stabilised(kernel.model, kernel.structure)
            _STABILISED[kernel.model.hash] = compiled_module("stabilised", source).advance
        return replace(kernel, advance=_STABILISED[kernel.model.hash])


def _build(model: Model) -> Kernel:
    structure = analyse(model)
    defective = _defective_states(model, structure)
    if defective:
        structure = analyse(model, keep_stepped=defective)
    return _load(model, structure, implicit=is_stiff(model, structure))


def _compiled(model: Model, sources: Mapping[str, str]) -> dict[str, Any]:
    """The functions of these sources.

    Raises:
        ModelError: they come to too much code.
    """
    length = sum(map(len, sources.values()))
    if length > LARGEST_SOURCE:
        problem = f"come to {length} characters of code, over {LARGEST_SOURCE}"
        raise ModelError(
            model.id, "states", f"{problem}; split the model, or name what does not change under [derived]"
        )
    return {name: getattr(compiled_module(name, text), name) for name, text in sources.items()}


def _reference(model: Model, structure: Structure) -> Floats:
    """Covariates while none was reported, and the columns of a record in which nothing happened."""
    return np.array([c.reference for c in model.covariates] + [resting(column) for column in structure.record])


def _load(model: Model, structure: Structure, *, implicit: bool) -> Kernel:
    sources = generate(model, structure, implicit=implicit)
    compiled = _compiled(model, sources)
    covariates = tuple(c.name for c in model.covariates) + structure.record
    read = reads_of(model, structure)
    return Kernel(
        model=model,
        structure=structure,
        parameters=model.individual_names,
        covariates=covariates,
        reference=_reference(model, structure),
        shaping=np.array([name in read.shaping for name in covariates], dtype=bool),
        heeded=np.array([name in read.heeded for name in covariates], dtype=bool),
        outputs=tuple(o.name for o in model.outputs),
        rows=_likelihood_rows(model),
        individual=compiled["individual"],
        initial=compiled["initial"],
        system=compiled["system"],
        timing=compiled["timing"],
        advance=compiled["advance"],
        weigh=compiled.get("weigh"),
        source="".join(sources.values()),
        implicit=implicit,
    )


def _likelihood_rows(model: Model) -> tuple[tuple[int, ...], ...]:
    rows: list[tuple[int, ...]] = []
    at = len(model.outputs) + len(model.targets)
    for i, output in enumerate(model.outputs):
        rows.append(tuple(range(at, at + len(output.further))) or (i,))
        at += len(output.further)
    return tuple(rows)


def _defective_states(model: Model, structure: Structure) -> tuple[str, ...]:
    """Linear states of a block without a usable real eigenbasis (equal rates in a chain, oscillation)."""
    if not structure.linear:
        return ()
    compiled = _compiled(model, generate(model, structure, only=("individual", "system")))
    draws = np.random.Generator(np.random.Philox(key=1)).standard_normal((16, len(model.eta_names)))
    eta = np.zeros((len(draws), len(model.effect_names)))
    eta[:, : len(model.eta_names)] = draws @ np.linalg.cholesky(model.omega).T if model.eta_names else draws
    eta[0] = 0.0
    covariates = _reference(model, structure)
    par = np.empty((len(eta), len(model.individual_names) + len(structure.unweighed)))
    compiled["individual"](eta, covariates, par)
    size, inputs = len(structure.linear), len(structure.inputs)
    a, b, c = np.zeros((len(eta), size, size)), np.zeros((len(eta), size, inputs)), np.zeros((len(eta), size))
    compiled["system"](par, covariates, a, b, c)
    bad: list[str] = []
    for block in _connected(np.abs(a).sum(axis=0) > 0):
        values, vectors = np.linalg.eig(a[:, block][:, :, block])
        if np.iscomplexobj(values) or np.linalg.cond(vectors).max() > WORST_CONDITION:
            bad += [structure.linear[i] for i in block]
    return tuple(bad)


def _connected(nonzero: NDArray[np.bool_]) -> list[list[int]]:
    """Weakly connected groups of states of the linear block."""
    _, group = connected_components(nonzero, directed=True, connection="weak")
    return [np.flatnonzero(group == number).tolist() for number in range(group.max() + 1)]


def compiled_module(what: str, source: str) -> ModuleType:
    """Generated source as a module; its text is kept in the cache folder for people, and never read back.

    Raises:
        CacheError: others may write to the cache folder.
    """
    # Machine code from the cache looks its module up by name, so that no source may have the name of another.
    name = f"{what}_{hashlib.blake2b(source.encode(), digest_size=16).hexdigest()}"
    if name not in _MODULES:
        path = keep_text(f"{name}.py", source)
        module = ModuleType(f"dosetwin_{name}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        exec(compile(source, str(path), "exec"), vars(module))
        seal(module, source)
        _MODULES[name] = module
    return _MODULES[name]
