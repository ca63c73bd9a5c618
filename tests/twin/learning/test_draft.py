"""A version differs from the published model in what was learnt, says so, and is a version of it."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

from twin.learning.draft import learnt_draft, toml_of, widened_draft
from twin.learning.messages.structure import structure_of, typical_value
from twin.learning.population import anchor_of
from twin.model.spec import ModelError
from twin.modelfile.library import load_model, loaded_library

BUSULFAN = load_model("busulfan_mccune2014")


def test_every_library_file_is_written_again_as_it_was() -> None:
    for model in loaded_library().offers:
        said = tomllib.loads(model.text)
        assert tomllib.loads(toml_of(said)) == said, model.id


def test_a_draft_has_what_was_learnt_and_says_from_whom() -> None:
    anchor = anchor_of(BUSULFAN)
    shift = np.linspace(-0.5, 0.5, len(anchor.sd))
    theta = anchor.published._replace(mean=shift, covariance=0.7 * anchor.correlation)
    found = learnt_draft(BUSULFAN, anchor, theta, "busulfan_ward", "learnt from 31 patients")
    again = anchor.theta_of(found)
    assert again.mean == pytest.approx(theta.mean, abs=1e-8)
    assert again.covariance == pytest.approx(theta.covariance, abs=1e-8)
    assert found.id == "busulfan_ward"
    assert structure_of(found) == structure_of(BUSULFAN)
    first = next(p for p in found.parameters if p.name == found.eta_names[0])
    assert first.source == "learnt from 31 patients"
    assert first.value == pytest.approx(typical_value(first, anchor.natural(theta)[0][0]))


def test_what_is_held_keeps_its_number_and_its_source() -> None:
    name = BUSULFAN.eta_names[0]
    anchor = anchor_of(BUSULFAN, [name])
    found = learnt_draft(BUSULFAN, anchor, anchor.published, "busulfan_ward", "learnt")
    before, after = (next(p for p in m.parameters if p.name == name) for m in (BUSULFAN, found))
    assert after.value == before.value
    assert after.source == f"{before.source}; iiv: learnt"


def test_a_wide_version_is_the_same_patient_in_a_wider_population() -> None:
    found = widened_draft(BUSULFAN, 2, "busulfan_wide")
    assert np.allclose(found.omega, 2 * BUSULFAN.omega)
    assert [p.value for p in found.parameters] == [p.value for p in BUSULFAN.parameters]


@pytest.mark.parametrize("by", [1.0, 0.5, 100.0, float("nan")])
def test_a_factor_that_does_not_widen_is_named(by: float) -> None:
    with pytest.raises(ValueError, match=r"by: .* is not above 1"):
        widened_draft(BUSULFAN, by, "busulfan_wide")


def test_what_is_no_version_or_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="docetaxel_ozawa2007: is no version of busulfan_mccune2014"):
        anchor_of(BUSULFAN).theta_of(load_model("docetaxel_ozawa2007"))
    with pytest.raises(ValueError, match="hold: XY has no iiv in busulfan_mccune2014; name some of"):
        anchor_of(BUSULFAN, ["XY"])
    with pytest.raises(ValueError, match="fn_hazard_netterberg2018: no parameter has iiv"):
        anchor_of(load_model("fn_hazard_netterberg2018"))
    with pytest.raises(ModelError, match="id"):
        widened_draft(BUSULFAN, 2, "no name")
