"""What every answer says to browsers, and a console with a certificate of its own."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path

import httpx2
import pytest
import trustme
from starlette.testclient import TestClient

from connectors.console.door.guard import HEADERS, name_of
from connectors.console.server import address_of, create_app, listen, server_of
from connectors.console.topic_reader import LiveBoard
from connectors.tls import server_tls


@pytest.mark.parametrize(
    ("host", "name"),
    [("ward.example:8500", "ward.example"), ("[::1]:8500", "::1"), ("", None), ("[", None), ("WARD", "ward")],
)
def test_a_name_is_read_without_its_port(host: str, name: str | None) -> None:
    assert name_of(host) == name


@pytest.mark.parametrize("path", ["/", "/login", "/api/ward", "/nothing", "/static/console.css", "/static/nothing"])
def test_every_answer_has_the_headers_and_only_what_is_the_same_for_all_may_be_kept(live: LiveBoard, path: str) -> None:
    with TestClient(create_app(live), base_url="http://127.0.0.1", follow_redirects=False) as client:
        told = client.get(path).headers
    assert {name: told.get(name) for name in HEADERS} == HEADERS
    assert told["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")
    assert "strict-transport-security" not in told


def test_a_console_with_a_certificate_speaks_tls_alone(live: LiveBoard, tmp_path: Path) -> None:
    authority, chain = trustme.CA(), tmp_path / "ward.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(chain))
    tls = server_tls(chain, None, None)
    assert tls is not None
    server = server_of(create_app(live), tls)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        address = address_of(listener, tls)
        assert address.startswith("https://127.0.0.1:")
        answer = httpx2.get(f"{address}/api/ward", verify=trusting, trust_env=False, timeout=60)
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        with pytest.raises(httpx2.TransportError):
            httpx2.get(address.replace("https", "http"), trust_env=False, timeout=60)
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
