"""Estimates, forecasts, alerts, vitals and plans into InfluxDB 2, for dashboards.

Records become line protocol (see `connectors.sinks.lines`), written synchronously; a line written again is the
same point.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from connectors.kafka.records import Record, event_of
from connectors.services.influxdb import Influx, refuse_in_the_clear
from connectors.settings import PartSettings
from connectors.sinks.arrival import Arrival
from connectors.sinks.event_lines import event_lines, topics_drawn
from connectors.sinks.influx_refusal import all_but_old_were_written, measurement, refusal
from connectors.sinks.writer import AccessDenied, TooSlow, Unavailable
from connectors.tls import TlsError, certificate_refused, client_tls
from twin.events import RegimenPlanned

SINK = "influx"

TOPICS = topics_drawn()
"""What is drawn: all that the twin says, the dead letters, and of the inputs the vitals and the planned doses."""

CALL_TIMEOUT_MS = 7_000
"""Longest wait for InfluxDB's answer to one call, and so about how long a stop may have to wait."""

_OF_LINES = frozenset({400, 413, 422})
"""Answers about the lines themselves."""

_OF_ACCESS = frozenset({401, 403, 404})
"""Answers about token, organisation and bucket: mended outside, so the lines wait."""


NAMED = ("DOSETWIN_INFLUX_URL", "DOSETWIN_INFLUX_CA")
"""Where its address stands, and the authority of its certificate."""


class Settings(PartSettings, env_prefix="DOSETWIN_INFLUX_"):
    """Where InfluxDB is, and what opens it."""

    url: str = Field("http://127.0.0.1:8086", pattern=r"^https?://[^/\s]+/?$", description="InfluxDB 2 address")
    token: str = Field("", repr=False, description="InfluxDB API token; never logged")
    org: str = Field("dosetwin", min_length=1, description="InfluxDB organisation")
    bucket: str = Field("dosetwin", min_length=1, description="InfluxDB bucket")
    ca: Path | None = Field(None, description="authority of InfluxDB's certificate, PEM; by default the system's")
    plaintext: Literal["refused", "allowed"] = Field(
        "refused", validate_default=True, description="to an InfluxDB on another machine"
    )
    drugs: str = Field(
        "", description="drugs beside those of the library whose plans are drawn, as DRUG,DRUG; others would each make "
        "a series"
    )  # fmt: skip

    @field_validator("ca")
    @classmethod
    def _an_authority(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        if not str(info.data.get("url", "")).startswith("https:"):
            raise ValueError("needs https:// in DOSETWIN_INFLUX_URL: in the clear it would not be used")
        try:
            client_tls(True, value, None, None)
        except TlsError:
            raise ValueError("name the PEM file of the authority that signed InfluxDB's certificate") from None
        return value

    @field_validator("plaintext")
    @classmethod
    def _to_this_machine_only(cls, value: str, info: ValidationInfo) -> str:
        if value == "refused" and "url" in info.data:
            refuse_in_the_clear(info.data["url"])
        return value

    @property
    def server(self) -> Influx:
        """How it is reached, as our own clients have it."""
        return Influx(self.url, self.token, self.org, self.bucket, str(self.ca or ""))


@contextmanager
def open_writer(settings: Settings, _: object = None) -> Iterator[InfluxWriter]:
    """A writer to the bucket of ``settings``, which need not be up yet; its connections are closed at the end."""
    writer = InfluxWriter(settings)
    try:
        yield writer
    finally:
        writer.close()


class InfluxWriter:
    """Synchronous writes of line protocol with nanosecond times."""

    def __init__(self, settings: Settings, timeout_ms: int = CALL_TIMEOUT_MS) -> None:
        from influxdb_client.client.write_api import SYNCHRONOUS

        self._timeout_ms, self._ca = timeout_ms, settings.ca
        self._bucket, self._org, self._more_drugs = settings.bucket, settings.org, settings.drugs
        self._client = settings.server.client(timeout_ms)
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

    @functools.cached_property
    def _drugs(self) -> frozenset[str]:
        """Drugs whose plans are drawn; the library is read when the first plan comes."""
        from twin.modelfile.library import library_drugs

        return library_drugs() | {drug.strip() for drug in self._more_drugs.split(",")}

    def items(self, record: Record) -> list[str]:
        """The lines of a record; none of a plan of an unknown drug.

        Raises:
            ValueError: it is no event.
        """
        event = event_of(record)
        if isinstance(event, RegimenPlanned) and event.drug not in self._drugs:
            return []  # the worker says that nobody knows it
        arrival = Arrival(record.arrived_ms, record.partition, record.offset)
        return event_lines(event, arrival) if event is not None else []

    def kind(self, item: str) -> str:
        """The measurement of a line: InfluxDB refuses a field of another type in all of its lines."""
        return measurement(item)

    def write(self, items: Sequence[str]) -> None:
        """Write lines in one call; points that are older than the bucket keeps are gone at once.

        Raises:
            BadItem: InfluxDB refuses a line; the others may or may not have been written.
            AccessDenied: it does not know token, organisation or bucket, or is not the one that we trust.
            TooSlow: it took the call and did not answer in time.
            Unavailable: anything else; nothing is known about the lines.
        """
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        try:
            self._api.write(bucket=self._bucket, org=self._org, record="\n".join(items))
        except ApiException as error:
            if why := not_trusted(error, self._ca):
                raise AccessDenied(why) from None
            answer = f"HTTP {error.status} {error.reason}"
            if error.status in _OF_LINES:
                said = str(error.message or error.body or error.reason)
                if all_but_old_were_written(said):
                    return
                raise refusal(said, items) from None
            if error.status in _OF_ACCESS:
                mend = f"check DOSETWIN_INFLUX_TOKEN, organisation '{self._org}' and bucket '{self._bucket}'"
                raise AccessDenied(f"{answer}: {mend}") from None
            raise Unavailable(answer, _seconds(error.headers)) from None
        except ReadTimeoutError:
            raise TooSlow(f"no answer in {self._timeout_ms / 1000:g} s") from None
        except (HTTPError, OSError) as error:
            raise Unavailable(type(error).__name__) from None

    def close(self) -> None:
        """Give up the connections."""
        self._client.close()  # type: ignore[no-untyped-call]


def not_trusted(error: BaseException, ca: Path | None) -> str:
    """What is wrong with the certificate at which InfluxDB's client stopped, and the mend; empty if nothing is."""
    cause = error.__context__  # its own words have lost which
    told = cause.args[0] if cause is not None and cause.args else None
    return ": ".join(certificate_refused(told, ca, *NAMED)) if isinstance(told, ssl.SSLCertVerificationError) else ""


def _seconds(headers: Mapping[str, str] | None) -> float:
    """How long a server asks to be left alone; 0 where it does not say so in seconds."""
    asked = (headers or {}).get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdigit() else 0.0
