"""What the twin takes back: the points stay, marked, so that whoever looks for what stands passes over them.

| measurement | tags | fields | time |
|---|---|---|---|
| those of an estimate, a forecast's `issued` and `nadir`, `prediction` | theirs | withdrawn, rev | event |
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import line, model_tag, nanos
from twin.events import Withdrawn

EVENT = Withdrawn


def lines(event: Withdrawn, arrival: Arrival) -> Iterator[str]:
    for measurement, tags in _points(event):
        named = {"patient": event.patient_id, "model": model_tag(event.model), **tags}
        yield line(measurement, named, {"rev": arrival.offset, "withdrawn": True}, nanos(event.time))


def _points(event: Withdrawn) -> Iterator[tuple[str, dict[str, str]]]:
    """Measurement and tags, beside patient and model, of each point."""
    named = {
        "estimate": ("output", event.outputs),
        "parameter": ("parameter", event.parameters),
        "exposure": ("exposure", event.exposure),
        "nadir": ("output", event.nadir),
        "prediction": ("output", event.measured),
    }
    for measurement, (tag, several) in named.items():
        for one in several:
            yield measurement, {tag: one.name, "unit": one.unit}
    if not event.foreseen:
        yield "issued", {}
    if not event.estimated:
        yield "health", {}
        rivals = event.model.split(",")
        yield from (("model_weight", {"rival": rival}) for rival in rivals if len(rivals) > 1)
        yield from (("class_probability", {"class": of}) for of in event.classes)
        yield from (("delivery", {"drug": drug}) for drug in event.drugs)
