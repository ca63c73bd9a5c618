"""A belief that is one patient and no other: the mode that is estimated, or who the patient really is.

It is laid out as any belief (`twin.timeline.segments.Layout`), so that advice is worked out on it as on a twin's.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twin.arrays import Floats, storable
from twin.filter.belief import Belief
from twin.filter.posthoc import post_hoc
from twin.patient.accounts.component import Component
from twin.solver.effects import reaching
from twin.timeline.segments import STILL, Layout, Segments


def at_mode(component: Component, segments: Segments, until: int) -> Component:
    """The patient at the mode of all that was measured, on occasions that nothing is known of as on the average one.

    Args:
        component: of the record so far.
        segments: of what is to come as well, up to ``until`` (ms). A drift stands still from the last value on.
    """
    trunk = component.trunk
    model, found = trunk.kernel.model, post_hoc(trunk.kernel, trunk.step_sizes, component.timeline)
    occasions = segments.occasions_before(until) if model.iov_names else ()
    steps = () if model.drift is None else segments.steps_before(until)
    known = dict(zip(found.occasions, found.kappa, strict=True)) if model.iov_names else {}
    nothing = np.zeros(len(model.iov_names))
    kappas = [known.get(begin, nothing) for begin in occasions]
    taken = dict(zip(found.steps, np.diff(found.drifted, axis=0), strict=True))
    stands = np.zeros(len(model.eta_names))
    row = np.concatenate([found.eta, *kappas, *(taken.get(begin, stands) for begin in steps)])
    return _believed(component, row[None], Layout(None, occasions, steps))


def really(component: Component, eta: Floats, key: tuple[object, ...], copies: int) -> Component:
    """The patient who really has this ``eta`` (d,).

    Occasions and drift up to now are those that chance, named by ``key``, has drawn; what the occasions to come will be
    nobody knows: each of ``copies`` has its own. Before the first dose the first occasion is one to come.
    """
    model, timeline = component.trunk.kernel.model, component.timeline
    layout, row = STILL, eta[None]
    if any(given.spans() or given.impulses for given in timeline.delivered.values()):
        layout, row = reaching(model, layout, row, timeline.segments, component.millis, key)
    return _believed(component, np.repeat(row, copies, axis=0), layout)


def _believed(component: Component, rows: Floats, layout: Layout) -> Component:
    count, timeline = len(rows), component.timeline
    belief = Belief(storable(rows), np.full(count, -np.log(count)), 0.0, len(timeline.observations), layout)
    return replace(component, position=component.trunk.begin(timeline, belief), share=1.0)
