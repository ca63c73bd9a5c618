"""Whether what comes of doses by one model can be judged in patients of another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin import load_model
from twin.dosing.protocol import usual_protocol
from twin.modelfile.library import parse_model
from twin.trial.doses.rival import judged_alike

YAMADA, ARSHAD = load_model("fluorouracil_yamada2025"), load_model("fluorouracil_arshad2020")


def test_models_with_the_same_window_and_the_same_limited_toxicity_are() -> None:
    judged_alike(usual_protocol(YAMADA), YAMADA, ARSHAD)
    judged_alike(usual_protocol(ARSHAD), ARSHAD, YAMADA)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("low = 20\n", "low = 18\n", "fluorouracil_auc is 18 to 30 mg.h/L .*, and 20 to 30 mg.h/L"),
        ("below = 1.0\n", "below = 1.0\nlasting = 24\n", "leukopenia_g4 is .* for 24 h .* for 0 h "),
        ("[targets.fluorouracil_auc]", "[targets.other]", "has no target fluorouracil_auc, which .* doses by; make"),
        ("[toxicities.leukopenia_g4]", "[toxicities.other]", "has no toxicity leukopenia_g4, which"),
    ],
)
def test_what_is_another_question_in_the_true_model_is_named_with_its_mend(old: str, new: str, says: str) -> None:
    assert YAMADA.text.count(old) == 1
    truth = parse_model(YAMADA.text.replace(old, new), YAMADA.id)
    with pytest.raises(ValueError, match=says):
        judged_alike(usual_protocol(YAMADA), YAMADA, truth)


def test_what_the_protocol_does_not_limit_may_differ() -> None:
    truth = parse_model(YAMADA.text.replace("below = 1.0\n", "below = 1.0\nlasting = 24\n"), YAMADA.id)
    judged_alike(replace(usual_protocol(YAMADA), limits={}), YAMADA, truth)


def test_a_true_model_without_the_drug_is_named() -> None:
    with pytest.raises(ValueError, match="docetaxel_ozawa2007 gives no fluorouracil; it has docetaxel"):
        judged_alike(usual_protocol(YAMADA), YAMADA, load_model("docetaxel_ozawa2007"))
