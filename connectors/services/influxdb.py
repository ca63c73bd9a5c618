"""InfluxDB 2 as a local process: built once from its Go module, set up once with a random token."""

from __future__ import annotations

import functools
import http.client
import json
import math
import os
import re
import secrets
import shutil
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.services import supervisor
from connectors.services.cache import cached
from connectors.services.ports import LOCAL_HOSTS
from connectors.services.progress import Say, run
from connectors.services.tools import INFLUX_TOOLS, require

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client import InfluxDBClient

VERSION = "2.7.12"
KEY = f"influxd-{VERSION}"
ORGANISATION = "dosetwin"
BUCKET = "dosetwin"

# Flux has its own tag for leaving out the drivers of two foreign databases, and with them two cloud kits.
_TAGS = "sqlite_foreign_keys,sqlite_json,fipsonly"
_PACKAGES_TO_COMPILE = 1190

_PACE = (
    *((0, 0.0), (6, 0.06), (47, 0.11), (128, 0.27), (211, 0.55), (287, 0.69), (583, 0.79), (851, 0.9)),
    (_PACKAGES_TO_COMPILE, 1.0),
)
"""Share of the time that so many compiled packages take, as measured on two cores: libflux is long and comes early."""

_LIBFLUX = {"CARGO_PROFILE_RELEASE_LTO": "off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16"}
"""Queries here are small: optimising the query parser across its crates costs minutes and gains nothing seen."""

BESIDE_OTHERS = 10
"""Niceness of a build that nobody waits for. A program that wants a core then has nine tenths of it, and the build
all that is idle; at 19 (one part in seventy) a machine that is always busy would not finish it in a day. Its turns at
the disk follow: the idle class of ``ionice`` has none at all on a busy disk.
"""

BOUNDS = (
    "--strong-passwords",
    "--session-length=15",
    "--http-read-header-timeout=5s",
    "--query-concurrency=8",
    "--query-queue-size=32",
    "--query-memory-bytes=200000000",
)
"""Minutes of a session, seconds of a request's head, and what queries may take at once."""

LOCKS = ("--tls-min-version=1.3", "--tls-strict-ciphers")

_SHARD_DAYS = ((2, 3_600), (180, 86_400))
"""Fewer days than this are kept in shards of so many seconds, as InfluxDB does by default; more in those of a week."""

CAP_LINTS = """\
#!/bin/sh
# libflux denies warnings and a newer rustc has new ones. As rustc's wrapper this also reaches build dependencies,
# which RUSTFLAGS does not.
exec "$@" --cap-lints=warn
"""


class InfluxError(RuntimeError):
    """InfluxDB refused what was asked; the message has its answer."""


@dataclass(frozen=True)
class Influx:
    """How to reach an InfluxDB 2; the token does not show in ``repr``. ``ca`` is the PEM file with the authority of its
    certificate, where the system's are not meant.
    """

    url: str
    token: str = field(repr=False)
    org: str = ORGANISATION
    bucket: str = BUCKET
    ca: str = ""

    def client(self, timeout_ms: int) -> InfluxDBClient:
        """A client that waits no longer than that for an answer, and asks once."""
        from influxdb_client.client.influxdb_client import InfluxDBClient

        trusted: dict[str, Any] = {"ssl_ca_cert": self.ca} if self.ca else {}
        return InfluxDBClient(self.url, self.token, org=self.org, timeout=timeout_ms, retries=False, **trusted)


def refuse_in_the_clear(url: str) -> None:
    """Beyond this machine InfluxDB is spoken to by TLS.

    Raises:
        ValueError: ``url`` is another machine's, and in the clear.
    """
    address = urlsplit(url)
    if address.scheme != "https" and address.hostname not in LOCAL_HOSTS:
        mend = (
            "write https:// in DOSETWIN_INFLUX_URL, with DOSETWIN_INFLUX_CA where its authority is your own, or "
            "DOSETWIN_INFLUX_PLAINTEXT=allowed where nobody else is on that network"
        )
        raise ValueError(
            f"DOSETWIN_INFLUX_URL={url}: token and patients would go to {address.hostname} in the clear: {mend}"
        )


def binary(say: Say, cancelled: threading.Event | None = None, *, niceness: int = 0) -> Path:
    """The ``influxd`` program, built on first use (some four minutes on two idle cores).

    ``niceness`` is how far a build stands back behind other work, as `BESIDE_OTHERS`.

    Raises:
        MissingTool: something that the build needs is missing.
        CommandFailed: the build failed.
    """
    built = cached(KEY, lambda folder: _build(folder, say, cancelled, niceness), say, cancelled)
    return built / "influxd"


def _build(folder: Path, say: Say, cancelled: threading.Event | None, niceness: int) -> None:
    require(INFLUX_TOOLS)
    # What an interrupted build had fetched and compiled is kept, here and in Go's own cache, and used by the next.
    work = folder.parent / f".{KEY}-build"
    work.mkdir(exist_ok=True)
    for name in ("main.go", "go.mod", "go.sum"):
        source = resources.files("connectors.services").joinpath("influxd", name)
        (work / name).write_bytes(source.read_bytes())
    wrapper = work / "cap-lints"
    wrapper.write_text(CAP_LINTS, encoding="ascii")
    wrapper.chmod(0o700)
    environment = _build_environment(work, wrapper, supervisor.environment(os.environ))
    log = work / "build.log"
    finder = ("-o", str(work / "pkg-config"), "github.com/influxdata/pkg-config")
    server = ("-v", "-tags", _TAGS, "-ldflags", f"-s -w -X main.version=v{VERSION}", "-o", str(folder / "influxd"))
    title = f"building InfluxDB {VERSION}, step 1 of 2: its build tool"
    go = ("nice", "-n", str(niceness), "go", "build")
    run((*go, *finder), title=title, log=log, say=say, environment=environment, directory=work, cancelled=cancelled)
    run(
        (*go, *server, "."),
        title=f"building InfluxDB {VERSION}, step 2 of 2",
        note="once, some four minutes on 2 idle cores",
        log=log,
        say=say,
        environment=environment | {"PKG_CONFIG": str(work / "pkg-config")},
        directory=work,
        cancelled=cancelled,
        measure=functools.partial(build_progress, before=_compiled(log)),
    )
    shutil.rmtree(work)


def _build_environment(work: Path, wrapper: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment, with what the build needs.

    libflux asks for an old toolchain, which ``RUSTUP_TOOLCHAIN`` overrides. Cargo gets a folder of its own to leave
    nothing behind, unless the user has configured Cargo (a mirror, a proxy), which is then respected.
    """
    environment = {
        **inherited,
        "GOFLAGS": f"{inherited.get('GOFLAGS', '')} -buildvcs=false -mod=readonly".strip(),
        "RUSTUP_TOOLCHAIN": inherited.get("RUSTUP_TOOLCHAIN", "stable"),
        "RUSTC_WRAPPER": str(wrapper),
        **_LIBFLUX,
    }
    home = Path.home() / ".cargo"
    if "CARGO_HOME" not in inherited and not any((home / name).is_file() for name in ("config", "config.toml")):
        environment["CARGO_HOME"] = str(work / "cargo")
    return environment


def build_progress(log: str, seconds: float, before: int = 0) -> str:
    """How far the build is, from what ``go build -v`` has printed: each module fetched, each package compiled.

    Args:
        log: what was printed, also by builds that were interrupted.
        seconds: since this build began.
        before: packages that had been compiled then.

    >>> build_progress("go: downloading example.org/a v1.0.0\\nexample.org/a/b\\nexample.org/a/c\\n", 3.0)
    '1 modules fetched, 2 of about 1190 packages compiled, about 3 min left'
    """
    fetched = len(re.findall(r"^go: downloading", log, re.MULTILINE))
    compiled = _compiled_in(log)
    words = f"{fetched} modules fetched, {compiled} of about {_PACKAGES_TO_COMPILE} packages compiled"
    done, done_before = _share(compiled), _share(before)
    if done <= done_before:
        return words
    minutes = math.ceil(seconds / (done - done_before) * (1.0 - done) / 60)
    return f"{words}, about {minutes} min left" if minutes else f"{words}, nearly done"


def _share(compiled: int) -> float:
    """Share of the build's time that is behind it (`_PACE`)."""
    for (fewer, share), (more, larger) in pairwise(_PACE):
        if compiled <= more:
            return share + (larger - share) * (compiled - fewer) / (more - fewer)
    return 1.0


def _compiled_in(log: str) -> int:
    return len(set(re.findall(r"^[\w./~-]+$", log, re.MULTILINE)))


def _compiled(log: Path) -> int:
    return _compiled_in(log.read_text(encoding="utf-8", errors="replace")) if log.is_file() else 0


def command(program: Path, directory: Path, port: int, *, certificate: Path | None = None) -> tuple[str, ...]:
    """The server's command, with all its files under ``directory``.

    ``certificate`` is the PEM file of its certificate and key, where it is to be locked: it then speaks TLS 1.3 alone,
    and bounds what whoever has a key may do.
    """
    locks = () if certificate is None else (*LOCKS, f"--tls-cert={certificate}", f"--tls-key={certificate}", *BOUNDS)
    return (
        str(program),
        "run",
        f"--bolt-path={directory / 'influx.bolt'}",
        f"--sqlite-path={directory / 'influx.sqlite'}",
        f"--engine-path={directory / 'engine'}",
        f"--http-bind-address=127.0.0.1:{port}",
        "--reporting-disabled",
        # What nobody here asks for is shut: profiles, figures of its own, templates and Flux that reach out.
        "--pprof-disabled",
        "--metrics-disabled",
        "--hardening-enabled",
        "--template-file-urls-disabled",
        "--log-level=info",
        *locks,
    )


def ready(url: str, ca: str = "") -> bool:
    """Whether an InfluxDB at ``url``, with a certificate of ``ca``, says that it can serve."""
    try:
        status, answer = request(url, "GET", "/health", ca=ca)
    except OSError:
        return False
    return status == 200 and answer.get("status") == "pass"


def accepts(influx: Influx) -> bool:
    """Whether ``influx`` answers, its token is good, and it has the bucket: to be read, or to be written to alone."""
    path = f"/api/v2/buckets?name={influx.bucket}&org={influx.org}"
    try:
        status, answer = request(influx.url, "GET", path, token=influx.token, ca=influx.ca)
        if status == 200 and answer.get("buckets"):
            return True
        path = f"/api/v2/write?bucket={influx.bucket}&org={influx.org}"  # nothing is written
        return status == 200 and request(influx.url, "POST", path, token=influx.token, ca=influx.ca)[0] in (204, 400)
    except OSError:
        return False


def set_up(url: str, token: str, ca: str = "") -> Influx:
    """Give a fresh server its organisation, its bucket (kept without end) and ``token``; nothing is done a second time.

    Raises:
        InfluxError: the server refused.
    """
    _status, answer = request(url, "GET", "/api/v2/setup", ca=ca)
    if answer.get("allowed"):
        wanted = {
            "username": "dosetwin",
            "password": secrets.token_urlsafe(32),
            "org": ORGANISATION,
            "bucket": BUCKET,
            "token": token,
            "retentionPeriodSeconds": 0,
        }
        status, answer = request(url, "POST", "/api/v2/setup", body=wanted, ca=ca)
        if status != 201:
            raise InfluxError(f"InfluxDB at {url} refused its set-up: {status} {answer.get('message', answer)}")
    return Influx(url, token, ca=ca)


def kept_seconds(influx: Influx) -> int:
    """How long the bucket keeps points; 0 is for ever.

    Raises:
        InfluxError: it is not there, or the token may not see it.
    """
    return int(_bucket(influx)[1].get("everySeconds", 0))


def keep(influx: Influx, days: int | None) -> bool:
    """Let the bucket keep points so long, or for ever; whether that was changed.

    Points are deleted with the whole shard that they stand in, so a shard is as long as InfluxDB itself would make it.

    Raises:
        InfluxError: the bucket is not there, or the token may not change it.
    """
    seconds = (days or 0) * 86_400
    number, rule = _bucket(influx)
    if rule.get("everySeconds", 0) == seconds:
        return False
    shard = next((length for most, length in _SHARD_DAYS if days is not None and days < most), 7 * 86_400)
    changed = {"type": "expire", "everySeconds": seconds, "shardGroupDurationSeconds": shard}
    path = f"/api/v2/buckets/{number}"
    wanted = {"retentionRules": [changed]}
    status, answer = request(influx.url, "PATCH", path, body=wanted, token=influx.token, ca=influx.ca)
    if status != 200:
        raise InfluxError(
            f"bucket '{influx.bucket}' cannot be told how long to keep points: {status} {answer.get('message', '')}; "
            "an operator's token may"
        )
    return True


def _bucket(influx: Influx) -> tuple[str, dict[str, Any]]:
    """Id and rule of retention."""
    path = f"/api/v2/buckets?name={influx.bucket}&org={influx.org}"
    status, answer = request(influx.url, "GET", path, token=influx.token, ca=influx.ca)
    if status != 200 or not answer.get("buckets"):
        raise InfluxError(f"bucket '{influx.bucket}' is not there, or not for this token: {status}")
    bucket = answer["buckets"][0]
    return str(bucket["id"]), next(iter(bucket.get("retentionRules") or ()), {})


def connection_to(url: str, ca: str, timeout: float) -> http.client.HTTPConnection:
    """A connection that is opened when it is first used; raises `OSError` where ``ca`` cannot be read."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port
    if address.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=timeout)
    return http.client.HTTPSConnection(
        host, port, timeout=timeout, context=ssl.create_default_context(cafile=ca or None)
    )


def request(
    url: str, method: str, path: str, *, body: Mapping[str, object] | None = None, token: str = "", ca: str = ""
) -> tuple[int, dict[str, Any]]:
    """Status and JSON that InfluxDB answers; raises `OSError` where nobody does with a certificate of ``ca``."""
    connection = connection_to(url, ca, timeout=10)
    headers = {"Authorization": f"Token {token}"} if token else {}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
    except http.client.HTTPException as error:
        raise OSError(f"{url} is no HTTP server: {error}") from None
    finally:
        connection.close()
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {"message": text[:200].decode(errors="replace")}
    return response.status, answer if isinstance(answer, dict) else {}
