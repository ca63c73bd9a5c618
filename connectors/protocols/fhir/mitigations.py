"""What people do about alerts at a FHIR server: mitigations of the DetectedIssues that a twin wrote.

::

    "mitigation": [{"action": {"coding": [{"system": "urn:dosetwin:action", "code": "acknowledge"}],
                               "text": "Growth factor given; count tomorrow at six."},
                    "date": "2026-03-07T10:05:00+01:00", "author": {"reference": "Practitioner/nurse-7"}}]

R4 has this element for what was done about an issue, by whom and when (hl7.org/fhir/R4/detectedissue.html). An
AuditEvent says who opened a record, and a Flag that is set inactive says neither why nor what was done. A mitigation of
any other code is an acknowledgement: somebody has seen it, and did something. To shelve it says until when.

A mitigation ``retract`` takes back what was done last, which the sink named in an extension; so does a version in which
the sink's own mitigation was taken out, and no other put in its place. Who did that is not told: it is the source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, get_args

from pydantic import TypeAdapter, ValidationError

from connectors.alerts.actions import action_on, taken_back
from connectors.facts.fact import Found, NotAFact, OwnEvent, Passed, Refusal, shown
from connectors.facts.moments import instant
from connectors.facts.profile import Profile
from connectors.protocols.events import check_mode
from connectors.protocols.fhir.outputs import ACTION, HANDLED, PERSON, SUBJECT, TOLD, UNTIL
from connectors.protocols.fhir.resource import Json, Resource, codings, listed, member, only_known, text_of
from connectors.protocols.fhir.times import moment
from twin.events import Action, AlertAction, PatientId, Subject
from twin.events.envelope import STAFF_ID_IN_WORDS

ISSUE = "DetectedIssue"
"""The kind that is read where a profile names it among its ``resources``: then this source may say what people do."""

RETRACT = "retract"
"""Code of a mitigation that takes back what was done last."""

TAKEN_OUT = "its mitigation was taken out"

_ACTIONS: dict[str, Action] = {action: action for action in get_args(Action)}
_PATIENT: TypeAdapter[str] = TypeAdapter(PatientId)
_SUBJECT = TypeAdapter(Subject)
_AS_IT_WAS = "not as the twin wrote it; leave it as it was"


class _Handled(NamedTuple):
    """What was done about an alert last, and by which action."""

    action: Action
    event_id: str


class _Seen(NamedTuple):
    """The alert that a DetectedIssue is of, as it stood in it."""

    alert_id: str
    patient_id: str
    rule: str
    subject: Subject
    time: datetime
    handled: _Handled | None


def read_mitigations(resource: Resource, profile: Profile) -> Iterator[Found]:
    """What people did about the alert that a DetectedIssue of ours is of; what the sink wrote there tells nothing."""
    there = listed(resource.body.get("mitigation"))
    done: list[tuple[str, Json | None]] = [
        (f"{resource.place}.mitigation[{number}]", one)
        for number, one in enumerate(there, start=1)
        if text_of(member(one, "author", "identifier", "system")) != PERSON
    ]
    if not there and _extension(resource.body, HANDLED, "valueString") is not None:
        done.append((f"{resource.place}.mitigation", None))
    if not done or ISSUE not in profile.resources:
        yield Passed(resource.place, "what a twin wrote itself")
        return
    for place, one in done:
        try:
            only_known(resource.body)
            seen = _seen(resource, profile)
            yield OwnEvent(_taken_out(seen, profile) if one is None else _action(seen, one, profile), place)
        except NotAFact as error:
            yield Refusal(place, error.reason, error.detail)
        except ValueError as error:
            yield Refusal(place, "incomplete", str(error))


def _seen(resource: Resource, profile: Profile) -> _Seen:
    """The alert.

    Raises:
        NotAFact: something that the sink wrote is not there any more.
    """
    body = resource.body
    alert_id = _identified(body, "urn:dosetwin:alert")
    rule = next((one.code for one in codings(body.get("code")) if one.system == "urn:dosetwin:rule"), "")
    kind, _, name = text_of(_extension(body, SUBJECT, "valueString")).partition("/")
    told = moment(_extension(body, TOLD, "valueDateTime"))
    lacks = {
        "identifier (urn:dosetwin:alert)": alert_id,
        "code (urn:dosetwin:rule)": rule,
        f"extension {SUBJECT}": name,
        f"extension {TOLD}": told,
    }
    if missing := [field for field, value in lacks.items() if not value]:
        raise NotAFact("incomplete", f"field '{missing[0]}' is missing; leave what the twin wrote as it was")
    patient = text_of(member(body, "patient", "identifier", "value"))
    try:
        _PATIENT.validate_python(patient)
    except ValidationError:
        raise NotAFact("no_patient", f"field 'patient.identifier': {_AS_IT_WAS}") from None
    try:
        subject = _SUBJECT.validate_json(json.dumps({"kind": kind, "name": name}))
    except ValidationError:
        raise NotAFact("malformed", f"field 'extension {SUBJECT}': {_AS_IT_WAS}") from None
    check_mode(patient, profile)
    return _Seen(alert_id, patient, rule, subject, instant(told, profile.zone)[0], _handled(body))


def _handled(body: Json) -> _Handled | None:
    said = _extension(body, HANDLED, "valueString")
    action, _, event = text_of(said).partition("/")
    if said is not None and (action not in _ACTIONS or not event):
        raise NotAFact("malformed", f"field 'extension {HANDLED}': {_AS_IT_WAS}")
    return None if said is None else _Handled(_ACTIONS[action], event)


def _taken_out(seen: _Seen, profile: Profile) -> AlertAction:
    """The retraction of what the sink wrote there; of the time at which it was told, so that it is one however often
    that version is read."""
    who = re.sub(r"[^A-Za-z0-9._-]", "-", profile.source).lstrip("._-")[:64] or "fhir"
    return taken_back(seen, who, seen.time, profile.source, TAKEN_OUT)


def _action(seen: _Seen, done: Json, profile: Profile) -> AlertAction:
    concept = done.get("action")
    ours = [one.code for one in codings(concept) if one.system == ACTION]
    if ours and ours[0] not in (*_ACTIONS, RETRACT):
        raise NotAFact("unknown_code", f"field 'action' {shown(ours[0])}: one of {', '.join((*_ACTIONS, RETRACT))}")
    named = "; ".join(one.name for one in codings(concept) if one.name and one.system != ACTION)
    why = text_of(member(concept, "text")) or named
    if ours and ours[0] == RETRACT:
        return taken_back(seen, _who(done), instant(moment(done.get("date")), profile.zone)[0], profile.source, why)
    what: Action = _ACTIONS[ours[0]] if ours else "acknowledge"
    until = moment(_extension(done, UNTIL, "valueDateTime"))
    if until is None and what == "shelve":
        raise NotAFact("incomplete", f"field 'extension {UNTIL}': until when (valueDateTime) is missing")
    when = instant(moment(done.get("date")), profile.zone)[0]
    end = None if until is None or what != "shelve" else instant(until, profile.zone)[0]
    return action_on(seen, what, _who(done), when, profile.source, why, end)


def _who(done: Json) -> str:
    """By id or identifier; what a person is called is left out."""
    author = done.get("author")
    who = text_of(member(author, "reference")).partition("/_history/")[0].rpartition("/")[2]
    who = who or text_of(member(author, "identifier", "value"))
    if not who:
        raise NotAFact(
            "incomplete", f"field 'author': a reference or an identifier is missing; it is {STAFF_ID_IN_WORDS}"
        )
    return who


def _identified(body: Json, system: str) -> str:
    found = (text_of(one.get("value")) for one in listed(body.get("identifier")) if one.get("system") == system)
    return next(found, "")


def _extension(element: Json, url: str, value: str) -> object:
    return next((one.get(value) for one in listed(element.get("extension")) if one.get("url") == url), None)
