"""One alert as it was told, with the record of its patient and where twins of that patient come from.

It is read from Kafka, or follows from files of which the record is folded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.batch.arguments import LeftOut, cases_in, reading
from streams.batch.cases import CaseError
from twin import PatientTwin
from twin.alerts.thresholds import Thresholds
from twin.dosing.live import LiveAdviser
from twin.dosing.protocol import Protocol
from twin.events import Alert, InputEvent, decode
from twin.model.spec import Model
from twin.modelfile.library import load_model
from twin.patient.averaged import AveragedTwin, begun_twin, resumed_twin
from twin.patient.rivals import Rivals, rivals

NAMED = 5
"""Alerts that a message names."""


@dataclass(frozen=True)
class Ward:
    """What a worker's twins are given beside their patient: how many particles, thresholds, and protocols."""

    particles: int
    thresholds: Thresholds
    protocols: tuple[Protocol, ...] = ()


@dataclass(frozen=True)
class PatientTwins:
    """Twins of one patient, by a model or by rival ones, as a worker of this ward would have them."""

    patient_id: str
    models: Model | Rivals
    ward: Ward

    def begin(self) -> PatientTwin | AveragedTwin:
        """One that has observed nothing."""
        ward = self.ward
        adviser = LiveAdviser(ward.protocols)
        return begun_twin(self.patient_id, self.models, ward.particles, ward.thresholds, adviser)

    def resume(self, row: bytes) -> PatientTwin | AveragedTwin:
        """One that goes on from a row."""
        return resumed_twin(row, self.models, self.ward.thresholds, LiveAdviser(self.ward.protocols))


@dataclass(frozen=True)
class Told:
    """All that was told of one alert, by revision, and the record of its patient."""

    alerts: tuple[Alert, ...]
    events: tuple[InputEvent, ...]
    twins: PatientTwins

    def revision(self, number: int | None) -> Alert:
        """A record of it, by default the last while it stood.

        Raises:
            CaseError: there is none of that number.
        """
        if number is None:
            return next((alert for alert in reversed(self.alerts) if alert.live), self.alerts[-1])
        found = next((alert for alert in self.alerts if alert.revision == number), None)
        if found is None:
            known = ", ".join(str(alert.revision) for alert in self.alerts[-NAMED:])
            raise CaseError(f"--revision {number}: of alert {self.alerts[0].alert_id} there are {known}")
        return found


def told_in(files: Sequence[Path], begins: str, patient: str | None, model: str | None, ward: Ward) -> Told:
    """The alert whose id begins so, of those that follow from files.

    Raises:
        CaseError, NmtranError, ModelError: an argument that cannot be used; the message says what to change.
    """
    how = reading(model, files, averages=True)
    cases = [case for case in cases_in(files, how, LeftOut()) if patient in (None, case.patient_id)]
    if not cases:
        raise CaseError(f"--patient {patient}: the files hold nothing of this patient; name one that they do")
    seen: list[Alert] = []
    found: list[Told] = []
    for case in cases:
        twins = PatientTwins(case.patient_id, case.models, ward)
        events = tuple(decode(one.raw) for one in case.recorded)
        alerts = [one for one in twins.begin().observe(events).outputs if isinstance(one, Alert)]
        seen += alerts
        mine = tuple(alert for alert in alerts if alert.alert_id.startswith(begins))
        found += [Told(mine, events, twins)] if mine else []
    told = _the_one([alert for one in found for alert in one.alerts], begins, seen, "follows from these files")
    return next(one for one in found if one.alerts[0].patient_id == told[0].patient_id)


def told_on_kafka(
    begins: str, patient: str | None, model: str | None, ward: Ward, kafka: str | None, prefix: str | None
) -> Told:
    """The alert whose id begins so, of those on the topic, with what the input topics hold of its patient.

    Raises:
        CaseError, ModelError: an argument that cannot be used; the message says what to change.
        SettingsError, KafkaUnreachable: no broker answers.
    """
    from connectors.alerts.newest import told_alerts
    from connectors.alerts.record import record_of
    from connectors.settings import load_settings

    settings = load_settings(kafka=kafka, topic_prefix=prefix)
    every = told_alerts(settings, begins)
    alerts = _the_one(every, begins, every, "was told")
    owner = alerts[0].patient_id
    if patient not in (None, owner):
        raise CaseError(f"--patient {patient}: alert {alerts[0].alert_id} is of patient {owner}")
    events = tuple(record_of(settings, owner))
    if not events:
        raise CaseError(f"the input topics hold nothing of patient {owner} any more; name files of the record")
    names = [load_model(name, mixtures=True) for name in (model or alerts[-1].model).split(",")]
    twins = PatientTwins(owner, rivals(names) if len(names) > 1 else names[0], ward)
    return Told(alerts, events, twins)


def _the_one(found: Sequence[Alert], begins: str, seen: Sequence[Alert], how: str) -> tuple[Alert, ...]:
    """All that was told of the one alert that is meant; raises `CaseError` where it is none, or several."""
    ids = dict.fromkeys(alert.alert_id for alert in found)
    if len(ids) == 1:
        return tuple(found)
    others = list(dict.fromkeys(f"{alert.alert_id} ({alert.rule})" for alert in (found or seen)))
    named = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")
    if ids:
        raise CaseError(f"{begins!r} begins the ids of several alerts: {named}; write more of it")
    there = f"; there are {named}" if others else "; see 'dosetwin alert list --all'"
    raise CaseError(f"no alert whose id begins with {begins!r} {how}{there}")
