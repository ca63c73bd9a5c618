"""To log in and out through a provider, over HTTP: with one that lies, and with a certified one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from connectors.access.accounts import AccountsFile
from connectors.access.doorkeeper import Doorkeeper
from connectors.access.oidc.log_in import ProviderLogIn
from connectors.access.oidc.settings import OidcSettings, oidc_settings
from connectors.console.board import Board
from connectors.console.server import create_app, listen, server_of
from connectors.console.topic_reader import LiveBoard
from tests import identities
from tests.connectors.console.door.visits import ACTS, Visited, ended

FORM = {"content-type": "application/x-www-form-urlencoded"}


def browser(place: str) -> httpx2.Client:
    return httpx2.Client(base_url=f"http://{place}", trust_env=False, timeout=60)


def callback(visited: Visited, client: httpx2.Client, **changes: str) -> httpx2.Response:
    """The answer to a browser that went to the provider and brings back what it was given there."""
    away = client.get("/oidc/log-in")
    brought = visited.identities.let_in(away.headers["location"]) | changes
    return client.get("/oidc/callback", params=brought)


def test_a_log_in_sets_a_cookie_and_a_page_leads_on(visited: Visited) -> None:
    with browser(visited.place) as client:
        away = client.get("/oidc/log-in")
        assert away.status_code == 303
        assert away.headers["location"].startswith(f"{visited.identities.address}/auth?")
        name, *rest = away.headers["set-cookie"].split("; ")
        assert name.startswith("dosetwin-log-in=")
        assert sorted(rest) == ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax"]
        entered = client.get("/oidc/callback", params=visited.identities.let_in(away.headers["location"]))
        assert (entered.status_code, "location" in entered.headers) == (200, False)
        gone, session = entered.headers.get_list("set-cookie")
        if session.startswith("dosetwin-log-in"):
            gone, session = session, gone
        assert "Max-Age=0" in gone
        assert sorted(session.split("; ")[1:]) == ["HttpOnly", "Path=/", "SameSite=strict"]
        assert client.get("/api/session").json() == {
            "name": "nora-7", "role": "clinician", "may": ["act", "ask", "export", "look"], "patients": "P-1,P-2",
            "password": False,
        }  # fmt: skip
        assert [row["id"] for row in client.get("/api/ward").json()["rows"]] == ["P-1", "P-2"]
        assert client.get("/api/patients/P-3").status_code == 404


def test_beyond_this_machine_both_cookies_go_by_tls_alone(visited: Visited) -> None:
    host = {"host": "ward.example"}
    entered = visited.ask("GET", "/oidc/callback?state=x", host)
    assert entered.status_code == 400, "a name that this console does not answer to"
    settings = visited.identities.settings()
    provider = ProviderLogIn(settings, visited.keeper)
    app = create_app(LiveBoard(Board()), None, None, visited.keeper, provider=provider, hosts=("ward.example",))
    with TestClient(app, base_url="https://ward.example", follow_redirects=False) as client:
        away = client.get("/oidc/log-in")
        assert away.headers["set-cookie"].startswith("__Host-dosetwin-log-in=")
        assert "Secure" in away.headers["set-cookie"]
        entered = client.get("/oidc/callback", params=visited.identities.let_in(away.headers["location"]))
        assert any(one.startswith("__Host-dosetwin=") for one in entered.headers.get_list("set-cookie"))
        assert client.get("/api/session").json()["name"] == "nora-7"
        elsewhere = client.get("/oidc/log-in", headers={"host": "ward.example:9"})
        assert (elsewhere.status_code, "log in at https://ward.example" in elsewhere.text) == (400, True)


def test_another_browsers_state_is_no_log_in(visited: Visited) -> None:
    with browser(visited.place) as victim, browser(visited.place) as attacker:
        mine = visited.identities.let_in(attacker.get("/oidc/log-in").headers["location"])
        for client in (victim, browser(visited.place)):
            answer = client.get("/oidc/callback", params=mine)
            assert (answer.status_code, answer.headers["location"]) == (303, "../login?why=again")
            assert client.get("/api/ward").status_code == 401
        victim.get("/oidc/log-in")
        assert victim.get("/oidc/callback", params=mine).headers["location"] == "../login?why=again"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"code": "made-up"}, "provider"),
        ({"iss": "https://other.example"}, "provider"),
        ({"state": "x" * 43}, "again"),
        ({"error": "access_denied", "error_description": "<script>"}, "cancelled"),
        ({f"x{n}": "1" for n in range(30)}, "again"),
    ],
)
def test_what_is_no_log_in_is_told_in_a_word(visited: Visited, changes: dict[str, str], why: str) -> None:
    with browser(visited.place) as client:
        answer = callback(visited, client, **changes)
        assert (answer.status_code, answer.headers["location"]) == (303, f"../login?why={why}")
        assert answer.content == b""
        assert client.get("/api/ward").status_code == 401


def test_a_field_that_is_told_twice_is_none(visited: Visited) -> None:
    with browser(visited.place) as client:
        brought = visited.identities.let_in(client.get("/oidc/log-in").headers["location"])
        answer = client.get(f"/oidc/callback?{urlencode(brought)}&state=x")
        assert answer.headers["location"] == "../login?why=again"


def test_a_code_is_good_once(visited: Visited) -> None:
    with browser(visited.place) as client:
        away = client.get("/oidc/log-in")
        kept, brought = dict(client.cookies), visited.identities.let_in(away.headers["location"])
        assert client.get("/oidc/callback", params=brought).status_code == 200
        with browser(visited.place) as thief:
            thief.cookies.update(kept)
            again = thief.get("/oidc/callback", params=brought)
            assert (again.status_code, again.headers["location"]) == (303, "../login?why=provider")
            assert thief.get("/api/ward").status_code == 401


def test_no_address_of_a_request_is_gone_to(visited: Visited) -> None:
    evil = "https://evil.example/"
    wishes = urlencode(dict.fromkeys(("next", "redirect_uri", "return_to", "post_logout_redirect_uri", "why"), evil))
    with browser(visited.place) as client:
        away = client.get(f"/oidc/log-in?{wishes}", headers={"referer": evil, "x-forwarded-host": "evil.example"})
        assert "evil" not in away.headers["location"]
        brought = visited.identities.let_in(away.headers["location"])
        entered = client.get(f"/oidc/callback?{urlencode(brought)}&{wishes}")
        assert (entered.status_code, "evil" in entered.text) == (200, False)
        left = client.delete(f"/api/session?{wishes}", headers=ACTS)
        assert "evil" not in left.text
        refused = client.get(f"/oidc/callback?{wishes}")
        assert refused.headers["location"] == "../login?why=again"


def test_who_logs_out_leaves_the_provider_too_and_a_stolen_cookie_opens_nothing(visited: Visited) -> None:
    with browser(visited.place) as client:
        callback(visited, client)
        stolen = {"cookie": f"dosetwin={client.cookies['dosetwin']}"}
        left = client.delete("/api/session", headers=ACTS)
        asked = parse_qs(urlsplit(left.json()["go"]).query)
        assert asked["post_logout_redirect_uri"] == [f"http://{visited.place}/login"]
        assert client.get("/api/ward").status_code == 401
        assert visited.ask("GET", "/api/ward", stolen).status_code == 401
        assert visited.ask("DELETE", "/api/session", stolen | ACTS).status_code == 401


def test_the_provider_ends_pages_and_streams_within_a_second(visited: Visited) -> None:
    with browser(visited.place) as other:
        visited.identities.claims = {"sub": "s-8", "sid": "sid-8", "preferred_username": "nora-8"}
        callback(visited, other)
        visited.identities.claims = {}
        seconds = [ended_after(visited) for _ in range(3)]
        assert other.get("/api/ward").status_code == 200
    assert min(seconds) < 1.0, "on a machine that has other work now and then"


def ended_after(visited: Visited) -> float:
    """Seconds from the provider's word until a page and a stream of somebody are closed."""
    with browser(visited.place) as client:
        callback(visited, client)
        stolen = {"cookie": f"dosetwin={client.cookies['dosetwin']}"}
        token = visited.identities.sign(visited.identities.logout(), typ="logout+jwt")
        with visited.open_page(stolen) as page, client.stream("GET", "/api/alerts/stream") as stream:
            chunks = stream.iter_text()
            page.recv(timeout=60)
            next(chunks)
            began = time.monotonic()
            answer = httpx2.post(f"http://{visited.place}/oidc/log-out", data={"logout_token": token}, trust_env=False)
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
            assert ended(page) == 4401
            for _ in chunks:
                pass
            seconds = time.monotonic() - began
        assert visited.ask("GET", "/api/ward", stolen).status_code == 401
        return seconds


def test_what_is_no_logout_token_is_refused_and_ends_nothing(visited: Visited) -> None:
    says = visited.identities
    good = says.sign(says.logout(sub="nobody", sid=None))
    header = visited.entered()
    for body, kind, status, why in (
        ({"logout_token": good}, None, 200, ""),
        ({"logout_token": good}, None, 400, "logout_token: it has been used"),
        ({"logout_token": says.sign(says.logout(aud="other"))}, None, 400, "aud"),
        ({"logout_token": says.sign(says.usual(nonce="n"))}, None, 400, "logout_token: "),
        ({"token": good}, None, 400, "0 logout_token, expected one"),
        ({"logout_token": [good, good]}, None, 400, "2 logout_token, expected one"),
        ({"logout_token": "é"}, None, 400, "logout_token: its form"),
        ({"logout_token": "x" * 40_000}, None, 413, "more than 32000 bytes"),
        ({"logout_token": good}, {"content-type": "application/json"}, 415, "'application/json'"),
        ({f"x{n}": "1" for n in range(30)}, None, 400, "no form"),
    ):
        address, form = f"http://{visited.place}/oidc/log-out", urlencode(body, doseq=True)
        answer = httpx2.post(address, content=form, headers=kind or FORM, trust_env=False)
        assert (answer.status_code, why in answer.text) == (status, True), (answer.text, why)
        assert good not in answer.text
    assert visited.ask("GET", "/api/ward", header).status_code == 200


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, OidcSettings]]:
    """A console whose people a certified provider knows, and what it was told of it."""
    keeper = Doorkeeper(AccountsFile(tmp_path_factory.mktemp("accounts") / "accounts.json"))
    with listen("127.0.0.1", 0) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        with identities.provider_for(f"http://{place}") as issuer, pytest.MonkeyPatch.context() as environment:
            for name, value in identities.settings(issuer, f"http://{place}").items():
                environment.setenv(name, value)
            said = oidc_settings()
            assert said is not None
            server = server_of(
                create_app(LiveBoard(Board()), None, None, keeper, provider=ProviderLogIn(said, keeper), tick=0.02)
            )
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            yield place, said
            server.should_exit = True
            thread.join(60)


def through(client: httpx2.Client, person: str) -> httpx2.Response:
    """What the console answers to somebody who fills in the provider's form."""
    form = client.get("/oidc/log-in", follow_redirects=True)
    assert form.status_code == 200
    said = {"prompt": "login", "login": person, "password": "any"}
    return client.post(str(form.url), data=said, follow_redirects=True)


@pytest.mark.timeout(600)  # the first fetches the provider
def test_a_certified_provider_lets_people_in_and_out(certified: tuple[str, OidcSettings]) -> None:
    place, said = certified
    with browser(place) as nora, browser(place) as vera, browser(place) as udo:
        for client, name, role in ((nora, "nora", "clinician"), (vera, "vera", "viewer")):
            assert through(client, name).status_code == 200
            who = client.get("/api/session").json()
            assert (who["role"], who["password"]) == (role, False)
        assert str(through(udo, "udo").url).endswith("/login?why=role")
        asked = nora.get("/oidc/log-in").headers["location"]
        assert asked.startswith(said.issuer)
        stolen = {"cookie": f"dosetwin={nora.cookies.get('dosetwin', domain='127.0.0.1')}"}
        began = time.monotonic()
        leave(nora, f"{said.issuer}/session/end")
        assert nora.get("/api/session").status_code == 401, "the provider has told the console"
        assert time.monotonic() - began < 5
        assert httpx2.get(f"http://{place}/api/ward", headers=stolen, trust_env=False).status_code == 401
        assert vera.get("/api/session").status_code == 200
        left = vera.delete("/api/session", headers=ACTS).json()["go"]
        assert left.startswith(f"{said.issuer}/session/end?id_token_hint=")
        assert leave(vera, left).url == f"http://{place}/login"
        assert vera.get("/oidc/log-in", follow_redirects=True).url.path.startswith("/interaction/"), "asked anew"


def leave(client: httpx2.Client, address: str) -> httpx2.Response:
    """The answer to somebody who logs out at the provider, which asks whether they mean it."""
    page = client.get(address, follow_redirects=True)
    assert page.status_code == 200
    xsrf = page.text.partition('name="xsrf" value="')[2].partition('"')[0]
    assert xsrf
    said = {"xsrf": xsrf, "logout": "yes"}
    action = page.text.partition('action="')[2].partition('"')[0]
    return client.post(action, data=said, follow_redirects=True)
