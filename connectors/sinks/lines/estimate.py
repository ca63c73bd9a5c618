"""What the twin believes: outputs, parameters, exposure, delivery, its health, weights of rivals, classes.

| measurement | tags | fields | time |
|---|---|---|---|
| `estimate` | patient, model, output, unit | q05 q25 median q75 q95 | event |
| `parameter` | patient, model, parameter, unit | q05 … q95 | event |
| `exposure` | patient, model, exposure, unit | so_far_q05 …, at_end_q05 …, target_low …, p_below, p_above | event |
| `delivery` | patient, model, drug | rate_mg_per_h, delivered_mg, p_running, p_taken | event |
| `health` | patient, model | ess, log_evidence, observations, model_hash, kernel_hash | event |
| `model_weight` | patient, model, rival | weight | event |
| `class_probability` | patient, model, class | probability | event |

``p_running`` is the probability that a silent pump runs, and 1 or 0 where it is known whether anything does;
``p_taken`` that the newest dose that nobody saw taken was, and 1 where nothing is in doubt.

Each point is what is believed of that time now, with ``rev`` and ``withdrawn``. As it was published then it stands in
the measurement of that name with `_published` behind it, with ``rev`` and ``published``.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import Fields, band_fields, in_unit, model_tag, said
from twin.events import Estimate, Exposure

EVENT = Estimate


def lines(event: Estimate, arrival: Arrival) -> Iterator[str]:
    for measurement, tags, fields in _points(event):
        named = {"patient": event.patient_id, "model": model_tag(event.model), **tags}
        yield from said(measurement, named, fields, event.time, arrival)


def _points(event: Estimate) -> Iterator[tuple[str, dict[str, str], Fields]]:
    """Measurement, tags beside patient and model, and fields of each point."""
    for band in event.outputs:
        yield "estimate", {"output": band.name, "unit": band.unit}, band_fields(band)
    for band in event.parameters:
        yield "parameter", {"parameter": band.name, "unit": band.unit}, band_fields(band)
    for exposure in event.exposure:
        yield "exposure", {"exposure": exposure.so_far.name, "unit": exposure.so_far.unit}, _exposed(exposure)
    for drug in sorted({*event.delivered_rate, *event.delivered}):
        rate = in_unit(event.delivered_rate.get(drug), "mg/h")
        amount = in_unit(event.delivered.get(drug), "mg")
        if rate is not None or amount is not None:
            # Always said: a field that were left out would keep what was believed before the pump spoke again.
            running = None if rate is None else (event.running or {}).get(drug, float(rate > 0.0))
            taken = (event.taken or {}).get(drug, 1.0)
            delivered: Fields = {"rate_mg_per_h": rate, "delivered_mg": amount, "p_running": running, "p_taken": taken}
            yield "delivery", {"drug": drug}, delivered
    health = {"ess": event.ess, "log_evidence": event.log_evidence, "observations": float(event.observations)}
    yield "health", {}, {**health, "model_hash": event.model_hash, "kernel_hash": event.kernel_hash}
    for rival, weight in (event.model_weights or {}).items():
        yield "model_weight", {"rival": rival}, {"weight": weight}
    for of, probability in (event.class_probability or {}).items():
        yield "class_probability", {"class": of}, {"probability": probability}


def _exposed(exposure: Exposure) -> Fields:
    return {
        **band_fields(exposure.so_far, "so_far_"),
        **({} if exposure.at_end is None else band_fields(exposure.at_end, "at_end_")),
        "target_low": exposure.target_low,
        "target_high": exposure.target_high,
        "p_below": exposure.p_below,
        "p_above": exposure.p_above,
    }
