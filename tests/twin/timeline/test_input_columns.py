"""Deliveries laid out as input columns: each route enters where the equations ask for it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from twin.clock import HOUR_MS as H
from twin.kernel.kernel import compile_model
from twin.timeline.delivery import Delivered, Recorded, with_rates
from twin.timeline.input_columns import Weights, entering, input_column

ROUTES = compile_model(
    toys.made(
        {"ka": "1 1/h", "lag": "2 h", "CL": "5 L/h", "V": "20 L"},
        {"D": "mg: input(toxin, oral, lag=lag) - ka*D",
         "A": "mg: input(toxin) + ka*D - CL/V*A"},
        {"level": "mg/L: A/V"},
    )
)  # fmt: skip
TOY = compile_model(toys.absorption())


@pytest.mark.parametrize(
    ("call", "oral", "iv"),
    [("input(a)", False, True), ("input(a, oral)", True, False), ("input(b)", True, True), ("pulse(b)", True, True)],
)
def test_a_call_without_route_reads_what_no_other_call_claims(call: str, oral: bool, iv: bool) -> None:
    every = ("input(a)", "input(a, oral)", "input(b)", "pulse(b)")
    column = input_column(call, every, (("A",), ("D",), ("A",), ("A", "D")))
    assert (column.reads("oral"), column.reads("iv")) == (oral, iv)


def test_a_dose_that_names_its_state_enters_that_one_alone_whatever_its_route() -> None:
    every, states = ("input(a)", "input(a, oral)", "input(a, into=P)"), (("A",), ("D",), ("P",))
    columns = [input_column(call, every, states) for call in every]
    assert [column.reads("oral into A") for column in columns] == [True, False, False]
    assert [column.reads("oral into D") for column in columns] == [False, True, False]
    assert [column.reads("iv into P") for column in columns] == [False, False, True]
    assert [column.reads("iv into D") for column in columns] == [False, False, False]
    assert [column.reads("iv") for column in columns] == [True, False, True]


def test_of_two_calls_in_one_state_a_dose_that_names_it_takes_that_of_its_route() -> None:
    every, states = ("input(a)", "input(a, oral, lag=L)"), (("A",), ("A",))
    columns = [input_column(call, every, states) for call in every]
    assert [column.reads("oral into A") for column in columns] == [False, True]
    assert [column.reads("iv into A") for column in columns] == [True, False]


def test_what_enters_late_is_no_rate_and_no_kick() -> None:
    given = Delivered(impulses=[(0, 10.0, "oral"), (H, 20.0, "iv")], recorded=[Recorded(2 * H, 3 * H, 30.0, "iv")])
    found = entering(ROUTES, {"toxin": with_rates(given)}, [])
    late, prompt = ROUTES.inputs.index("input(toxin, oral, lag=lag)"), ROUTES.inputs.index("input(toxin)")
    assert found.kicks == [(H, prompt, 20.0)]
    assert found.late.amount.tolist() == [10.0]
    assert found.change.tolist() == [2 * H, 3 * H]
    assert found.rates[:, prompt].tolist() == [0.0, 30.0, 0.0]
    assert not found.rates[:, late].any()


def test_a_dose_that_lasts_ends_where_all_states_are_set() -> None:
    given = {"toxin": with_rates(Delivered(recorded=[Recorded(0, 4 * H, 30.0, "iv")]))}
    assert entering(TOY, given, []).change.tolist() == [0, 4 * H]
    assert entering(TOY, given, [H]).change.tolist() == [0, H]


def test_a_pulse_counts_doses_whatever_their_amount() -> None:
    found = entering(TOY, {"helper": Delivered(pulses=[5, 7])}, [])
    column = next(j for j, call in enumerate(TOY.inputs) if call.startswith("pulse("))
    assert found.kicks == [(5, column, 1.0), (7, column, 1.0)]


@pytest.mark.parametrize("lag", ["", ", lag=late"])
def test_a_pulse_of_courses_sees_the_first_dose_of_each(lag: str) -> None:
    kernel = compile_model(
        toys.made(
            {"k": "0.1 1/h", "late": "2 h"},
            {"A": "mg: input(toxin) - k*A", "P": f"1: pulse(toxin, 24{lag}) - k*P"},
            {"level": "mg: A", "pool": "1: P"},
        )
    )
    # Two doses at one instant are one; a day without any ends a course, a shorter while does not.
    hours = [60, 0, 12, 0, 35, 58, 84]
    found = entering(kernel, {"toxin": Delivered(pulses=[hour * H for hour in hours])}, [])
    entered = found.late.given.tolist() if lag else [millis for millis, *_ in found.kicks]
    assert entered == [0, 84 * H]


def test_what_is_known_of_a_dose_multiplies_it() -> None:
    weights = Weights(np.array([-(2**62), H, 3 * H]), np.array([[1.0, 1.0], [0.5, 0.25], [2.0, 3.0]]))
    late, prompt = ROUTES.inputs.index("input(toxin, oral, lag=lag)"), ROUTES.inputs.index("input(toxin)")
    given = Delivered(
        impulses=[(H - 1, 10.0, "oral"), (H, 10.0, "oral"), (3 * H, 20.0, "iv")],
        recorded=[Recorded(2 * H, 4 * H, 30.0, "iv")],
    )
    found = entering(ROUTES, {"toxin": with_rates(given)}, [], weights)
    one, other = weights.rows[1:, late], weights.rows[1:, prompt]
    assert found.late.amount.tolist() == [10.0, 10.0 * one[0]]
    assert found.late.weight.tolist() == [1.0, one[0]]
    assert found.kicks == [(3 * H, prompt, 20.0 * other[1])]
    # What runs is weighed as it runs.
    assert found.change.tolist() == [2 * H, 3 * H, 4 * H]
    assert found.rates[:, prompt].tolist() == [0.0, 30.0 * other[0], 30.0 * other[1], 0.0]


def test_nothing_given_is_nothing_that_enters() -> None:
    found = entering(TOY, {}, [])
    assert found.rates.shape == (1, len(TOY.inputs))
    assert not np.any(found.rates)
    assert found.kicks == []
    assert not len(found.late.given)
