"""Rival models: which may be averaged, and what their average says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.shapes import written
from twin import load_model
from twin.filter.quantiles import quantiles
from twin.model.spec import ModelError
from twin.modelfile.reader import parse_model
from twin.patient.rivals import pooled, rivals, shares

ONE = written("one", [("K", 0.2, "1/h", 0.1)], {"A": "input(toxin) - K*A"}, {"plasma": ("mg/L", "A/V", "toxin", "additive = 1")}, '[parameters.V]\nvalue = 9\nunit = "L"\nsource = "made up"')  # fmt: skip  # noqa: E501
OTHER = written("other", [("K", 0.3, "1/h", 0.1)], {"A": "input(toxin) - K*A"}, {"amount": ("mg", "A", "toxin", "additive = 1")})  # fmt: skip  # noqa: E501


def test_rivals_are_known_by_their_ids_and_hashes_in_their_order() -> None:
    one, two = toys.bolus(), toys.absorption()
    together = rivals([one, two])
    assert together.id == "toy_bolus,toy_absorption"
    assert together.hash != rivals([two, one]).hash
    assert together.hash == rivals([toys.bolus(), toys.absorption()]).hash


def test_models_of_different_drugs_are_refused_by_name() -> None:
    models = [load_model("docetaxel_ozawa2007"), load_model("fluorouracil_yamada2025")]
    with pytest.raises(ModelError) as refused:
        rivals(models)
    assert str(refused.value) == (
        "docetaxel_ozawa2007,fluorouracil_yamada2025: docetaxel_ozawa2007 is of docetaxel and fluorouracil_yamada2025 "
        "of fluorouracil; name rival models of one drug"
    )


def test_one_model_one_twice_or_too_many_are_refused() -> None:
    one = toys.bolus()
    with pytest.raises(ModelError, match="averages are of 2 to 8 models, not 1"):
        rivals([one])
    with pytest.raises(ModelError, match="not 0"):
        rivals([])
    with pytest.raises(ModelError, match="toy_bolus is named twice; name each rival once"):
        rivals([one, one])
    with pytest.raises(ModelError, match="averages are of 2 to 8 models, not 9"):
        rivals([parse_model(toys.BOLUS.replace("toy_bolus", f"toy_{i}"), f"toy_{i}.toml") for i in range(9)])


def test_models_that_nothing_measured_could_tell_apart_are_refused() -> None:
    with pytest.raises(ModelError, match="nothing decides: toy_one has plasma; toy_other has amount"):
        rivals([ONE(), OTHER()])


@given(st.lists(st.floats(-5000, 50), min_size=2, max_size=8))
@pytest.mark.slow
def test_weights_are_in_proportion_to_the_evidence(log_evidence: list[float]) -> None:
    found = shares(log_evidence)
    assert found.sum() == pytest.approx(1.0)
    best = int(np.argmax(log_evidence))
    expected = found[best] * np.exp(np.array(log_evidence) - log_evidence[best])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_average_of_clouds_is_one_cloud() -> None:
    low, high = np.linspace(0, 1, 101), np.linspace(10, 11, 51)
    values, weight = pooled([(0.25, low, np.full(101, 1 / 101)), (0.75, high, np.full(51, 1 / 51))])
    assert weight.sum() == pytest.approx(1.0)
    assert weight[values < 5].sum() == pytest.approx(0.25)
    # A quarter lies between 0 and 1: its median is the eighth of the whole.
    assert quantiles(values, weight, (0.125, 0.625)) == pytest.approx([0.5, 10.5], abs=0.02)


def test_models_of_no_weight_that_alone_have_a_quantity_count_alike() -> None:
    values, weight = pooled([(0.0, np.zeros(2), np.full(2, 0.5)), (0.0, np.ones(2), np.full(2, 0.5))])
    assert weight @ values == pytest.approx(0.5)
