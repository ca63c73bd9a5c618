"""An output kept in a window: of all doses that may be given, those that bring it there and hold it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.dosing.horizon.test_plan import planned
from tests.twin.dosing.patients import counted
from twin import PatientTwin
from twin.clock import DAY_MS, HOUR_MS
from twin.dosing.decision import decision
from twin.dosing.futures import changed
from twin.dosing.horizon.window import POINTS, keep_in_window
from twin.dosing.outlook import along
from twin.dosing.protocol import Protocol, ProtocolError, Window, usual_protocol
from twin.patient.accounts.thinned import thinned
from twin.trial.doses.arms import by_horizon, by_mode

WINDOW = Window("plasma", 1.0, 2.0, round(1.5 * DAY_MS))


def sunitinib() -> PatientTwin:
    """Four daily doses, the first of them taken."""
    return planned("sunitinib_yu2014", (50.0, 50.0, 50.0, 50.0), 24.0, 0.0, 20.0)


def protocol_of(twin: PatientTwin, **changes: object) -> Protocol:
    usual = replace(usual_protocol(twin.model), limits={}, lowest=0.0, highest=3.0, step=12.5)
    return replace(usual, **changes)  # type: ignore[arg-type]


def share_in(twin: PatientTwin, window: Window, now: float, later: float) -> float:
    """Share of the true output within the window at the times ahead, of doses times ``now`` and ``later``."""
    parts = thinned(twin.components(None), 96)
    decided, futures = decision(parts, parts[0].millis, protocol_of(twin))
    ratios = (now, *(later for _ in decided.doses[1:]))
    future = changed(parts[0], parts[0].millis, futures[0], [decided.change(ratios)])
    marks = parts[0].millis + window.ahead // POINTS * np.arange(1, POINTS + 1)
    number = [output.name for output in twin.model.outputs].index(window.output)
    values = np.array(
        [parts[0].trunk.kernel.read(out, number)[0] for out in along(parts[0], future, futures[0], marks)]
    )
    inside = (values >= window.low) & (values <= window.high)
    return float(inside.mean(axis=0) @ parts[0].position.belief.weight)


def test_no_other_doses_hold_the_output_in_its_window_much_longer() -> None:
    twin = sunitinib()
    middle = median_level(twin)
    window = replace(WINDOW, output=twin.model.outputs[0].name, low=1.4 * middle, high=2.2 * middle)
    found = keep_in_window(twin.components(None), protocol_of(twin, window=window))
    now = found.doses[0].step.amount / 50.0
    chosen = share_in(twin, window, now, found.later)
    every = [share_in(twin, window, a, b) for a in np.linspace(0.0, 3.0, 5) for b in np.linspace(0.0, 3.0, 5)]
    assert chosen > max(every) - 0.03
    assert chosen > share_in(twin, window, 1.0, 1.0) + 0.05
    assert now % 0.25 == 0.0


def median_level(twin: PatientTwin) -> float:
    """Of the first output a day ahead, if doses are as planned."""
    parts = twin.components(None)
    _, futures = decision(parts, parts[0].millis, protocol_of(twin))
    ahead = along(parts[0], futures[0], futures[0], np.array([parts[0].millis + 24 * HOUR_MS]))
    return float(np.median(parts[0].trunk.kernel.read(ahead[0], 0)))


def test_arms_of_a_study_choose_by_the_belief_and_by_its_mode() -> None:
    twin = sunitinib()
    middle = median_level(twin)
    window = replace(WINDOW, output=twin.model.outputs[0].name, low=0.2 * middle, high=0.5 * middle)
    protocol = protocol_of(twin, window=window)
    (part,) = twin.components(None)
    assert by_horizon([part], protocol).doses[0].step.amount < 25.0
    assert by_mode(part, protocol)[0].step.amount < 25.0


def test_a_limit_comes_before_the_window() -> None:
    twin = counted()
    low = Window("neutrophils", 0.05, 0.5, 32 * DAY_MS)
    protocol = replace(usual_protocol(twin.model), window=low, lowest=0.5, highest=1.5)
    wanted = keep_in_window(twin.components(None), replace(protocol, limits={}))
    limited = keep_in_window(twin.components(None), replace(protocol, limits={"neutropenia_g4": 0.05}))
    assert wanted.kept
    assert limited.doses[0].step.amount < wanted.doses[0].step.amount


def test_what_cannot_be_kept_in_a_window_is_refused_with_its_mend() -> None:
    twin = counted()
    with pytest.raises(ProtocolError, match="window: is missing; write the output"):
        keep_in_window(twin.components(None), usual_protocol(twin.model))
    wrong = replace(usual_protocol(twin.model), window=WINDOW)
    with pytest.raises(ProtocolError, match=r"window\.output: 'plasma' is no output of docetaxel_ozawa2007; it has"):
        keep_in_window(twin.components(None), wrong)
