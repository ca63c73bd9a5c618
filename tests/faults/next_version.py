"""A model's next version, which stands beside the old one under an id of its own."""

from __future__ import annotations

import functools

from tests.places import ROOT
from twin import load_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

OLD, NEXT = "docetaxel_ozawa2007", "docetaxel_next"


def next_text() -> str:
    """The next version's file: patients clear the drug faster than by the old one."""
    text = (ROOT / "twin" / "library" / f"{OLD}.toml").read_text(encoding="utf-8")
    changed = text.replace(OLD, NEXT).replace("value = 35.7\n", "value = 45.0\n")
    assert changed.count("value = 45.0\n") == 1, "the clearance of the old version is not where it was"
    return changed


@functools.cache
def model_named(model_id: str) -> Model:
    """A model of the library, or the next version."""
    return parse_model(next_text(), f"{NEXT}.toml") if model_id == NEXT else load_model(model_id)
