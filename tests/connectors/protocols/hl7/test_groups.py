"""Which segments belong together, and whose they are."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from connectors.facts.fact import NotAFact, Subject
from connectors.facts.patients import Pseudonyms
from connectors.protocols.hl7.groups import Group, groups, subject_of, subjects, zone_of
from connectors.protocols.hl7.message import Message, Segment, parse
from tests.connectors.facts import sources


def message(*segments: str, msh: str = "MSH|^~\\&|A|B|||20260302100000-0500") -> Message:
    return parse("\r".join((msh, *segments)))


def pid(text: str) -> Segment:
    (found,) = message(text).of("PID")
    return found


def test_an_order_has_the_results_and_specimens_that_follow_it() -> None:
    first, second = groups(
        message("PID|1", "ORC|RE", "OBR|1||a", "OBX|1", "NTE|1", "OBX|2", "SPM|1", "OBR|2||b", "OBX|1")
    )
    assert [index for index, _ in first.results] == [1, 2]
    assert (len(first.specimens), first.number, first.common is not None) == (1, 1, True)
    assert (len(second.results), second.number, second.common) == (1, 2, None)
    assert second.place(1) == "OBR[2].OBX[1]"
    assert first.patient is second.patient is not None


def test_results_before_any_order_have_none_and_harm_nothing() -> None:
    first, second = groups(message("PID|1", "OBX||RP", "OBX||ED", "OBR|1||a", "OBX|1"))
    assert first.order is None
    assert (first.order_number, second.order_number) == ("", "a")
    assert [first.place(index) for index, _ in first.results] == ["OBX[1]", "OBX[2]"]
    assert second.order is not None
    assert len(list(groups(message()))) == 1


def test_an_order_may_be_known_by_its_common_segment_alone() -> None:
    first, second = groups(message("PID|1", "ORC|RE|P1|F1", "OBX|1", "ORC|RE|P2", "OBX|1", "SPM|1"))
    assert [group.order_number for group in (first, second)] == ["F1", "P2"]
    assert (len(first.specimens), len(second.specimens)) == (0, 1)
    (both,) = groups(message("PID|1", "ORC|RE|P1|F1", "OBR|1", "OBX|1"))
    assert both.order_number == "F1"


def test_an_explicit_null_is_no_patient() -> None:
    assert subjects(pid('PID|1||""^^^EAST^MR')) == []
    assert subjects(pid('PID|1||17^^^""^MR'))[0].authority == ""


def test_a_second_patient_begins_anew() -> None:
    first, second = groups(message("PID|1||a", "OBR|1", "OBX|1", "PID|2||b", "OBR|1", "OBX|1"))
    assert first.patient is not second.patient


def test_ids_stand_beside_the_authority_that_gave_them() -> None:
    found = subjects(pid("PID|1||17^^^EAST&1.2.3&ISO^MR~99^^^&1.2.4&ISO^PI"))
    assert found == [Subject("17", "EAST", "MR"), Subject("99", "1.2.4", "PI")]
    assert subjects(pid("PID|1|17")) == [Subject("17")]
    assert subjects(pid("PID|1|||18")) == [Subject("18")]
    assert subjects(pid("PID|1")) == []


@pytest.mark.parametrize(
    "text",
    ["PID|1||17||Unknown Patient", "PID|1||17||^^^^^^U", "PID|1||17" + "|" * 29 + "Y"],
)
def test_a_message_that_does_not_know_whom_is_of_nobody(text: str) -> None:
    with pytest.raises(NotAFact, match="no_patient"):
        subjects(pid(text))
    with pytest.raises(NotAFact, match="no_patient"):
        subjects(None)


def test_the_number_of_the_order_is_no_patient() -> None:
    profile = sources.profile()
    (group,) = groups(message("PID|1||F88", "OBR|1|P77|F88^LAB", "OBX|1"))
    with pytest.raises(NotAFact, match=r"no_patient.*order"):
        subject_of(group, profile)
    assert subject_of(Group(patient=pid("PID|1||17^^^EAST^MR")), profile) == Subject("17", "EAST", "MR")


def test_an_id_is_chosen_by_its_authority_and_not_by_its_place() -> None:
    profile = sources.profile(pseudonyms=Pseudonyms(sources.KEY, authorities=("WEST",)))
    group = Group(patient=pid("PID|1||17^^^EAST^MR~99^^^WEST^MR"))
    assert subject_of(group, profile).id == "99"


def test_the_zone_of_a_message_is_that_of_its_sending() -> None:
    assert zone_of(message()) == timezone(-timedelta(hours=5))
    for stamp in ("", "20260302100000", "20260302", "noon"):
        assert zone_of(message(msh=f"MSH|^~\\&|A|B|||{stamp}")) is None
