"""From a model to machine code: one scalar loop body per model, compiled by Numba.

For every model three functions are generated as Python source and compiled with ``nogil``:

``individual(eta, covariates, par)``   individual parameters, typical * exp(eta) and covariate effects;
``system(par, covariates, A, B, c)``   the linear block dx/dt = A x + B u + c of `twin.structure`;
``advance(...)``                       particles through a schedule of steps.

Within ``advance`` a particle's linear block lives in the eigenbasis of A (z = W x, W = V^-1), where a quarter step
is z <- e z + f W(Bu + c) with e = exp(lambda h/4), f = (e - 1)/lambda, exact for a constant input; the stepped states
follow by Butcher's Runge-Kutta scheme of order 5, which needs the drivers just at quarters of a step. States and
parameters are local scalars; nothing depends on the other particles, so a cloud may be cut anywhere without changing
a bit. No fast-math: the same history gives the same bytes.

The source is kept in the user's cache folder, keyed by model and generator, so that Numba's own disk cache works.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.expressions import to_source
from twin.models import Model
from twin.structure import Equation, Structure, analyse

GENERATOR = 1
"""Raise when the generated code changes meaning, so that cached kernels are not reused."""

WORST_CONDITION = 1e8
"""A linear block whose eigenvectors are worse conditioned than this is stepped instead of solved."""

BUTCHER_STAGES: tuple[tuple[int, dict[int, str]], ...] = (
    (0, {}),
    (1, {1: "0.25"}),
    (1, {1: "0.125", 2: "0.125"}),
    (2, {2: "-0.5", 3: "1.0"}),
    (3, {1: "0.1875", 4: "0.5625"}),
    (4, {1: "(-3.0 / 7.0)", 2: "(2.0 / 7.0)", 3: "(12.0 / 7.0)", 4: "(-12.0 / 7.0)", 5: "(8.0 / 7.0)"}),
)
"""Butcher's Runge-Kutta scheme of order 5 (1964): per stage its node in quarters of a step, and weights of stages."""

BUTCHER_WEIGHTS = {1: "(7.0 / 90.0)", 3: "(32.0 / 90.0)", 4: "(12.0 / 90.0)", 5: "(32.0 / 90.0)", 6: "(7.0 / 90.0)"}
"""Weights of the stages in the step: those of Boole's rule."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kernel:
    """Compiled functions of one model and the layout of their arrays.

    Attributes:
        inputs: columns of the input rate array.
        parameters: columns of ``par`` (parameters, then derived values).
        covariates: order of the covariate vector.
        linear, stepped: states of z (through V) and y.
        outputs: rows of the output array at a mark.
    """

    model: Model
    structure: Structure
    parameters: tuple[str, ...]
    covariates: tuple[str, ...]
    outputs: tuple[str, ...]
    individual: Callable[[Floats, Floats, Floats], None]
    initial: Callable[..., None]
    system: Callable[..., None]
    advance: Callable[..., None]
    source: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Input calls, in the order of the input rate columns."""
        return self.structure.inputs

    @property
    def linear(self) -> tuple[str, ...]:
        """States of the linear block."""
        return self.structure.linear

    @property
    def stepped(self) -> tuple[str, ...]:
        """States integrated by steps."""
        return self.structure.stepped


_KERNELS: dict[str, Kernel] = {}
_COMPILING = Lock()


def compile_model(model: Model) -> Kernel:
    """The kernel of a model, compiled once per process and cached on disk.

    Raises:
        ModelError: the equations use an input in a way that cannot be compiled.
    """
    with _COMPILING:
        if model.hash not in _KERNELS:
            _KERNELS[model.hash] = _build(model, model.hash)
        return _KERNELS[model.hash]


def _build(model: Model, model_hash: str) -> Kernel:
    structure = analyse(model)
    kernel = _load(model, structure, model_hash)
    defective = _defective_states(kernel)
    if defective:
        structure = analyse(model, keep_stepped=defective)
        kernel = _load(model, structure, model_hash)
    return kernel


def _load(model: Model, structure: Structure, model_hash: str) -> Kernel:
    source = generate(model, structure)
    module = _module(source, f"kernel_{model_hash}")
    return Kernel(
        model=model,
        structure=structure,
        parameters=tuple(p.name for p in model.parameters) + tuple(d.name for d in model.derived),
        covariates=tuple(c.name for c in model.covariates),
        outputs=tuple(o.name for o in model.outputs),
        individual=module.individual,
        initial=module.initial,
        system=module.system,
        advance=module.advance,
        source=source,
    )


def _defective_states(kernel: Kernel) -> tuple[str, ...]:
    """Linear states of a block without a usable real eigenbasis (equal rates in a chain, oscillation)."""
    if not kernel.linear:
        return ()
    model = kernel.model
    draws = np.random.Generator(np.random.Philox(key=1)).standard_normal((16, len(model.eta_names)))
    eta = draws @ np.linalg.cholesky(model.omega).T if model.eta_names else draws
    eta[0] = 0.0
    covariates = np.array([c.reference for c in model.covariates])
    par = np.empty((len(eta), len(kernel.parameters)))
    kernel.individual(eta, covariates, par)
    size, inputs = len(kernel.linear), len(kernel.inputs)
    a, b, c = np.zeros((len(eta), size, size)), np.zeros((len(eta), size, inputs)), np.zeros((len(eta), size))
    kernel.system(par, covariates, a, b, c)
    bad: list[str] = []
    for block in _connected(np.abs(a).sum(axis=0) > 0):
        values, vectors = np.linalg.eig(a[:, block][:, :, block])
        if np.iscomplexobj(values) or np.linalg.cond(vectors).max() > WORST_CONDITION:
            bad += [kernel.linear[i] for i in block]
    return tuple(bad)


def _connected(nonzero: NDArray[np.bool_]) -> list[list[int]]:
    """Weakly connected groups of states of the linear block."""
    reach = nonzero | nonzero.T | np.eye(len(nonzero), dtype=bool)
    for _ in range(len(nonzero)):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    return [sorted(group) for group in {frozenset(np.flatnonzero(row).tolist()) for row in reach}]


# --- source generation -----------------------------------------------------------------------------------------------


class _Lines:
    """Source text under construction."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, depth: int, *lines: str) -> None:
        self._lines += ["    " * depth + line for line in lines]

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def generate(model: Model, structure: Structure) -> str:
    """Python source of the model's kernel module (see the module docstring for what it defines)."""
    lines = _Lines()
    lines.add(0, f'"""Generated from {model.id} ({model.hash}); generator {GENERATOR}."""', "import math", "")
    lines.add(0, "from numba import njit", "", "")
    _individual(lines, model)
    _initial(lines, model, structure)
    _system(lines, model, structure)
    _advance(lines, model, structure)
    return lines.text()


def _rename(model: Model) -> dict[str, str]:
    """Local variable of every model name: prefixed, so that no model name meets a Python one."""
    names = [p.name for p in model.parameters] + [d.name for d in model.derived]
    names += [c.name for c in model.covariates] + [s.name for s in model.states]
    return {name: f"m_{name}" for name in names} | {"t": "time"}


def _bind_covariates(lines: _Lines, depth: int, model: Model) -> None:
    lines.add(depth, *(f"m_{c.name} = cov[{i}]" for i, c in enumerate(model.covariates)))


def _bind_parameters(lines: _Lines, depth: int, model: Model) -> None:
    names = [p.name for p in model.parameters] + [d.name for d in model.derived]
    lines.add(depth, *(f"m_{name} = par[n, {i}]" for i, name in enumerate(names)))


def _head(lines: _Lines, signature: str) -> None:
    lines.add(0, "@njit(nogil=True, cache=True, error_model='numpy')", f"def {signature}:")


def _individual(lines: _Lines, model: Model) -> None:
    _head(lines, "individual(eta, cov, par)")
    _bind_covariates(lines, 1, model)
    lines.add(1, "for n in range(eta.shape[0]):")
    rename = _rename(model)
    for p in model.parameters:
        value = repr(float(p.value))
        if p.name in model.eta_names:
            value = f"{value} * math.exp(eta[n, {model.eta_names.index(p.name)}])"
        lines.add(2, f"m_{p.name} = {value}")
    # Covariate effects come after all typical values, so that an effect may read any of them.
    for p in model.parameters:
        if p.expression is not None:
            lines.add(2, f"i_{p.name} = {to_source(p.expression, rename)}")
    for p in model.parameters:
        if p.expression is not None:
            lines.add(2, f"m_{p.name} = i_{p.name}")
    for d in model.derived:
        lines.add(2, f"m_{d.name} = {to_source(d.expression, rename)}")
    names = [p.name for p in model.parameters] + [d.name for d in model.derived]
    lines.add(2, *(f"par[n, {i}] = m_{name}" for i, name in enumerate(names)), "pass")
    lines.add(0, "", "")


def _initial(lines: _Lines, model: Model, structure: Structure) -> None:
    _head(lines, "initial(par, cov, x, y)")
    _bind_covariates(lines, 1, model)
    lines.add(1, "for n in range(par.shape[0]):")
    _bind_parameters(lines, 2, model)
    rename = _rename(model)
    initial = {state.name: to_source(state.initial, rename) for state in model.states}
    lines.add(2, *(f"x[n, {i}] = {initial[name]}" for i, name in enumerate(structure.linear)))
    for i, name in enumerate(structure.stepped):
        if name in structure.growing:
            lines.add(2, f"q = {initial[name]}", f"y[n, {i}] = math.log(q) if q > 0.0 else -math.inf")
        else:
            lines.add(2, f"y[n, {i}] = {initial[name]}")
    lines.add(0, "", "")


def _system(lines: _Lines, model: Model, structure: Structure) -> None:
    _head(lines, "system(par, cov, a, b, c)")
    _bind_covariates(lines, 1, model)
    lines.add(1, "for n in range(par.shape[0]):")
    _bind_parameters(lines, 2, model)
    rename = _rename(model)
    for row, name in enumerate(structure.linear):
        equation = structure.equations[name]
        for column, other in enumerate(structure.linear):
            if other in equation.states:
                lines.add(2, f"a[n, {row}, {column}] = {to_source(equation.states[other], rename)}")
        for column, call in enumerate(structure.inputs):
            if call in equation.inputs:
                lines.add(2, f"b[n, {row}, {column}] = {to_source(equation.inputs[call], rename)}")
        if equation.rest is not None:
            lines.add(2, f"c[n, {row}] = {to_source(equation.rest, rename)}")
    lines.add(2, "pass")
    lines.add(0, "", "")


def _advance(lines: _Lines, model: Model, structure: Structure) -> None:
    size, stepped, inputs = len(structure.linear), structure.stepped, structure.inputs
    _head(
        lines,
        "advance(z, y, par, cov, lam, v, w, bw, cw, "
        "start, dt, row, rates, kick_from, kick_column, kick_amount, mark, out)",
    )
    _bind_covariates(lines, 1, model)
    lines.add(1, "for n in range(par.shape[0]):")
    _bind_parameters(lines, 2, model)
    for i in range(size):
        lines.add(2, f"z{i} = z[n, {i}]", f"l{i} = lam[n, {i}]", f"c{i} = 0.0", f"e{i} = 1.0", f"f{i} = 0.0")
    lines.add(2, *(f"y{i} = y[n, {i}]" for i in range(len(stepped))))
    lines.add(
        2, *(f"v_{d}_{i} = v[n, {structure.linear.index(d)}, {i}]" for d in structure.drivers for i in range(size))
    )
    lines.add(2, "previous = -1.0", "held = -1", "for k in range(dt.shape[0]):")
    _kicks(lines, model, structure)
    lines.add(3, "if row[k] != held:", "    held = row[k]")
    for i in range(size):
        terms = "".join(f" + bw[n, {i}, {j}] * rates[held, {j}]" for j in range(len(inputs)))
        lines.add(4, f"c{i} = cw[n, {i}]{terms}")
    lines.add(3, "h = dt[k]", "quarter = 0.25 * h", "if h != previous:", "    previous = h")
    for i in range(size):
        # Near a zero eigenvalue (an area under a curve) the quotient is 0/0; its limit is the step itself.
        lines.add(
            4,
            f"q = math.expm1(l{i} * quarter)",
            f"e{i} = q + 1.0",
            f"f{i} = q / l{i} if abs(l{i} * quarter) > 1e-12 else quarter",
        )
    for i in range(size):
        lines.add(
            3, f"p0_{i} = z{i}", *(f"p{j + 1}_{i} = e{i} * p{j}_{i} + f{i} * c{i}" for j in range(4)), f"z{i} = p4_{i}"
        )
    _runge_kutta(lines, model, structure)
    lines.add(3, "if mark[k] >= 0:")
    _outputs(lines, model, structure)
    lines.add(
        2, *(f"z[n, {i}] = z{i}" for i in range(size)), *(f"y[n, {i}] = y{i}" for i in range(len(stepped))), "pass"
    )


def _kicks(lines: _Lines, model: Model, structure: Structure) -> None:
    """Impulses at the start of a step: of an input (column >= 0) or the reset of a state to zero (column < 0).

    A reset names its state by ``-1 - i``, i counting the linear states first and the stepped ones after them.
    """
    size, rename = len(structure.linear), _rename(model)
    lines.add(
        3,
        "for j in range(kick_from[k], kick_from[k + 1]):",
        "    column = kick_column[j]",
        "    amount = kick_amount[j]",
    )
    lines.add(4, "if column < 0:", "    r = -1 - column", f"    if r < {size}:", "        amount = 0.0")
    lines.add(6, *(f"amount -= v[n, r, {i}] * z{i}" for i in range(size)))
    lines.add(6, *(f"z{i} += w[n, {i}, r] * amount" for i in range(size)))
    for i, name in enumerate(structure.stepped):
        lines.add(5, f"if r == {size + i}:", f"    y{i} = {'-math.inf' if name in structure.growing else '0.0'}")
    lines.add(4, "else:", *(f"    z{i} += bw[n, {i}, column] * amount" for i in range(size)), "    pass")
    for column, call in enumerate(structure.inputs):
        entered = [(i, structure.equations[name].inputs.get(call)) for i, name in enumerate(structure.stepped)]
        for i, coefficient in entered:
            if coefficient is not None:
                lines.add(5, f"if column == {column}:", f"    y{i} += ({to_source(coefficient, rename)}) * amount")


def _stage(lines: _Lines, model: Model, structure: Structure, stage: int, point: str, states: list[str]) -> None:
    """Derivatives of the stepped states at one Runge-Kutta stage, drivers taken from modal values ``point``."""
    size = len(structure.linear)
    for d in structure.drivers:
        lines.add(3, f"m_{d} = " + (" + ".join(f"v_{d}_{i} * {point}{i}" for i in range(size))))
    lines.add(3, *(f"m_{name} = {_natural(name, states[i], structure)}" for i, name in enumerate(structure.stepped)))
    for i, name in enumerate(structure.stepped):
        lines.add(3, f"k{stage}_{i} = {_stepped_rate(structure.equations[name], structure, _rename(model))}")


def _stepped_rate(equation: Equation, structure: Structure, rename: dict[str, str]) -> str:
    terms = [] if equation.rest is None else [f"({to_source(equation.rest, rename)})"]
    for column, call in enumerate(structure.inputs):
        if call in equation.inputs:
            terms.append(f"({to_source(equation.inputs[call], rename)}) * rates[held, {column}]")
    return " + ".join(terms) or "0.0"


def _runge_kutta(lines: _Lines, model: Model, structure: Structure) -> None:
    count = len(structure.stepped)
    if not count:
        return
    for stage, (quarter, weights) in enumerate(BUTCHER_STAGES, start=1):
        lines.add(3, f"time = start[k] + {quarter} * quarter")
        states = [f"y{i}" + _increment(weights, i) for i in range(count)]
        _stage(lines, model, structure, stage, f"p{quarter}_", states)
    lines.add(3, *(f"y{i} +=" + _increment(BUTCHER_WEIGHTS, i).removeprefix(" +") for i in range(count)))


def _increment(weights: dict[int, str], state: int) -> str:
    terms = " + ".join(f"{weight} * k{stage}_{state}" for stage, weight in weights.items())
    return f" + h * ({terms})" if terms else ""


def _natural(name: str, value: str, structure: Structure) -> str:
    return f"math.exp({value})" if name in structure.growing else value


def _outputs(lines: _Lines, model: Model, structure: Structure) -> None:
    size, rename = len(structure.linear), _rename(model)
    lines.add(4, "time = start[k] + h")
    for r, name in enumerate(structure.linear):
        lines.add(4, f"m_{name} = " + (" + ".join(f"v[n, {r}, {i}] * z{i}" for i in range(size))))
    lines.add(4, *(f"m_{name} = {_natural(name, f'y{i}', structure)}" for i, name in enumerate(structure.stepped)))
    lines.add(4, *(f"out[mark[k], {i}, n] = {to_source(o.expression, rename)}" for i, o in enumerate(model.outputs)))
    targets = [target.state for target in model.targets]
    lines.add(4, *(f"out[mark[k], {len(model.outputs) + i}, n] = m_{name}" for i, name in enumerate(targets)))


def _module(source: str, name: str) -> ModuleType:
    """Import generated source from the cache folder (writing it first when it is new)."""
    key = hashlib.blake2b(source.encode(), digest_size=8).hexdigest()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dosetwin" / "kernels"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / f"{name}_{key}.py"
    if not path.exists():
        # Written aside and renamed, so that a second process never imports half a file.
        handle, temporary = tempfile.mkstemp(dir=home, suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            file.write(source)
        Path(temporary).replace(path)
    spec = importlib.util.spec_from_file_location(f"dosetwin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import generated kernel {path.name}")
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module  # type: ignore[no-any-return]
