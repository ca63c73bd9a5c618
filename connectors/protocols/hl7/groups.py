"""Which segments belong together: a patient's, an order's, its results and specimens, in whatever order they came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timezone
from itertools import groupby

from connectors.facts.fact import NotAFact, Subject
from connectors.facts.profile import Profile
from connectors.protocols.hl7 import values
from connectors.protocols.hl7.message import NULL, Message, Segment
from connectors.protocols.hl7.stamps import moment


@dataclass
class Group:
    """An order and what was observed for it; results that stand before any order have none.

    ``common`` is its ORC, which has the order's numbers too. In doubt are results of which it is not known whether
    their order stands before or after them.
    """

    order: Segment | None = None
    common: Segment | None = None
    results: list[tuple[int, Segment]] = field(default_factory=list)
    specimens: list[Segment] = field(default_factory=list)
    patient: Segment | None = None
    number: int = 0
    in_doubt: bool = False

    @property
    def order_number(self) -> str:
        """What the filler calls the order, else the placer: by the order itself, or by its ORC."""
        told_by = [(self.order, 3), (self.order, 2), (self.common, 3), (self.common, 2)]
        return next((said(field) for said, field in told_by if said is not None and said(field)), "")

    def place(self, index: int) -> str:
        """Where the result stands: its number in the message's group, and that of the group."""
        return f"OBR[{self.number}].OBX[{index}]" if self.number else f"OBX[{index}]"


def groups(message: Message) -> Iterator[Group]:
    """The groups of a message, in order.

    Raises:
        NotAFact: ``malformed`` where several patients share the message.
    """
    group = Group()
    patient: Segment | None = None
    common: Segment | None = None
    number = 0
    for segment in message.segments:
        match segment.name:
            case "PID":
                patient = segment
                if group.order is None:
                    group.patient = patient
                else:
                    yield group
                    group = Group(patient=patient)
            case "ORC":
                common = segment
            case "OBR":
                if group.order is not None or group.results:
                    yield group
                number += 1
                group = Group(order=segment, common=common, patient=patient, number=number)
                common = None
            case "OBX":
                if common is not None:  # results of an order that only its ORC tells of
                    if group.order is not None or group.results:
                        yield group
                    group, common = Group(common=common, patient=patient), None
                group.results.append((len(group.results) + 1, segment))
            case "SPM":
                group.specimens.append(segment)
    yield group


def groups_of_orders(message: Message) -> Iterator[Group]:
    """The groups of a message, with results that stand before their order, as some senders have them.

    Up to v2.6 a result belongs to an order; from v2.7 on those that follow the patient may be of none. Where all
    results of a patient stand before the only order, they are of it; where the first stand before any of several and
    the last order has none, each may be of the order before it or of the one behind.
    """
    for _, those in groupby(groups(message), key=lambda group: id(group.patient)):
        first, *others = those
        if _is_before_2_7(message) and _is_read(first) and first.order is first.common is None and others:
            last = others[-1]
            if len(others) == 1 and not last.results:
                last.results, last.specimens = first.results, [*first.specimens, *last.specimens]
                yield last
                continue
            if not last.results:
                for group in (first, *others):
                    group.in_doubt = True
        yield first
        yield from others


def _is_before_2_7(message: Message) -> bool:
    return re.match(r"2\.[1-6](\.|$)", message.header(12)) is not None


def _is_read(group: Group) -> bool:
    """Whether a result has a number, or should have one."""
    try:
        return any(values.number(result) is not None for _, result in group.results)
    except NotAFact:
        return True


def subjects(patient: Segment | None) -> list[Subject]:
    """The ids of PID-3, or of PID-2 and PID-4 where versions before 2.3.1 had them.

    Raises:
        NotAFact: ``no_patient`` where the message itself says that it does not know whom (PID-5, PID-32).
    """
    if patient is None:
        raise NotAFact("no_patient", "no PID segment")
    if patient(32) == "Y" or patient(5, 7) == "U" or "unknown" in patient.raw(5).lower():
        raise NotAFact("no_patient", "PID-5 or PID-32 says that the patient is not known")
    for place in (3, 2, 4):
        found = [_subject(patient, parts) for parts in patient.repetitions(place) if parts[0].strip() not in ("", NULL)]
        if found:
            return found
    return []


def _subject(patient: Segment, parts: list[str]) -> Subject:
    authority = patient.sub(parts[3]) if len(parts) > 3 else []
    named = next((text.strip() for text in authority if text.strip()), "")
    return Subject(parts[0].strip(), "" if named == NULL else named, parts[4].strip() if len(parts) > 4 else "")


def subject_of(group: Group, profile: Profile) -> Subject:
    """Whose the group is; an accession number in the patient's place is none.

    Raises:
        NotAFact: ``no_patient`` or ``unknown_patient_id``.
    """
    found = profile.pseudonyms.choose(subjects(group.patient))
    if group.order is not None and found.id in (group.order(3), group.order(2)):
        raise NotAFact("no_patient", "the number of the order stands in the place of the patient's id")
    return found


def zone_of(message: Message) -> timezone | None:
    """The offset of MSH-7, which holds for the stamps of the message that have none (IHE PCD TF-2, B.1)."""
    try:
        sent = moment(message.header(7))
    except NotAFact:
        return None
    zone = sent.at.tzinfo if sent is not None else None
    return zone if isinstance(zone, timezone) else None
