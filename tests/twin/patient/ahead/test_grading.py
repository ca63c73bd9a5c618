from __future__ import annotations

import pytest

from twin import load_model
from twin.patient.ahead.grading import by_version


def test_a_model_is_graded_by_the_version_that_was_chosen() -> None:
    model = load_model("docetaxel_ozawa2007")
    severe, prolonged = by_version(model, "6.0").toxicities
    assert (severe.limit, severe.grade, severe.ctcae) == (0.1, 4, "6.0")
    assert prolonged == model.toxicities[1]
    assert by_version(model, "5.0") is model


@pytest.mark.parametrize(("model", "limit"), [("fluorouracil_yamada2025", 1.0), ("sunitinib_dbp_hansson2013", 100.0)])
def test_a_grade_that_another_version_does_not_tell_stays_with_its_own(model: str, limit: float) -> None:
    (toxicity,) = by_version(load_model(model), "6.0").toxicities
    assert toxicity.limit == limit
    assert toxicity.ctcae == ("5.0" if model.startswith("fluorouracil") else "6.0")
