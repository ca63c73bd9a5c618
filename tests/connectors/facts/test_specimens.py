"""Of what a value is: by a code or a name, and nothing that is not known is blood."""

from __future__ import annotations

import pytest

from connectors.facts.specimens import is_blood, is_other


@pytest.mark.parametrize(
    ("kind", "blood", "other"),
    [("SER", True, False), ("Venous blood specimen", True, False), ("119364003", True, False), ("ur", False, True),
     ("Urine", False, True), ("Cerebrospinal fluid", False, True), ("blood culture swab", True, False),
     ("Tube 3", False, False), ("", False, False), ("122575003", False, False), ("USERUM", False, False)],
)  # fmt: skip
def test_a_specimen_is_blood_another_or_unknown(kind: str, blood: bool, other: bool) -> None:
    assert (is_blood(kind), is_other(kind)) == (blood, other)
