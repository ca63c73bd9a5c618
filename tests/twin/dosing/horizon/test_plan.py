"""A plan over several doses: the first one firm, the later ones by what samples will tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.bedside import PATIENT, clock, dose, plan
from tests.twin.dosing.patients import counted
from twin import PatientTwin, load_model
from twin.clock import HOUR_MS
from twin.dosing.decision import NoAdvice, decision
from twin.dosing.futures import changed
from twin.dosing.horizon.plan import Horizon, plan_ahead
from twin.dosing.horizon.telling import horizon_lines, horizon_values
from twin.dosing.outlook import along, outlook
from twin.dosing.protocol import Protocol, parse_protocol, usual_protocol


def planned(
    name: str, amounts: tuple[float, ...], every: float, length: float, now: float, key: str = PATIENT
) -> PatientTwin:
    """A twin whose doses (mg, every so many hours) are given as planned up to ``now`` (h)."""
    drug = name.partition("_")[0]
    twin = PatientTwin(key, load_model(name), 300)
    doses = [(number * every, amount, length) for number, amount in enumerate(amounts)]
    given = [dose(at, amount, span, drug=drug) for at, amount, span in doses if at <= now]
    events = [plan(-1.0, *doses, drug=drug), *given, clock(now)]
    twin.observe([event.model_copy(update={"patient_id": key}) for event in events])
    return twin


def busulfan(first: float = 200.0, key: str = PATIENT) -> PatientTwin:
    return planned("busulfan_mccune2014", (first, 200.0, 200.0, 200.0), 24.0, 3.0, 20.0, key)


def protocol_of(twin: PatientTwin, **changes: object) -> Protocol:
    return replace(usual_protocol(twin.model), **changes)  # type: ignore[arg-type]


SAMPLED = {"samples": (27 * HOUR_MS, 30 * HOUR_MS)}


def test_where_kinetics_are_linear_the_first_dose_is_that_of_the_proportion() -> None:
    twin = planned("carboplatin_zandvliet2008", (300.0, 300.0, 300.0), 504.0, 1.0, 100.0)
    protocol = protocol_of(twin, lowest=1.0, highest=2.5, limits={})
    components = twin.components(None)
    decided, futures = decision(components, components[0].millis, protocol)
    seen = outlook([(components[0], futures[0], futures[0])], "carboplatin", decided.begins, begun=False)
    (exposed,) = seen.exposures.values()
    low, high = exposed.target.low, exposed.target.high
    assert low is not None
    assert high is not None
    share = {
        f: seen.weight @ ((low <= f * exposed.value) & (f * exposed.value <= high)) for f in np.linspace(1, 2.5, 7)
    }
    best = max(share, key=lambda f: float(share[f]))
    assert 1.2 < best < 2.3
    assert plan_ahead(twin, None, protocol).first == pytest.approx(best, abs=0.26)


@pytest.mark.slow
def test_the_remaining_doses_make_up_for_what_the_first_ones_lacked() -> None:
    whole, short = busulfan(200.0), busulfan(60.0)
    plans = [plan_ahead(twin, None, protocol_of(twin, **SAMPLED)) for twin in (whole, short)]
    assert plans[1].first >= plans[0].first
    totals = [sum(one.factor[1] * one.planned for one in found.courses) for found in plans]
    assert totals[1] > totals[0] + 70.0


@pytest.mark.slow
def test_waiting_for_samples_brings_more_courses_into_the_window_also_of_patients_not_looked_at() -> None:
    twin, others = busulfan(), busulfan(key="SOMEBODY-ELSE")
    found = plan_ahead(twin, None, protocol_of(twin, **SAMPLED))
    assert found.worth > 0.2
    by = found.by_then
    assert by is not None
    assert by.above < 1.0 < by.below
    (component,) = others.components(None)
    protocol = protocol_of(others)
    decided, (future,) = decision((component,), component.millis, protocol)

    def inside(*ratios: float) -> np.ndarray:
        other = changed(component, component.millis, future, [decided.change(ratios)])
        seen = outlook([(component, other, future)], "busulfan", component.millis, begun=True)
        target = protocol.target_of(others.model)
        assert target is not None
        return np.asarray(seen.exposures[target.name].within())

    first = changed(component, component.millis, future, [decided.change((found.first, 1.0, 1.0))])
    level = along(component, first, future, np.array([by.millis]))[0, 0]
    told = np.where(level > by.value, inside(found.first, by.above, by.above), inside(found.first, by.below, by.below))
    fixed = max(inside(f, f, f).mean() for f in np.linspace(0.5, 1.5, 11))
    assert told.mean() > fixed + 0.05


@pytest.mark.slow
def test_limits_are_kept_over_all_courses_and_a_stricter_one_gives_less() -> None:
    twin = planned("docetaxel_ozawa2007", (96.0, 96.0, 96.0), 504.0, 1.0, 2.0)

    def at(limit: float) -> Horizon:
        return plan_ahead(twin, None, protocol_of(twin, highest=1.5, limits={"neutropenia_g4": limit}))

    loose, strict = at(0.4), at(0.1)
    for found, limit in ((loose, 0.4), (strict, 0.1)):
        assert found.kept
        assert all(one.toxicities["neutropenia_g4"].p <= limit for one in found.courses)
    assert sum(one.factor[1] for one in strict.courses) < sum(one.factor[1] for one in loose.courses)


@pytest.mark.slow
def test_where_no_allowed_dose_keeps_the_limits_it_is_left_out_and_never_the_largest_is_given() -> None:
    twin = planned("docetaxel_ozawa2007", (96.0, 96.0, 96.0), 504.0, 1.0, 503.0)
    strict = protocol_of(twin, lowest=1.0, highest=2.0, limits={"neutropenia_g4": 0.001})
    found = plan_ahead(twin, None, strict)
    assert found.kept
    assert [one.factor for one in found.courses] == [(0.0, 0.0, 0.0)] * 2
    assert [up.step.amount for up in found.doses] == [0.0]
    assert "the first one is left out" in horizon_lines(found)[-1]


@pytest.mark.slow
def test_where_what_was_given_decides_the_smallest_allowed_dose_is_told() -> None:
    twin = planned("docetaxel_ozawa2007", (400.0, 40.0, 40.0), 48.0, 1.0, 20.0)
    found = plan_ahead(twin, None, protocol_of(twin, lowest=0.5, highest=2.0, limits={"neutropenia_g4": 0.05}))
    assert not found.kept
    assert found.first == pytest.approx(0.5)
    assert "the smallest that are allowed" in horizon_lines(found)[-1]


@pytest.mark.slow
def test_a_course_that_is_left_out_counts_as_not_in_its_window() -> None:
    twin = planned("fluorouracil_yamada2025", (40000.0, 40000.0, 40000.0), 336.0, 46.0, 300.0)
    found = plan_ahead(twin, None, protocol_of(twin, lowest=1.0, limits={"leukopenia_g4": 0.01}))
    assert [one.within and one.within.p for one in found.courses] == [0.0] * len(found.courses)


def test_no_plan_passes_the_dose_of_a_lifetime() -> None:
    twin = busulfan()
    capped = protocol_of(twin, lifetime=650.0, **SAMPLED)
    found = plan_ahead(twin, None, capped)
    assert 200.0 + sum(one.factor[2] * one.planned for one in found.courses) <= 650.0 + 1e-6
    with pytest.raises(NoAdvice, match="no doses are allowed"):
        plan_ahead(twin, None, protocol_of(twin, lifetime=210.0))
    text = 'id = "a"\ntitle = "b"\ndrug = "busulfan"\nassumed = "c"\n[dose]\nlifetime = "1.2 g"\n'
    assert parse_protocol(text, "a.toml").lifetime == pytest.approx(1200.0)


@pytest.mark.slow
def test_a_plan_is_the_same_each_time_and_leaves_the_twin_as_it_is() -> None:
    twin = busulfan()
    before = twin.row()
    found, again = (plan_ahead(twin, None, protocol_of(twin, **SAMPLED)) for _ in range(2))
    assert (found, twin.row()) == (again, before)
    lines = "\n".join(horizon_lines(found))
    assert "the first dose is firm" in lines
    assert "later doses:" in lines
    values = horizon_values(found)
    assert [one["firm"] for one in values["courses"]] == [True, False]
    assert values["by_then"]["output"] == "busulfan_plasma"


def test_of_one_dose_alone_no_plan_ahead_is_made() -> None:
    with pytest.raises(NoAdvice, match="one dose alone is planned"):
        plan_ahead(counted(), None, usual_protocol(counted().model))
