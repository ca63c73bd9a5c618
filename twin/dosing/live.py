"""Advice along a record: who answers when somebody asks, or when a plan or a level comes (`twin.patient.advising`).

By which protocol: the one that a request names, else the one that the drug was ordered by, else the only one that there
is of the drug; on request, without any, by what is assumed. All of it is a function of the protocols and of what is
believed at the cause's moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from twin.alerts.conditions.methotrexate import DRUG as METHOTREXATE
from twin.alerts.snapshot import AdviceView, OddsView
from twin.dosing.advice import Advice, advise_on
from twin.dosing.protocol import Protocol, ProtocolError, usual_protocol
from twin.dosing.published import UnknownGenotype, beside_on, daily
from twin.dosing.rescue.methotrexate import rescue_on
from twin.dosing.wire import branches_said, rule_said, sample_said, spoken_said, way_said
from twin.model.spec import Model
from twin.names import shown
from twin.patient.accounts.component import Component
from twin.patient.advising.causes import Cause
from twin.patient.advising.desk import Answer, Believed
from twin.wording import say, wording_of

NOTHING_KNOWN: Mapping[str, str] = MappingProxyType({})
"""No genotype."""

Ordered = Mapping[str, tuple[str, str]]
"""By which protocol and for which ward each drug was ordered."""


class LiveAdviser:
    """Advises by the protocols of a ward, `twin.patient.advising.desk.Adviser`.

    Raises:
        ProtocolError: two protocols have one id.
    """

    def __init__(self, protocols: Sequence[Protocol] = ()) -> None:
        self._protocols = tuple(sorted(protocols, key=lambda protocol: protocol.id))
        ids = [protocol.id for protocol in self._protocols]
        twice = next((name for name in ids if ids.count(name) > 1), None)
        if twice is not None:
            raise ProtocolError(twice, "id", "is the id of two protocols; give one another")

    def live(self, models: Sequence[Model]) -> Set[str]:
        """Which of ``plan`` and ``level`` are causes by a protocol that fits one of the models."""
        return {
            word
            for protocol in self._protocols
            if protocol.live and any(_fits(protocol, model) for model in models)
            for word in protocol.live
        }

    def hash_of(self, models: Sequence[Model]) -> str:
        """16 hex digits that name all protocols of the models' drugs."""
        drugs = {drug for model in models for drug in model.drugs}
        used = [f"{protocol.id} {protocol.hash}" for protocol in self._protocols if protocol.drug in drugs]
        return hashlib.blake2b("\n".join(used).encode(), digest_size=8).hexdigest()

    def answers(
        self, cause: Cause, model: Model, believed: Believed, ordered: Ordered, before: Mapping[str, AdviceView]
    ) -> Sequence[Answer]:
        """See `twin.patient.advising.desk.Adviser.answers`."""
        if cause.about == "request":
            drug = cause.drug or model.drug
            beside: dict[str, Any] = {}
            try:
                if cause.what_if:
                    return [Answer(drug, "", _foreseen(cause, believed()), None)]
                beside = _asked(cause, drug, believed())
                protocol = self._requested(cause, drug, model, ordered)
                answer = _answer(believed(), protocol, before, dict(cause.genotypes))
            except ValueError as error:
                why = error.args[0] if error.args else ""
                said = {"outcome": "none", "reason": str(error), "said": wording_of(why), **beside}
                return [Answer(drug, "", said, None)]
            return [replace(answer, said={**(answer.said or {}), **beside})]
        drugs = model.drugs if cause.drug is None else (cause.drug,)
        chosen = [self._chosen(drug, ordered) for drug in drugs]
        found = []
        for protocol in filter(None, chosen):
            if cause.about not in protocol.live or not _fits(protocol, model):
                continue
            try:
                found.append(_answer(believed(), protocol, before))
            except ValueError:  # nothing runs, is planned or is usual: nobody asked
                found.append(Answer(protocol.drug, protocol.id, None, None))
        return found

    def _chosen(self, drug: str, ordered: Ordered) -> Protocol | None:
        """The protocol of a drug, where it is clear which."""
        known = [protocol for protocol in self._protocols if protocol.drug == drug]
        named = [protocol for protocol in known if protocol.id == ordered.get(drug, ("", ""))[0]]
        return named[0] if named else known[0] if len(known) == 1 else None

    def _requested(self, cause: Cause, drug: str, model: Model, ordered: Ordered) -> Protocol:
        known = {protocol.id: protocol for protocol in self._protocols if protocol.drug == drug}
        if cause.protocol is not None:
            if cause.protocol not in known:
                has = ", ".join(known) or "none"
                raise ValueError(
                    say(
                        "dose.unknown_protocol",
                        "field 'protocol': {protocol} is no protocol of {drug}; there is {known}",
                        protocol=shown(cause.protocol),
                        drug=drug,
                        known=has,
                    )
                )
            return known[cause.protocol]
        chosen = self._chosen(drug, ordered)
        if chosen is None and known:
            raise ValueError(
                say(
                    "dose.several_protocols",
                    "field 'protocol': there are several of {drug}; name one of {known}",
                    drug=drug,
                    known=", ".join(known),
                )
            )
        return usual_protocol(model, drug) if chosen is None else chosen


def _fits(protocol: Protocol, model: Model) -> bool:
    try:
        protocol.checked(model)
    except ProtocolError:
        return False
    return True


def _foreseen(cause: Cause, components: Sequence[Component]) -> dict[str, Any]:
    """What is said where what-ifs alone were asked for."""
    reason = say("dose.foreseen", "What-ifs alone were asked for: no dose is advised.")
    told = {"reason": str(reason), "said": reason.wording}
    return {"outcome": "foreseen", **told, **branches_said(components, cause.branches)}


def _asked(cause: Cause, drug: str, components: Sequence[Component]) -> dict[str, Any]:
    """What is said of a request whether or not a dose can be advised on: rules in words, and its what-ifs.

    Raises:
        UnknownGenotype: no rule knows a gene of it, or the value.
    """
    try:
        daily_doses = daily(drug, dict(cause.genotypes))
    except UnknownGenotype as error:
        raise UnknownGenotype(say("genotype.field", "field 'genotypes': {why}", why=error.args[0])) from None
    rescued = rescue_on(components) if drug == METHOTREXATE else ()
    return {"spoken": spoken_said((*rescued, *daily_doses)), **branches_said(components, cause.branches)}


def _answer(
    components: Sequence[Component],
    protocol: Protocol,
    before: Mapping[str, AdviceView],
    genotypes: Mapping[str, str] = NOTHING_KNOWN,
) -> Answer:
    """The advice; raises `ValueError` where there is none."""
    advice = advise_on(components, protocol)
    note = advice.decision.note
    said: dict[str, Any] = {
        "outcome": "advised",
        "protocol_hash": protocol.hash,
        "decision": advice.decision.what,
        "reason": str(advice.reason),
        "said": advice.reason.wording,
        "note": None if note is None else str(note),
        "note_said": None if note is None else note.wording,
        "ess": advice.ess,
        "alternatives": tuple(map(way_said, advice.alternatives)),
        "published": tuple(map(rule_said, beside_on(components[0], advice, genotypes))),
        "next_sample": sample_said(components, protocol),
    }
    known = before.get(protocol.drug)
    return Answer(protocol.drug, protocol.id, said, _view(advice, known))


def _view(advice: Advice, before: AdviceView | None) -> AdviceView | None:
    """What a rule compares with the plan; ``None`` where nothing is planned."""
    if advice.decision.note is not None:
        return None
    planned, advised, protocol = advice.planned, advice.advised, advice.protocol
    pairs = list(zip(planned.doses, advised.doses, strict=True))
    running = [(up, other) for up, other in pairs if up.running]
    factor = advised.factor
    if before is not None and before.delay_ms == advised.delay and abs(factor - before.told) <= protocol.differs:
        factor = before.told
    return AdviceView(
        drug=advice.decision.drug,
        protocol=protocol.id,
        millis=advice.millis,
        doses=tuple((up.step.start_ms, up.step.amount, other.step.amount) for up, other in pairs if not up.running),
        delay_ms=advised.delay,
        planned_rate=sum(up.rate or 0.0 for up, _ in running) if running else None,
        advised_rate=sum(other.rate or 0.0 for _, other in running) if running else None,
        ends_ms=max((up.step.end_ms for up, _ in pairs), default=advice.millis),
        differs=protocol.differs,
        odds=tuple(_beside(advice)),
        told=factor,
    )


def _beside(advice: Advice) -> Iterator[OddsView]:
    """The odds that a dose is chosen by, of what is advised beside those of the plan."""
    old_ones = {one.target.name: one.within for one in advice.planned.exposures}
    for new in advice.advised.exposures:
        if (within := old_ones.get(new.target.name)) is not None:
            yield OddsView("window", new.target.name, new.within.p, within.p)
    for harm, old in zip(advice.advised.toxicities, advice.planned.toxicities, strict=True):
        if harm.limit is not None:
            yield OddsView("toxicity", harm.toxicity.name, harm.reached.p, old.reached.p)
