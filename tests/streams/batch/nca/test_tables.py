"""Results of a data set as tables."""

from __future__ import annotations

import pytest

from streams.batch.nca.rows import Collection, Dose, Sample, Subject
from streams.batch.nca.tables import HowAnalysed, analysed, excreted, long_table, together, wide_table
from twin.nca.profile import NcaError
from twin.nca.units import Units

UNITS = Units("mg", "ng/mL")
HOW = HowAnalysed(UNITS)


def subject(*doses: float, tau: float | None = None) -> Subject:
    """Doses of 100 at these times, each followed by values that halve every hour."""
    found = Subject([Dose(n, time, 100.0, "bolus", 0.0, tau) for n, time in enumerate(doses)])
    for number, dose in enumerate(doses):
        for hour in range(1, 5):
            found.samples.append(Sample(100 * number + 10 + hour, dose + hour, 80.0 * 0.5**hour, below=False))
    return found


def test_every_dose_that_values_follow_is_a_result_of_its_own() -> None:
    first, second = analysed({"A": subject(0.0, 24.0)}, HOW)
    assert (first.number, second.number, second.time) == (1, 2, 24.0)
    assert first.found["vss_obs"] == pytest.approx(1250.0), "100 mg over 80 ng/mL, in litres"
    assert "vss_obs" not in second.found
    assert "an earlier dose" in second.remarks[0]


def test_later_doses_at_steady_state_stand_for_themselves() -> None:
    _, second = analysed({"A": subject(0.0, 4.0, tau=4.0)}, HOW)
    assert second.found["auc_tau"] > 0.0
    assert not any("an earlier dose" in remark for remark in second.remarks)


def test_a_patient_who_cannot_be_analysed_is_told_and_the_others_go_on() -> None:
    twice = subject(0.0)
    twice.samples.append(twice.samples[0])
    found = {
        one.patient: one
        for one in analysed({"A": Subject(), "B": Subject([Dose(1, 0.0, 1.0, "bolus", 0.0, None)]), "C": twice,
                             "D": subject(0.0)}, HOW)
    }  # fmt: skip
    assert [found[name].remarks[0].partition(":")[0] for name in "ABC"] == [
        "no dose", "no value follows a dose", "time 1 has two values"
    ]  # fmt: skip
    assert found["D"].found


def test_the_wide_table_names_units_and_the_long_one_codes() -> None:
    results = analysed({"A": subject(0.0), "B": Subject()}, HowAnalysed(UNITS, intervals=((0.0, 2.0), (0.0, 12.0))))
    wide = wide_table(results, UNITS)
    assert {"cmax [ng/mL]", "clearance_obs [L/h]", "lambda_z_points", "auc_0_2 [ng/mL.h]"} <= set(wide)
    assert list(wide)[-3:] == ["auc_0_2 [ng/mL.h]", "auc_0_12 [ng/mL.h]", "remarks"]
    assert wide["cmax [ng/mL]"] == [40.0, None]
    assert wide["dose_number"] == [1, None]
    long = long_table(results, UNITS)
    place = long["parameter"].index("clearance_obs")
    assert (long["code"][place], long["unit"][place]) == ("CLO", "L/h")
    assert set(long["ID"]) == {"A"}


def test_urine_is_told_in_the_unit_of_the_dose() -> None:
    collected = Subject([Dose(1, 0.0, 100.0, "extravascular", 0.0, None)])
    collected.collections = [Collection(2, 0.0, 4.0, 50_000.0, 1000.0), Collection(3, 4.0, 8.0, 10_000.0, 500.0)]
    found, none = excreted({"A": collected, "B": Subject()}, HOW, "mL")
    assert found.found["recovered"] == pytest.approx(55.0)
    assert none.remarks == ("0 doses: the urine of one dose can be analysed",)
    with pytest.raises(NcaError, match="is no dose in 'mg'"):
        excreted({"A": collected}, HOW, "m")


def test_all_patients_together_give_one_area() -> None:
    assert together({"A": subject(0.0), "B": subject(0.0)}).found["auc_sparse"] == pytest.approx(52.5)
    with pytest.raises(NcaError, match="patient B has no dose"):
        together({"A": subject(0.0), "B": Subject()})
