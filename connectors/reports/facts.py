"""What a model file says, section by section, in words and tables: the card that is printed and the page."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from twin.arrays import Floats
from twin.model.evidence import CitationSpec
from twin.model.spec import CovariateSpec, Model, OccasionSpec, ParameterSpec, TargetSpec
from twin.observation.aggregate import in_words
from twin.observation.kinds import kind_of
from twin.writing import duration

ASSUMED = "ASSUMED: "
"""Stands before the reason for a number that nobody published."""


PRINTED = {
    "variance": "variances of eta",
    "sd": "standard deviations of eta",
    "cv_of_eta": "coefficients of variation that are standard deviations of eta",
    "cv_of_parameter": "coefficients of variation of the parameter",
}
"""Forms of `twin.model.evidence.STATED_AS` in words."""

UNCONFIRMED = "NOT CONFIRMED by an independent source:"
"""Stands where no source of another lineage says the same."""


@dataclass(frozen=True)
class Formula:
    """An equation of the model: what stands on its left (``A1``, ``dA1/dt``), the right side, and a remark."""

    left: str
    right: ast.expr
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.left} = {ast.unparse(self.right)}" + (f"    [{self.remark}]" if self.remark else "")


@dataclass(frozen=True)
class Section:
    """A part of the card: a table with its heads, if it has one, then formulas, then lines."""

    title: str
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    formulas: tuple[Formula, ...] = ()
    lines: tuple[str, ...] = ()


def facts(model: Model) -> tuple[Section, ...]:
    """The sections of a model's card that have something to say."""
    parts: tuple[Callable[[Model], Section], ...] = (
        _sources,
        _confirmation,
        _parameters,
        _covariates,
        _equations,
        _outputs,
        _limits,
        _regimens,
    )
    sections = (part(model) for part in parts)
    return tuple(section for section in sections if section.rows or section.formulas or section.lines)


def population(model: Model) -> str:
    """Who was studied, in the plain language of the file."""
    return " ".join((model.note or "").split())


def _sources(model: Model) -> Section:
    return Section("Sources", lines=tuple(_cited(source) for source in model.sources))


def _cited(source: CitationSpec) -> str:
    parts = (source.citation, source.doi and f"doi {source.doi}", source.url, source.note)
    return "; ".join(" ".join(part.split()) for part in parts if part)


def _confirmation(model: Model) -> Section:
    lines = [f"{one.covers}: {_cited(one.source)}" for one in model.confirmed_by]
    if not lines:
        looked = f" {' '.join(model.unconfirmed.split())}" if model.unconfirmed else ""
        lines.append(f"{UNCONFIRMED}{looked or ' the file does not say where one was looked for'}")
    for one in model.expected:
        expected = f"{one.quantity} at {one.at:g} {model.time_unit} is {one.low:g} to {one.high:g}"
        lines.append(f"the typical patient's {expected}; {_rests_on(one.source, one.assumed)}")
    return Section("Confirmed by an independent source", lines=tuple(lines))


def _parameters(model: Model) -> Section:
    rows = [(p.name, f"{p.value:g}", p.unit, _variability(p), _grounds(p)) for p in model.parameters]
    formulas = [Formula(f"{p.name}(individual)", p.expression) for p in model.parameters if p.expression is not None]
    lines = _correlations(model.eta_names, model.omega_iiv)
    lines += _correlations(model.iov_names, model.omega_iov, " (IOV)")
    lines += _correlations(model.isv_names, model.omega_isv, " (ISV)")
    assumed = (c for c in model.correlations if c.assumed)
    lines += [f"{' and '.join(c.between)} vary together: {_rests_on(c.source, c.assumed)}" for c in assumed]
    if (v := model.variability) is not None:
        lines.append(f"variability is printed as {PRINTED[v.stated_as]}; {_rests_on(v.source, v.assumed)}")
    if (o := model.occasions) is not None:
        begins = _begins(o, model.time_unit)
        lines.append(f"a new occasion begins with {begins}; {_rests_on(o.source, o.assumed)}")
    if (s := model.sites) is not None:
        lines.append(f"patients with one value of {s.covariate} are of one site; {_rests_on(s.source, s.assumed)}")
    if (d := model.drift) is not None:
        lag = f"revised for {duration(d.lag, model.time_unit)}"
        lines.append(f"drift in steps of {duration(d.grid, model.time_unit)}, {lag}; {_rests_on(d.source, d.assumed)}")
    title = "Parameters (typical value; variability as SD of eta, log-normal unless said)"
    heads = ("name", "value", "unit", "variability", "rests on")
    return Section(title, heads, tuple(rows), tuple(formulas), tuple(lines))


def _begins(occasion: OccasionSpec, unit: str) -> str:
    if occasion.every:
        return f"every {duration(occasion.every, unit)} from the first dose of {occasion.drug}"
    if occasion.covariate:
        return f"each change of {occasion.covariate}"
    return f"each dose of {occasion.drug} after {duration(occasion.gap or 0, unit)} without"


def _correlations(names: tuple[str, ...], omega: Floats, level: str = "") -> list[str]:
    return [
        f"correlation of {other} and {name}{level}: {omega[i, j] / (omega[i, i] * omega[j, j]) ** 0.5:.3g}"
        for i, name in enumerate(names)
        for j, other in enumerate(names[:i])
        if omega[i, j] != 0
    ]


def _variability(parameter: ParameterSpec) -> str:
    """SD between patients, between occasions, and gained by drift in a unit of time."""
    parts = []
    if parameter.iiv is not None:
        shape = f" {parameter.shape:g}" if parameter.shape is not None else ""
        form = "" if parameter.distribution == "log-normal" else f" {parameter.distribution}{shape}"
        parts.append(f"{parameter.iiv**0.5:.3g}{form}")
    if parameter.iov is not None:
        parts.append(f"{parameter.iov**0.5:.3g} between occasions")
    if parameter.isv is not None:
        parts.append(f"{parameter.isv**0.5:.3g} between sites")
    if parameter.drift is not None:
        parts.append(f"{parameter.drift**0.5:.3g} drift in a unit of time")
    return ", ".join(parts)


def _grounds(parameter: ParameterSpec) -> str:
    rests = _rests_on(parameter.source, parameter.assumed)
    return f"{parameter.note}. {rests}" if parameter.note else rests


def _rests_on(source: str | None, assumed: str | None) -> str:
    parts = (source, assumed and f"{ASSUMED}{' '.join(assumed.split())}")
    return "; ".join(part for part in parts if part)


def _covariates(model: Model) -> Section:
    rows = [
        (
            c.name,
            f"{c.reference:g}",
            c.unit,
            _plausible(c),
            f"{c.note + '. ' if c.note else ''}{_rests_on(c.source, c.assumed)}",
        )
        for c in model.covariates
    ]
    title = "Covariates (the reference stands while none is reported)"
    backward = [c.name for c in model.covariates if c.carry == "backward"]
    lines = [f"{name} is carried backward: a value holds until its report" for name in backward]
    lines += [
        f"while {c.name} was never reported, eta of {name} has {variance:g} more variance"
        for c in model.covariates
        for name, variance in c.widens
    ]
    lines += [
        f"effects of {c.name} were learnt from patients of {c.studied[0]:g} to {c.studied[1]:g} {c.unit}"
        for c in model.covariates
        if c.studied is not None
    ]
    if (mixture := model.mixture) is not None:
        shares = ", ".join(f"{one} {share:.4g}" for one, share in zip(mixture.classes, mixture.shares, strict=True))
        why = _rests_on(mixture.source, mixture.assumed)
        lines.append(f"{mixture.covariate} is a class that nobody sees; shares of patients: {shares} ({why})")
    return Section(title, ("name", "reference", "unit", "plausible", "rests on"), tuple(rows), lines=tuple(lines))


def _plausible(covariate: CovariateSpec) -> str:
    if covariate.levels:
        return ", ".join(f"{value:g} {name}" for name, value in covariate.levels)
    return "" if covariate.low is None or covariate.high is None else f"{covariate.low:g} to {covariate.high:g}"


def _equations(model: Model) -> Section:
    formulas = [Formula(derived.name, derived.expression, derived.unit) for derived in model.derived]
    formulas += [Formula(term.name, term.expression, term.unit) for term in model.terms]
    for state in model.states:
        start = ast.unparse(state.initial).removesuffix(".0")
        remark = f"{state.unit}, starts at {start}"
        formulas.append(Formula(f"d{state.name}/dt", state.derivative, remark))
    lines = []
    for entry in model.inputs:
        scale = f"recorded amount times {entry.scale:g}; " if entry.scale != 1 else ""
        lines.append(f"input of {entry.drug}: {scale}{_rests_on(entry.source, entry.assumed)}")
    return Section("Equations", formulas=tuple(formulas), lines=tuple(lines))


def _outputs(model: Model) -> Section:
    rows = [
        (
            ", ".join((o.name, *o.aliases)),
            kind_of(o).formula_in_words(o),
            o.unit,
            kind_of(o).scatter_in_words(o),
            _rests_on(o.error.source, o.error.assumed),
        )
        for o in model.outputs
    ]
    lines = tuple(
        f"{o.name}: {in_words(v, r)}; {_rests_on(v.source, v.assumed)}"
        for o in model.outputs
        if (v := o.vital) and (r := o.error.readings)
    )
    return Section("Outputs", ("name", "formula", "unit", "residual error (SD)", "rests on"), tuple(rows), lines=lines)


def _measured(target: TargetSpec) -> str:
    each = {"course": "a course", "day": "a day", "trough": "before the next dose", "time_above": "above a level"}
    return f"{target.state or target.drug}, {each[target.measure]}:"


def _window(target: TargetSpec) -> str:
    if target.high is None:
        return f"at least {target.low:g}"
    return f"at most {target.high:g}" if target.low is None else f"{target.low:g} to {target.high:g}"


def _limits(model: Model) -> Section:
    lines = [f"{t.name}: {_measured(t)} {_window(t)} {t.unit}; {_rests_on(t.source, t.assumed)}" for t in model.targets]
    for x in model.toxicities:
        within = f"within {duration(x.horizon, model.time_unit)}"
        if x.lasting:
            within = f"for {duration(x.lasting, model.time_unit)} {within}"
        graded = "" if x.grade is None else f" (CTCAE v{x.ctcae} grade {x.grade})"
        limit = f"{x.output} {x.side} {x.limit:g} {x.unit} {within}{graded}"
        lines.append(f"{x.name}: {limit}; {_rests_on(x.source, x.assumed)}")
    return Section("Limits", lines=tuple(lines))


def _regimens(model: Model) -> Section:
    lines = []
    for r in model.regimens:
        unit = model.time_unit
        over = f"over {duration(r.duration, unit)}" if r.duration else "at once"
        times = f"every {duration(r.interval, unit)}, {r.cycles} times"
        what = f"{r.drug} {r.amount:g} {r.amount_unit} {r.route} {over}, {times}"
        lines.append(f"{what}; {_rests_on(r.source, r.assumed)}")
    return Section("Usual regimens", lines=tuple(lines))
