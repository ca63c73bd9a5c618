"""The benchmark's patients are the article's, and answer its doses as they did there."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.dosing.warfarin.cohort import benchmark

COHORT = {
    "age": [53.86765087142076, 48.97369710709167, 55.10146402558887, 62.83281594502376],
    "volume": [27.061376907628578, 31.10205619110901, 30.137935337465116, 28.988665198361975],
    "vk_vkh2": [0.01562519258382246, 0.012936552633364486, 0.01839062242846959, 0.009568397403734628],
    "vko_vk": [0.13667384337712746, 0.22372386648848336, 0.1351792828556569, 0.08821448734685758],
    "elimination": [0.027971595218352206, 0.03039012966298013, 0.01930581969159438, 0.020531636595520007],
    "ec50": [0.06701780688750082, 0.06670435572974505, 0.06436356672570122, 0.0626651857730655],
    "II": [88.12761591484869, 139.23229651235604, 188.55064230214688, 118.9165932558434],
    "XIII": [0.24761601034026706, 0.12991357414151938, 0.25575365610419504, 0.19723047732127846],
}
"""The first four rows of ``results/data/mipd_trial_cohort.csv``."""

TREATED = {
    501: ([28.5, 3.0, 9.5, 3.0, 1.0, 1.0, 0.0, 1.0, 3.0, 3.0, 3.0], 3.037467472514717),
    478: ([29.0, 5.5, 3.5, 10.5, 0.0, 4.5, 0.0, 2.5, 2.5, 6.0, 2.0], 2.6104375030842912),
    530: ([29.0, 29.5, 27.0, 30.0, 30.0, 30.0, 0.0, 30.0, 15.5, 14.5, 13.0], 2.618613057417349),
    614: ([16.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], 2.851062442897271),
    489: ([30.0, 21.0, 22.0, 6.5, 15.5, 10.0, 7.5, 7.0, 1.0, 15.5, 7.5], 3.529398380728473),
}
"""By patient, the doses that were given and the INR of the twelfth sample: rows of
``results/2_semi_mechanistic_model/mipd_trial_predicted_dosing_regimens.csv``."""


def test_patients_are_those_of_the_article() -> None:
    trial = benchmark()
    assert trial.vkorc1[:4].tolist() == [2.0] * 4
    assert trial.s33[:4].tolist() == [0.0] * 4
    assert trial.s22[:4].tolist() == [0.0, 0.0, 0.5, 0.5]
    for name, values in COHORT.items():
        found = trial.age if name == "age" else getattr(trial.who, name)
        assert found[:4] == pytest.approx(values, rel=1e-12), name


def test_an_inr_after_eleven_doses_is_the_one_of_the_article() -> None:
    trial, chosen = benchmark(), np.array([number - 1 for number in TREATED])
    some = trial.of(chosen)
    for amounts in np.array([doses for doses, _ in TREATED.values()]).T:
        some.dose(amounts)
    # Solved there with a relative tolerance of 1e-6, and a bolus over 36 s.
    assert some.measured() == pytest.approx([value for _, value in TREATED.values()], rel=2e-4)
