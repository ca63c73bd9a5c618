"""From the text of a model file to a checked `Model`.

One reader per section, in the order in which names come to exist: covariates, parameters, derived values, states,
outputs, and what is said about them. The first thing that is wrong is raised as a `ModelError`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import tomllib
from collections.abc import Collection, Mapping
from typing import Any, Literal, cast, get_args

from twin.model.budget import MOST_CYCLES, check_quantities, check_size, check_text
from twin.model.formula import CLOCKS, HOLDING_FUNCTIONS, RECORD_FUNCTIONS, ROUTES, arguments_of, names_in
from twin.model.measured.ctcae import CRITERIA, CURRENT, Side, graded
from twin.model.spec import (
    CadenceSpec,
    CovariateSpec,
    DerivedSpec,
    Distribution,
    InputSpec,
    Model,
    ModelError,
    NumericsSpec,
    OutputSpec,
    ParameterSpec,
    RegimenSpec,
    Route,
    StateSpec,
    TimeUnit,
    ToxicitySpec,
)
from twin.model.structure import input_calls
from twin.model.table import Table, check_name
from twin.modelfile.covariates import check_widening, read_covariates, read_mixture
from twin.modelfile.dimensions import check_dimensions
from twin.modelfile.evidence import (
    check_stated,
    read_citations,
    read_confirmation,
    read_expected,
    read_stated,
    read_variability,
)
from twin.modelfile.outputs import read_outputs, read_targets
from twin.modelfile.trial import check_typical
from twin.modelfile.variability import covariances, drift, occasions, of_patient_alone, sites

Record = Mapping[str, Collection[str]]
"""Functions of the record that a formula may use, with the drugs or outputs that each may be asked for."""

_HOLDING = tuple(f"{function}(" for function in HOLDING_FUNCTIONS)

_SECTIONS = ("covariates", "parameters", "derived", "terms", "states")
"""Sections whose names formulas may use."""

FORMAT = 2
"""Version of what a model file means; raise it when the same text would give another model."""

_BESIDE = frozenset({"sources", "confirmed_by", "fit"})
"""Sections that no belief hangs on: prose from end to end, and what a fit is to leave as it is."""

_PROSE = frozenset({"title", "note", "source", "assumed", "unconfirmed"})
"""Texts for people: they change no number that a model gives. Tables may have these names too, of parameters say."""


def parse_model(text: str, file: str) -> Model:
    """Read a model from TOML text; ``file`` is only for messages.

    Raises:
        ModelError: naming file, key, what is wrong and how to mend it.
    """
    model = read_model(content_of(text, file), text, file)
    check_dimensions(model, file)
    check_typical(model, file)
    return model


def content_of(text: str, file: str) -> dict[str, Any]:
    """What a text says as TOML, of a size that a model may have.

    Raises:
        ModelError: it is no TOML, or too much (`twin.model.budget`).
    """
    check_text(text, file)
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise ModelError(file, "", "not TOML that can be read: brackets are nested too deep; mend that line") from None
    except ValueError as error:  # Of TOML, and of numbers with thousands of digits.
        raise ModelError(file, "", f"not TOML: {error}; mend that line") from None
    check_size(content, file)
    return content


def read_model(content: dict[str, Any], text: str, file: str) -> Model:
    """A model from a file's ``content``, read but not yet tried: names, formulas, sources and Omega are in order.

    Raises:
        ModelError: as `parse_model`.
    """
    top = Table(file, "", content)
    _refuse_twice(top)
    check_quantities({section: len(top.names(section)) for section in _SECTIONS}, file)
    drug = top.name("drug")
    inputs = _inputs(top, drug)
    drugs = tuple(dict.fromkeys([drug, *(entry.drug for entry in inputs)]))
    covariates = read_covariates(top)
    record = {f: tuple(top.names("outputs")) if f == "previous" else drugs for f in RECORD_FUNCTIONS}
    holding = {function: record[function] for function in HOLDING_FUNCTIONS}
    parameters = _parameters(top, [c.name for c in covariates], holding)
    constants = [c.name for c in covariates] + [p.name for p in parameters]
    derived = _derived(top, constants, holding)
    constants += [item.name for item in derived]
    terms = _terms(top, [*constants, *top.names("states"), *CLOCKS], record)
    names = [*constants, *top.names("states"), *(term.name for term in terms), *CLOCKS]
    states = _states(top, constants, names, drugs, record)
    outputs, own_states = read_outputs(top, names, record)
    states += own_states
    targets, own_states = read_targets(top, drugs, states, outputs, top.text("time_unit"))
    states += own_states
    effects, outputs, correlations = covariances(top, parameters, outputs)
    check_widening(top, covariates, effects["iiv"].names)
    variability = read_variability(top)
    check_stated(top, parameters, variability)
    confirmed_by, unconfirmed = read_confirmation(top)
    model = Model(
        id=top.name("id"),
        title=top.text("title"),
        drug=drug,
        drugs=drugs,
        time_unit=cast(TimeUnit, top.choice("time_unit", get_args(TimeUnit))),
        sources=read_citations(top),
        confirmed_by=confirmed_by,
        unconfirmed=unconfirmed,
        note=top.optional_text("note"),
        parameters=parameters,
        covariates=covariates,
        derived=derived,
        terms=terms,
        states=states,
        outputs=outputs,
        targets=targets,
        toxicities=tuple(_toxicity(name, table, outputs) for name, table in top.named("toxicities")),
        regimens=tuple(_regimen(table, drugs, covariates) for table in top.listed("regimens")),
        inputs=inputs,
        cadence=_cadence(top),
        numerics=_numerics(top),
        occasions=occasions(top, parameters, drugs, [c.name for c in covariates]),
        sites=sites(top, parameters, [c.name for c in covariates]),
        drift=drift(top, parameters),
        mixture=read_mixture(top, covariates),
        variability=variability,
        correlations=correlations,
        fixed=_fixed(top),
        expected=read_expected(top, outputs, states),
        eta_names=effects["iiv"].names,
        omega=of_patient_alone(effects["iiv"], effects["isv"]),
        omega_iiv=effects["iiv"].omega,
        iov_names=effects["iov"].names,
        omega_iov=effects["iov"].omega,
        isv_names=effects["isv"].names,
        omega_isv=effects["isv"].omega,
        input_scale={entry.drug: entry.scale for entry in inputs if entry.scale != 1.0},
        hash=meaning_hash(content),
        text=text,
    )
    top.close()
    return model


def meaning_hash(content: dict[str, Any]) -> str:
    """What a file's ``content`` makes a model compute, as 16 hex digits: numbers, names, units and formulas, no prose.

    Two files of one hash give the same beliefs of the same record, so that what was folded under one goes on under the
    other. That nobody altered a text is for a signature to say, which is of the file's bytes.

    >>> bare = {"parameters": {"CL": {"value": 4, "unit": "L/h"}}}
    >>> noted = {"title": "A title", "parameters": {"CL": {"value": 4.0, "unit": "L/h", "note": "clearance"}}}
    >>> meaning_hash(bare) == meaning_hash(noted)
    True
    """
    # Order counts, since it is the order of eta and of the states; 4 and 4.0 are the same number.
    meant = {key: item for key, item in content.items() if key not in _BESIDE}
    return hashlib.blake2b(_canonical([FORMAT, meant]).encode(), digest_size=8).hexdigest()


def _canonical(value: object) -> str:
    if isinstance(value, dict):
        meant = ((key, item) for key, item in value.items() if key not in _PROSE or not isinstance(item, str))
        return "{" + ",".join(f"{json.dumps(key)}:{_canonical(item)}" for key, item in meant) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_canonical(item) for item in value) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value))
    return json.dumps(value, default=str)


def _refuse_twice(top: Table) -> None:
    """Formulas share one set of names, so a parameter and a state may not have the same one."""
    taken: dict[str, str] = {}
    for section in _SECTIONS:
        for name in top.names(section):
            if name in taken:
                raise top.wrong(f"{section}.{name}", f"the name is taken by {taken[name]}.{name}; choose another")
            taken[name] = section


def _inputs(top: Table, drug: str) -> tuple[InputSpec, ...]:
    check_name(top, drug)
    found: list[InputSpec] = []
    for name, table in top.named("inputs"):
        check_name(table, name)
        scale = table.optional_number("scale", above=0)
        changes = "duration"
        if table.has("bioavailability_changes"):
            changes = table.choice("bioavailability_changes", ("duration", "rate"))
        evidence, kept = table.evidence(), cast(Literal["duration", "rate"], changes)
        whole, nothing = table.texts("whole_into"), table.flag("enters_nothing")
        found.append(InputSpec(name, 1.0 if scale is None else scale, *evidence, kept, whole, nothing))
    return tuple(found)


def _parameters(top: Table, covariates: list[str], record: Record) -> tuple[ParameterSpec, ...]:
    names = top.names("parameters")
    found: list[ParameterSpec] = []
    for name, table in top.named("parameters"):
        check_name(table, name)
        value = table.number("value")
        iiv, iov = table.optional_number("iiv", above=0), table.optional_number("iov", above=0)
        distribution, shape = _distribution(table, value, varies=iiv is not None or iov is not None)
        found.append(
            ParameterSpec(
                name,
                value,
                table.unit(),
                iiv,
                iov,
                table.optional_number("isv", above=0),
                table.optional_number("drift", above=0),
                table.optional_formula("expression", [*names, *covariates], record),
                *table.evidence(),
                table.optional_text("note"),
                distribution,
                shape,
                read_stated(table),
            )
        )
    if not found:
        raise top.wrong("parameters", "is missing; declare at least one, [parameters.CL]")
    return tuple(found)


def _distribution(table: Table, value: float, *, varies: bool) -> tuple[Distribution, float | None]:
    """How eta makes the individual value, and the shape where there is one."""
    found: Distribution = "log-normal"
    if table.has("distribution"):
        found = cast(Distribution, table.choice("distribution", get_args(Distribution)))
    if varies and found in ("log-normal", "box-cox") and value <= 0:
        mend = 'must be greater than 0; write distribution = "normal" where it may be 0 or negative'
        raise table.wrong("value", f"is {value:g}; a parameter with iiv is {found} and {mend}")
    if found == "logit" and not 0 < value < 1:
        raise table.wrong("value", f"is {value:g}; a logit parameter must lie between 0 and 1")
    if found != "box-cox":
        if table.has("shape"):
            raise table.wrong("shape", f"belongs to a box-cox parameter, and this one is {found}; leave it out")
        return found, None
    shape = table.number("shape")
    if shape == 0:
        raise table.wrong("shape", 'is 0, which is log-normal; write distribution = "log-normal"')
    return found, shape


def _derived(top: Table, constants: list[str], record: Record) -> tuple[DerivedSpec, ...]:
    found: list[DerivedSpec] = []
    for name, table in top.named("derived"):
        check_name(table, name)
        above = [*constants, *(item.name for item in found)]
        found.append(DerivedSpec(name, table.unit(), table.formula("expression", above, None, record)))
    return tuple(found)


def _terms(top: Table, names: list[str], record: Record) -> tuple[DerivedSpec, ...]:
    """Named parts of the equations, each over those above it; formulas read after this have them written out."""
    found: list[DerivedSpec] = []
    for name, table in top.named("terms"):
        check_name(table, name)
        expression = table.formula("expression", [*names, *top.terms], None, record)
        found.append(DerivedSpec(name, table.unit(), expression))
        top.terms.add(name, expression)
    return tuple(found)


def _states(
    top: Table, constants: list[str], names: list[str], drugs: tuple[str, ...], record: Record
) -> tuple[StateSpec, ...]:
    found: list[StateSpec] = []
    for name, table in top.named("states"):
        check_name(table, name)
        initial = table.formula("initial", constants) if table.has("initial") else ast.Constant(0.0)
        derivative = table.formula("derivative", names, drugs, record)
        for call in input_calls(derivative):
            for argument, formula in arguments_of(call)[2].items():
                varying = names_in(formula) - {*constants, *(n for n in names_in(formula) if n.startswith(_HOLDING))}
                if varying:
                    problem = f"{argument} of {call} reads {sorted(varying)[0]}, which changes with time"
                    raise table.wrong("derivative", f"{problem}; use parameters, derived values and covariates only")
        found.append(StateSpec(name, table.unit(), initial, derivative))
    if not found:
        raise top.wrong("states", "is missing; declare at least one, [states.A1]")
    return tuple(found)


def _toxicity(name: str, table: Table, outputs: tuple[OutputSpec, ...]) -> ToxicitySpec:
    check_name(table, name)
    output, side = table.choice("output", [output.name for output in outputs]), _side(table)
    limit, unit = table.number(side, above=0 if side == "below" else None), table.unit()
    criterion = table.choice("criterion", CRITERIA) if table.has("criterion") else None
    grade = _grade(table, criterion, side, limit, unit) if criterion is not None else None
    horizon, lasting = table.number("horizon", above=0), table.optional_number("lasting", above=0) or 0.0
    if lasting > horizon:
        raise table.wrong("lasting", f"is {lasting:g}, more than 'horizon' {horizon:g}; lengthen the horizon")
    ctcae = None if criterion is None else CURRENT
    return ToxicitySpec(name, output, side, limit, unit, horizon, lasting, criterion, grade, ctcae, *table.evidence())


def _side(table: Table) -> Side:
    """Whether low or high values are toxic."""
    if table.has("below") and table.has("above"):
        raise table.wrong("above", "is there beside 'below'; keep one of them, or write two toxicities")
    return "above" if table.has("above") else "below"


def _grade(table: Table, criterion: str, side: Side, limit: float, unit: str) -> int:
    """The grade of a criterion, whose limit the file must have as the CTCAE has it."""
    grade = table.number("grade", least=1)
    known = graded(criterion, int(grade), CURRENT) if grade == round(grade) else None
    if known is None:
        raise table.wrong(
            "grade", f"is {grade:g}: CTCAE v{CURRENT} has no limit for it in {criterion}; name another one"
        )
    if (side, limit, unit) != known[:3]:
        says = f"{known.side} {known.limit:g} {known.unit}"
        raise table.wrong(
            side, f"is {limit:g} {unit}: CTCAE v{CURRENT} has {says}; write that, or leave out 'criterion'"
        )
    return int(grade)


def _regimen(table: Table, drugs: tuple[str, ...], covariates: tuple[CovariateSpec, ...]) -> RegimenSpec:
    unit = table.choice("amount_unit", ("mg", "mg/m2"))
    if unit == "mg/m2" and "BSA" not in {c.name for c in covariates}:
        raise table.wrong("amount_unit", "is mg/m2, but the model has no covariate BSA; declare [covariates.BSA]")
    interval, cycles = table.number("interval", above=0), table.number("cycles", least=1)
    if cycles != round(cycles) or cycles > MOST_CYCLES:
        raise table.wrong("cycles", f"is {cycles:g}; write a whole number, at most {MOST_CYCLES}")
    start, duration = table.optional_number("start", least=0) or 0.0, table.number("duration", least=0)
    if start + duration > interval:
        raise table.wrong(
            "duration", f"the dose ends at {start + duration:g}, after 'interval' {interval:g}; shorten it"
        )
    return RegimenSpec(
        table.choice("drug", drugs),
        table.number("amount", above=0),
        cast(Literal["mg", "mg/m2"], unit),
        start,
        duration,
        interval,
        int(cycles),
        cast(Route, table.choice("route", ROUTES)),
        *table.evidence(),
    )


def _cadence(top: Table) -> CadenceSpec:
    table = top.table("cadence")
    found = CadenceSpec(
        table.number("estimate", above=0), table.number("forecast", above=0), table.number("horizon", above=0)
    )
    table.close()
    return found


def _fixed(top: Table) -> tuple[str, ...]:
    """Numbers that are not to be estimated; whether a fit has them all is for it to say."""
    if not top.has("fit"):
        return ()
    table = top.table("fit")
    found = table.texts("fixed")
    if not found:
        raise table.wrong("fixed", 'is missing; list what stays as it is, fixed = ["ka", "omega.V"], or delete [fit]')
    table.close()
    return found


def _numerics(top: Table) -> NumericsSpec:
    table = top.table("numerics")
    first, largest = table.optional_number("first_step", above=0), table.optional_number("largest_step", above=0)
    if first is not None and largest is not None and first > largest:
        raise table.wrong("first_step", f"is {first:g}, more than largest_step {largest:g}; make it smaller")
    found = NumericsSpec(first, table.optional_number("growth", least=0.01), largest)
    table.close()
    return found
