"""Models by id, path or as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

import dosetwin
from dosetwin.models import the_model, the_models
from tests.dosetwin.small import MODEL
from tests.twin import toys


def test_a_model_may_be_named_in_every_way(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(toys.ABSORPTION)
    assert the_model(MODEL) is MODEL
    assert the_model(tmp_path / "toy.toml") == the_model(str(tmp_path / "toy.toml")) == MODEL
    assert the_model("docetaxel_ozawa2007") is dosetwin.load_model("docetaxel_ozawa2007")
    assert the_models([MODEL, "docetaxel_ozawa2007"])[0] is MODEL
    assert the_models(MODEL) == [MODEL]


def test_a_model_is_one_line_of_text() -> None:
    assert repr(MODEL) == "<Model toy_absorption: toxin, helper; toxin_plasma (mg/L), cells (10*9/L)>"


def test_the_library_is_listed_and_other_names_are_refused() -> None:
    assert "mercaptopurine_jost2020" in dosetwin.library()
    with pytest.raises(dosetwin.ModelError, match="no such model"):
        dosetwin.load_model("aspirin")
