"""What InfluxDB holds of one patient: counted, and taken out.

Points carry the patient as a tag, by which InfluxDB deletes, in whatever measurement. Dead letters have no such tag
(whoever sends nonsense would make series without end): the field ``patient`` names whom they are about and ``detail``
may, so those are looked through, and each is deleted by its tags and its very nanosecond. InfluxDB hides what it
deletes at once, and takes it off its files when it next compacts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from connectors.sinks.influx import CALL_TIMEOUT_MS, Settings, not_trusted
from connectors.sinks.line_protocol import NS_PER_MS
from twin.events import Rejected, kind_of

EVER = ("1677-09-21T00:12:44Z", "2262-04-11T23:47:16Z")
"""All the time that InfluxDB has a point for."""

LETTERS = kind_of(Rejected)
"""The measurement of dead letters."""

PATIENCE_MS = 20 * CALL_TIMEOUT_MS
"""Longest wait for an answer: all of a bucket is looked through."""


class SeriesUnreachable(RuntimeError):
    """InfluxDB does not answer, or not as it must; the message says how to mend it."""


class PatientSeries:
    """The points of one patient in the bucket of ``settings``. ``names`` says whether a text names the patient."""

    def __init__(self, client: Any, settings: Settings, patient_id: str, names: Any) -> None:
        self._client, self._settings, self._patient, self._names = client, settings, patient_id, names

    def counted(self) -> dict[str, int]:
        """How many values there are of each measurement; only those of which there are any."""
        rows = self._asked(
            f'{self._all} |> filter(fn: (r) => r.patient == "{self._patient}") |> count()\n'
            '|> group(columns: ["_measurement"]) |> sum()'
        )
        found = {str(row["_measurement"]): int(row["_value"]) for row in rows}
        letters = len(self._letters())
        return found | ({LETTERS: letters} if letters else {})

    def erase(self) -> None:
        """Delete them."""
        delete = self._client.delete_api().delete
        for letter in self._letters():
            tags = " AND ".join(f'{tag}="{letter[tag]}"' for tag in ("reason", "topic", "partition") if letter[tag])
            at = _instant(int(letter["ns"]))
            delete(at, at, f'_measurement="{LETTERS}" AND {tags}', self._settings.bucket, self._settings.org)
        delete(*EVER, f'patient="{self._patient}"', self._settings.bucket, self._settings.org)

    @property
    def _all(self) -> str:
        return f'from(bucket: "{self._settings.bucket}") |> range(start: {EVER[0]}, stop: {EVER[1]})'

    def _letters(self) -> list[Mapping[str, Any]]:
        """Dead letters that name the patient."""
        rows = self._asked(
            f'{self._all} |> filter(fn: (r) => r._measurement == "{LETTERS}")\n'
            '|> filter(fn: (r) => r._field == "patient" or r._field == "detail")\n'
            '|> map(fn: (r) => ({reason: r.reason, topic: if exists r.topic then r.topic else "",\n'
            "    partition: r.partition, ns: int(v: r._time), said: r._value})) |> group()"
        )
        named = {(row["reason"], row["topic"] or "", row["partition"], row["ns"]): row for row in rows
                 if self._names(str(row["said"]).encode())}  # fmt: skip
        return [{**row, "topic": row["topic"] or ""} for row in named.values()]

    def _asked(self, query: str) -> list[Mapping[str, Any]]:
        tables = self._client.query_api().query(query, org=self._settings.org)
        return [record.values for table in tables for record in table.records]


def _instant(ns: int) -> str:
    second = datetime.fromtimestamp(ns // (1000 * NS_PER_MS), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{second}.{ns % (1000 * NS_PER_MS):09d}Z"


@contextmanager
def open_series(settings: Settings, patient_id: str, names: Any) -> Iterator[PatientSeries]:
    """The points of a patient; whatever InfluxDB says or does not say becomes `SeriesUnreachable`."""
    from influxdb_client.rest import ApiException
    from urllib3.exceptions import HTTPError

    client = settings.server.client(PATIENCE_MS)
    mend = "check DOSETWIN_INFLUX_URL, _CA, _TOKEN (it must read and write), _ORG and _BUCKET, or say --without-influx"
    try:
        yield PatientSeries(client, settings, patient_id, names)
    except ApiException as error:
        if why := not_trusted(error, settings.ca):
            raise SeriesUnreachable(f"InfluxDB at {settings.url} is not the one we trust: {why}") from None
        raise SeriesUnreachable(f"InfluxDB answers HTTP {error.status} {error.reason}: {mend}") from None
    except (HTTPError, OSError) as error:
        raise SeriesUnreachable(
            f"InfluxDB at {settings.url} does not answer ({type(error).__name__}): {mend}"
        ) from None
    finally:
        client.close()  # type: ignore[no-untyped-call]
