"""What a sound model file says and probably does not mean: faults that were seen in files copied from papers.

Each doubt has its mend, and a way to say that it is meant after all. They stop nobody: `dosetwin models check` prints
them, and with ``--strict`` it wants none.

==============================  =====================================================================================
iiv above 4                     a CV in percent; else ``stated = { iiv = ... }``, the printed number
covariance = r w1^2 w2^2        made with variances in place of standard deviations; else ``stated_as = "covariance"``
iiv above its standard error    an SD in place of a variance, or a percentage; else no ``se`` in ``stated``
iiv above the cohort's spread   the same; else no ``cohort_sd`` in ``stated``
iiv whose form is not said      ``[variability] stated_as``
proportional, form not said     the SD of log values; else ``fitted_on = "linear"``
a dose that enters twice        two states take it whole by one route; else ``[inputs.X] whole_into``
a drug that enters no state     and is in no formula; else ``[inputs.X] enters_nothing = true``
no independent source           ``[[confirmed_by]]`` or ``unconfirmed``
==============================  =====================================================================================
"""

from __future__ import annotations

import ast
import math
from collections import defaultdict
from collections.abc import Iterator

from twin.model.entrances import taken_by
from twin.model.evidence import StatedSpec
from twin.model.formula import ROUTES, arguments_of, is_record
from twin.model.linearity import linear_terms
from twin.model.spec import Model, ModelError, ParameterSpec
from twin.model.structure import input_calls
from twin.modelfile.evidence import rounding, stated_form

LARGEST_VARIANCE = 4.0
"""Of a log-normal effect: an SD of 2 puts a patient of forty at 55 times the typical one, or a 55th."""

TELLING = 0.0005
"""A ratio must be known this well before it tells whether a correlation was rounded to two digits."""

ROOM = 1.5
"""An SD may exceed what its standard error or the cohort allows by this factor: either is itself an estimate."""

_SHOWN = 6


def doubts(model: Model, file: str) -> tuple[ModelError, ...]:
    """What a model probably does not mean, as errors that nobody raises: file, key, problem with its mend."""
    gates = (
        _entering_twice,
        _entering_nowhere,
        _variances,
        _spreads,
        _covariances,
        _forms,
        _residuals,
        _confirmation,
    )
    return tuple(ModelError(file, key, problem) for gate in gates for key, problem in gate(model))


Doubts = Iterator[tuple[str, str]]


def _entering_twice(model: Model) -> Doubts:
    meant = {entry.drug: set(entry.whole_into) for entry in model.inputs}
    whole: dict[tuple[str, str], list[str]] = defaultdict(list)
    every = [call for state in model.states for call in input_calls(state.derivative)]
    for state in model.states:
        calls = [call for call in input_calls(state.derivative) if not call.startswith("pulse(")]
        terms = linear_terms(state.derivative, frozenset(calls)) or {}
        for call in calls:
            drug = arguments_of(call)[1][0]
            if call in terms and ast.unparse(terms[call]) in ("1", "1.0"):
                taken = taken_by(call, every)
                for route in (route for route in ROUTES if route in taken):
                    whole[drug, route].append(state.name)
    said: set[str] = set()
    for (drug, route), states in whole.items():
        if len(states) < 2 or drug in said or set(states) <= meant.get(drug, set()):
            continue
        said.add(drug)
        problem = f"input({drug}) enters {' and '.join(states)} whole by one route ({route}), so that a dose counts"
        mend = f"give each its route, input({drug}, oral) and input({drug}, iv), split it, F1*input({drug}) and"
        more = f"(1 - F1)*input({drug}), or say [inputs.{drug}] whole_into = {states}".replace("'", '"')
        yield f"states.{states[1]}.derivative", f"{problem} {len(states)} times; {mend} {more}"


def drugs_used(model: Model) -> frozenset[str]:
    """Drugs that enter a state or are read by a formula, so that their doses do something."""
    used: set[str] = set()
    formulas: list[ast.expr | None] = [p.expression for p in model.parameters] + [d.expression for d in model.derived]
    formulas += [state.derivative for state in model.states]
    formulas += [each for output in model.outputs for each in (output.expression, *output.further)]
    for formula in formulas:
        if formula is not None:
            used |= {arguments_of(call)[1][0] for call in input_calls(formula)}
            used |= {arguments_of(ast.unparse(node))[1][0] for node in ast.walk(formula) if is_record(node)}
    return frozenset(used)


def _entering_nowhere(model: Model) -> Doubts:
    used = drugs_used(model)
    meant = {entry.drug for entry in model.inputs if entry.enters_nothing}
    for drug in model.drugs:
        if drug not in used | meant:
            problem = f"'{drug}' enters no state and is in no formula, so that its doses do nothing"
            mend = f"write input({drug}) in the derivative of its state, or [inputs.{drug}] enters_nothing = true"
            yield "drug" if drug == model.drug else f"inputs.{drug}", f"{problem}; {mend}"


def _variances(model: Model) -> Doubts:
    for p in model.parameters:
        if p.distribution == "normal":
            continue
        for level, variance, stated in _levels(p):
            if variance is not None and variance > LARGEST_VARIANCE and stated is None:
                cv = variance / 100
                problem = f"is {variance:g}, a variance of ln {p.name} with an SD of {math.sqrt(variance):.2g}"
                mend = (
                    f"a CV of {variance:g} % is {math.log1p(cv**2):.4g}; if it is meant, stated = {{ {level} = ... }}"
                )
                yield f"parameters.{p.name}.{level}", f"{problem}; {mend} gives the printed number"


def _levels(p: ParameterSpec) -> tuple[tuple[str, float | None, float | None], ...]:
    """Each level at which a parameter may vary, its variance, and the number that the source prints."""
    return ("iiv", p.iiv, p.stated.iiv), ("iov", p.iov, p.stated.iov), ("isv", p.isv, p.stated.isv)


def _spreads(model: Model) -> Doubts:
    """However well each of n patients is known, their mean is known no better than to SD / sqrt(n); and they differ in
    a parameter no more than in what was measured of it."""
    for p in model.parameters:
        sd = math.sqrt((p.iiv or 0.0) + (p.isv or 0.0)) * _per_eta(p)
        for most, key, told in sorted(_bounds(p.stated))[:1]:
            if sd > ROOM * most:
                problem = f"is {p.iiv:g}, an SD of {sd:.2g} {p.unit}, where {told}"
                mend = "the table may print SDs, a CV in percent, or another scale; if it is meant, leave"
                yield f"parameters.{p.name}.iiv", f"{problem}; {mend} {key} out of stated"


def _bounds(stated: StatedSpec) -> Iterator[tuple[float, str, str]]:
    """What an SD can be at most, the key that says so, and in words."""
    if stated.se is not None and stated.patients is not None:
        most = math.sqrt(stated.patients) * stated.se
        told = f"the standard error of {stated.se:g} over {stated.patients} patients allows {most:.2g} at most"
        yield most, "se", told
    if stated.cohort_sd is not None:
        yield stated.cohort_sd, "cohort_sd", f"the cohort's SD is {stated.cohort_sd:g}"


def _per_eta(parameter: ParameterSpec) -> float:
    """How much the value of the typical patient changes with eta."""
    match parameter.distribution:
        case "normal":
            return 1.0
        case "logit":
            return parameter.value * (1.0 - parameter.value)
    return abs(parameter.value)


def _covariances(model: Model) -> Doubts:
    variances = {(level, p.name): variance for p in model.parameters for level, variance, _ in _levels(p)}
    for i, one in enumerate(model.correlations):
        if not one.covariance or one.printed:
            continue
        first, second = (variances[one.level, name] for name in one.between)
        product = (first or 0.0) * (second or 0.0)
        if not first or not second or not product:
            continue
        ratio = one.covariance / product
        # Half a unit of the last digit of each of the three numbers.
        blur = abs(ratio) * sum(rounding(number) / abs(number) for number in (one.covariance, first, second))
        if 0.01 <= abs(ratio) <= 1 and blur <= TELLING and abs(ratio - round(ratio, 2)) <= 2 * blur:
            r = round(ratio, 2)
            problem = f"is {r:g} times the product of both variances, as if a correlation of {r:g} had been multiplied"
            mend = f'with variances; write correlation = {r:g}, or stated_as = "covariance" if the source prints this'
            yield f"correlations[{i}].covariance", f"{problem} {mend}"


def _forms(model: Model) -> Doubts:
    silent = [p.name for p in model.parameters if _varies(p) and stated_form(p, model.variability) is None]
    if silent:
        shown = ", ".join(silent[:_SHOWN]) + (", ..." if len(silent) > _SHOWN else "")
        problem = f"of {shown}: the file does not say in which form the source prints it (variance, SD, or which CV)"
        yield f"parameters.{silent[0]}.iiv", f"{problem}; add [variability] with stated_as"


def _varies(parameter: ParameterSpec) -> bool:
    return parameter.iiv is not None or parameter.iov is not None


def _residuals(model: Model) -> Doubts:
    for output in model.outputs:
        error = output.error
        if error.in_proportion and error.fitted_on is None:
            problem = f"has a proportional part of {error.proportional:g}, and the file does not say of which scale"
            mend = 'write fitted_on = "linear", or log_additive if the source fitted LOG(F)'
            yield f"outputs.{output.name}.error", f"{problem}; {mend}"


def _confirmation(model: Model) -> Doubts:
    if not model.confirmed_by and model.unconfirmed is None:
        problem = "no independent source is named that confirms the numbers"
        yield "sources", f'{problem}; add [[confirmed_by]], or unconfirmed = "where one was looked for"'
