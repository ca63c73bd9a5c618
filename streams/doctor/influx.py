"""Whether InfluxDB lets us in: nobody there, another authority, no TLS or TLS alone, a wrong token and a bucket that is
not there each have a mend of their own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from connectors.services.influxdb import accepts, request
from connectors.sinks.influx import NAMED, Settings
from connectors.tls import certificate_refused
from streams.doctor.finding import Finding
from streams.doctor.retention import check_bucket_kept

SUBJECT = "InfluxDB"


def check_influx(to: Settings) -> Iterator[Finding]:
    """Does InfluxDB answer, is it ours, and is what we do there for our token to do?"""
    wrong = _refused(to) or _token_refused(to)
    if wrong is not None:
        yield wrong
        return
    yield Finding(
        SUBJECT, f"answers at {to.url}{' by TLS' if to.url.startswith('https') else ''}, bucket '{to.bucket}'"
    )
    yield from check_bucket_kept(to)


def _refused(to: Settings) -> Finding | None:
    """Why it cannot be spoken to."""
    try:
        status, _ = request(to.url, "GET", "/health", ca=to.server.ca)
    except ssl.SSLCertVerificationError as error:
        seen, mend = certificate_refused(error, to.ca, *NAMED)
        return Finding(SUBJECT, f"at {to.url} is not the one we trust: {seen}", mend)
    except ssl.SSLError as error:
        seen = f"at {to.url} there is no TLS that we speak ({error.reason})"
        return Finding(
            SUBJECT, seen, "write http:// in DOSETWIN_INFLUX_URL if it has none, or let it speak TLS 1.2 or newer"
        )
    except OSError:
        mend = "start it with 'dosetwin services up', or name yours in DOSETWIN_INFLUX_URL and DOSETWIN_INFLUX_TOKEN"
        return Finding(SUBJECT, f"does not answer at {to.url}", mend)
    if status == 400:  # what Go's servers say to whoever speaks to them in the clear
        return Finding(SUBJECT, f"at {to.url} takes nothing in the clear", "write https:// in DOSETWIN_INFLUX_URL")
    if status != 200:
        return Finding(SUBJECT, f"at {to.url} says that it cannot serve (HTTP {status})", "look at its own log")
    return None


def _token_refused(to: Settings) -> Finding | None:
    """Why it takes nothing of us."""
    if accepts(to.server):
        return None
    status, _ = request(to.url, "GET", "/api/v2/buckets?limit=1", token=to.token, ca=to.server.ca)
    if status == 401:
        return Finding(
            SUBJECT, f"answers at {to.url}, but does not know this token", "set DOSETWIN_INFLUX_TOKEN to one of its own"
        )
    seen = f"answers at {to.url} and knows this token, but not for bucket '{to.bucket}' of '{to.org}'"
    return Finding(SUBJECT, seen, "set DOSETWIN_INFLUX_ORG and _BUCKET to those of your InfluxDB, or another token")
