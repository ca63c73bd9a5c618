"""From levels and results to what the filter weighs: values in the output's unit, or the limits they lie beyond."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from twin.clock import HOUR_MS
from twin.events import VITAL_RANGES, DrugLevel, LabResult
from twin.model.spec import Model, OutputSpec, output_index
from twin.observation.aggregate import in_unit
from twin.observation.kinds import kind_of
from twin.observation.observation import MeasuredValue, Observation
from twin.observation.sampling_time import moments_around
from twin.record.facts import MEASURED
from twin.record.history import History
from twin.timeline.record_order import Placed


def observations_of(facts: Iterable[Placed], model: Model) -> tuple[Observation, ...]:
    """What levels and results, in order of time, say of a model's outputs; of others they say nothing."""
    found: list[Observation] = []
    at_instant: dict[tuple[int, int], list[MeasuredValue]] = {}
    for millis, fact, recorded in facts:
        if isinstance(fact, DrugLevel | LabResult):
            number = output_index(model, fact.analyte)
            if number is not None:
                output = model.outputs[number]
                measured = _measured(fact, output)
                together = at_instant.setdefault((millis, number), [])
                earlier = tuple(together) if kind_of(output).conditional(output) else ()
                before = len(together)
                together.append(measured)
                drawn = () if fact.draw_time_sd is None else moments_around(millis, fact.draw_time_sd.value * HOUR_MS)
                found.append(
                    Observation(
                        millis,
                        fact.event_id,
                        number,
                        measured.value,
                        measured.below,
                        measured.above,
                        earlier,
                        drawn,
                        recorded,
                        before,
                    )
                )
    return tuple(found)


def aggregates_of(history: History, model: Model) -> list[Observation]:
    """What readings of vital signs say of the outputs that they observe: of each closed window one value.

    It stands at the mean time of its readings, and is not known before anything is told of a time at or after the end
    of their window.
    """
    newest, found = history.newest, list[Observation]()
    for number, output in enumerate(model.outputs):
        vital = output.vital
        if vital is None or newest is None or vital.channel not in history.readings:
            continue
        unit, length = VITAL_RANGES[vital.channel][0], vital.window_ms
        for begin, millis, readings in history.readings[vital.channel].closed(newest, history.holding.now):
            told = in_unit(readings, unit, output.unit)
            name = f"{vital.channel} {length} {begin}"
            found.append(Observation(millis, name, number, told.median, readings=told))
    return found


def in_order(facts: Sequence[Observation], aggregates: Sequence[Observation]) -> tuple[Observation, ...]:
    """Observations by time; at one instant what was measured singly comes first."""
    if not aggregates:
        return tuple(facts)
    singly = Counter((one.millis, one.output) for one in facts)
    numbered = (
        replace(one, number=before) if (before := singly[one.millis, one.output]) else one for one in aggregates
    )
    return tuple(sorted((*facts, *numbered), key=lambda one: one.millis))


def unmeasured(
    history: History, observations: Sequence[Observation], model: Model, millis: int, gone: Sequence[int] = ()
) -> tuple[OutputSpec, ...]:
    """Outputs of which something was told that was measured at ``millis``, and no value of it counts.

    Args:
        history: of the patient.
        observations: those that count, by time.
        model: whose outputs.
        millis: when it was told to have been measured.
        gone: outputs of which something summed up readings there.
    """
    at = bisect_left(observations, millis, key=lambda observation: observation.millis)
    counted = set()
    for observation in observations[at:]:  # where an instant was drawn out, some lie a few ms later
        if observation.millis != millis and observation.time != millis:
            break
        counted.add(observation.output)
    told: dict[int, None] = {}
    for key in history.keys[bisect_left(history.keys, millis, key=lambda key: key.millis) :]:
        if key.millis != millis:
            break
        # By its place, which a row keeps also of a fact that never counts again.
        number = output_index(model, key.subject) if key.rank in MEASURED else None
        if number is not None and number not in counted:
            told[number] = None
    told |= dict.fromkeys(number for number in gone if number not in counted)
    return tuple(model.outputs[number] for number in told)


def _measured(fact: DrugLevel | LabResult, output: OutputSpec) -> MeasuredValue:
    """What is measured: a value, or the limit that it is known to lie beyond."""
    value = fact.value.value
    if fact.below_lloq:
        return MeasuredValue(value, below=value if fact.lloq is None else fact.lloq.value)
    if fact.above_uloq:
        return MeasuredValue(value, above=value if fact.uloq is None else fact.uloq.value)
    if isinstance(fact, LabResult) and value == 0.0 and not kind_of(output).weighs_negative(output):
        return MeasuredValue(value, below=kind_of(output).zero_below(output))
    return MeasuredValue(value)
