"""The next sample is drawn when it tells most of what the dose is chosen for."""

from __future__ import annotations

from dataclasses import replace

from tests.twin.bedside import ms
from tests.twin.dosing.patients import infused
from twin.clock import HOUR_MS
from twin.dosing.protocol import usual_protocol
from twin.dosing.sampling import next_sample


def test_a_level_at_steady_state_tells_of_the_exposure_and_one_that_no_assay_sees_is_not_advised() -> None:
    twin = infused()
    protocol = replace(usual_protocol(twin.model), samples=(40 * HOUR_MS,), latest=54 * HOUR_MS)
    before = twin.row()
    found = next_sample(twin, None, protocol)
    assert found is not None
    assert (found.of, found.best.output) == ("fluorouracil_auc", "fluorouracil_plasma")
    plasma = {one.millis: one for one in found.tried if one.output == "fluorouracil_plasma"}
    running = [one.gain for at, one in plasma.items() if ms(20.0) < at < ms(46.0)]
    assert found.best.gain > 3 * found.best.gain_se
    assert min(running) > 0.05
    assert 0.0 < found.best.kept < 1.0
    # Once the infusion is over nothing is left that an assay would see, and no gain is claimed of it.
    assert max(plasma) < ms(52.0)
    assert plasma[ms(40.0)].protocol
    assert plasma[ms(40.0)].gain <= found.best.gain
    assert twin.row() == before
    assert next_sample(twin, None, protocol) == found
