"""The ward picture: what is known, in whatever order and however often it was heard."""

from __future__ import annotations

import gc
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from types import FunctionType, ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.console.board import REFUSED_KEPT, Board, UnknownPatient
from connectors.console.patient.individual import Floor, Meaning, ModelNotes
from connectors.console.views import STEPS_SHOWN
from tests import factories as make
from twin.events import Estimate, OutputEvent, Prediction, PriorRange, Quantity, Rejected, Subject, Withdrawn

Known = OutputEvent | Rejected


def folded(events: Sequence[Known], **options: Any) -> Board:
    board = Board(**options)
    for event in events:
        board.fold(event)
    return board


def plain(frame: object) -> Any:
    """The frame as a page receives it, without the numbers of the folds."""
    read = msgspec.json.decode(msgspec.json.encode(frame))
    return {key: value for key, value in read.items() if key not in ("version", "since")}


def picture(board: Board) -> dict[str, Any]:
    ward = plain(board.ward())
    return {"ward": ward, "patients": {row["id"]: plain(board.patient(row["id"])) for row in ward["rows"]}}


def identity(event: Known) -> tuple[object, ...]:
    """What a newer word replaces: the same fact said again with other content."""
    if isinstance(event, Rejected):
        return ("rejected", event.offset, event.topic, event.partition)
    output = event.output if isinstance(event, Prediction) else ""
    return (
        event.kind,
        event.patient_id,
        event.time,
        output,
        getattr(event, "alert_id", ""),
        getattr(event, "revision", 0),
    )


patients = st.sampled_from(["P-1", "P-2"])
hours = st.integers(0, 6)
levels = st.integers(1, 3)


@st.composite
def known_events(draw: st.DrawFn, *more: str) -> Known:
    patient, time = draw(patients), make.at(draw(hours))
    match draw(st.sampled_from(["estimate", "prediction", "forecast", "alert", "rejected", *more])):
        case "estimate":
            return make.estimate(patient, time, observations=draw(levels) - 1, ess=float(draw(levels)))
        case "prediction":
            output = draw(st.sampled_from(["neutrophils", "docetaxel_plasma"]))
            return make.prediction(patient, time, output=output, observed=float(draw(levels)))
        case "forecast":
            return make.forecast(patient, time, p_grade4=draw(levels) / 4)
        case "alert":
            revision = draw(st.integers(0, 3))
            phase = draw(st.sampled_from(["start", "update", "end", "withdrawn"]))
            onset = make.at(draw(st.integers(0, 1)))
            severity = draw(st.sampled_from(["low", "medium", "high"]))
            return make.alert(patient, time, phase=phase, revision=revision, onset=onset, severity=severity)
        case "withdrawn":
            return make.withdrawn(patient, time, estimated=draw(st.booleans()), foreseen=draw(st.booleans()))
        case _:
            return make.rejected(patient, offset=draw(hours), detail=f"detail {draw(levels)}")


def shuffled_keeping_revisions(events: Sequence[Known], seed: int) -> list[Known]:
    """Any interleaving in which words of the same time keep their order, as a Kafka partition keeps them."""
    by_fact: dict[tuple[object, ...], list[Known]] = defaultdict(list)
    for event in events:
        by_fact[of_one_time(event)].append(event)
    chance = random.Random(seed)
    queues, mixed = list(by_fact.values()), []
    while queues:
        queue = chance.choice(queues)
        mixed.append(queue.pop(0))
        queues = [each for each in queues if each]
    return mixed


def alert_fact(event: Known) -> tuple[object, ...]:
    if isinstance(event, Rejected):
        return ("rejected", event.topic, event.partition, event.patient_id, event.offset)
    if event.kind == "alert":
        return ("alert", event.alert_id, event.revision)
    return identity(event)


def of_one_time(event: Known) -> tuple[object, ...]:
    """What may be taken back together."""
    if isinstance(event, Rejected) or event.kind == "alert":
        return alert_fact(event)
    return (event.patient_id, event.time)


@given(st.lists(known_events("withdrawn"), max_size=40), st.integers(0, 2**32))
def test_the_order_in_which_facts_are_heard_and_taken_back_is_no_matter(events: list[Known], seed: int) -> None:
    assert picture(folded(events)) == picture(folded(shuffled_keeping_revisions(events, seed)))


@given(st.lists(known_events("withdrawn"), max_size=40))
def test_the_picture_is_that_of_what_stands(events: list[Known]) -> None:
    standing: dict[tuple[object, ...], Known] = {}
    for event in events:
        if isinstance(event, Withdrawn):
            gone = [("prediction", series.name) for series in event.measured]
            gone += [("estimate", "")] if not event.estimated else []
            gone += [("forecast", "")] if not event.foreseen else []
            for kind, output in gone:
                standing.pop((kind, event.patient_id, event.time, output, "", 0), None)
        else:
            standing[alert_fact(event)] = event
    seen, expected = picture(folded(events)), picture(folded(list(standing.values())))
    heard_of = {row["id"] for row in expected["ward"]["rows"]}
    seen["ward"]["rows"] = [row for row in seen["ward"]["rows"] if row["id"] in heard_of]
    seen["patients"] = {patient: frame for patient, frame in seen["patients"].items() if patient in heard_of}
    assert seen == expected


@given(st.lists(known_events(), max_size=40), st.integers(0, 2**32))
def test_the_order_in_which_facts_are_heard_is_no_matter(events: list[Known], seed: int) -> None:
    assert picture(folded(events, points_kept=4)) == picture(
        folded(shuffled_keeping_revisions(events, seed), points_kept=4)
    )


@given(st.lists(known_events("withdrawn"), max_size=30), st.integers(0, 30))
def test_hearing_a_stretch_again_changes_nothing(events: list[Known], start: int) -> None:
    once = folded(events)
    again = folded([*events, *events[start:]])
    assert picture(again) == picture(once)


@given(st.lists(known_events(), max_size=30, unique_by=alert_fact))
def test_a_duplicate_of_a_fact_is_no_change(events: list[Known]) -> None:
    board = folded(events)
    version = board.version
    assert [event for event in events if board.fold(event)] == []
    assert board.version == version


@given(st.lists(known_events("withdrawn"), max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_a_snapshot_and_what_changed_since_make_the_picture_of_now(events: list[Known], looks: list[int]) -> None:
    board, page = Board(points_kept=4), BrowserPage()
    for number, event in enumerate(events):
        board.fold(event)
        if number in looks:
            page.look(board)
    page.look(board)
    assert page.picture() == picture(board)


class BrowserPage:
    """What the page's scripts do with frames, in Python."""

    def __init__(self) -> None:
        self.since = 0
        self.ward: dict[str, Any] = {}
        self.rows: dict[str, Any] = {}
        self.patients: dict[str, dict[str, Any]] = {}

    def look(self, board: Board) -> None:
        ward = plain(board.ward(self.since))
        self.rows |= {row["id"]: row for row in ward["rows"]}
        refused = ward["refused"] if ward["refused"] is not None else self.ward.get("refused")
        self.ward = ward | {"refused": refused}
        for patient_id in self.rows:
            told = board.patient(patient_id, self.since if patient_id in self.patients else 0)
            if told.since == 0:
                self.patients.pop(patient_id, None)
            self.merge(patient_id, plain(told))
        self.since = board.version

    def merge(self, patient_id: str, frame: dict[str, Any]) -> None:
        known = self.patients.get(
            patient_id, {"points": [], "measured": [], "forecast": None, "alerts": [], "advice": [], "calibration": []}
        )
        for series, key in (("points", ("t",)), ("measured", ("t", "output"))):
            merged = {tuple(entry[k] for k in key): entry for entry in [*known[series], *frame[series]]}
            frame[series] = [merged[place] for place in sorted(merged)][-frame[f"{series}_kept"] :]
        for whole in ("forecast", "alerts", "advice", "calibration"):
            if frame[whole] is None:
                frame[whole] = known[whole]
        self.patients[patient_id] = frame

    def picture(self) -> dict[str, Any]:
        return {"ward": self.ward | {"rows": [self.rows[key] for key in sorted(self.rows)]}, "patients": self.patients}


def test_late_data_overwrites_the_estimate_of_the_same_time() -> None:
    before = make.estimate(time=make.at(2))
    after = make.estimate(time=make.at(2), outputs=(make.band("neutrophils", "10*9/L", 1.1),))
    frame = plain(folded([before, make.estimate(time=make.at(3)), after]).patient("P-1"))
    assert [point["o"]["neutrophils"][2] for point in frame["points"]] == [1.1, 4.2]


def test_what_is_withdrawn_leaves_the_picture_and_a_page_gets_all_that_is_left() -> None:
    said: list[Known] = [make.estimate("P-1", make.at(hour)) for hour in range(3)]
    said += [make.prediction("P-1", make.at(hour)) for hour in (1, 2)]
    board = folded(said)
    seen = board.version
    assert board.fold(make.withdrawn("P-1", make.at(1)))
    frame = board.patient("P-1", seen)
    assert (frame.since, len(frame.points), len(frame.measured)) == (0, 2, 1)
    assert picture(board) == picture(folded([said[0], said[2], said[4]]))
    assert not board.fold(make.withdrawn("P-1", make.at(1)))
    assert board.patient("P-1", board.version).since == board.version
    board.fold(said[1])
    board.fold(said[3])
    assert picture(board) == picture(folded(said))


def test_where_the_newest_estimate_and_forecast_are_withdrawn_the_newest_that_stand_are_shown() -> None:
    said: list[Known] = [make.estimate("P-1", make.at(hour), ess=10.0 * hour) for hour in range(4)]
    said += [make.forecast("P-1", make.at(hour), p_grade4=hour / 8) for hour in (1, 3)]
    board = folded([*said, make.withdrawn("P-1", make.at(3))])
    (row,) = board.ward().rows
    assert (row.ess, row.time) == (20.0, round(make.at(2).timestamp() * 1000))
    assert row.nadir is not None
    assert row.nadir.p_grade4 == 0.125
    assert board.ward().clock == row.time
    frame = board.patient("P-1")
    assert frame.forecast is not None
    assert frame.forecast.t == round(make.at(1).timestamp() * 1000)
    for hour in (2, 1, 0):
        board.fold(make.withdrawn("P-1", make.at(hour)))
    (row,) = board.ward().rows
    assert (row.time, row.levels, row.nadir) == (None, (), None)
    board.fold(said[1])
    assert board.ward().rows[0].ess == 10.0


def test_history_keeps_the_newest_points_only() -> None:
    frame = plain(folded([make.estimate(time=make.at(h)) for h in (3, 1, 5, 2, 4)], points_kept=3).patient("P-1"))
    assert [point["t"] for point in frame["points"]] == [round(make.at(h).timestamp() * 1000) for h in (3, 4, 5)]


def reachable(board: Board) -> int:
    """Bytes that the board keeps alive."""
    seen: dict[int, object] = {}
    waiting: list[object] = [board]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen and not isinstance(one, (type, ModuleType, FunctionType)):
            seen[id(one)] = one
            waiting += gc.get_referents(one)
    return sum(map(sys.getsizeof, seen.values()))


def test_what_is_kept_of_a_patient_grows_no_more_once_every_window_is_full() -> None:
    board, window, held = Board(points_kept=24), 1_100, []
    for hour in range(3 * window):
        time = make.at(hour)
        board.fold(make.prediction("P-1", time))
        if hour % 4 == 0:
            board.fold(make.estimate("P-1", time))
            board.fold(make.rejected("P-1", offset=hour))
        if hour % 10 == 0:
            alert = make.alert("P-1", time)
            board.fold(alert)
            board.fold(make.alert("P-1", time, phase="end", revision=1, onset=alert.onset))
            board.fold(make.forecast("P-1", time))
        if hour % 50 == 0:
            board.fold(make.advice("P-1", time))
        if hour % window == window - 1:
            board.ward()
            held.append(reachable(board))
    assert held[0] > 500_000
    assert held[2] <= 1.02 * held[1]


def test_of_more_patients_than_are_kept_those_leave_of_whom_the_newest_word_is_the_oldest() -> None:
    board = folded([make.estimate(f"P-{n}", make.at(n)) for n in range(3)], patients_kept=3)
    board.fold(make.estimate("P-0", make.at(5)))
    before = board.version
    assert board.fold(make.estimate("P-9", make.at(4)))
    told = board.ward(before)
    assert (told.since, [row.id for row in told.rows]) == (0, ["P-0", "P-2", "P-9"]), "a page is told all who are left"
    assert board.ward(board.version).rows == ()
    with pytest.raises(UnknownPatient):
        board.patient("P-1")
    version = board.version
    assert not board.fold(make.estimate("P-1", make.at(1))), "who was forgotten does not come back with old words"
    assert board.version == version
    assert board.fold(make.estimate("P-1", make.at(9)))
    assert board.patient_ids() == ("P-0", "P-9", "P-1")
    assert len(board.patient("P-1", before).points) == 1


def test_an_older_forecast_does_not_replace_a_newer_one() -> None:
    board = folded([make.forecast(time=make.at(24), p_grade4=0.7), make.forecast(time=make.at(0), p_grade4=0.1)])
    assert board.ward().rows[0].nadir is not None
    assert board.ward().rows[0].nadir.p_grade4 == 0.7


def test_the_nadir_is_told_as_a_time() -> None:
    nadir = folded([make.forecast(time=make.at(0))]).ward().rows[0].nadir
    assert nadir is not None
    assert nadir.times[1] == round(make.at(8 * 24).timestamp() * 1000)


@pytest.mark.parametrize(("phase", "active"), [("start", 1), ("update", 1), ("end", 0), ("withdrawn", 0)])
def test_an_alert_is_on_the_ward_while_its_newest_revision_is_active(phase: Any, active: int) -> None:
    raised, last = make.alert(), make.alert(time=make.at(3), phase=phase, revision=1, onset=make.at(0))
    for order in ([raised, last], [last, raised]):
        board = folded([make.estimate(), *order])
        assert len(board.ward().rows[0].alerts) == active
        cards = board.patient("P-1").alerts
        assert cards is not None
        assert [step.phase for step in cards[0].steps] == ["start", phase]


def test_a_long_history_of_an_alert_keeps_its_beginning_and_its_end() -> None:
    steps = [
        make.alert(time=make.at(n), phase="update" if n else "start", revision=n, onset=make.at(0)) for n in range(99)
    ]
    cards = folded(steps).patient("P-1").alerts
    assert cards is not None
    assert [step.revision for step in cards[0].steps] == [0, *range(99 - STEPS_SHOWN, 99)]


def test_urgency_puts_severity_first_and_then_probability() -> None:
    board = folded(
        [
            make.alert("P-low", severity="low", probability=0.9),
            make.alert("P-high", severity="high", probability=0.3),
            make.alert("P-higher", severity="high", probability=0.8),
            make.estimate("P-calm"),
        ]
    )
    ranked = sorted(board.ward().rows, key=lambda row: row.urgency, reverse=True)
    assert [row.id for row in ranked] == ["P-higher", "P-high", "P-low", "P-calm"]


def test_urgency_does_not_move_with_monte_carlo_noise() -> None:
    urgencies = {folded([make.alert(probability=p)]).ward().rows[0].urgency for p in (0.61, 0.62, 0.64)}
    assert len(urgencies) == 1


def test_the_row_names_count_and_concentration_whatever_their_order() -> None:
    counts_first = make.estimate(outputs=(make.band("neutrophils", "10*9/L", 4.0), make.band("drug", "mg/L", 1.0)))
    row = folded([counts_first]).ward().rows[0]
    assert (row.count, row.concentration) == ("neutrophils", "drug")


@pytest.mark.parametrize(
    ("rule", "plan"), [("delivery.underinfusion", "below"), ("delivery.overinfusion", "above"), ("data.dropout", None)]
)
def test_the_rate_says_whether_it_is_off_plan(rule: str, plan: str | None) -> None:
    assert folded([make.estimate(), make.alert(rule=rule)]).ward().rows[0].rates[0].plan == plan


def test_only_the_drug_that_an_alert_is_about_is_off_plan() -> None:
    rates = {drug: Quantity(value=1.0, unit="mg/h") for drug in ("oxaliplatin", "fluorouracil", "folinate")}
    fast = make.alert(rule="delivery.overinfusion", subject=Subject("drug", "fluorouracil"))
    slow = make.alert(rule="delivery.underinfusion", subject=Subject("drug", "oxaliplatin"))
    row = folded([make.estimate(delivered_rate=rates), fast, slow]).ward().rows[0]
    assert {rate.drug: rate.plan for rate in row.rates} == {
        "oxaliplatin": "below",
        "fluorouracil": "above",
        "folinate": None,
    }


def test_a_device_that_bears_a_drugs_name_does_not_mark_the_drug() -> None:
    alert = make.alert(rule="delivery.overinfusion", subject=Subject("device", make.DRUG))
    assert folded([make.estimate(), alert]).ward().rows[0].rates[0].plan is None


def test_a_card_says_what_the_alert_is_about() -> None:
    (card,) = folded([make.alert()]).patient("P-1").alerts or ()
    assert card.subject == Subject("output", "neutrophils")


def test_a_parameter_is_told_beside_what_was_to_be_expected_of_this_patient() -> None:
    clearance, transit = (
        folded([make.estimate(priors={"CL": PriorRange(q05=2.0, median=3.0, q95=4.0)})]).patient("P-1").parameters
    )
    assert (clearance.prior, transit.prior) == ((2.0, 3.0, 4.0), None)
    (clearance, _) = folded([make.estimate(priors=None)]).patient("P-1").parameters
    assert clearance.prior is None


def test_a_parameter_is_told_beside_the_population_with_its_meaning() -> None:
    now = make.estimate(time=make.at(5), parameters=(make.band("CL", "L/h", 4.0), make.band("V1", "L", 9.0)))
    meaning = Meaning("clearance", "Table 2")
    notes = {make.MODEL: ModelNotes(population={"CL": (1.0, 2.0, 3.0, 4.0, 5.0)}, meanings={"CL": meaning})}
    clearance, volume = folded([now], models=notes).patient("P-1").parameters
    assert (clearance.population, clearance.place, clearance.meaning) == ((1.0, 2.0, 3.0, 4.0, 5.0), 0.75, meaning)
    assert (volume.population, volume.place, volume.meaning) == (None, None, Meaning(None, None))


def test_the_limits_of_the_patients_model_come_along() -> None:
    floor = Floor("neutrophils", 0.5, "neutropenia_g4", "below")
    notes = {make.MODEL: ModelNotes(floors=(floor,))}
    board = folded([make.estimate("P-1"), make.estimate("P-2", model="other")], models=notes)
    assert board.patient("P-1").floors == (floor,)
    assert board.patient("P-2").floors == ()


def test_a_patient_of_unseen_classes_has_them_likeliest_first() -> None:
    board = folded([make.estimate("P-1").model_copy(update={"class_probability": {"slow": 0.25, "fast": 0.75}})])
    assert picture(board)["ward"]["rows"][0]["classes"] == [["fast", 0.75], ["slow", 0.25]]
    assert picture(folded([make.estimate("P-1")]))["ward"]["rows"][0]["classes"] == []


def test_dead_letters_are_counted_once_and_their_originals_are_not_shown() -> None:
    board = folded([make.rejected(offset=3), make.rejected(offset=3), make.rejected(offset=4)])
    frame = plain(board.ward())
    assert [letter["offset"] for letter in frame["refused"]] == [4, 3]
    assert "original_base64" not in frame["refused"][0]
    assert not frame["refused_more"]


def test_more_dead_letters_than_are_kept_are_said_to_be_more() -> None:
    ward = folded([make.rejected(offset=n) for n in range(REFUSED_KEPT + 1)]).ward()
    assert ward.refused is not None
    assert (len(ward.refused), ward.refused[0].offset, ward.refused_more) == (REFUSED_KEPT, REFUSED_KEPT, True)


def test_only_changed_rows_are_told_again() -> None:
    board = folded([make.estimate("P-1"), make.estimate("P-2")])
    since = board.version
    board.fold(make.estimate("P-2", make.at(1)))
    assert [row.id for row in board.ward(since).rows] == ["P-2"]
    assert not board.patient_changed("P-1", since)
    assert board.patient_changed("P-2", since)


def test_an_unknown_patient_is_an_error() -> None:
    with pytest.raises(UnknownPatient, match="P-9"):
        Board().patient("P-9")


def test_a_frame_stays_small() -> None:
    """A full patient of two months must load at once, a tick must be next to nothing."""
    board = folded([make.estimate(time=make.at(h)) for h in range(1500)])
    since = board.version
    board.fold(make.estimate(time=make.at(1500)))
    assert len(msgspec.json.encode(board.patient("P-1"))) < 400_000
    assert len(msgspec.json.encode(board.patient("P-1", since))) < 2_000


def test_every_estimate_of_the_twin_can_be_shown() -> None:
    bare: Estimate = make.estimate(outputs=(), parameters=(), exposure=(), delivered_rate={}, delivered={})
    row = folded([bare]).ward().rows[0]
    assert (row.levels, row.count, row.concentration, row.rates) == ((), None, None, ())
