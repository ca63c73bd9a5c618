"""A model file as a control stream of NONMEM: ADVAN13 with $DES, each output by its DVID.

Parameters keep their typical values as $THETA, residual sizes too; what a fit of the file leaves as it is ([fit]) is
FIXed. Doses enter the compartments that the head lists. Effects of an occasion are written for four, told apart by the
data item OCC.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection

import numpy as np

from connectors.models.exports.parts import Dose, ExportError, Lines, blocks, continuous, plain_states, unique
from twin.model.formula import FUNCTIONS
from twin.model.spec import Model, OutputSpec, ParameterSpec
from twin.observation.deviation import PREDICTION, parsed
from twin.observation.residual_correlation import correlation_of

OCCASIONS = 4
_LONGEST = 20
_MEANT = re.compile(r"(F|S|R|D|K|V|A|E|ALAG|XD|XR|MTIME|MTDIFF|MU_?|THETA|ETA|EPS|ERR|W|Y|P|T)\d*$")
_TAKEN = frozenset({
    "ID", "TIME", "AMT", "RATE", "EVID", "MDV", "CMT", "DV", "DVID", "OCC", "II", "SS", "ADDL", "F", "Y", "W",
    "T", "IPRED", "NEWIND", "ICALL", "DADT", "A_0", "LOG", "EXP", "SQRT", "SIN", "COS", "ABS", "INT",
})  # fmt: skip


def write(model: Model) -> tuple[str, list[str]]:
    """The control stream, and what it does not carry.

    Raises:
        ExportError: the model cannot be said there.
    """
    return _Stream(model).text()


class _Stream:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.outputs, self.lost = continuous(model)
        self.states, self.changes, self.doses = plain_states(model)
        every = [c.name for c in model.covariates] + list(model.individual_names)
        self.names = unique(every, _name, _TAKEN)
        self.bases = unique([f"{p.name}_B" for p in model.parameters], _name, {*_TAKEN, *self.names.values()})
        self.amounts = {state.name: f"A({at})" for at, state in enumerate(self.states, start=1)}
        self.thetas: list[str] = []
        self.effects: dict[tuple[str, str], str] = {}
        self.residuals: dict[str, int] = {}

    def text(self) -> tuple[str, list[str]]:
        model = self.model
        omega = self._omega()
        pk = self._pk()
        des = self._des()
        sigma = self._sigma()
        error = self._error()
        mix = self._mix()
        hidden = None if model.mixture is None else model.mixture.covariate
        covariates = " ".join(self.names[c.name] for c in model.covariates if c.name != hidden)
        doses = "AMT RATE " if self.doses else ""
        occasion = "" if not model.iov_names else " OCC"
        together = " L2" if len(sigma) > 1 else ""
        if model.iov_names:
            self.lost.append(f"occasions: the data item OCC, 1 to {OCCASIONS}, has to say which one a record is of")
        if model.sites is not None:
            word = self.names[model.sites.covariate]
            self.lost.append(f"sites: patients of one {word} have to follow one another in the data ($LEVEL)")
        head = [
            f"$PROBLEM {_plain(model.title)}",
            f"; {model.id}, hash {model.hash}; time in {model.time_unit}, doses in mg",
        ]
        head += [
            f"; doses of {dose.drug}: CMT {dose.state}{', RATE=-2' if dose.duration else ''}" for dose in self.doses
        ]
        head += [f"; DVID {at}: {output.name} ({output.unit})" for at, output in enumerate(self.outputs, start=1)]
        head += [f"; not carried: {each}" for each in self.lost]
        head += [
            f"$INPUT ID TIME {doses}EVID MDV CMT DV DVID{occasion}{together} {covariates}".rstrip(),
            "$DATA data.csv IGNORE=@",
        ]
        head += ["$SUBROUTINES ADVAN13 TOL=9", "$MODEL"]
        first = self.doses[0].state if self.doses else 0
        for at, state in enumerate(self.states, start=1):
            head.append(f"  COMP=({_name(state.name)[:10]}X{at}{',DEFDOSE' if at == first else ''})")
        tail = [
            *(f"$THETA {each}" for each in self.thetas),
            *omega,
            *self._level(),
            *sigma,
            "$ESTIMATION METHOD=1 INTER MAXEVAL=9999",
        ]
        return "\n".join([*head, *mix, "$PK", *pk, "$DES", *des, "$ERROR", *error, *tail]) + "\n", self.lost

    def _lines(self, prefix: str, time: str, names: dict[str, str]) -> Lines:
        functions = {word: "INT" if word == "floor" else word.upper() for word in FUNCTIONS}
        return Lines(
            {**names, "t": time},
            lambda base, exponent: f"({base}**{exponent})",
            lambda word, value: f"  {word} = {value}",
            lambda test, word, value: f"  IF ({_fortran(test)}) {word} = {value}",
            functions,
            prefix=prefix,
        )

    def _theta(self, value: float, named: str, comment: str, *, low: bool = False, high: float | None = None) -> str:
        """A number that a fit calls ``named``, above 0 if it has a ``low`` bound."""
        bounds = [repr(each) for each in (0, value, high) if each is not None]
        said = f"({', '.join(bounds)})" if low and value > 0 else repr(value)
        self.thetas.append(f"{f'{value!r} FIX' if named in self.model.fixed else said} ; {comment}")
        return f"THETA({len(self.thetas)})"

    def _fixes(self, level: str, names: Collection[str]) -> bool:
        """Whether a number of these effects of a level is left as it is: all their block then is."""
        said = [each.split(".") for each in self.model.fixed]
        return any(first == level and set(names) & set(of) for first, *of in said)

    # --- effects -----------------------------------------------------------------------------------------------------

    def _omega(self) -> list[str]:
        model = self.model
        lines: list[str] = []
        count = 0
        for group in blocks(model.eta_names, model.omega_iiv):
            for at in group:
                count += 1
                self.effects[model.eta_names[at], "iiv"] = f"ETA({count})"
            names = [model.eta_names[at] for at in group]
            lines += _block(model.omega_iiv, group, names, fixed=self._fixes("omega", names))
        for group in blocks(model.isv_names, model.omega_isv):
            for at in group:
                count += 1
                self.effects[model.isv_names[at], "isv"] = f"ETA({count})"
            names = [model.isv_names[at] for at in group]
            said = [f"{name}, sites" for name in names]
            lines += _block(model.omega_isv, group, said, fixed=self._fixes("isv", names))
        for group in blocks(model.iov_names, model.omega_iov):
            for at in group:
                self.effects[model.iov_names[at], "iov"] = f"KAPPA{at + 1}"
            names = [model.iov_names[at] for at in group]
            said = [f"{name}, occasions" for name in names]
            lines += _block(model.omega_iov, group, said, fixed=self._fixes("iov", names), always=True)
            lines += [f"$OMEGA BLOCK({len(group)}) SAME"] * (OCCASIONS - 1)
            for place, at in enumerate(group):
                numbers = [count + place + 1 + k * len(group) for k in range(OCCASIONS)]
                self.occasions = getattr(self, "occasions", [])
                self.occasions += [f"  KAPPA{at + 1} = 0"]
                self.occasions += [
                    f"  IF (OCC.EQ.{k}) KAPPA{at + 1} = ETA({n})" for k, n in enumerate(numbers, start=1)
                ]
            count += OCCASIONS * len(group)
        return lines or ["$OMEGA 0 FIX"]

    def _sigma(self) -> list[str]:
        """Residuals in units of W: one for all outputs, and one for each whose residual correlates with others'."""
        errors = [o.error for o in self.model.outputs]
        correlation = correlation_of(errors)
        groups = [group for group in blocks([o.name for o in self.model.outputs], correlation) if len(group) > 1]
        lines, count = ["$SIGMA 1 FIX"], 1
        for group in groups:
            for at in group:
                count += 1
                self.residuals[self.model.outputs[at].name] = count
            head, *rows = _block(correlation, group, [self.model.outputs[at].name for at in group], fixed=True)
            lines += [head.replace("$OMEGA", "$SIGMA"), *rows]
        if groups:
            self.lost.append("values that were measured together have to have one L2; their correlations stay fixed")
        return lines

    def _level(self) -> list[str]:
        """Which effects of a site stand above which of its patients."""
        sites = self.model.sites
        if sites is None:
            return []
        pairs = [
            f"{self.effects[name, 'isv'][4:-1]}[{self.effects[name, 'iiv'][4:-1]}]" for name in self.model.isv_names
        ]
        return [f"$LEVEL {self.names[sites.covariate]}=({','.join(pairs)})"]

    def _mix(self) -> list[str]:
        """Shares of the classes of a mixture, all but the last of them estimated."""
        mixture = self.model.mixture
        if mixture is None:
            return []
        count, shares = len(mixture.classes), []
        named = next((each for each in self.model.fixed if each.startswith("share.")), "")
        for of, share in zip(mixture.classes[:-1], mixture.shares, strict=False):
            shares.append(self._theta(share, named, f"share of {of}", low=True, high=1))
        lines = [f"  P({at}) = {share}" for at, share in enumerate(shares, start=1)]
        return ["$MIX", f"  NSPOP = {count}", *lines, f"  P({count}) = 1 - {' - '.join(shares)}"]

    def _pk(self) -> list[str]:
        model = self.model
        lines = list(getattr(self, "occasions", []))
        if model.mixture is not None:
            word = self.names[model.mixture.covariate]
            lines.append(f"  {word} = {model.mixture.values[0]!r}")
            for at, value in enumerate(model.mixture.values[1:], start=2):
                lines.append(f"  IF (MIXNUM.EQ.{at}) {word} = {value!r}")
        bases: dict[str, str] = {}
        for parameter in model.parameters:
            word = self.bases[f"{parameter.name}_B"] if parameter.expression is not None else self.names[parameter.name]
            bases[parameter.name] = word
            lines.append(f"  {word} = {self._individual(parameter)}")
        own = {**self.names, **bases}
        said = self._lines("PW", "TIME", own)
        for parameter in model.parameters:
            if parameter.expression is not None:
                lines += said.statement(self.names[parameter.name], parameter.expression)
        said.names = {**self.names, "t": "TIME"}
        for derived in model.derived:
            lines += said.statement(self.names[derived.name], derived.expression)
        for at, state in enumerate(self.states, start=1):
            if not (isinstance(state.initial, ast.Constant) and state.initial.value == 0):
                lines += said.statement(f"A_0({at})", state.initial)
        entered: dict[int, Dose] = {}
        for dose in self.doses:
            if dose.state in entered:
                raise ExportError(
                    f"has two inputs into {self.states[dose.state - 1].name}; give each a state of its own"
                )
            entered[dose.state] = dose
            for key, formula in (("F", dose.fraction), ("ALAG", dose.lag), ("D", dose.duration)):
                if formula is not None:
                    lines += said.statement(f"{key}{dose.state}", formula)
        return lines

    def _individual(self, parameter: ParameterSpec) -> str:
        varies = [
            self.effects[parameter.name, level]
            for level in ("iiv", "isv", "iov")
            if (parameter.name, level) in self.effects
        ]
        eta = " + ".join(varies)
        positive = bool(varies) and parameter.distribution in ("log-normal", "box-cox")
        theta = self._theta(parameter.value, parameter.name, f"{parameter.name} ({parameter.unit})", low=positive)
        if not varies:
            return theta
        match parameter.distribution:
            case "normal":
                return f"{theta} + {eta}"
            case "logit":
                return f"1/(1 + EXP(-(LOG({theta}/(1 - {theta})) + {eta})))"
            case "box-cox":
                assert parameter.shape is not None, "a Box-Cox parameter has its shape"
                shape = self._theta(
                    parameter.shape, f"shape.{parameter.name}", f"{parameter.name}, shape of its effect"
                )
                return f"{theta}*EXP((EXP({eta})**{shape} - 1)/{shape})"
        return f"{theta}*EXP({eta})"

    # --- equations ---------------------------------------------------------------------------------------------------

    def _des(self) -> list[str]:
        said = self._lines("DW", "T", {**self.names, **self.amounts})
        lines: list[str] = []
        for at, change in enumerate(self.changes, start=1):
            lines += said.statement(f"DADT({at})", change)
        return lines

    def _error(self) -> list[str]:
        said = self._lines("EW", "TIME", {**self.names, **self.amounts})
        lines: list[str] = []
        for at, output in enumerate(self.outputs, start=1):
            lines += said.statement(f"PRED{at}", output.expression)
            if output.error.formula is not None:
                own = self._lines(f"PW{at}_", "TIME", {PREDICTION: f"PRED{at}"})
                lines += own.statement(f"PRED{at}G", parsed(output.error.formula))
            lines += [
                f"  IF (DVID.EQ.{at}) THEN",
                *self._scatter(output, f"PRED{at}", f"PRED{at}G"),
                f"    Y = IPRED + W*EPS({self.residuals.get(output.name, 1)})",
                "  ENDIF",
            ]
        return lines

    def _scatter(self, output: OutputSpec, shown: str, growing: str) -> list[str]:
        error, named = output.error, f"error.{output.name}"
        additive = part = ""
        if error.additive:
            additive = self._theta(error.additive, f"{named}.additive", f"{output.name}, additive", low=True)
        if error.proportional:
            part = self._theta(error.proportional, f"{named}.proportional", f"{output.name}, part", low=True)
        prediction = f"LOG({shown})" if error.logarithmic else shown
        match error.kind:
            case "additive" | "log_additive":
                width = additive
            case "log_combined":
                width = f"SQRT({part}**2 + ({additive}/{shown})**2)"
            case "power" | "deviation":
                if error.kind == "power":
                    growing = f"{shown}**{self._theta(error.exponent, f'{named}.exponent', f'{output.name}, exponent')}"
                width = f"{part}*{growing}"
                if additive:
                    by_sd = error.combination == "sd"
                    width = f"{additive} + {width}" if by_sd else f"SQRT({additive}**2 + ({width})**2)"
            case "proportional":
                width = f"{part}*{shown}"
            case _:
                both = f"{additive} + {part}*{shown}"
                width = both if error.combination == "sd" else f"SQRT({additive}**2 + ({part}*{shown})**2)"
        return [f"    IPRED = {prediction}", f"    W = {width}"]


def _name(word: str) -> str:
    plain = re.sub(r"\W", "_", word.upper())[:_LONGEST]
    return f"{plain[: _LONGEST - 2]}_P" if _MEANT.fullmatch(plain) else plain


def _fortran(test: str) -> str:
    for sign, word in (("<=", ".LE."), (">=", ".GE."), ("==", ".EQ."), ("!=", ".NE."), ("<", ".LT."), (">", ".GT.")):
        if f" {sign} " in test:
            return test.replace(f" {sign} ", word, 1)
    return test


def _block(
    omega: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    group: list[int],
    names: list[str],
    *,
    fixed: bool,
    always: bool = False,
) -> list[str]:
    known = " FIX" if fixed else ""
    if len(group) == 1 and not always:
        return [f"$OMEGA {float(omega[group[0], group[0]])!r}{known} ; {names[0]}"]
    lines = [f"$OMEGA BLOCK({len(group)}){known}"]
    for row, at in enumerate(group):
        lines.append("  " + " ".join(repr(float(omega[at, other])) for other in group[: row + 1]) + f" ; {names[row]}")
    return lines


def _plain(title: str) -> str:
    return " ".join(title.replace(";", ",").split())[:150]
