"""A question to a twin says who asks and what for; what is wrong with it is told in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.advice.asking import request_of
from tests import factories as make


def request(**changes: Any) -> Any:
    return request_of(**{"patient": "P-1", "by": "physician-3", "now": make.START, "source": "test", **changes})


def test_the_same_question_has_the_same_id_and_another_has_another() -> None:
    assert request().event_id == request().event_id
    others = {"genotypes": (("DPYD", "1.5"),)}, {"branches": ("skip docetaxel",)}, {"reason": "rounds"}
    assert len({request(**one).event_id for one in ({}, *others)}) == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"by": "Hans Mueller"}, "field 'by': a pseudonym, never a name: 1 to 64 letters"),
        ({"patient": "Hans Mueller"}, "field 'patient_id': String should match pattern"),
        ({"genotypes": (("DPYD", "1"), ("DPYD", "2"))}, "'genotypes' has DPYD twice; say what is known of it once"),
        ({"genotypes": (("DPYD", "very poor"),)}, "field 'value': String should match pattern"),
        ({"branches": ("",)}, "field 'branches.0': String should have at least 1 character"),
        ({"branches": ("skip docetaxel",) * 9}, "field 'branches': Tuple should have at most 8 items"),
    ],
)
def test_a_question_that_cannot_be_asked_says_what_to_change(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.split(":")[0]) as caught:
        request(**changes)
    assert str(caught.value).startswith(said)
