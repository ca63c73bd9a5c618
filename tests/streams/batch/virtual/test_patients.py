"""One patient of a study in every arm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from connectors.reports.trials.virtual_study import virtual_study_page
from streams.batch.virtual.patients import follow_patient
from streams.batch.virtual.running import patients_table, report
from streams.batch.virtual.study import Study, load_study
from tests.twin import toys
from tests.twin.population.mixture import mixtures
from tests.twin.population.sites.clinics import SITES
from tests.twin.virtual.test_plan import STUDY
from twin.model.spec import ModelError
from twin.virtual.plan import StudyError

NADIR = '[[endpoints]]\nname = "nadir"\noutput = "neutrophils"\nmeasure = "lowest"\n'


def study_of(folder: Path, text: str) -> Study:
    (folder / "study.toml").write_text(text)
    return load_study(folder / "study.toml")


def test_the_same_patient_suffers_less_from_less(tmp_path: Path) -> None:
    study = study_of(tmp_path, STUDY + NADIR)
    for number in range(4):
        found = follow_patient(study, 0, number)
        assert found.doses[0] == pytest.approx(1.0)
        assert found.doses[1] <= 1.0
        assert found.endpoints[1, 1] > found.endpoints[0, 1]
        assert np.array_equal(found.endpoints, follow_patient(study, 0, number).endpoints)


def test_arms_that_do_the_same_come_to_the_same_bits(tmp_path: Path) -> None:
    study = study_of(tmp_path, STUDY.split("scale")[0] + "[[endpoints]]" + STUDY.split("[[endpoints]]")[1] + NADIR)
    found = follow_patient(study, 0, 0)
    assert found.endpoints[0].tobytes() == found.endpoints[1].tobytes()


def test_a_typical_clearance_that_is_lower_in_a_trial_lowers_its_counts(tmp_path: Path) -> None:
    (tmp_path / "draws.csv").write_text("CL\n20\n60\n")
    draws = STUDY.replace("[[arms]]", '[uncertainty]\nfile = "draws.csv"\n[[arms]]', 1).replace(
        "patients = 10", "patients = 1\ntrials = 2"
    )
    study = study_of(tmp_path, draws + NADIR)
    nadirs = [[follow_patient(study, trial, n).endpoints[0, 1] for n in range(1)] for trial in (0, 1)]
    assert np.mean(nadirs[0]) < np.mean(nadirs[1])


def test_who_leaves_is_given_nothing_more_and_leaves_in_every_arm_alike(tmp_path: Path) -> None:
    study = study_of(tmp_path, STUDY.replace("[[endpoints]]", "[dropout]\nper_day = 0.2\n[[endpoints]]", 1))
    found = [follow_patient(study, 0, number) for number in range(4)]
    early = [one for one in found if one.left[0] < 21]
    assert early
    for one in early:
        assert one.left[0] == one.left[1]
        assert one.doses[0] == pytest.approx(0.5)


def test_who_suffers_may_leave_at_the_end_of_the_course(tmp_path: Path) -> None:
    after = "[dropout.after]\nneutropenia_g4 = 1.0\n[[endpoints]]"
    study = study_of(tmp_path, STUDY.replace("[[endpoints]]", after, 1))
    for number in range(6):
        found = follow_patient(study, 0, number)
        for arm in range(2):
            assert np.isfinite(found.left[arm]) <= bool(found.endpoints[arm, 0])


def test_the_estimator_of_the_ward_treats_an_arm(tmp_path: Path) -> None:
    (tmp_path / "doses.toml").write_text(
        'id = "d"\ntitle = "d"\ndrug = "docetaxel"\nassumed = "an example"\n'
        "dose = { lowest = 0.5, highest = 1.5 }\nlimits = { neutropenia_g4 = 0.1 }\n"
    )
    arm = '[[arms]]\nname = "mode"\nby = "mode"\nprotocol = "doses.toml"\n[[endpoints]]'
    found = follow_patient(study_of(tmp_path, STUDY.replace("[[endpoints]]", arm, 1) + NADIR), 0, 0)
    assert 0.5 <= found.doses[2] <= 1.5
    assert found.doses[2] != found.doses[0]


WINDOW = """id = "w"
title = "w"
drug = "docetaxel"
assumed = "an example"
dose = { lowest = 0.2, highest = 1.5 }
window = { output = "neutrophils", low = 1.0, high = 4.0, ahead = "20 d" }
"""


@pytest.mark.parametrize("by", ["horizon", "mode"])
def test_an_arm_keeps_an_output_in_its_window(tmp_path: Path, by: str) -> None:
    (tmp_path / "window.toml").write_text(WINDOW)
    arm = f'[[arms]]\nname = "kept"\nby = "{by}"\nprotocol = "window.toml"\n[[endpoints]]'
    within = '[[endpoints]]\nname = "low"\noutput = "neutrophils"\nmeasure = "lowest"\n'
    found = follow_patient(study_of(tmp_path, STUDY.replace("[[endpoints]]", arm, 1) + within), 0, 0)
    assert found.doses[2] < found.doses[0]
    assert found.endpoints[2, -1] > found.endpoints[0, -1]


def test_an_arm_that_chooses_by_an_exposure_cannot_keep_a_window(tmp_path: Path) -> None:
    (tmp_path / "window.toml").write_text(WINDOW)
    arm = '[[arms]]\nname = "kept"\nby = "twin"\nprotocol = "window.toml"\n[[endpoints]]'
    with pytest.raises(StudyError, match=r"window\.toml: window: 'twin' chooses by an exposure; .* horizon, mode"):
        study_of(tmp_path, STUDY.replace("[[endpoints]]", arm, 1))


CLASSES = """
id = "classes"
title = "Classes that nobody sees"
model = "mine.toml"
assumed = "an example"
patients = 8
days = 1.5
sampling = { count_days = 0.25 }
[[arms]]
name = "planned"
[[endpoints]]
name = "mean level"
output = "plasma"
measure = "mean"
"""


FAST = """
id = "fast"
title = "A level that falls by half in twelve minutes"
model = "fast.toml"
assumed = "an example"
patients = 2
days = 1
[[arms]]
name = "once"
[[arms.regimens]]
drug = "toxin"
route = "iv"
amount = 100
amount_unit = "mg"
duration = HOURS
interval = 24
cycles = 1
assumed = "an example"
[[endpoints]]
name = "area"
output = "plasma"
measure = "area"
[[endpoints]]
name = "mean"
output = "plasma"
measure = "mean"
"""


@pytest.mark.parametrize("hours", ["0", "0.75"])
def test_the_area_of_a_level_that_falls_fast_is_dose_over_clearance(tmp_path: Path, hours: str) -> None:
    parameters = {"k": "3.5 1/h 1e-9", "V": "10 L 1e-9"}
    model = toys.made(parameters, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg/L: A/V"})
    (tmp_path / "fast.toml").write_text(model.text)
    area, mean = follow_patient(study_of(tmp_path, FAST.replace("HOURS", hours)), 0, 0).endpoints[0]
    assert area == pytest.approx(100 / 10 / 3.5 / 24, rel=0.012)
    assert mean == pytest.approx(area, rel=1e-6)


KEPT = '[[arms]]\nname = "kept"\nby = "horizon"\nprotocol = "kept.toml"\n[[endpoints]]'


def of_classes(folder: Path, text: str = CLASSES, *, in_sites: bool = False) -> Study:
    model = mixtures.treated().text
    if in_sites:
        for variance in ("0.06", "0.04"):
            model = model.replace(f"iiv = {variance}\n", "iiv = 1e-6\nisv = 0.5\n")
        model += SITES
        (folder / "people.csv").write_text("SITE\n3\n")
    (folder / "mine.toml").write_text(model)
    kept = WINDOW.replace("docetaxel", "toxin").replace("neutrophils", "plasma").replace("20 d", "12 h")
    (folder / "kept.toml").write_text(kept)
    return study_of(folder, text)


def test_patients_are_of_the_classes_of_a_mixture_by_number_and_seed(tmp_path: Path) -> None:
    study = of_classes(tmp_path)
    found = [follow_patient(study, 0, number) for number in range(8)]
    assert {one.of_class for one in found} == {"slow", "fast"}
    mean = {name: np.mean([one.endpoints[0, 0] for one in found if one.of_class == name]) for name in ("slow", "fast")}
    assert mean["slow"] > 1.5 * mean["fast"]
    table = patients_table(found, study)
    assert table["CLASS_SORT"] == [one.of_class for one in found]
    told = report(study, "x", found)
    assert told.classes == {name: [one.of_class for one in found].count(name) for name in ("fast", "slow")}
    assert f"{told.classes['fast']} fast" in virtual_study_page(told)
    with_arm = of_classes(tmp_path, CLASSES.replace("[[endpoints]]", KEPT, 1))
    kept = follow_patient(with_arm, 0, 0)
    assert kept.of_class == found[0].of_class
    assert kept.endpoints[0].tobytes() == found[0].endpoints[0].tobytes()
    assert 0.2 <= kept.doses[1] <= 1.5, "a twin of both classes chose"


def test_an_arm_by_one_most_probable_patient_is_refused_where_there_is_one_in_each_class(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"'kept': 'mode' chooses for one most probable patient, .* twin, horizon"):
        of_classes(tmp_path, CLASSES.replace("[[endpoints]]", KEPT.replace("horizon", "mode"), 1))


def test_patients_of_classes_share_what_their_site_adds(tmp_path: Path) -> None:
    study = of_classes(
        tmp_path, CLASSES.replace("[[arms]]", '[people]\nfile = "people.csv"\n[[arms]]', 1), in_sites=True
    )
    found = [follow_patient(study, 0, number) for number in range(8)]
    assert {one.of_class for one in found} == {"slow", "fast"}
    # Next to nothing differs within a site of one class, and sites differ widely.
    slow = [one.endpoints[0, 0] for one in found if one.of_class == "slow"]
    assert np.ptp(slow) < 0.02 * np.mean(slow)
    alone = of_classes(tmp_path, CLASSES, in_sites=True)
    assert np.ptp([follow_patient(alone, 0, number).endpoints[0, 0] for number in range(8)]) > 0.3 * np.mean(slow)


def test_the_class_that_nobody_sees_is_drawn_by_its_shares_alone(tmp_path: Path) -> None:
    drawn = '[people.draw.SORT]\ndistribution = "uniform"\nlow = 1\nhigh = 2\n[[arms]]'
    with pytest.raises(ModelError, match=r"people\.draw\.SORT: is the class .* \[mixture\]"):
        of_classes(tmp_path, CLASSES.replace("[[arms]]", drawn, 1))
    (tmp_path / "people.csv").write_text("SORT\n1\n")
    with pytest.raises(ModelError, match=r"people\.csv: SORT: is the class that nobody sees"):
        of_classes(tmp_path, CLASSES.replace("[[arms]]", '[people]\nfile = "people.csv"\n[[arms]]', 1))
