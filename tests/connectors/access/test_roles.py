"""What each role may do, and whom it sees."""

from __future__ import annotations

import pytest

from connectors.access.roles import MAY, WHOEVER, Deed, Who


def test_each_role_has_its_row_and_all_may_look() -> None:
    assert {role: sorted(deeds) for role, deeds in MAY.items()} == {
        "viewer": ["look"],
        "clinician": ["act", "ask", "export", "look"],
        "engineer": ["look", "mend"],
    }


def test_where_nobody_logs_in_all_may_be_done_to_all() -> None:
    assert all(WHOEVER.may(deed) for deed in Deed)
    assert WHOEVER.sees("P-1")


@pytest.mark.parametrize(
    ("patients", "seen"),
    [(("*",), "P-1 P-2 W3-1"), (("P-*", "!P-2"), "P-1"), (("W3-*", "P-2"), "P-2 W3-1"), (("!W3-*",), "P-1 P-2")],
)
def test_a_group_is_a_set_of_patterns(patients: tuple[str, ...], seen: str) -> None:
    who = Who("nurse-7", "clinician", patients)
    assert [one for one in ("P-1", "P-2", "W3-1") if who.sees(one)] == seen.split()
