"""Log-in and log-out through a provider, and what attackers try with either."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.responses import JSONResponse, Response

from connectors.access.accounts import AccountsFile
from connectors.access.doorkeeper import Doorkeeper
from connectors.access.oidc.log_in import ProviderLogIn, Refused
from connectors.access.oidc.provider import ProviderError
from connectors.access.oidc.signed_tokens import BadToken
from connectors.access.roles import Who
from tests.connectors.access.oidc.lying import CONSOLE, Lying, unsigned
from tests.connectors.console.door.visits import Clock


@pytest.fixture
def keeper(file: AccountsFile) -> Doorkeeper:
    return Doorkeeper(file)


@pytest.fixture
def door(provider: Lying, keeper: Doorkeeper) -> ProviderLogIn:
    return ProviderLogIn(provider.settings(), keeper)


def come_in(door: ProviderLogIn, provider: Lying, **brings: str) -> str:
    address, cookie = door.begin()
    return door.finish(provider.let_in(address) | brings, cookie, "here")


def refused(what: Callable[[], Any]) -> str:
    with pytest.raises(Refused) as caught:
        what()
    return caught.value.kind


def test_who_logs_in_is_what_the_groups_say(door: ProviderLogIn, provider: Lying, keeper: Doorkeeper) -> None:
    session = come_in(door, provider)
    assert keeper.in_session(session, use=True) == Who("nora-7", "clinician", ("P-1", "P-2"))
    assert not keeper.is_of_account(session)
    keeper.log_out(session)
    assert keeper.in_session(session, use=True) is None


def test_what_a_browser_is_sent_with_names_the_request_and_no_secret(door: ProviderLogIn, provider: Lying) -> None:
    provider.about = {"authorization_endpoint": f"{provider.address}/auth?theme=ward"}
    address, cookie = door.begin()
    asked = parse_qs(urlsplit(address).query)
    assert address.startswith(f"{provider.address}/auth?theme=ward&response_type=code&")
    assert (asked["redirect_uri"], asked["scope"]) == ([f"{CONSOLE}/oidc/callback"], ["openid profile"])
    assert cookie not in address
    assert "secret" not in address


def test_what_the_id_token_leaves_out_is_asked_for(provider: Lying, keeper: Doorkeeper) -> None:
    provider.told = {"sub": "s-7", "groups": ["engineers"], "preferred_username": "other-name"}
    provider.claims = {"groups": None}
    door = ProviderLogIn(provider.settings(), keeper)
    assert keeper.in_session(come_in(door, provider), use=True) == Who("nora-7", "engineer", ("*",))
    provider.told["sub"] = "s-8"
    assert refused(lambda: come_in(door, provider)) == "provider"


def test_a_state_is_good_in_the_browser_that_began_once_and_for_a_while(provider: Lying, keeper: Doorkeeper) -> None:
    clock = Clock()
    door = ProviderLogIn(provider.settings(), keeper, now=clock.now)
    (mine, my_cookie), (other, other_cookie) = door.begin(), door.begin()
    answer, others = provider.let_in(mine), provider.let_in(other)
    for brought, cookie in (
        (others, my_cookie), (answer, other_cookie), (answer, ""), (answer | {"state": "x"}, my_cookie),
        ({"code": answer["code"]}, my_cookie), (answer | {"state": others["state"]}, my_cookie),
    ):  # fmt: skip
        assert refused(lambda b=brought, c=cookie: door.finish(b, c, "here")) == "again"
    assert "/token" not in provider.asked, "the provider is not even asked"
    assert door.finish(answer, my_cookie, "here")
    assert refused(lambda: door.finish(answer, my_cookie, "here")) == "provider", "a code that was used"
    again = provider.let_in(mine)
    assert refused(lambda: door.finish(again, my_cookie, "here")) == "again", "a state that was used"
    clock.off = timedelta(minutes=11)
    assert refused(lambda: door.finish(others, other_cookie, "here")) == "again"


def test_a_code_of_another_request_is_refused_by_pkce_and_nonce(door: ProviderLogIn, provider: Lying) -> None:
    (mine, my_cookie), (other, _) = door.begin(), door.begin()
    stolen = provider.let_in(other)["code"]
    assert refused(lambda: door.finish(provider.let_in(mine) | {"code": stolen}, my_cookie, "here")) == "provider"
    provider.claims = {"nonce": "of-another"}
    assert refused(lambda: come_in(door, provider)) == "provider"


def test_what_is_not_this_providers_is_refused(door: ProviderLogIn, provider: Lying) -> None:
    assert refused(lambda: come_in(door, provider, iss="https://other.example")) == "provider"
    address, cookie = door.begin()
    answer = provider.let_in(address)
    del answer["iss"]
    assert refused(lambda: door.finish(answer, cookie, "here")) == "provider", "it says that it always names itself"
    assert "/token" not in provider.asked
    for signs in (unsigned, lambda claims: unsigned(claims, "HS256"), lambda _: "x"):
        provider.signs = signs
        assert refused(lambda: come_in(door, provider)) == "provider"
    provider.signs = None
    for wrong in ({"aud": "other"}, {"iss": "https://other.example"}, {"exp": time.time() - 100}, {"azp": "other"}):
        provider.claims = wrong
        assert refused(lambda: come_in(door, provider)) == "provider"


def test_a_log_in_that_was_cancelled_is_none(door: ProviderLogIn, provider: Lying) -> None:
    address, cookie = door.begin()
    brought = {"error": "access_denied", "error_description": "<b>", "state": provider.let_in(address)["state"]}
    assert refused(lambda: door.finish(brought | {"iss": provider.address}, cookie, "here")) == "cancelled"
    assert refused(lambda: come_in(door, provider, code="")) == "provider"


def test_who_has_no_place_here_is_told_of_what_is_missing(door: ProviderLogIn, provider: Lying) -> None:
    for claims, kind in (
        ({"groups": ["staff"]}, "role"), ({"groups": None}, "role"), ({"preferred_username": "Nora Doe"}, "name"),
        ({"preferred_username": None}, "name"), ({"preferred_username": "Nurse-7"}, "name"),
    ):  # fmt: skip
        provider.claims = claims
        assert refused(lambda: come_in(door, provider)) == kind, claims


def test_keys_may_change_from_one_log_in_to_the_next(provider: Lying, keeper: Doorkeeper) -> None:
    door = ProviderLogIn(provider.settings(), keeper)
    door.provider.keys._clock = lambda: clock[0]
    clock = [0.0]
    assert come_in(door, provider)
    clock[0] += 30
    provider.key, provider.published = "k2", ["k2"]
    assert come_in(door, provider)
    clock[0] += 30
    provider.key = "k1"
    assert refused(lambda: come_in(door, provider)) == "provider", "a key that was withdrawn"


def test_a_provider_that_does_not_answer_lets_nobody_in_and_keeps_nobody_out(
    door: ProviderLogIn, provider: Lying, keeper: Doorkeeper
) -> None:
    session = come_in(door, provider)
    provider.answers["/token"] = Response(status_code=502)
    assert refused(lambda: come_in(door, provider)) == "provider"
    assert keeper.in_session(session, use=True)
    provider.answers = {"/.well-known/openid-configuration": JSONResponse({}, 500)}
    assert refused(ProviderLogIn(provider.settings(), keeper).begin) == "provider"


def test_a_logout_token_ends_the_sessions_it_names_and_no_others(
    door: ProviderLogIn, provider: Lying, keeper: Doorkeeper
) -> None:
    def there() -> list[bool]:
        return [keeper.in_session(one, use=False) is not None for one in sessions]

    sessions = []
    for subject, session in (("s-7", "sid-1"), ("s-7", "sid-2"), ("s-8", "sid-3"), ("s-7", None)):
        provider.claims = {"sub": subject, "sid": session, "preferred_username": subject}
        sessions.append(come_in(door, provider))
    sessions.append(keeper.log_in("nurse-7", "four words of a ward", "here"))
    assert len(door.end(provider.sign(provider.logout(sub="s-8", sid="sid-1")))) == 0
    assert len(door.end(provider.sign(provider.logout(sub=None, sid="sid-2")))) == 1
    assert there() == [True, False, True, True, True]
    assert len(door.end(provider.sign(provider.logout(sub="s-7", sid="sid-1")))) == 2
    assert there() == [False, False, True, False, True]
    assert len(door.end(provider.sign(provider.logout(sub="s-8", sid=None)))) == 1
    assert there() == [False, False, False, False, True]


def test_a_logout_token_is_good_once(door: ProviderLogIn, provider: Lying, keeper: Doorkeeper) -> None:
    token = provider.sign(provider.logout())
    assert len(door.end(token)) == 0
    session = come_in(door, provider)
    with pytest.raises(BadToken, match="has been used"):
        door.end(token)
    assert keeper.in_session(session, use=False)
    outcomes: list[int] = []
    other = provider.sign(provider.logout())

    def end() -> None:
        try:
            outcomes.append(len(door.end(other)))
        except BadToken:
            outcomes.append(-1)

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [-1] * 7 + [1]


def test_what_is_no_logout_token_ends_nothing(door: ProviderLogIn, provider: Lying, keeper: Doorkeeper) -> None:
    session = come_in(door, provider)
    for wrong in (
        unsigned(provider.logout()), provider.sign(provider.logout(aud="other")), provider.sign(provider.usual()),
        provider.sign(provider.logout(), kid="k9"), "x",
    ):  # fmt: skip
        with pytest.raises(BadToken):
            door.end(wrong)
    assert keeper.in_session(session, use=False)


def test_a_key_that_cannot_be_asked_for_ends_nothing_yet(provider: Lying, keeper: Doorkeeper) -> None:
    provider.answers["/jwks"] = Response(status_code=503)
    with pytest.raises(ProviderError, match="/jwks answers 503"):
        ProviderLogIn(provider.settings(), keeper).end(provider.sign(provider.logout()))


def test_who_logs_out_is_sent_to_the_provider_and_back_to_this_console(
    door: ProviderLogIn, provider: Lying, keeper: Doorkeeper
) -> None:
    address = door.leave(come_in(door, provider))
    assert address is not None
    assert address.startswith(f"{provider.address}/end?theme=ward&id_token_hint=")
    asked = parse_qs(urlsplit(address).query)
    assert asked["post_logout_redirect_uri"] == [f"{CONSOLE}/login"]
    assert door.leave(keeper.log_in("nurse-7", "four words of a ward", "here")) is None
    provider.about = {"end_session_endpoint": ""}
    quiet = ProviderLogIn(provider.settings(), keeper)
    assert quiet.leave(come_in(quiet, provider)) is None
