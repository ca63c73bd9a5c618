"""Where doses may enter a model."""

from __future__ import annotations

from tests.twin import toys
from twin.model.entrances import calls_into, states_taking, takes
from twin.modelfile.reader import parse_model

MODEL = parse_model(toys.ABSORPTION, "toy_absorption.toml")


def test_states_take_a_drug_by_their_calls_and_pulses_take_no_amount() -> None:
    assert states_taking(MODEL, "toxin") == ("Depot", "A")
    assert states_taking(MODEL, "helper") == ()
    assert calls_into(MODEL, "toxin", "Depot") == ("input(toxin, oral)",)
    assert calls_into(MODEL, "toxin", "nowhere") == ()


def test_a_state_whose_call_names_no_route_takes_every_dose_that_names_the_state() -> None:
    assert [takes(MODEL, "toxin", route, "A") for route in ("iv", "oral")] == [True, True]
    assert [takes(MODEL, "toxin", route, "Depot") for route in ("iv", "oral")] == [False, True]
    assert not takes(MODEL, "toxin", "iv", "AUC")
