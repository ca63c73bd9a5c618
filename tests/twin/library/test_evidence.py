"""Every file of the library says who confirms it, how its source prints variability, on which scale it was fitted."""

from __future__ import annotations

import pytest

from twin.modelfile.evidence import stated_form
from twin.modelfile.library import library_ids, load_model


@pytest.mark.parametrize("model_id", library_ids())
def test_a_file_says_what_its_numbers_rest_on(model_id: str) -> None:
    model = load_model(model_id)
    assert bool(model.confirmed_by) != bool(model.unconfirmed)
    for parameter in model.parameters:
        varies = parameter.iiv is not None or parameter.iov is not None
        assert not varies or stated_form(parameter, model.variability) is not None, parameter.name
    for output in model.outputs:
        natural = output.error.kind in ("proportional", "combined", "power")
        assert not natural or output.error.fitted_on is not None, output.name
