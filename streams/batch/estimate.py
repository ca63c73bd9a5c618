"""Recorded cases to individual estimates: of every patient the random effects, of every measured value what is
predicted.

Patients are independent and go to worker processes in batches; results stand in the order of the patients, so they
depend on the cases alone, not on how many processes there were. A patient that fails is reported and is not among the
results; the rest goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from connectors.feeds.characteristics import at_reference, said_by
from streams.batch.cases import Case, Problem, RecordedEvent, Report, of_patient, refusals
from streams.batch.left_out import in_words
from streams.batch.process_pool import in_processes, model_of
from streams.batch.tables import Cell, Table
from twin.clock import UNIT_MS
from twin.events import decode
from twin.model.spec import Model

if TYPE_CHECKING:
    from twin.filter.posthoc import Estimated
    from twin.kernel.kernel import Kernel
    from twin.study.diagnostics import Diagnosis
    from twin.timeline.timeline import Timeline

BATCHES = 8
"""Batches a process, so that all end at about the same time."""

LARGEST_BATCH = 50
"""Patients of a batch: progress is told after each."""

Record = tuple[str, tuple[RecordedEvent, ...], int]
"""What a worker process is told of a case: patient, events, and the ms that TIME counts from."""

Numbers = tuple[float, ...]


class PredictedValue(NamedTuple):
    """One measured value and its predictions; ``time`` in model time units from the record's zero, NaN for what there
    is not (see `twin.study.diagnostics`)."""

    time: float
    value: float
    population: float
    individual: float
    iwres: float
    npde: float
    output: str


class Drifted(NamedTuple):
    """How a patient was from one step of the drift on: effects as far as they had drifted (d,), their standard errors
    (d,) and individual parameters (P,); ``time`` as in `PredictedValue`."""

    time: float
    eta: Numbers
    errors: Numbers
    parameters: Numbers


@dataclass(frozen=True)
class IndividualEstimate:
    """One patient's estimate (see `twin.filter.posthoc.Estimated`).

    Attributes:
        eta, errors: (d,) random effects and their standard errors, as they were before any drift.
        kappa, kappa_errors: of each occasion (o,) the same.
        occasions: what each occasion is (`_occasions`).
        drifted: from the start of the record and from each step on; empty of a model that does not drift.
        parameters: (P,) individual parameters at the last value, as `Model.individual_names` names them.
        measured: how many values it rests on.
        left_out: what of the record could not be used, in words.
        at_reference: covariates that nothing was said of.
        notes: on doses that are charted and that a pump tells of, and on how exactly the record is followed.
        values: empty where they were not asked for.
        of_class: of a mixture the likeliest class, of which the effects and predictions are.
        probability: how probable each class is, by the objective in each.
    """

    patient_id: str
    eta: Numbers
    errors: Numbers
    kappa: tuple[Numbers, ...]
    kappa_errors: tuple[Numbers, ...]
    occasions: Numbers
    drifted: tuple[Drifted, ...]
    parameters: Numbers
    ofv: float
    converged: bool
    modes: int
    measured: int
    at_reference: tuple[str, ...]
    left_out: str = ""
    notes: tuple[str, ...] = ()
    values: tuple[PredictedValue, ...] = ()
    of_class: str = ""
    probability: Numbers = ()


class BatchResult(NamedTuple):
    """What became of one patient: the estimate or why there is none, and what was left out of the record."""

    patient_id: str
    found: IndividualEstimate | str
    problems: tuple[Problem, ...] = ()


def estimate(
    cases: Sequence[Case],
    model: Model,
    jobs: int,
    report: Report,
    done: Callable[[int], None],
    *,
    diagnosed: bool = True,
) -> tuple[IndividualEstimate, ...]:
    """Estimate every case, in their order.

    Args:
        model: of every case.
        jobs: worker processes; with none it is done here.
        report: is told of every event that the model cannot use, and of every patient that failed.
        done: is told how many patients are finished.
        diagnosed: whether the values' predictions are wanted too.

    Raises:
        WorkerLost: a worker process was killed, e.g. for want of memory.
    """
    unread = {case.patient_id: case.problems for case in cases}
    records = [(case.patient_id, case.recorded, case.zero) for case in cases]
    size = max(1, min(LARGEST_BATCH, -(-len(cases) // (BATCHES * max(jobs, 1)))))
    tasks = [(records[first : first + size], model.text, model.id, diagnosed) for first in range(0, len(cases), size)]
    found: dict[str, IndividualEstimate] = {}
    finished = 0
    with closing(in_processes(_estimate_batch, tasks, jobs)) as results:
        for batch in results:
            for one in batch:
                for problem in one.problems:
                    report(problem)
                if isinstance(one.found, str):
                    report(Problem(of_patient(one.patient_id), one.found))
                else:
                    left_out = (*unread[one.patient_id], *one.problems)
                    found[one.patient_id] = replace(one.found, left_out=in_words(left_out))
            finished += len(batch)
            done(finished)
    return tuple(found[case.patient_id] for case in cases if case.patient_id in found)


# --- one patient -----------------------------------------------------------------------------------------------------


def _estimate_batch(records: Sequence[Record], model_text: str, model_id: str, diagnosed: bool) -> list[BatchResult]:
    """The estimates of some patients; runs in a worker process."""
    model = model_of(model_text, model_id)
    return [_estimate_one(record, model, diagnosed) for record in records]


def _estimate_one(record: Record, model: Model, diagnosed: bool) -> BatchResult:
    try:
        return estimate_record(record, model, diagnosed=diagnosed)
    except Exception as error:  # one patient must not take the others' results with it
        return BatchResult(record[0], f"the estimate failed, {type(error).__name__}: {error}")


def estimate_record(record: Record, model: Model, *, diagnosed: bool) -> BatchResult:
    """The estimate of one patient; predictions of the values only where they are to be ``diagnosed``."""
    import numpy as np

    from twin.filter.posthoc import post_hoc
    from twin.kernel.kernel import compile_model
    from twin.population.mixture.mixing import members_of
    from twin.solver.step_control import step_sizes_for, steps_note
    from twin.study.diagnostics import diagnose
    from twin.study.prediction import Predictor
    from twin.study.records import record_of
    from twin.timeline.timeline import build

    patient_id, recorded, zero = record
    events = [decode(one.raw) for one in recorded]
    history, refused = record_of(events, model)
    kernel = compile_model(model)
    timeline = build(history, kernel)
    step_sizes = step_sizes_for(kernel, None if timeline is None else timeline.delivered)
    members = (None,) if timeline is None else members_of(model, timeline)
    each = [post_hoc(kernel, step_sizes, member) for member in members]
    ofv, probability = _of_classes(model, [float(one.ofv) for one in each])
    best = 0 if len(each) == 1 else int(np.argmax(probability))
    found, timeline = each[best], members[best]
    values: tuple[PredictedValue, ...] = ()
    if diagnosed and timeline is not None:
        diagnosis = diagnose(Predictor(kernel, patient_id, step_sizes), timeline, found.effects)
        values = _values(diagnosis, model, zero)
    estimated = IndividualEstimate(
        patient_id,
        tuple(found.eta.tolist()),
        tuple(found.errors.tolist()),
        tuple(tuple(each) for each in found.kappa.tolist()),
        tuple(tuple(each) for each in found.kappa_errors.tolist()),
        _occasions(found.occasions, timeline, model, zero),
        _drifted(found, timeline, kernel, zero),
        tuple(found.parameters.tolist()),
        ofv,
        bool(found.converged),
        int(found.modes),
        0 if timeline is None else len(timeline.observations),
        at_reference(model, said_by(fact for _, fact in history.effective())),
        notes=() if timeline is None else _notes(timeline, steps_note(kernel, timeline.delivered)),
        values=values,
        of_class="" if model.mixture is None or timeline is None else model.mixture.classes[best],
        probability=probability,
    )
    return BatchResult(patient_id, estimated, refusals(patient_id, events, recorded, refused))


def _of_classes(model: Model, ofv: Sequence[float]) -> tuple[float, Numbers]:
    """-2 log sum_k p_k exp(-OFV_k / 2), and how probable each class is; without classes the OFV that there is.

    Of whom nothing is known classes are as probable as their shares.
    """
    import numpy as np

    if model.mixture is None:
        return ofv[0], ()
    terms = np.log(model.mixture.shares) - 0.5 * np.array(ofv)
    whole = np.logaddexp.reduce(terms)
    return float(-2.0 * whole), tuple(np.exp(terms - whole).tolist())


def _notes(timeline: Timeline, rough: str | None) -> tuple[str, ...]:
    twice = (one.note(drug) for drug, source in timeline.delivered.items() for one in source.told_twice)
    return (*twice, rough) if rough else tuple(twice)


def _occasions(begins: Sequence[int], timeline: Timeline | None, model: Model, zero: int) -> Numbers:
    """Each occasion as the record names it: the covariate that tells them apart, or else the TIME at which it began."""
    if model.occasions is None or timeline is None:
        return ()
    if model.occasions.covariate is not None:
        column = [covariate.name for covariate in model.covariates].index(model.occasions.covariate)
        return tuple(float(timeline.covariates_at(begin)[column]) for begin in begins)
    return tuple((max(begin, timeline.start) - zero) / UNIT_MS[model.time_unit] for begin in begins)


def _drifted(found: Estimated, timeline: Timeline | None, kernel: Kernel, zero: int) -> tuple[Drifted, ...]:
    """How a patient was from the start of the record and from each step of the drift on."""
    from twin.solver.linear_system import individual_parameters

    if kernel.model.drift is None or timeline is None:
        return ()
    unit, rows = UNIT_MS[kernel.model.time_unit], []
    for begin, eta, errors in zip((timeline.start, *found.steps), found.drifted, found.drifted_errors, strict=True):
        effects = found.effects.at(timeline.segments, timeline.segments.at(begin))
        parameters = individual_parameters(kernel, effects, timeline.covariates_at(begin))[0]
        time = (begin - zero) / unit
        rows.append(Drifted(time, tuple(eta.tolist()), tuple(errors.tolist()), tuple(parameters.tolist())))
    return tuple(rows)


def _values(diagnosis: Diagnosis, model: Model, zero: int) -> tuple[PredictedValue, ...]:
    unit = UNIT_MS[model.time_unit]
    columns = (diagnosis.population, diagnosis.individual, diagnosis.iwres, diagnosis.npde)
    rows = zip(diagnosis.observations, *(column.tolist() for column in columns), strict=True)
    return tuple(
        PredictedValue((o.time - zero) / unit, o.value, pred, ipred, iwres, npde, model.outputs[o.output].name)
        for o, pred, ipred, iwres, npde in rows
    )


# --- tables ----------------------------------------------------------------------------------------------------------


def estimate_table(model: Model, found: Sequence[IndividualEstimate]) -> Table:
    """A row a patient: effects, their standard errors, those of each occasion, every individual parameter, the rest.

    Of a model that drifts ``ETA_CL`` is as it was at first, and ``DRIFTED_CL`` as far as it had come by the last value.
    Patients differ in how many occasions they have; of those that one did not have its cells are empty. ``OCCASION_n``
    says which the n-th is: the value of the covariate that tells occasions apart, or else the TIME at which it began.
    """
    table: dict[str, Sequence[Cell]] = {"ID": [one.patient_id for one in found]}
    for i, name in enumerate(model.eta_names):
        table[f"ETA_{name}"] = [one.eta[i] for one in found]
    for i, name in enumerate(model.eta_names):
        table[f"SE_{name}"] = [one.errors[i] for one in found]
    if model.drift is not None:
        last = [one.drifted[-1] if one.drifted else None for one in found]
        for i, name in enumerate(model.eta_names):
            table[f"DRIFTED_{name}"] = [one.eta[i] if one else math.nan for one in last]
        for i, name in enumerate(model.eta_names):
            table[f"SE_DRIFTED_{name}"] = [one.errors[i] if one else math.nan for one in last]
    for n in range(max((len(one.kappa) for one in found), default=0)):
        table[f"OCCASION_{n + 1}"] = [one.occasions[n] if n < len(one.occasions) else math.nan for one in found]
        for i, name in enumerate(model.iov_names):
            table[f"KAPPA_{name}_{n + 1}"] = [_of_occasion(one.kappa, n, i) for one in found]
        for i, name in enumerate(model.iov_names):
            table[f"SE_KAPPA_{name}_{n + 1}"] = [_of_occasion(one.kappa_errors, n, i) for one in found]
    for i, name in enumerate(model.individual_names):
        table[name] = [one.parameters[i] for one in found]
    if model.mixture is not None:
        table[f"CLASS_{model.mixture.covariate}"] = [one.of_class or None for one in found]
        for i, name in enumerate(model.mixture.classes):
            table[f"probability.{name}"] = [one.probability[i] for one in found]
    table["OFV"] = [one.ofv for one in found]
    table["converged"] = [one.converged for one in found]
    table["modes_found"] = [one.modes for one in found]
    table["at_reference"] = [" ".join(one.at_reference) or None for one in found]
    table["left_out"] = [one.left_out or None for one in found]
    return table


def value_table(found: Sequence[IndividualEstimate]) -> Table:
    """A row a measured value: what was measured and what is predicted; ``OUTPUT`` names what it is of."""
    rows = [(one.patient_id, value) for one in found for value in one.values]
    return {
        "ID": [patient_id for patient_id, _ in rows],
        "TIME": [value.time for _, value in rows],
        "DV": [value.value for _, value in rows],
        "PRED": [value.population for _, value in rows],
        "IPRED": [value.individual for _, value in rows],
        "IWRES": [value.iwres for _, value in rows],
        "NPDE": [value.npde for _, value in rows],
        "OUTPUT": [value.output for _, value in rows],
    }


def drift_table(model: Model, found: Sequence[IndividualEstimate]) -> Table:
    """A row a patient and step of the drift, the first from the start of the record: ``TIME`` from which on effects and
    individual parameters were so."""
    rows = [(one.patient_id, then) for one in found for then in one.drifted]
    table: dict[str, Sequence[Cell]] = {
        "ID": [patient_id for patient_id, _ in rows],
        "TIME": [then.time for _, then in rows],
    }
    for i, name in enumerate(model.eta_names):
        table[f"ETA_{name}"] = [then.eta[i] for _, then in rows]
    for i, name in enumerate(model.eta_names):
        table[f"SE_{name}"] = [then.errors[i] for _, then in rows]
    for i, name in enumerate(model.individual_names):
        table[name] = [then.parameters[i] for _, then in rows]
    return table


def _of_occasion(kappa: Sequence[Numbers], occasion: int, effect: int) -> float:
    return kappa[occasion][effect] if occasion < len(kappa) else math.nan
