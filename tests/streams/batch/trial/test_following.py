"""What a trial hears of a twin, and what of that is held against the truth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.batch.trial.following import follow
from streams.batch.trial.patients import told, virtual_patient
from tests.streams.batch.trial.test_patients import MODEL, PLAN
from tests.twin.population.mixture import mixtures
from tests.twin.population.sites.clinics import SITES
from twin.clock import DAY_MS
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

DAILY = replace(PLAN, days=7.0, count_days=7.0, estimate_hours=24.0, particles=50)


def test_what_is_said_of_days_in_which_a_pump_will_fail_is_not_held_against_the_twin() -> None:
    sound, fails = (replace(DAILY, faults=share) for share in (0.0, 1.0))
    failing = virtual_patient(fails, MODEL, 3)
    (begun,) = (one.happened[0] for one in failing.infusions if one.happened)
    assert 21 < (begun - failing.admitted) / DAY_MS < 22, "the fault lies in the horizon of all but the first day"
    whole = virtual_patient(sound, MODEL, 3)
    first, second = (follow(sound, MODEL, whole).stated, follow(fails, MODEL, failing).stated)
    assert len(first) > len(second)
    assert len(second) <= 2, "only of the first day's words is the horizon over when the pump begins to fail"


def in_sites() -> Model:
    """`mixtures.treated`, in sites that differ."""
    return parse_model(mixtures.treated().text.replace("iiv = 0.06\n", "iiv = 0.06\nisv = 0.05\n") + SITES, "made.toml")


@pytest.mark.parametrize("model", [mixtures.treated(), in_sites()], ids=["alone", "in sites"])
def test_how_probable_classes_are_is_held_against_the_class_that_nobody_was_told(model: Model) -> None:
    plan = replace(DAILY, truth=(model.text, model.id), days=1.5, count_days=0.25, faults=0.0)
    patient = virtual_patient(plan, model, 0)
    assert not [one for one in told(plan, patient) if getattr(one.event, "name", None) == "SORT"]
    found = follow(plan, model, patient)
    stated = {one.what: (one.probability, one.came) for one in found.stated if one.what.startswith("is of class")}
    assert set(stated) == {"is of class slow", "is of class fast"}
    assert sum(p for p, _ in stated.values()) == pytest.approx(1.0)
    assert [what for what, (_, came) in stated.items() if came] == [f"is of class {found.of_class}"]
