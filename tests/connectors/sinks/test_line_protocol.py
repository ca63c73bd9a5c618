"""Events as points: written so that the database reads back what was meant, and the same point whoever writes it."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.services import Influx
from connectors.sinks.arrival import Arrival
from connectors.sinks.event_lines import drawn, event_lines, topics_drawn
from connectors.sinks.influx import Settings, open_writer
from tests import factories as make
from tests.lineprotocol import Point, parse
from twin.events import (
    EVENTS,
    OUTPUT_EVENTS,
    Clock,
    DoseGiven,
    Event,
    Quantity,
    Rejected,
    Subject,
    Withdrawn,
    kind_of,
    to_millis,
)

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=32)
clean_names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=32)
numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


ARRIVAL = Arrival(0, 0, 0)
"""Where and when the record of an event came, which only the line of a dead letter tells."""


def lines_of(event: Event, arrival: Arrival = ARRIVAL) -> list[str]:
    return event_lines(event, arrival)


def points(event: Any) -> list[Point]:
    return [parse(line) for line in lines_of(event)]


def ns(time: datetime) -> int:
    return to_millis(time) * 1_000_000


def test_rival_models_have_their_weights_beside_the_health_of_their_average() -> None:
    averaged = make.estimate().model_copy(update={"model": "one,other", "model_weights": {"one": 0.25, "other": 0.75}})
    lines = [line for line in lines_of(averaged) if line.startswith("model_weight,")]
    assert [line.split(" ")[:2] for line in lines] == [
        [
            f"model_weight,patient={averaged.patient_id},model=one.other,rival=one",
            "weight=0.25,rev=0i,withdrawn=false",
        ],
        [
            f"model_weight,patient={averaged.patient_id},model=one.other,rival=other",
            "weight=0.75,rev=0i,withdrawn=false",
        ],
    ]


def test_classes_that_nobody_sees_have_their_probabilities_and_lose_them_with_the_estimate() -> None:
    estimate = make.estimate().model_copy(update={"class_probability": {"slow": 0.25, "fast": 0.75}})
    named = f"class_probability,patient={estimate.patient_id},model={estimate.model},class="
    lines = [line for line in lines_of(estimate) if line.startswith(named)]
    assert [line.removeprefix(named).split(" ")[:2] for line in lines] == [
        ["slow", "probability=0.25,rev=0i,withdrawn=false"],
        ["fast", "probability=0.75,rev=0i,withdrawn=false"],
    ]
    gone = Withdrawn.example().model_copy(update={"classes": ("slow", "fast")})
    taken = [line.split(" ") for line in lines_of(gone) if line.startswith("class_probability,")]
    assert [(series.rsplit("class=", 1)[1], fields) for series, fields, _ in taken] == [
        ("slow", "rev=0i,withdrawn=true"),
        ("fast", "rev=0i,withdrawn=true"),
    ]


def test_an_estimate_becomes_its_curves_and_its_health() -> None:
    written = points(make.estimate())
    neutrophils = next(point for point in written if point.tags.get("output") == "neutrophils")
    assert neutrophils.measurement == "estimate"
    assert neutrophils.tags == {"patient": "P-1", "model": make.MODEL, "output": "neutrophils", "unit": "10*9/L"}
    assert neutrophils.fields["median"] == 4.2
    assert neutrophils.ns == ns(make.START)
    assert sorted({point.measurement for point in written}) == [
        name + ending
        for name in ("delivery", "estimate", "exposure", "health", "parameter")
        for ending in ("", "_published")
    ]
    health = next(point for point in written if point.measurement == "health")
    assert (health.fields["model_hash"], health.fields["kernel_hash"]) == (make.MODEL_HASH, "9c1e44d0a7b35f28")
    exposure = next(point for point in written if point.measurement == "exposure")
    assert (exposure.fields["so_far_median"], exposure.fields["at_end_median"]) == (2.0, 4.5)
    assert (exposure.fields["target_low"], exposure.fields["target_high"]) == (3.0, 5.0)


@pytest.mark.parametrize(
    ("rate", "written"),
    [(Quantity(value=96.0, unit="mg/h"), 96.0), (Quantity(value=48.0, unit="mg/d"), 2.0)],
)
def test_delivery_is_in_one_unit_whatever_the_models_clock(rate: Quantity, written: float) -> None:
    event = make.estimate(delivered_rate={"5-FU": rate}, delivered={"5-FU": Quantity(value=0.5, unit="g")})
    delivery = next(point for point in points(event) if point.measurement == "delivery")
    assert delivery.fields["rate_mg_per_h"] == pytest.approx(written)
    assert delivery.fields["delivered_mg"] == pytest.approx(500.0)


def test_that_a_silent_pump_may_run_is_written_over_once_it_is_known() -> None:
    rate = {"5-FU": Quantity(value=96.0, unit="mg/h")}
    for running, written in (({"5-FU": 0.75}, 0.75), (None, 1.0)):
        event = make.estimate(delivered_rate=rate, delivered={}).model_copy(update={"running": running})
        delivery = next(point for point in points(event) if point.measurement == "delivery")
        assert delivery.fields["p_running"] == written


def test_that_a_dose_may_not_have_been_taken_is_written_over_once_it_is_known() -> None:
    amount = {"6-MP": Quantity(value=50.0, unit="mg")}
    for taken, written in (({"6-MP": 0.6}, 0.6), (None, 1.0)):
        event = make.estimate(delivered_rate={}, delivered=amount).model_copy(update={"taken": taken})
        delivery = next(point for point in points(event) if point.measurement == "delivery")
        assert delivery.fields["p_taken"] == written


def test_delivery_in_a_unit_that_is_no_amount_is_not_drawn() -> None:
    event = make.estimate(delivered_rate={"x": Quantity(value=1.0, unit="Cel")}, delivered={})
    assert "delivery" not in {point.measurement for point in points(event)}


def test_a_later_word_replaces_a_point_and_leaves_what_was_published_of_it_before() -> None:
    words = [make.estimate(outputs=(make.band("neutrophils", "10*9/L", level),)) for level in (4.2, 3.1, 3.1)]
    written = [
        parse(line) for number, word in enumerate(words) for line in lines_of(word, Arrival(1000, 0, 10 + number))
    ]
    now = {point.identity: point for point in written if point.measurement == "estimate"}
    then = {point.identity: point for point in written if point.measurement == "estimate_published"}
    assert [(p.fields["median"], p.fields["rev"], p.fields["withdrawn"]) for p in now.values()] == [(3.1, 12, False)]
    # The same word again, as after a crash, is the same point.
    assert [(p.fields["median"], p.fields["rev"]) for p in then.values()] == [(4.2, 10), (3.1, 12)]
    assert {p.ns // 1_000_000 for p in then.values()} == {to_millis(make.START)}
    assert {p.fields["published"] for p in then.values()} == {1000 * 1_000_000}


CL = make.band("CL", "L/h", 20.0)
GIVEN = {make.DRUG: Quantity(value=7.0, unit="mg")}


@pytest.mark.parametrize(
    ("measurement", "words", "field", "values"),
    [
        ("parameter", (make.estimate(), make.estimate(parameters=(CL,))), "median", [32.6, 20.0]),
        ("delivery", (make.estimate(), make.estimate(delivered=GIVEN)), "delivered_mg", [48.0, 7.0]),
        ("health", (make.estimate(), make.estimate(ess=9.0)), "ess", [640.0, 9.0]),
        ("prediction", (make.prediction(), make.prediction(median=4.0)), "median", [4.4, 4.0]),
        ("nadir", (make.forecast(), make.forecast(p_grade4=0.9)), "p_grade4", [0.4, 0.9]),
    ],
)
def test_whatever_a_later_word_replaces_stays_as_it_was_published_then(
    measurement: str, words: tuple[Event, Event], field: str, values: list[float]
) -> None:
    written = [
        parse(line) for number, word in enumerate(words) for line in lines_of(word, Arrival(number, 0, 10 + number))
    ]
    now = {p.identity: p for p in written if p.measurement == measurement}
    (standing,) = (p for p in now.values() if p.fields[field] == values[1])
    then = {p.identity: p for p in written if (p.measurement, p.tags) == (f"{measurement}_published", standing.tags)}
    assert [(p.fields[field], p.fields["rev"], p.fields["published"]) for p in then.values()] == [
        (values[0], 10, 0),
        (values[1], 11, 1_000_000),
    ]


def test_what_is_withdrawn_marks_every_point_that_was_said_and_said_again_it_stands() -> None:
    said = [*points(make.estimate()), *points(make.forecast()), *points(make.prediction())]
    best = {p.identity for p in said if not p.measurement.endswith("_published") and p.measurement != "forecast"}
    marks = points(make.withdrawn())
    assert {point.identity for point in marks} == best
    assert all(point.fields == {"rev": 0, "withdrawn": True} for point in marks)
    assert all(point.fields["withdrawn"] is False for point in said if point.identity in best)
    value_only = make.withdrawn(
        estimated=True, foreseen=True, outputs=(), parameters=(), exposure=(), nadir=(), drugs=()
    )
    assert [point.measurement for point in points(value_only)] == ["prediction"]
    rivals = points(make.withdrawn(model="one,other"))
    assert [point.tags["rival"] for point in rivals if point.measurement == "model_weight"] == ["one", "other"]


def test_a_prediction_carries_the_measured_value_beside_what_was_expected() -> None:
    point, _ = points(make.prediction(observed=3.9))
    assert (point.measurement, point.fields["observed"], point.fields["median"]) == ("prediction", 3.9, 4.4)
    assert {"q05", "q25", "q75", "q95", "pit", "innovation", "population_median"} < set(point.fields)
    for limit, known in (({}, ("exactly", 3.9)), ({"below": 0.5}, ("below", 0.5)), ({"above": 9.0}, ("above", 9.0))):
        point, _ = points(make.prediction(observed=3.9, **limit))
        assert (point.fields["known"], point.fields["limit"]) == known


def test_no_forecast_takes_the_points_of_another_and_the_same_word_again_is_the_same_points() -> None:
    older = make.forecast(time=make.at(0), hours=(1.0, 2.0, 3.0), neutrophils=3.0)
    newer = make.forecast(time=make.at(1), hours=(1.0, 2.0, 3.0), neutrophils=2.0)
    corrected = make.forecast(time=make.at(1), hours=(1.0, 2.0, 3.0), neutrophils=1.0)
    stored: dict[Any, Point] = {}
    for offset, word in enumerate((older, newer, corrected, newer)):
        for point in map(parse, lines_of(word, Arrival(0, 0, offset))):
            if point.measurement == "forecast" and point.tags["output"] == "neutrophils":
                stored[point.identity] = point
    of_each = [
        [
            (point.ns // 1_000_000 * 1_000_000, point.fields["issued"])
            for point in stored.values()
            if point.fields["rev"] == rev
        ]
        for rev in (0, 2, 3)
    ]
    assert of_each == [[(ns(make.at(begin + hour)), ns(make.at(begin))) for hour in (1, 2, 3)] for begin in (0, 1, 1)]
    assert len(stored) == 9


def test_the_nadir_is_a_point_of_the_time_it_was_forecast() -> None:
    nadir = next(point for point in points(make.forecast(time=make.at(5))) if point.measurement == "nadir")
    assert nadir.ns == ns(make.at(5))
    assert (nadir.fields["median"], nadir.fields["day_median"], nadir.fields["p_grade4"]) == (0.6, 8.0, 0.4)


def test_what_late_data_may_change_in_an_alert_is_no_part_of_its_identity() -> None:
    before = make.alert(severity="medium", text="a", phase="start", probability=0.5)
    after = make.alert(severity="high", text="b", phase="start", probability=None)
    assert points(before)[0].identity == points(after)[0].identity
    assert "probability" not in points(after)[0].fields


def test_an_alerts_subject_is_a_tag_of_its_point() -> None:
    (point,) = points(make.alert(rule="delivery.overinfusion", subject=Subject("drug", "oxaliplatin")))
    assert (point.tags["subject_kind"], point.tags["subject"]) == ("drug", "oxaliplatin")


def test_two_alerts_of_one_rule_in_one_millisecond_stay_two_points() -> None:
    onsets = [make.at(-hours) for hours in range(5)]
    written = [points(make.alert(time=make.at(1), onset=onset))[0] for onset in onsets]
    assert len({point.identity for point in written}) == len(onsets)
    assert {point.ns // 1_000_000 for point in written} == {to_millis(make.at(1))}


@settings(max_examples=3)
@given(st.integers(0, 1_000), st.sampled_from([200, 1_000]))
def test_ten_thousand_alerts_in_one_millisecond_are_all_there(first: int, patients: int) -> None:
    rules = ["delivery.overinfusion", "data.suspect", "exposure.above_target", "tox.qtc"]
    written = {
        points(make.alert(f"P-{number % patients}", rule=rules[number // patients % 4], time=make.at(900), revision=1,
                          phase="end", onset=make.START + timedelta(milliseconds=first + number)))[0].identity
        for number in range(10_000)
    }  # fmt: skip
    assert len(written) == 10_000


def test_transitions_of_one_alert_within_a_millisecond_are_told_apart_and_bear_their_revision() -> None:
    transitions = [points(make.alert(revision=revision, onset=make.START))[0] for revision in range(100)]
    assert len({point.identity for point in transitions}) == 100
    assert [point.fields["revision"] for point in transitions] == list(range(100))


def test_vitals_carry_their_status_so_that_a_retracted_one_can_be_hidden() -> None:
    given_then_withdrawn = [
        make.vital(value=41.0),
        make.vital(event_id="r", status="retracted", replaces="v", value=41.0),
    ]
    first, second = (points(event)[0] for event in given_then_withdrawn)
    assert first.identity == second.identity
    assert (first.fields["status"], second.fields["status"]) == ("final", "retracted")


@pytest.mark.parametrize(
    ("channel", "value", "unit", "written"),
    [
        ("heart_rate", 1.25, "Hz", 75.0),
        ("body_temperature", 98.6, "[degF]", pytest.approx(37.0)),
        ("spo2", 0.97, "1", pytest.approx(97.0)),
        ("heart_rate", 75.0, "mg/L", None),
        ("heart_rate", 75.0, "bananas", None),
    ],
)
def test_a_channel_has_one_unit_whatever_its_devices_say(
    channel: str, value: float, unit: str, written: float | None
) -> None:
    found = points(
        make.vital(channel=channel, value=1.0).model_copy(update={"value": Quantity(value=value, unit=unit)})
    )
    assert [point.fields["value"] for point in found] == ([] if written is None else [written])
    assert {point.tags["unit"] for point in found} <= {"/min", "Cel", "%"}


def test_a_plan_marks_from_when_it_rules_and_a_retracted_one_clears_its_mark() -> None:
    plan = make.plan(time=make.at(-1), doses=((make.at(0), 96.0, 1.0), (make.at(24), 50.0, None)))
    mark, first, second = points(plan)
    assert (mark.ns, mark.fields) == (ns(make.at(-1)), {"in_force": plan.event_id})
    assert first.fields == {"amount_mg": 96.0, "duration_h": 1.0, "plan": plan.event_id}
    assert second.fields == {"amount_mg": 50.0, "duration_h": 0.0, "plan": plan.event_id}
    assert first.ns // 1_000_000 == to_millis(make.at(0))
    withdrawn = make.plan(time=make.at(-1), event_id="w", status="retracted", replaces=plan.event_id)
    assert [(point.identity, point.fields) for point in points(withdrawn)] == [(mark.identity, {"in_force": ""})]


def test_doses_of_two_plans_at_one_time_do_not_replace_each_other() -> None:
    older, newer = make.plan(time=make.at(-2)), make.plan(time=make.at(-1))
    assert points(older)[1].identity != points(newer)[1].identity


def test_a_dead_letter_is_a_point_of_its_arrival_and_names_the_original_record() -> None:
    point = parse(lines_of(make.rejected(offset=17), Arrival(1_000, 2, 1_000_003))[0])
    assert point.tags == {"reason": "unknown_unit", "topic": "iomt.pump", "partition": "2"}
    assert point.fields["position"] == "iomt.pump/1/17"
    assert point.ns == 1_000 * 1_000_000 + 3
    anonymous = make.rejected(patient_id=None, topic=None, partition=None)
    bare = parse(lines_of(anonymous, Arrival(1_000, 2, 4))[0])
    assert bare.fields["position"] == "dead-letter/2/4"
    assert "patient" not in bare.fields


def test_events_that_are_not_drawn_have_no_lines() -> None:
    amount = Quantity(value=1.0, unit="mg")
    dose = DoseGiven(event_id="d", patient_id="P-1", time=make.START, source="x", drug="x", route="iv", amount=amount)
    assert lines_of(dose) == []
    assert lines_of(Clock(event_id="c", patient_id="P-1", time=make.START, source="x")) == []


def test_all_that_the_twin_says_is_drawn_and_every_dead_letter() -> None:
    assert {kind_of(event) for event in (*OUTPUT_EVENTS, Rejected)} <= set(drawn())
    said = {"twin.advice", "twin.alerts", "twin.estimates", "twin.rejected"}
    assert set(topics_drawn()) == {"clinical.orders", "iomt.vitals", *said}


@pytest.mark.parametrize("event", EVENTS, ids=kind_of)
def test_the_example_of_whatever_is_drawn_has_lines(event: type[Event]) -> None:
    assert bool(lines_of(event.example())) == (kind_of(event) in drawn())


def test_no_identifier_of_an_event_an_alert_or_a_device_is_a_tag() -> None:
    events = [make.estimate(), make.forecast(), make.prediction(), make.alert(), make.vital(), make.plan()]
    tags = {value for event in events for point in points(event) for value in point.tags.values()}
    forbidden = {event.event_id for event in events} | {make.alert().alert_id, make.vital().device_id}
    assert not tags & forbidden


@given(name=clean_names, text=names, value=numbers, time=times)
def test_any_text_and_number_is_read_back_as_it_was_meant(name: str, text: str, value: float, time: datetime) -> None:
    (point,) = points(make.vital(time=time, value=value))
    assert (point.fields["value"], point.ns) == (value, ns(time))
    (point,) = points(make.alert(time=time, subject=Subject("device", name), text=text))
    meant = name[:-1] + "/" if name.endswith("\\") else name
    assert point.tags["subject"] == meant
    assert point.fields["text"] == re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text)


@given(name=names)
def test_a_name_with_line_breaks_stays_one_point(name: str) -> None:
    (line,) = lines_of(make.alert(subject=Subject("device", name)))
    assert len(line.splitlines()) == 1
    assert len(parse(line).tags) == 5


@given(st.lists(st.sampled_from([0, 1, -1, 0.5, 1e300, 5e-324]), min_size=5, max_size=5), st.integers(0, 40))
def test_a_field_has_one_type_in_all_its_points(levels: list[float], observations: int) -> None:
    band = dict(zip(("q05", "q25", "median", "q75", "q95"), levels, strict=True))
    odd = make.band("neutrophils", "10*9/L", 1.0).model_copy(update=band)
    usual, unusual = make.estimate(), make.estimate(outputs=(odd,), observations=observations)
    types: dict[tuple[str, str], set[type]] = {}
    for point in points(usual) + points(unusual):
        for field, value in point.fields.items():
            types.setdefault((point.measurement, field), set()).add(type(value))
    assert all(len(found) == 1 for found in types.values())
    assert {field for (_, field), found in types.items() if found == {str}} == {"model_hash", "kernel_hash"}


@given(st.integers(0, 2**40), times)
def test_the_same_event_gives_the_same_lines(patient: int, time: datetime) -> None:
    for factory in (make.estimate, make.forecast, make.prediction, make.alert, make.vital, make.plan):
        assert lines_of(factory(f"P-{patient}", time)) == lines_of(factory(f"P-{patient}", time))


class TestOnARealServer:
    """The database's own reading of our lines."""

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(names, names, st.floats(-1e7, 1e7)), min_size=1, max_size=20))
    def test_any_text_and_number_is_stored_as_it_was_meant(
        self, influx: Influx, rows: list[tuple[str, str, float]]
    ) -> None:
        patient = f"P-{uuid.uuid4().hex}"
        alerts = [
            make.alert(patient, make.at(index), subject=Subject("device", device), text=text, freshness_hours=value)
            for index, (device, text, value) in enumerate(rows)
        ]
        lines = [line for event in alerts for line in lines_of(event)]
        write(influx, lines)
        meant = {(p.tags["subject"], p.fields["text"], p.fields["freshness_hours"], p.ns) for p in map(parse, lines)}
        assert stored_alerts(influx, patient) == meant

    def test_the_last_line_about_a_point_is_the_one_that_stays_within_a_call_too(self, influx: Influx) -> None:
        patient = f"P-{uuid.uuid4().hex}"
        lines = [line for hours in (0.1, 0.9, 0.5) for line in lines_of(make.alert(patient, freshness_hours=hours))]
        write(influx, lines)
        assert [row[2] for row in stored_alerts(influx, patient)] == [0.5]
        write(influx, lines[:2])
        assert [row[2] for row in stored_alerts(influx, patient)] == [0.9]


def write(influx: Influx, lines: list[str]) -> None:
    with open_writer(Settings(url=influx.url, token=influx.token, org=influx.org, bucket=influx.bucket)) as writer:
        writer.write(lines)


def stored_alerts(influx: Influx, patient: str) -> set[tuple[str, str, float, int]]:
    from influxdb_client.client.influxdb_client import InfluxDBClient

    start, stop = (time.isoformat() for time in (make.START - timedelta(days=1), make.START + timedelta(days=9)))
    flux = f"""from(bucket: "{influx.bucket}") |> range(start: {start}, stop: {stop})
        |> filter(fn: (r) => r._measurement == "alert" and r.patient == "{patient}")
        |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
        |> map(fn: (r) => ({{r with ns: int(v: r._time)}}))"""
    with InfluxDBClient(url=influx.url, token=influx.token, org=influx.org) as client:
        records = [record.values for table in client.query_api().query(flux) for record in table.records]
    return {(row["subject"], row["text"], row["freshness_hours"], row["ns"]) for row in records}
