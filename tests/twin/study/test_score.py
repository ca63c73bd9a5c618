"""Scores of predictions: what counts, what the twin is set beside, and the published baseline on real children."""

from __future__ import annotations

import math
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.feeds.nmtran.reader import parse_columns, read_nmtran
from tests.factories import START
from tests.places import REFERENCE
from twin.events import LabResult, Prediction, event_id
from twin.modelfile.library import load_model
from twin.study.score import Score, score, substitute

ALL_6MP = REFERENCE / "all_6mp_anc.csv"


def prediction(
    day: float, observed: float, median: float = 2.0, patient_id: str = "P-1", **changes: object
) -> Prediction:
    fields: dict[str, object] = {
        "event_id": event_id("prediction", patient_id, day, observed),
        "patient_id": patient_id,
        "time": START + timedelta(days=day),
        "source": "test",
        "model": "any",
        "model_hash": "0",
        "output": "neutrophils",
        "unit": "10*9/L",
        "observed": observed,
        "median": median,
        "q05": median / 2,
        "q25": median / 1.4,
        "q75": median * 1.4,
        "q95": median * 2,
        "pit": 0.5,
        "innovation": 0.0,
        "population_median": 3.0,
    }
    return Prediction.model_validate(fields | changes)


def only(predictions: list[Prediction]) -> Score:
    (found,) = score(predictions)
    return found


def test_each_value_but_a_patients_first_is_scored_against_the_twin_the_population_and_the_value_before() -> None:
    found = only([prediction(0, 9.0), prediction(1, 4.0, 2.0), prediction(2, 1.0, 2.0), prediction(3, 2.0, 2.0)])
    assert (found.patients, found.values, found.n) == (1, 4, 3)
    assert found.twin is not None
    assert found.population is not None
    assert found.last_value is not None
    assert found.twin.median == pytest.approx(math.log(2))
    assert found.twin.mean == pytest.approx(2 * math.log(2) / 3)
    assert found.population.mean == pytest.approx((math.log(4 / 3) + math.log(3) + math.log(1.5)) / 3)
    assert found.last_value.median == pytest.approx(math.log(2.25))
    assert found.last_value.mean == pytest.approx((math.log(2.25) + math.log(4) + math.log(2)) / 3)


def test_no_value_is_carried_from_one_patient_to_another() -> None:
    found = only([prediction(0, 1.0), prediction(1, 1.0), prediction(0, 8.0, patient_id="P-2")])
    assert (found.patients, found.n) == (2, 1)
    assert found.last_value is not None
    assert found.last_value.mean == 0


def test_outputs_are_scored_apart_in_the_order_of_their_names() -> None:
    level = [prediction(day, 1.0, output="docetaxel_plasma", unit="mg/L") for day in (0.1, 0.2, 0.3)]
    count = [prediction(day, 1.0) for day in (1, 2)]
    assert [(found.output, found.n) for found in score([*count, *level])] == [
        ("docetaxel_plasma", 2),
        ("neutrophils", 1),
    ]


def test_coverage_is_the_share_of_values_inside_the_interval_ends_included() -> None:
    values = [1.0, 4.0, 0.99, 4.01, 2.0]
    found = only([prediction(0, 2.0), *(prediction(n, value, 2.0) for n, value in enumerate(values, start=1))])
    assert found.coverage == pytest.approx(3 / 5)


def test_a_count_of_zero_is_scored_as_the_middle_of_what_is_rounded_to_it() -> None:
    found = only([prediction(0, 0.1), prediction(1, 0.0, 0.2), prediction(2, 0.1, 0.1)])
    assert substitute(prediction(1, 0.0)) == 0.025
    assert found.without_logarithm == 0
    assert found.twin is not None
    assert found.last_value is not None
    assert found.twin.mean == pytest.approx(math.log(8) / 2)
    assert found.last_value.mean == pytest.approx(math.log(4))


def test_another_zero_has_no_log_error_but_still_counts_for_coverage() -> None:
    level = {"output": "docetaxel_plasma", "unit": "mg/L"}
    found = only([prediction(0, 2.0, **level), prediction(1, 0.0, **level), prediction(2, 2.0, **level)])
    assert (found.n, found.without_logarithm) == (2, 2)
    assert (found.twin, found.population, found.last_value) == (None, None, None)
    assert found.coverage == 0.5


def test_a_single_value_says_nothing() -> None:
    found = only([prediction(0, 2.0)])
    assert (found.values, found.n, found.twin, found.last_value, found.coverage) == (1, 0, None, None, None)
    assert score([]) == ()


@given(
    st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(0, 5), st.floats(0.1, 20)), max_size=12), st.randoms()
)
def test_the_order_of_the_predictions_does_not_matter(
    said: list[tuple[str, int, float]], chance: random.Random
) -> None:
    predictions = [prediction(day, value, patient_id=patient) for patient, day, value in said]
    shuffled = chance.sample(predictions, len(predictions))
    assert score(shuffled) == score(predictions)


@pytest.mark.skipif(not ALL_6MP.exists(), reason="needs ../shared/data/all_6mp_anc.csv")
def test_the_last_count_carried_forward_scores_on_58_children_as_it_should() -> None:
    with ALL_6MP.open() as file:
        reading = read_nmtran(
            file, load_model("mercaptopurine_jost2020"), parse_columns("TIME=TIME_DAYS,AMT=AMT_6MP,DV=ANC_G_PER_L")
        )
    counts = [event for event in reading.events if isinstance(event, LabResult)]
    found = only(
        [
            prediction(0, event.value.value, patient_id=event.patient_id, time=event.time, event_id=event.event_id)
            for event in counts
        ]
    )
    assert (found.patients, found.values, found.n, found.without_logarithm) == (58, 2971, 2913, 0)
    assert found.last_value is not None
    assert found.last_value.median == pytest.approx(0.288, abs=5e-4)
    assert found.last_value.mean == pytest.approx(0.405, abs=5e-4)
