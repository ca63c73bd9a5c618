"""A mitigation that a client adds to what the sink wrote becomes the action on the alert; bad ones are named."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.facts.fact import Passed, Refusal
from connectors.facts.memory import Memory
from connectors.facts.telling import Outcome, Teller, Telling
from connectors.protocols.fhir.outputs import Body, of_alert
from connectors.protocols.fhir.reading import read
from tests import factories as make
from tests.connectors.facts import sources
from tests.connectors.protocols.spoken import bundle, raw
from twin.events import Alert, AlertAction, AlertHandling

PROFILE = sources.profile("fhir", servers=("https://fhir.example",), resources=("DetectedIssue",))
ALERT = make.alert("P-1", make.at(21), revision=2, phase="update", onset=make.at(20))
WHEN = make.at(22)
SILENT = {"coding": [{"system": "urn:dosetwin:action", "code": "comment"}]}
MADE_UP = {"url": "urn:dosetwin:handled", "valueString": "made up"}
UNTIL = {"url": "urn:dosetwin:until", "valueDateTime": "2026-03-03T12:00:00Z"}


HANDLED = make.alert(
    "P-1", WHEN, revision=3, phase="acknowledged", onset=make.at(20),
    handled=AlertHandling("acknowledge", "nurse-7", WHEN, "Growth factor given.", "done 7"),
)  # fmt: skip


def issue(*mitigations: Body, alert: Alert = ALERT, **changes: Any) -> Body:
    """The DetectedIssue that the sink writes, as a client sends it back with what was done."""
    (body,) = (one for one in of_alert(alert) if one["resourceType"] == "DetectedIssue")
    return body | {"mitigation": [*body.get("mitigation", []), *mitigations]} | changes


def done(code: str = "acknowledge", **changes: Any) -> Body:
    said = {"coding": [{"system": "urn:dosetwin:action", "code": code}], "text": "Growth factor given."}
    return {"action": said, "date": WHEN.isoformat(), "author": {"reference": "Practitioner/nurse-7"}} | changes


def outcomes(*bodies: Body, memory: Memory | None = None, profile: Any = PROFILE) -> list[Outcome]:
    by = Teller(profile, memory or Memory())
    readings = [reading for body in bodies for reading in read(raw(body), profile)]
    return [one for reading in readings for one in by.tell(reading)]


def actions(*bodies: Body, memory: Memory | None = None) -> list[AlertAction]:
    told = [one for one in outcomes(*bodies, memory=memory) if isinstance(one, Telling)]
    return [event for one in told for event in one.events if isinstance(event, AlertAction)]


def test_what_a_client_adds_is_the_action_that_others_ways_make() -> None:
    (word,) = actions(bundle(issue(done())))
    assert word == AlertAction.about(ALERT, "acknowledge", "nurse-7", WHEN, PROFILE.source, "Growth factor given.")
    (shelved,) = actions(issue(done("shelve", extension=[UNTIL])))
    assert (shelved.action, shelved.until) == ("shelve", make.at(28))
    own = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "13", "display": "Stopped"}]
    }
    (foreign,) = actions(issue(done(action=own, author={"identifier": {"value": "dr.4"}})))
    assert (foreign.action, foreign.by, foreign.reason) == ("acknowledge", "dr.4", "Stopped")
    (early,) = actions(issue(done(date="2026-03-01T00:00:00Z")))
    assert early.time == ALERT.time, "nobody acts on an alert before it was told"


def test_it_is_told_once_and_what_the_sink_writes_of_it_tells_nothing() -> None:
    memory = Memory()
    assert len(actions(issue(done()), issue(done(), done("comment")), memory=memory)) == 2
    after = HANDLED
    (written,) = issue(alert=after)["mitigation"]
    assert (written["action"]["text"], written["author"]["identifier"]["value"]) == ("Growth factor given.", "nurse-7")
    assert [type(one) for one in outcomes(issue(alert=after), memory=memory)] == [Passed]
    assert len(actions(issue(done("comment", date=make.at(23).isoformat()), alert=after), memory=memory)) == 1


def test_what_was_done_last_is_taken_back_by_a_mitigation_that_says_who_and_why() -> None:
    by = {"date": make.at(23).isoformat(), "author": {"reference": "Practitioner/nurse-9"}}
    (word,) = actions(issue(done("retract", **by), alert=HANDLED))
    assert (word.status, word.replaces, word.by, word.time) == ("retracted", "done 7", "nurse-9", make.at(23))
    assert (word.rule, word.alert_id, word.reason) == (ALERT.rule, HANDLED.alert_id, "Growth factor given.")


def test_what_was_taken_out_is_taken_back_once_and_by_the_source() -> None:
    memory = Memory()
    without = issue(alert=HANDLED, mitigation=[])
    (word,) = actions(without, without, memory=memory)
    assert (word.status, word.replaces, word.by) == ("retracted", "done 7", PROFILE.source)
    assert (
        actions(issue(alert=HANDLED, mitigation=[done("comment", date=make.at(23).isoformat())]))[0].status == "final"
    )


def test_nothing_is_taken_back_where_nothing_was_done_as_far_as_the_version_says() -> None:
    """A version of before the sink wrote what was done has no mitigation of its own: it takes nothing back."""
    assert [type(one) for one in outcomes(issue())] == [Passed]
    (refusal,) = outcomes(issue(done("retract")))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "incomplete"
    assert "nothing was done" in refusal.detail


def test_a_source_that_was_not_asked_for_it_says_nothing_of_alerts() -> None:
    found = outcomes(issue(done()), profile=sources.profile("fhir", servers=("https://fhir.example",)))
    assert [type(one) for one in found] == [Passed]


@pytest.mark.parametrize(
    ("body", "reason", "names"),
    [
        (issue(done(author={"display": "Hans Mueller"})), "incomplete", "field 'author'"),
        (issue(done(author={"identifier": {"value": "Hans Mueller"}})), "incomplete", "field 'by': a pseudonym"),
        (issue(done("silence")), "unknown_code", "field 'action'"),
        (issue(done("shelve")), "incomplete", "urn:dosetwin:until"),
        (issue(done(), extension=[*issue()["extension"], MADE_UP]), "malformed", "urn:dosetwin:handled"),
        (issue(done("comment", action=SILENT)), "incomplete", "reason"),
        (issue(done(date=None)), "no_time", ""),
        (issue(done(date="2026-03-03")), "time_too_coarse", ""),
        (issue(done(date="yesterday")), "malformed", ""),
        (issue(done(), identifier=[]), "incomplete", "urn:dosetwin:alert"),
        (issue(done(), code={"text": "?"}), "incomplete", "urn:dosetwin:rule"),
        (issue(done(), extension=[]), "incomplete", "urn:dosetwin:subject"),
        (issue(done(), patient={"reference": "Patient/7"}), "no_patient", "patient.identifier"),
        (issue(done(), implicitRules="http://x"), "unsupported", "implicitRules"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(body: Body, reason: str, names: str) -> None:
    (refusal,) = outcomes(body)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.place) == (reason, "resource.mitigation[1]")
    assert names in refusal.detail
    assert "Mueller" not in refusal.detail
