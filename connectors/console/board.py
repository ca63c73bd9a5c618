"""The ward as it stands: a fold over the twin's output events, read out as a snapshot or as what changed since.

The picture depends only on which facts are known, not on the order they came in. An estimate, forecast or prediction
is known by its patient and event time: late data makes the twin say it again, and the newer word replaces the older
one, or takes it back; then the newest that stands is shown. An alert is known by its id, its transitions by their
revision. So reading the topics again from the beginning, or reading parts of them twice, ends in the same picture.

Every change carries the number of the fold that made it. A frame "since n" holds what changed after fold n, so a page
that could not keep up needs no queue: its next frame simply spans more folds. The board is pure and not thread-safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from connectors.console import views as picture
from connectors.console.advice import advice_card
from connectors.console.patient.alerts_kept import AlertsKept
from connectors.console.patient.calibration import Calibration, calibrations
from connectors.console.patient.individual import Analyte, Floor, ModelNotes, Parameter, parameters
from connectors.console.views import (
    Ahead,
    AlertCard,
    Foreseen,
    MeasuredPoint,
    Refused,
    WardRow,
)
from connectors.console.ward.newest import Newest
from connectors.console.ward.trend import HOURS_KEPT, Seen, followed, trend_of
from twin.events import (
    Advice,
    Alert,
    Estimate,
    Event,
    Forecast,
    OutputEvent,
    Prediction,
    Rejected,
    Withdrawn,
    encode,
    to_millis,
)

POINTS_KEPT = 1500
"""History per patient: about two months of hourly estimates."""

ESTIMATES_KEPT = 96
"""Whole estimates per patient, of which the newest that stands is shown: a day by the quarter of an hour, further than
which no event is dated ahead of the others. Were more taken back, nothing is shown until the next."""

FORECASTS_KEPT = 16
"""Forecasts per patient, of which the newest that stands is shown."""

MEASURED_KEPT = 1000
"""Measured values per patient."""

PATIENTS_KEPT = 2_000
"""Patients on the ward; of more, those are forgotten of whom the newest word is the oldest."""

ADVICE_KEPT = 6
"""Pieces of advice per patient, the newest by the time of their causes."""

WHAT_IFS_KEPT = 3
"""Answers per patient to who asked for what-ifs alone: they drive no advice out."""

REFUSED_KEPT = 200
"""Dead letters shown, the newest by offset."""

_FORESEEN = msgspec.msgpack.Decoder(Foreseen)


class WardFrame(msgspec.Struct, frozen=True):
    """The ward table: every row (``since`` = 0) or the rows that changed after fold ``since``."""

    type: str
    since: int
    version: int
    clock: int | None
    rows: tuple[WardRow, ...]
    refused: tuple[Refused, ...] | None
    refused_more: bool


class PatientFrame(msgspec.Struct, frozen=True):
    """One patient in full (``since`` = 0) or what changed after fold ``since`` (``None`` = unchanged)."""

    type: str
    since: int
    version: int
    row: WardRow
    points: tuple[msgspec.Raw, ...]
    points_kept: int
    measured: tuple[MeasuredPoint, ...]
    measured_kept: int
    parameters: tuple[Parameter, ...]
    forecast: Ahead | None
    alerts: tuple[AlertCard, ...] | None
    advice: tuple[msgspec.Raw, ...] | None
    floors: tuple[Floor, ...]
    calibration: tuple[Calibration, ...] | None


class UnknownPatient(KeyError):
    """No output event of this patient has been seen."""


@dataclass(slots=True)
class _Patient:
    """What stands of one patient; whole estimates and forecasts are kept as bytes: a tenth of the memory."""

    points: Newest[bytes]
    measured: Newest[MeasuredPoint] = field(default_factory=lambda: Newest(MEASURED_KEPT))
    estimates: Newest[bytes] = field(default_factory=lambda: Newest(ESTIMATES_KEPT))
    followed: Newest[Seen] = field(default_factory=lambda: Newest(HOURS_KEPT))
    forecasts: Newest[bytes] = field(default_factory=lambda: Newest(FORECASTS_KEPT))
    advice: Newest[bytes] = field(default_factory=lambda: Newest(ADVICE_KEPT))
    what_ifs: Newest[bytes] = field(default_factory=lambda: Newest(WHAT_IFS_KEPT))
    advice_version: int = 0
    latest: Estimate | None = None
    forecast: Foreseen | None = None
    forecast_version: int = 0
    alerts: AlertsKept = field(default_factory=AlertsKept)
    alerts_version: int = 0
    removed_version: int = 0
    version: int = 0
    drawn: tuple[int, WardRow, int] | None = None

    def estimate(self, event: Estimate, version: int) -> bool:
        millis = to_millis(event.time)
        # A point is kept as the JSON it will be sent as: encoded once for all pages.
        changed = self.points.put(millis, "", msgspec.json.encode(picture.point(event)), version)
        self.estimates.put(millis, "", encode(event), version)
        if seen := followed(event, millis):
            self.followed.put(millis, "", seen, version)
        if self.latest is None or event.time >= self.latest.time:
            changed |= event != self.latest
            self.latest = event
        return changed

    def prediction(self, event: Prediction, version: int) -> bool:
        return self.measured.put(to_millis(event.time), event.output, picture.measured(event), version)

    def foresee(self, event: Forecast, version: int) -> bool:
        forecast = picture.foreseen(event)
        self.forecasts.put(forecast.t, "", msgspec.msgpack.encode(forecast), version)
        if self.forecast is not None and (forecast.t < self.forecast.t or forecast == self.forecast):
            return False
        self.forecast, self.forecast_version = forecast, version
        return True

    def alert(self, event: Alert, version: int) -> bool:
        if not self.alerts.put(event):
            return False
        self.alerts_version = version
        return True

    def advise(self, event: Advice, version: int) -> bool:
        """Advice is known by its cause's time and its id: data that come late give another word of the same."""
        drawn, millis = msgspec.json.encode(advice_card(event)), to_millis(event.time)
        if event.outcome == "withdrawn" and self.what_ifs.remove(millis, event.advice_id):
            changed = True
        else:
            kept = self.what_ifs if event.outcome == "foreseen" else self.advice
            changed = kept.put(millis, event.advice_id, drawn, version)
        if changed:
            self.advice_version = version
        return changed

    def withdraw(self, event: Withdrawn, version: int) -> bool:
        """Take what is withdrawn from the picture; of what remains the newest is shown."""
        millis = to_millis(event.time)
        gone = [self.measured.remove(millis, series.name) for series in event.measured]
        if not event.estimated:
            gone.append(self.points.remove(millis, ""))
            self.followed.remove(millis, "")
            if self.estimates.remove(millis, ""):
                self.latest = _estimate(self.estimates.last())
        if not event.foreseen and self.forecasts.remove(millis, ""):
            left = self.forecasts.last()
            forecast = None if left is None else _FORESEEN.decode(left)
            if forecast != self.forecast:
                self.forecast, self.forecast_version = forecast, version
                gone.append(True)
        if any(gone):
            self.removed_version = version
        return any(gone)

    def advised(self) -> tuple[msgspec.Raw, ...]:
        """Advice to show, the newest first, and then what-ifs that were asked for alone."""
        return tuple(map(msgspec.Raw, (*reversed(self.advice.since(0)), *reversed(self.what_ifs.since(0)))))

    def clock(self) -> int:
        """The newest time (ms) of which anything is said that stands."""
        last = self.measured.last()
        said = [0 if last is None else last.t, 0 if self.forecast is None else self.forecast.t]
        said += [] if self.latest is None else [to_millis(self.latest.time)]
        return max([*said, self.alerts.newest()])


def _estimate(whole: bytes | None) -> Estimate | None:
    return None if whole is None else Estimate.model_validate_json(whole)


class Board:
    """The ward picture.

    Args:
        points_kept: history points kept per patient.
        patients_kept: patients kept; of one who was forgotten and is spoken of again, what is said from then on.
        models: per model id what it says of every patient, for limits and priors in the patient's view.

    >>> board = Board()
    >>> board.ward().rows
    ()
    """

    def __init__(
        self,
        points_kept: int = POINTS_KEPT,
        models: Mapping[str, ModelNotes] | None = None,
        patients_kept: int = PATIENTS_KEPT,
    ) -> None:
        self.version = 0
        self._points_kept = points_kept
        self._patients_kept = patients_kept
        self._forgotten_version = 0
        self._models = dict(models or {})
        self._patients: dict[str, _Patient] = {}
        self._refused: Newest[Refused] = Newest(REFUSED_KEPT)
        self._refused_version = 0

    def __contains__(self, patient_id: str) -> bool:
        return patient_id in self._patients

    def __len__(self) -> int:
        """Patients on the ward."""
        return len(self._patients)

    def patient_ids(self) -> tuple[str, ...]:
        """Ids of all on the ward."""
        return tuple(self._patients)

    def analytes(self) -> tuple[Analyte, ...]:
        """What is measured, by any model."""
        return tuple(dict.fromkeys(one for notes in self._models.values() for one in notes.analytes))

    def fold(self, event: Event) -> bool:
        """Take in one event; True when the picture changed. A kind that the page does not draw changes nothing."""
        version = self.version + 1
        match event:
            case Rejected():
                changed = self._letter(event, version)
            case OutputEvent():
                changed = self._output(event, version)
            case _:
                changed = False
        if changed:
            self.version = version
        return changed

    def ward(self, since: int = 0) -> WardFrame:
        """The ward table, or its rows that changed after fold ``since``."""
        if since < self._forgotten_version:
            since = 0  # a page cannot be told whom to forget: it gets all who are left
        drawn = [(each.version, *self._drawn(key, each)) for key, each in sorted(self._patients.items())]
        rows = tuple(row for version, row, _ in drawn if version > since)
        clock = max((millis for _, _, millis in drawn), default=0) or None
        refused = tuple(reversed(self._refused.since(0))) if self._refused_version > since or since == 0 else None
        return WardFrame("ward", since, self.version, clock, rows, refused, self._refused.overflowed)

    def patient(self, patient_id: str, since: int = 0) -> PatientFrame:
        """One patient, or what changed of it after fold ``since``; raises `UnknownPatient`."""
        patient = self._patients.get(patient_id)
        if patient is None:
            raise UnknownPatient(patient_id)
        if since < patient.removed_version:
            since = 0  # a page cannot be told what to forget: it gets all that is left
        latest, forecast = patient.latest, patient.forecast
        notes = self._models.get(latest.model, ModelNotes()) if latest else ModelNotes()
        measured = patient.measured.since(since)
        return PatientFrame(
            type="patient",
            since=since,
            version=self.version,
            row=self._drawn(patient_id, patient)[0],
            points=tuple(map(msgspec.Raw, patient.points.since(since))),
            points_kept=patient.points.kept,
            measured=measured,
            measured_kept=patient.measured.kept,
            parameters=() if latest is None else parameters(latest, notes),
            forecast=picture.ahead(forecast) if forecast and patient.forecast_version > since else None,
            alerts=patient.alerts.cards() if since == 0 or patient.alerts_version > since else None,
            advice=patient.advised() if since == 0 or patient.advice_version > since else None,
            floors=notes.floors,
            calibration=calibrations(patient.measured.since(0)) if since == 0 or measured else None,
        )

    def whose(self, alert_id: str) -> str | None:
        """The patient whose alert it is; None of an id that is not known."""
        return next((key for key, each in self._patients.items() if alert_id in each.alerts), None)

    def foreseen(self, patient_id: str) -> tuple[Foreseen, ...]:
        """The forecasts of a patient that are kept, oldest first."""
        return tuple(map(_FORESEEN.decode, self._patients[patient_id].forecasts.since(0)))

    def measured(self, patient_id: str) -> tuple[MeasuredPoint, ...]:
        """The measured values of a patient, oldest first; none of one who is not known."""
        patient = self._patients.get(patient_id)
        return () if patient is None else patient.measured.since(0)

    def clock(self, patient_id: str | None = None) -> int | None:
        """The newest time (ms) of which anything is said that stands, of a patient or of the ward."""
        meant = ((key, each) for key, each in self._patients.items() if patient_id in (None, key))
        return max((self._drawn(key, each)[1] for key, each in meant), default=0) or None

    def patient_changed(self, patient_id: str, since: int) -> bool:
        """Whether a frame of this patient since that fold would say anything new."""
        patient = self._patients.get(patient_id)
        return patient is not None and patient.version > since

    def _output(self, event: OutputEvent, version: int) -> bool:
        patient = self._patients.get(event.patient_id)
        if patient is None:
            patient = self._patients[event.patient_id] = _Patient(Newest(self._points_kept), removed_version=version)
        match event:
            case Estimate():
                changed = patient.estimate(event, version)
            case Prediction():
                changed = patient.prediction(event, version)
            case Forecast():
                changed = patient.foresee(event, version)
            case Alert():
                changed = patient.alert(event, version)
            case Advice():
                changed = patient.advise(event, version)
            case Withdrawn():
                changed = patient.withdraw(event, version)
            case _:
                changed = False
        if changed:
            patient.version = version
        if len(self._patients) > self._patients_kept:
            oldest = min(self._patients, key=lambda key: (self._drawn(key, self._patients[key])[1], key))
            del self._patients[oldest]
            if oldest == event.patient_id:
                return False
            self._forgotten_version = version
        return changed

    def _letter(self, letter: Rejected, version: int) -> bool:
        """A letter is known by where its original lies; letters without a place sort before all others."""
        offset = -1 if letter.offset is None else letter.offset
        place = f"{letter.topic}/{letter.partition}/{letter.patient_id}/{letter.event_id}/{letter.reason}"
        changed = self._refused.put(offset, place, picture.refused(letter), version)
        if changed:
            self._refused_version = version
        return changed

    def _drawn(self, patient_id: str, patient: _Patient) -> tuple[WardRow, int]:
        """The row of a patient, and the newest time (ms) of which it speaks."""
        if patient.drawn is None or patient.drawn[0] != patient.version:
            active, trend = patient.alerts.active(), trend_of(patient.followed.since(0))
            built = picture.row(patient_id, patient.latest, patient.forecast, active, patient.measured.last(), trend)
            patient.drawn = (patient.version, built, patient.clock())
        return patient.drawn[1:]
