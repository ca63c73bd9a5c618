"""What the twin believes: outputs, parameters, exposure, delivery, its health and, of rival models, their weights.

| measurement | tags | fields | time |
|---|---|---|---|
| `estimate` | patient, model, output, unit | q05 q25 median q75 q95 | event |
| `parameter` | patient, model, parameter, unit | q05 … q95 | event |
| `exposure` | patient, model, exposure, unit | so_far_q05 …, at_end_q05 …, target_low …, p_below, p_above | event |
| `delivery` | patient, model, drug | rate_mg_per_h, delivered_mg | event |
| `health` | patient, model | ess, log_evidence, observations, model_hash, kernel_hash | event |
| `model_weight` | patient, model, rival | weight | event |
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import band_fields, in_unit, line, nanos
from twin.events import Estimate

EVENT = Estimate


def lines(event: Estimate, _: Arrival) -> Iterator[str]:
    who, ns = {"patient": event.patient_id, "model": event.model}, nanos(event.time)
    for band in event.outputs:
        yield line("estimate", who | {"output": band.name, "unit": band.unit}, band_fields(band), ns)
    for band in event.parameters:
        yield line("parameter", who | {"parameter": band.name, "unit": band.unit}, band_fields(band), ns)
    for exposure in event.exposure:
        yield line(
            "exposure",
            who | {"exposure": exposure.so_far.name, "unit": exposure.so_far.unit},
            {
                **band_fields(exposure.so_far, "so_far_"),
                **({} if exposure.at_end is None else band_fields(exposure.at_end, "at_end_")),
                "target_low": exposure.target_low,
                "target_high": exposure.target_high,
                "p_below": exposure.p_below,
                "p_above": exposure.p_above,
            },
            ns,
        )
    for drug in sorted({*event.delivered_rate, *event.delivered}):
        rate = in_unit(event.delivered_rate.get(drug), "mg/h")
        amount = in_unit(event.delivered.get(drug), "mg")
        if rate is not None or amount is not None:
            yield line("delivery", who | {"drug": drug}, {"rate_mg_per_h": rate, "delivered_mg": amount}, ns)
    health = {"ess": event.ess, "log_evidence": event.log_evidence, "observations": float(event.observations)}
    made_by = {"model_hash": event.model_hash, "kernel_hash": event.kernel_hash}
    yield line("health", who, {**health, **made_by}, ns)
    for rival, weight in (event.model_weights or {}).items():
        yield line("model_weight", who | {"rival": rival}, {"weight": weight}, ns)
