"""What to give next, what if, and when to sample: of a `PatientTwin`, which stays as it is. For research only.

>>> from dosetwin import PatientTwin, advise, load_model, usual_protocol
>>> from dosetwin.events import DoseGiven, PlannedDose, Quantity, RegimenPlanned
>>> from datetime import UTC, datetime, timedelta
>>> begin = datetime(2026, 1, 5, 9, tzinfo=UTC)
>>> told = {"patient_id": "P-1", "source": "ward", "drug": "carboplatin", "route": "iv"}
>>> amount, hour = Quantity(value=490, unit="mg"), Quantity(value=1, unit="h")
>>> following = PlannedDose(time=begin + timedelta(days=21), amount=amount, duration=hour)
>>> twin = PatientTwin("P-1", load_model("carboplatin_zandvliet2008"), particles=200)
>>> update = twin.observe([
...     RegimenPlanned(event_id="plan", time=begin, doses=(following,), **told),
...     DoseGiven(event_id="dose", time=begin, amount=amount, duration=hour, **told),
... ])
>>> later = round((begin + timedelta(days=2)).timestamp() * 1000)
>>> advice = advise(twin, later, usual_protocol(twin.model))
>>> advice.decision.what, [one.name for one in advice.alternatives]
('next dose', ['planned', '-20 %', '-10 %', '+10 %', '+20 %', 'advised'])
"""

from __future__ import annotations

from twin.dosing.advice import Advice, advise
from twin.dosing.horizon.plan import Horizon, plan_ahead
from twin.dosing.horizon.telling import horizon_lines
from twin.dosing.protocol import Protocol, load_protocol, usual_protocol
from twin.dosing.sampling import NextSample, next_sample
from twin.dosing.telling import advice_figure, advice_lines, branch_lines
from twin.dosing.whatif import Foreseen, what_if

__all__ = [
    "Advice",
    "Foreseen",
    "Horizon",
    "NextSample",
    "Protocol",
    "advice_figure",
    "advice_lines",
    "advise",
    "branch_lines",
    "horizon_lines",
    "load_protocol",
    "next_sample",
    "plan_ahead",
    "usual_protocol",
    "what_if",
]
