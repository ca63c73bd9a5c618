"""Who listens in the clear, and to whom: certificates of ours, and of senders where an authority is named."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from typer.testing import CliRunner

from connectors.facts.memory import Memory
from connectors.listeners import mllp
from connectors.listeners.intake import Intake
from connectors.listeners.mllp import Listener
from connectors.protocols.hl7.mllp import Frames, framed
from connectors.tls import Tls, TlsError, certified_until, refuse_in_the_clear, server_tls
from streams.cli import app
from tests.connectors.listeners.certificates import make_certificates, sender_tls
from tests.connectors.listeners.test_intake import PROFILE, Kafka, result, run


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextlib.asynccontextmanager
async def listening(kafka: Kafka, tls: Tls | None) -> AsyncIterator[int]:
    """The port of a listener that gives what it takes to ``kafka``."""
    async with Intake(PROFILE, Memory(), kafka) as intake:
        listener = Listener(intake)
        server = await listener.start("127.0.0.1", 0, tls and tls.context)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            await listener.stop(server)


async def answered(port: int, tls: ssl.SSLContext | None) -> str:
    """What a result is answered with; empty where the sender is turned away."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    except ssl.SSLCertVerificationError:
        raise
    except (ssl.SSLError, ConnectionError):
        return ""
    try:
        writer.write(framed(result("1.2")))
        await writer.drain()
        frames = Frames()
        while received := await asyncio.wait_for(reader.read(65536), 60):
            for answer in frames.feed(received):
                return answer.decode().split("\r")[1]
    except (ssl.SSLError, ConnectionError):
        pass
    finally:
        writer.close()
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()
    return ""


def test_with_a_certificate_of_ours_a_sender_is_read_over_tls_and_in_the_clear_is_not(certificates: Path) -> None:
    async def body() -> None:
        kafka = Kafka()
        tls = server_tls(certificates / "server.pem", certificates / "server.key", None)
        async with listening(kafka, tls) as port:
            assert await answered(port, None) == ""
            assert not kafka.events()
            assert await answered(port, sender_tls(certificates)) == "MSA|AA|1"
        assert len(kafka.events()) == 1

    run(body())


def test_a_sender_that_does_not_trust_our_certificate_sends_nothing(certificates: Path) -> None:
    async def body() -> None:
        kafka = Kafka()
        tls = server_tls(certificates / "server.pem", certificates / "server.key", None)
        async with listening(kafka, tls) as port:
            with pytest.raises(ssl.SSLCertVerificationError):
                await answered(port, ssl.create_default_context(cafile=certificates / "other.pem"))
        assert not kafka.events()

    run(body())


def test_with_an_authority_only_its_senders_are_read(certificates: Path) -> None:
    async def body() -> None:
        kafka = Kafka()
        tls = server_tls(certificates / "server.pem", certificates / "server.key", certificates / "ward.pem")
        async with listening(kafka, tls) as port:
            assert await answered(port, sender_tls(certificates)) == ""
            assert await answered(port, sender_tls(certificates, "other")) == ""
            assert not kafka.events()
            assert await answered(port, sender_tls(certificates, "ward")) == "MSA|AA|1"
        assert len(kafka.events()) == 1

    run(body())


def test_a_sender_that_never_says_good_bye_holds_up_no_stop(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mllp, "LEAVE_SECONDS", 0.2)

    def connected(port: int) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port), timeout=60)
        return sender_tls(certificates).wrap_socket(plain, server_hostname="127.0.0.1")

    async def body() -> None:
        tls = server_tls(certificates / "server.pem", certificates / "server.key", None)
        async with listening(Kafka(), tls) as port:
            silent = await asyncio.to_thread(connected, port)
            began = time.monotonic()
        with silent:
            assert time.monotonic() - began < 20

    run(body())


def test_nothing_older_than_tls_1_2_is_spoken(certificates: Path) -> None:
    tls = server_tls(certificates / "server.pem", certificates / "server.key", None)
    assert tls is not None
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_beyond_this_machine_nobody_listens_in_the_clear(certificates: Path) -> None:
    tls = server_tls(certificates / "server.pem", certificates / "server.key", None)
    for host in ("127.0.0.1", "localhost", "::1"):
        refuse_in_the_clear(host, None, plain=False)
    for host in ("0.0.0.0", "::", "192.0.2.7", ""):
        refuse_in_the_clear(host, tls, plain=False)
        refuse_in_the_clear(host, None, plain=True)
        with pytest.raises(TlsError, match="in the clear from other machines: give --certificate and --key"):
            refuse_in_the_clear(host, None, plain=False)


def test_the_first_certificate_of_a_file_that_ends_says_until_when_it_is_good(tmp_path: Path) -> None:
    long, short = datetime(2090, 1, 1, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)
    authority = trustme.CA()
    issued = [authority.issue_cert("ward.example", not_after=at) for at in (long, short)]
    path = tmp_path / "chain.pem"
    path.write_bytes(b"".join(one.cert_chain_pems[0].bytes() for one in issued))
    assert certified_until(path) == short
    path.write_text("no certificate")
    with pytest.raises(ValueError, match="PEM"):
        certified_until(path)


@pytest.mark.parametrize("protocol", ["mllp", "http"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 would take patients' facts in the clear"),
        (["--authority", "ward.pem"], "--authority ward.pem: needs --certificate"),
        (["--key", "server.key"], "--key server.key: needs --certificate"),
        (["--certificate", "server.pem"], "--certificate server.pem: "),
        (["--certificate", "server.pem", "--key", "sender-other.pem"], "give the PEM files of certificate and --key"),
        (["--certificate", "sender-ward.pem", "--authority", "server.key"], "--authority server.key: "),
    ],
)
def test_options_that_do_not_go_together_end_it_before_it_listens(
    certificates: Path, monkeypatch: pytest.MonkeyPatch, protocol: str, options: list[str], said: str
) -> None:
    monkeypatch.chdir(certificates)
    Path("source.toml").touch()
    ended = CliRunner().invoke(app, ["listen", protocol, "source.toml", *options])
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in ended.stderr
