"""A model file as an mrgsolve specification: $PARAM, $MAIN, $ODE and $TABLE, each output with an error of its own."""

from __future__ import annotations

import ast
import re

from connectors.models.exports.parts import Lines, blocks, continuous, plain_states, unique
from twin.model.formula import FUNCTIONS
from twin.model.spec import Model, OutputSpec, ParameterSpec
from twin.observation.deviation import PREDICTION, parsed

_TAKEN = frozenset({
    "ID", "TIME", "SOLVERTIME", "AMT", "CMT", "EVID", "II", "SS", "ADDL", "RATE", "NEWIND", "T", "double",
    "int", "bool", "if", "else", "true", "false", "exp", "log", "sqrt", "pow", "self", "ETA", "EPS",
})  # fmt: skip


def write(model: Model) -> tuple[str, list[str]]:
    """The specification, and what it does not carry.

    Raises:
        ExportError: the model cannot be said there.
    """
    return _Specification(model).text()


class _Specification:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.outputs, self.lost = continuous(model)
        self.states, self.changes, self.doses = plain_states(model)
        every = [c.name for c in model.covariates] + [s.name for s in self.states] + list(model.individual_names)
        self.names = unique(every, lambda word: re.sub(r"\W", "_", word), _TAKEN)
        taken = {*_TAKEN, *self.names.values()}
        self.typical = unique([f"TV_{p.name}" for p in model.parameters], str, taken)
        self.bases = unique([f"{p.name}_base" for p in model.parameters], str, taken)
        if model.iov_names:
            self.lost.append(f"effects of occasions: {', '.join(model.iov_names)}")
        if model.isv_names:
            self.lost.append(f"who is of one site: effects of {', '.join(model.isv_names)} are those of patients alone")
        if any(output.error.beside for output in model.outputs):
            self.lost.append("correlations of residuals of values that were measured together")
        if model.mixture is not None:
            name = model.mixture.covariate
            self.lost.append(f"shares of classes: {name} has to be given with each patient, which says the class")

    def text(self) -> tuple[str, list[str]]:
        model = self.model
        lines = [f"$PROB {' '.join(model.title.split())}", ""]
        lines += [f"// {model.id}, hash {model.hash}; time in {model.time_unit}, doses in mg"]
        lines += [f"// doses of {dose.drug}: cmt {self.names[self.states[dose.state - 1].name]}" for dose in self.doses]
        lines += [f"// not carried: {each}" for each in self.lost]
        lines += ["", "$PARAM @annotated"]
        for parameter in model.parameters:
            lines.append(
                f"{self.typical[f'TV_{parameter.name}']} : {parameter.value!r} : {parameter.name} ({parameter.unit})"
            )
        lines += ["", "$PARAM @annotated @covariates"] if model.covariates else []
        lines += [f"{self.names[c.name]} : {c.reference!r} : covariate ({c.unit})" for c in model.covariates]
        lines += ["", "$CMT @annotated", *(f"{self.names[s.name]} : state ({s.unit})" for s in self.states), ""]
        lines += [*self._omega(), "$MAIN", *self._main(), "", "$ODE", *self._ode(), "", "$TABLE", *self._table()]
        return "\n".join(lines) + "\n", self.lost

    def _lines(self, prefix: str, time: str, names: dict[str, str]) -> Lines:
        return Lines(
            {**names, "t": time},
            lambda base, exponent: f"pow({base}, {exponent})",
            lambda word, value: f"{'' if re.match(r'(dxdt_|F_|ALAG_|D_)|.*_0$', word) else 'double '}{word} = {value};",
            lambda test, word, value: f"if ({test}) {{ {word} = {value}; }}",
            {word: "fabs" if word == "abs" else word for word in FUNCTIONS},
            prefix=prefix,
        )

    def _omega(self) -> list[str]:
        model = self.model
        lines: list[str] = []
        self.effects: dict[str, str] = {}
        for group in blocks(model.eta_names, model.omega):
            labels = [f"ETA_{model.eta_names[at]}" for at in group]
            self.effects |= {model.eta_names[at]: label for at, label in zip(group, labels, strict=True)}
            lines += ["$OMEGA @block", f"@labels {' '.join(labels)}"]
            lines += [
                " ".join(repr(float(model.omega[at, other])) for other in group[: row + 1])
                for row, at in enumerate(group)
            ]
            lines.append("")
        labels = [f"EPS_{output.name}" for output in self.outputs]
        return [*lines, "$SIGMA", f"@labels {' '.join(labels)}", " ".join("1" for _ in labels), ""]

    def _main(self) -> list[str]:
        model = self.model
        lines: list[str] = []
        bases: dict[str, str] = {}
        for parameter in model.parameters:
            own = (
                self.bases[f"{parameter.name}_base"] if parameter.expression is not None else self.names[parameter.name]
            )
            bases[parameter.name] = own
            lines.append(f"double {own} = {self._individual(parameter)};")
        said = self._lines("main_w", "TIME", {**self.names, **bases})
        for parameter in model.parameters:
            if parameter.expression is not None:
                lines += said.statement(self.names[parameter.name], parameter.expression)
        said.names = {**self.names, "t": "TIME"}
        for derived in model.derived:
            lines += said.statement(self.names[derived.name], derived.expression)
        for state in self.states:
            if not (isinstance(state.initial, ast.Constant) and state.initial.value == 0):
                lines += said.statement(f"{self.names[state.name]}_0", state.initial)
        for dose in self.doses:
            word = self.names[self.states[dose.state - 1].name]
            for key, formula in (("F", dose.fraction), ("ALAG", dose.lag), ("D", dose.duration)):
                if formula is not None:
                    lines += said.statement(f"{key}_{word}", formula)
        return lines

    def _individual(self, parameter: ParameterSpec) -> str:
        typical, eta = self.typical[f"TV_{parameter.name}"], self.effects.get(parameter.name)
        if eta is None:
            return typical
        match parameter.distribution:
            case "normal":
                return f"{typical} + {eta}"
            case "logit":
                return f"1.0/(1.0 + exp(-(log({typical}/(1.0 - {typical})) + {eta})))"
            case "box-cox":
                return f"{typical}*exp((pow(exp({eta}), {parameter.shape!r}) - 1.0)/({parameter.shape!r}))"
        return f"{typical}*exp({eta})"

    def _ode(self) -> list[str]:
        said = self._lines("ode_w", "SOLVERTIME", self.names)
        lines: list[str] = []
        for state, change in zip(self.states, self.changes, strict=True):
            lines += said.statement(f"dxdt_{self.names[state.name]}", change)
        return lines

    def _table(self) -> list[str]:
        said = self._lines("table_w", "TIME", self.names)
        lines: list[str] = []
        for output in self.outputs:
            shown = f"pred_{output.name}"
            lines += said.statement(shown, output.expression)
            growing = f"{shown}_g"
            if output.error.formula is not None:
                own = self._lines(f"{shown}_w", "TIME", {PREDICTION: shown})
                lines += own.statement(growing, parsed(output.error.formula))
            lines.append(f"capture {output.name}_dv = {_scattered(output, shown, growing)};")
        return lines


def _scattered(output: OutputSpec, shown: str, growing: str) -> str:
    error, eps = output.error, f"EPS_{output.name}"
    a, b = repr(error.additive), repr(error.proportional)
    match error.kind:
        case "additive":
            return f"{shown} + {a}*{eps}"
        case "proportional":
            return f"{shown}*(1.0 + {b}*{eps})"
        case "log_additive":
            return f"log({shown}) + {a}*{eps}"
        case "log_combined":
            return f"log({shown}) + sqrt({b}*{b} + pow({a}/{shown}, 2.0))*{eps}"
        case "deviation":
            part = f"{b}*{growing}"
        case "power":
            part = f"{b}*pow({shown}, {error.exponent!r})"
        case _:
            part = f"{b}*{shown}"
    if error.combination == "sd":
        return f"{shown} + ({a} + {part})*{eps}"
    return f"{shown} + sqrt({a}*{a} + pow({part}, 2.0))*{eps}"
