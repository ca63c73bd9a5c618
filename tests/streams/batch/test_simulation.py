"""Simulated patients as records: by which state a dose enters, and what a seed decides."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from connectors.feeds.nmtran.times import ORIGIN
from streams.batch.arguments import LeftOut, cases_in, reading
from streams.batch.population.patients import timelines_of
from streams.batch.simulation import SimulatedPatient, _dose_rows, simulate, simulation_table
from tests.twin import toys
from tests.twin.population.mixture.clinics import eliminated_in_clinics
from tests.twin.population.mixture.mixtures import treated
from tests.twin.population.sites import clinics
from twin.clock import DAY_MS
from twin.events import DoseGiven, Quantity, to_millis
from twin.model.spec import Model
from twin.modelfile.library import load_model
from twin.study.site_effects import shared_effects

MODEL = toys.absorption()


def given(drug: str, route: Any, hours: float | None = None) -> DoseGiven:
    return DoseGiven(
        event_id="1",
        patient_id="1",
        time=datetime(2026, 1, 5, tzinfo=UTC),
        source="test",
        drug=drug,
        route=route,
        amount=Quantity(value=10.0, unit="mg"),
        duration=None if hours is None else Quantity(value=hours, unit="h"),
    )


@pytest.mark.parametrize(
    ("dose", "model", "state"),
    [
        (given("toxin", "iv"), MODEL, None),
        (given("toxin", "oral"), MODEL, "Depot"),
        (given("docetaxel", "iv", 1.0), load_model("docetaxel_ozawa2007"), None),
        (given("dexamethasone", "oral"), load_model("docetaxel_ozawa2007"), "In"),
    ],
)
def test_cmt_names_a_state_only_where_drug_and_route_need_it(dose: DoseGiven, model: Model, state: str | None) -> None:
    (row,) = _dose_rows(dose, model)
    number = row["CMT"]
    assert isinstance(number, int)
    assert (model.states[number - 1].name if number else None) == state


def test_a_dose_that_names_its_state_or_keeps_its_duration_is_written_so() -> None:
    (row,) = _dose_rows(given("toxin", "iv").model_copy(update={"state": "A"}), MODEL)
    assert MODEL.states[int(str(row["CMT"])) - 1].name == "A"
    states = {"D": "mg: F*input(toxin, oral) - k*D", "A": "mg: (1 - F)*input(toxin, oral) + k*D - k*A"}
    parted = toys.made({"k": "1 1/h", "F": "0.3 1", "V": "10 L"}, states, {"toxin": "mg/L: A/V"})
    infusion = given("toxin", "oral", 2.0)
    assert [(row["CMT"], row["RATE"], row["DUR"]) for row in _dose_rows(infusion, parted)] == [
        (1, 0.0, 2.0),
        (2, 0.0, 2.0),
    ]
    by_rate = infusion.model_copy(update={"keeps": "rate"})
    assert [(row["CMT"], row["RATE"]) for row in _dose_rows(by_rate, parted)] == [(1, 5.0), (2, 5.0)]


@pytest.mark.slow
def test_processes_make_no_difference() -> None:
    alone, spread = (simulate(MODEL, (), 45, 1, jobs, pytest.fail) for jobs in (0, 2))
    assert alone == spread
    assert [one.patient_id for one in alone] == [str(n) for n in range(1, 46)]


def test_the_class_of_a_patient_is_drawn_and_is_no_item_of_the_data() -> None:
    model = treated()
    found = simulate(model, (), 60, 3, 0, lambda _: None)
    table = simulation_table(model, found)
    assert "SORT" not in table
    assert set(table["CLASS_SORT"]) == {"slow", "fast"}
    slow = [one for one in found if one.of_class == "slow"]
    assert 12 <= len(slow) <= 36  # 24 are expected
    by_class = {
        of: np.median([row["DV"] for one in found if one.of_class == of for row in one.rows if row["EVID"] == 0])
        for of in ("slow", "fast")
    }
    assert by_class["slow"] > by_class["fast"]


def test_columns_that_nobody_needs_are_left_out_and_those_of_covariates_come_last() -> None:
    rows = ({"ID": "1", "TIME": 0.0, "MDV": 1, "EVID": 2, "WT": 70.0},)
    table = simulation_table(MODEL, [SimulatedPatient("1", rows, (0.1, 0.2, 0.3, 0.4))])
    assert list(table)[:4] == ["ID", "TIME", "EVID", "AMT"]
    assert "SS" not in table
    assert list(table)[-5:] == ["WT", *(f"ETA_{name}" for name in MODEL.eta_names)]


@pytest.mark.parametrize("model", [clinics.bolus(), eliminated_in_clinics()], ids=["sites", "classes in sites"])
def test_patients_of_one_site_share_its_effects(tmp_path: Path, model: Model) -> None:
    sites = (1, 1, 2, 0)
    rows = [f"{i},0,1,100,.,{site}\n{i},2,0,.,1,{site}" for i, site in enumerate(sites, start=1)]
    (tmp_path / "sites.toml").write_text(model.text)
    files = [tmp_path / "design.csv"]
    files[0].write_text("ID,TIME,EVID,AMT,DV,SITE\n" + "\n".join(rows) + "\n")
    how = reading(str(tmp_path / "sites.toml"), files, mixtures=True)
    found = simulate(model, cases_in(files, how, LeftOut()), 320, 1, 0, pytest.fail)
    eta = np.array([one.eta for one in found]).reshape(80, len(sites), 2)
    for n, site in enumerate(sites):
        shared = shared_effects(model, {"SITE": float(site)}, 1)
        omega = model.omega if shared is None else model.omega_iiv
        np.testing.assert_allclose(eta[:, n].mean(axis=0), np.zeros(2) if shared is None else shared, atol=0.15)
        np.testing.assert_allclose(np.diag(np.cov(eta[:, n].T)), np.diag(omega), rtol=0.5)
    if model.mixture is not None:
        assert np.mean([one.of_class == "slow" for one in found]) == pytest.approx(0.4, abs=0.1)


def test_who_is_followed_without_a_dose_is_at_risk_from_the_first_record_on(tmp_path: Path) -> None:
    """In days, with years between two looks; what is written reads as it was simulated."""
    shape, rate = 1.5, 0.0006
    text = toys.WEIBULL.replace("SHAPE", str(shape)).replace("value = 0.03", f"value = {rate}")
    (tmp_path / "awaited.toml").write_text(text.replace('"h"', '"d"').replace('"1/h"', '"1/d"'))
    files = [tmp_path / "design.csv"]
    files[0].write_text("ID,TIME,EVID,DV,MDV\n1,5,2,.,1\n1,805,0,0,0\n1,9005,0,0,0\n")
    how = reading(str(tmp_path / "awaited.toml"), files)
    assert how.model is not None
    found = simulate(how.model, cases_in(files, how, LeftOut()), 200, 1, 0, pytest.fail)
    assert {(one.rows[0]["TIME"], one.rows[0]["EVID"], one.rows[0]["MDV"]) for one in found} == {(5.0, 2, 1)}
    times = [float(row["TIME"]) - 5.0 for one in found for row in one.rows if row.get("DV") == 1.0]  # type: ignore[arg-type]
    assert len(times) > 190
    assert stats.kstest(times, stats.weibull_min(shape, scale=1.0 / rate).cdf).pvalue > 0.01
    table = simulation_table(how.model, found)
    again = tmp_path / "again.csv"
    rows = zip(*(table[name] for name in ("ID", "TIME", "EVID", "DV", "MDV")), strict=True)
    lines = [",".join("." if cell is None else str(cell) for cell in row) for row in rows]
    again.write_text("\n".join(["ID,TIME,EVID,DV,MDV", *lines]) + "\n")
    timelines = timelines_of(cases_in([again], how, LeftOut()), how.model, pytest.fail)
    assert {(line.start - to_millis(ORIGIN)) / DAY_MS for line in timelines.values()} == {5.0}
