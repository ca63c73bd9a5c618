"""Who virtual patients are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin import load_model
from twin.model.spec import ModelError
from twin.model.table import Table
from twin.virtual.people import Draw, characteristics, read_draw, read_people

MODEL = load_model("docetaxel_ozawa2007")
USUAL = {spec.name: spec.reference for spec in MODEL.covariates}


@given(st.sampled_from(["normal", "log-normal"]), st.floats(0.05, 0.4), st.integers(0, 1000))
def test_what_is_drawn_lies_within_its_limits(kind: str, sd: float, seed: int) -> None:
    draw = Draw(kind, 1.8, sd, 1.5, 2.0)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    assert all(1.5 <= draw.drawn(rng) <= 2.0 for _ in range(20))


def test_a_distribution_has_the_moments_that_its_file_says() -> None:
    rng = np.random.default_rng(1)
    logs = np.log([Draw("log-normal", 1.8, 0.1).drawn(rng) for _ in range(4000)])
    assert (logs.mean(), logs.std()) == (pytest.approx(np.log(1.8), abs=0.01), pytest.approx(0.1, rel=0.05))
    chosen = [Draw("choice", values=(0.0, 1.0), shares=(0.3, 0.7)).drawn(rng) for _ in range(4000)]
    assert np.mean(chosen) == pytest.approx(0.7, abs=0.03)


def test_limits_that_leave_nothing_are_said_and_not_tried_for_ever() -> None:
    with pytest.raises(ValueError, match="none lies from 9 to 10"):
        Draw("normal", 0.0, 0.001, 9.0, 10.0).drawn(np.random.default_rng(0))


def test_a_person_is_drawn_as_a_whole_and_the_rest_is_as_usual() -> None:
    people = read_people([{"BSA": "1.5", "name": "x"}, {"BSA": "2.1", "name": "y"}], MODEL, "people.csv")
    rng = np.random.default_rng(3)
    found = [characteristics(MODEL, USUAL, (), people, rng) for _ in range(20)]
    assert {one["BSA"] for one in found} == {1.5, 2.1}
    assert all(one["AAG"] == USUAL["AAG"] for one in found)


@pytest.mark.parametrize(
    ("rows", "said"),
    [([], "no rows"), ([{"height": "1"}], "height"), ([{"BSA": "tall"}], "line 2, BSA: 'tall' is no number")],
)
def test_people_who_cannot_be_read_are_named(rows: list[dict[str, str]], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        read_people(rows, MODEL, "people.csv")


def test_a_person_outside_what_is_plausible_is_refused() -> None:
    with pytest.raises(ModelError, match=r"BSA.*outside"):
        characteristics(MODEL, USUAL, (), ({"BSA": 90.0},), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"distribution": "gamma"}, "distribution"),
        ({"distribution": "normal", "mean": 1.0}, "sd"),
        ({"distribution": "normal", "mean": 1.0, "sd": 1.0, "low": 2.0}, "mean"),
        ({"distribution": "uniform", "low": 2.0, "high": 1.0}, "high"),
        ({"distribution": "choice", "values": [1, 2], "shares": [0.5]}, "shares"),
        ({"distribution": "choice", "values": [1, 2], "shares": [0.5, 0.6]}, "shares"),
        ({"distribution": "choice", "values": ["a"], "shares": [1]}, "values"),
    ],
)
def test_a_distribution_that_cannot_be_drawn_from_is_named(table: dict[str, object], key: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_draw(Table("study.toml", "people.draw.BSA", table))
    assert caught.value.key == f"people.draw.BSA.{key}"
