"""A simulated patient's record: treated and measured by a design, with values drawn with the scatter of the model.

Where formulas ask for what was measured before (``previous(output)``), and where an event is awaited, whose moment is
drawn and ends the looks for it, the record grows value by value; else all values are drawn at once. Residuals of
outputs that are measured together correlate as the model has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from twin.arrays import Floats
from twin.events import LabResult, Quantity, event_id, from_millis
from twin.model.spec import Model
from twin.observation.kinds import kind_of
from twin.observation.likelihood import output_of
from twin.observation.observation import Observation, in_turn
from twin.population.joint.drawn import levels_together
from twin.randomness import generator
from twin.record.history import History
from twin.record.recording import insert_event
from twin.solver.effects import Effects
from twin.solver.settling import settles
from twin.study.design import Design
from twin.study.prediction import Predictor
from twin.timeline.timeline import Timeline, build

PATIENT = "simulated"
"""Who the events of a simulated history are of; the predictor's patient is the key of all chance."""

MOMENTS = 65
"""Points between two looks at which the output is read, to find when what is awaited happened."""

Values = dict[int, tuple[int, float]]
"""By number of the sample in the design: ms and value."""


def truth(predictor: Predictor, eta: Floats) -> Effects:
    """Random effects through time of a simulated patient with this ``eta`` (d,)."""
    return predictor.effects(eta[None], f"{predictor.patient_id} simulated")


def simulate(predictor: Predictor, eta: Floats, plan: Design) -> Timeline:
    """The timeline of a patient with this ``eta`` (d,)."""
    model, rng = predictor.kernel.model, generator(predictor.patient_id, "measured")
    asks = any(call.startswith("previous") for call in predictor.kernel.record)
    if not asks and not any(kind_of(output).awaited for output in model.outputs):
        timeline = planned_timeline(predictor, plan)
        every = predictor.rows(truth(predictor, eta), timeline, timeline.observations)
        levels = _levels(model, timeline.observations, rng.random(len(every)))
        return _valued(
            model,
            timeline,
            [_drawn(predictor, o, rows, u) for o, rows, u in zip(timeline.observations, every, levels, strict=True)],
        )
    known: Values = {}
    alone: dict[int, float] = {}
    over: set[int] = set()
    for number, (millis, output) in enumerate(plan.samples):
        if output in over:
            continue
        level = float(rng.random())
        if kind_of(model.outputs[output]).awaited:
            happened = _moment(predictor, eta, plan, known, number, level)
            known[number] = (millis, 0.0) if happened is None else (happened, 1.0)
            over |= {output} if happened is not None else set()
            continue
        timeline = _timeline(predictor, plan, known | {number: (millis, 1.0)})
        looked = next(o for o in timeline.observations if o.event_id == _name(number))
        rows = predictor.rows(truth(predictor, eta), timeline, [looked])[0]
        alone[number] = level
        before = _levels(model, _looks(plan.samples[each] for each in alone), [*alone.values()])
        known[number] = millis, _drawn(predictor, looked, rows, float(before[-1]))
    timeline = _timeline(predictor, plan, known)
    drawn = {_name(number): value for number, (_, value) in known.items()}
    return _valued(model, timeline, [drawn[o.event_id] for o in timeline.observations])


def planned_timeline(predictor: Predictor, plan: Design) -> Timeline:
    """The timeline of a patient treated and looked at by the design, before anything was measured: every value is 1."""
    return _timeline(predictor, plan, {number: (millis, 1.0) for number, (millis, _) in enumerate(plan.samples)})


def _moment(predictor: Predictor, eta: Floats, plan: Design, known: Values, number: int, level: float) -> int | None:
    """When what is awaited happens between its last look and the sample ``number``, if it does, at this survival."""
    millis, output = plan.samples[number]
    timeline = build(_recorded(predictor, plan, known), predictor.kernel)
    if timeline is None:
        return None  # With this look the record begins.
    since = max((at for n, (at, _) in known.items() if plan.samples[n][1] == output), default=timeline.start)
    if millis <= since:
        return None
    moments = np.unique(np.rint(np.linspace(since, millis, MOMENTS)).astype(np.int64))[1:]
    looks = [Observation(int(at), "", output, 0.0) for at in moments]
    rows = np.array([each[:, 0] for each in predictor.rows(truth(predictor, eta), timeline, looks)])
    found = kind_of(predictor.kernel.model.outputs[output]).moment(level, since, moments.astype(np.float64), rows)
    return None if found is None else round(found)


def _looks(samples: Iterable[tuple[int, int]]) -> list[Observation]:
    """Samples, (ms, output) in order of time, as observations that have yet to be made."""
    counted = Counter[tuple[int, int]]()
    found: list[Observation] = []
    for millis, output in samples:
        found.append(Observation(millis, "", output, 1.0, number=counted[millis, output]))
        counted[millis, output] += 1
    return found


def _levels(model: Model, looks: Sequence[Observation], alone: Sequence[float] | Floats) -> Floats:
    """Levels (n,) at which values are drawn, of residuals that correlate, from such as were drawn one by one."""
    errors = [output.error for output in model.outputs]
    return levels_together(looks, errors, np.array(alone)[:, None])[:, 0]


def _drawn(predictor: Predictor, observation: Observation, rows: Floats, level: float) -> float:
    output = output_of(predictor.kernel.model.outputs, observation)
    return float(kind_of(output).at_levels(output, rows, np.array([[level]]))[0, 0])


def _timeline(predictor: Predictor, plan: Design, values: Values) -> Timeline:
    timeline = build(_recorded(predictor, plan, values), predictor.kernel)
    assert timeline is not None, "a design has doses or samples"
    return timeline


def _recorded(predictor: Predictor, plan: Design, values: Values) -> History:
    history = History()
    for dose in plan.doses:
        history.insert(dose.model_copy(update={"patient_id": PATIENT}))
    for other in plan.others:
        insert_event(history, other.model_copy(update={"patient_id": PATIENT}), predictor.kernel.model, settles)
    for number, (millis, value) in values.items():
        spec = predictor.kernel.model.outputs[plan.samples[number][1]]
        history.insert(
            LabResult(
                event_id=_name(number),
                patient_id=PATIENT,
                time=from_millis(millis),
                source=PATIENT,
                analyte=spec.name,
                value=Quantity(value=value, unit=spec.unit),
            )
        )
    return history


def _name(number: int) -> str:
    # Ids at one instant go by their text, and this keeps them in the order of the design.
    return f"{number:04d} {event_id(PATIENT, number)}"


def sample_of(observation: Observation) -> int:
    """Number in the design of the sample that a simulated observation is of."""
    return int(observation.event_id.split()[0])


def _valued(model: Model, timeline: Timeline, values: Sequence[float]) -> Timeline:
    """The timeline with these values (n,), none of them censored: a simulated laboratory has no limits."""
    valued = [
        replace(o, value=value, below=None, above=None) for o, value in zip(timeline.observations, values, strict=True)
    ]
    return replace(timeline, observations=in_turn(valued, [output.error for output in model.outputs]))
