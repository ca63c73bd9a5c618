"""A provider over HTTP: what it answers wrongly is named, and nothing it sends is trusted."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from connectors.access.oidc.provider import MOST_BYTES, Provider, ProviderError
from tests.connectors.access.oidc.lying import Lying

FOUND = "/.well-known/openid-configuration"


def test_what_it_says_of_itself_is_kept_for_an_hour(provider: Lying) -> None:
    clock = [0.0]
    one = Provider(provider.settings(), lambda: clock[0])
    for at, asked in ((0, 1), (3599, 1), (3601, 2)):
        clock[0] = at
        assert one.about().token_endpoint == f"{provider.address}/token"
        assert len(provider.asked) == asked


@pytest.mark.parametrize(
    ("about", "why"),
    [
        (
            {"issuer": "https://other.example"},
            "calls itself 'https://other.example': write that as DOSETWIN_OIDC_ISSUER",
        ),
        ({"token_endpoint": "http://login.example/token"}, "token_endpoint is neither https nor on this machine"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint is neither"),
        ({"end_session_endpoint": "http://x.example"}, "end_session_endpoint is neither"),
        ({"jwks_uri": "http://login.example/jwks"}, "jwks_uri is neither"),
        ({"token_endpoint": None}, "cannot be used: .*token_endpoint"),
    ],
)
def test_what_it_may_not_say_of_itself_is_named(provider: Lying, about: dict[str, Any], why: str) -> None:
    provider.about = about
    with pytest.raises(ProviderError, match=why):
        Provider(provider.settings()).about()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Response(b"<html>", 502), "answers 502"),
        (JSONResponse({"error": "temporarily_unavailable"}, 503), "answers 503 'temporarily_unavailable'"),
        (JSONResponse({"error": "Mr Doe " * 20}, 400), "answers 400$"),
        (RedirectResponse("/elsewhere"), "answers 307"),
        (Response(b"x" * (MOST_BYTES + 1)), "too much"),
    ],
)
def test_what_it_may_not_answer_is_named_and_no_redirect_is_followed(
    provider: Lying, answer: Response, why: str
) -> None:
    provider.answers[FOUND] = answer
    with pytest.raises(ProviderError, match=f"^{FOUND} .*{why}"):
        Provider(provider.settings()).about()
    assert provider.asked == [FOUND]


@pytest.mark.parametrize("raw", [b"[]", b"", b"\xff", b"[" * 100_000, b'{"issuer":' * 100_000, b"null"])
def test_what_is_no_json_object_is_no_answer(provider: Lying, raw: bytes) -> None:
    provider.answers = {"/jwks": Response(raw), "/token": Response(raw), "/me": Response(raw)}
    provider.told = {}
    one = Provider(provider.settings())
    with pytest.raises(ProviderError, match="/jwks answers with no JSON object"):
        one.keys.key("k1", "ES256")
    with pytest.raises(ProviderError, match="what it gives cannot be used"):
        one.tokens("c", "v")
    with pytest.raises(ProviderError, match="/me answers with no JSON object"):
        one.told("at", "s-7")
    provider.answers = {FOUND: Response(raw)}
    with pytest.raises(ProviderError, match="what it says of itself cannot be used"):
        Provider(provider.settings()).about()


def test_one_that_is_not_there_is_told_and_may_be_there_later(provider: Lying) -> None:
    with pytest.raises(ProviderError, match="cannot be asked: ConnectError"):
        Provider(provider.settings(issuer="http://127.0.0.1:9")).about()
    one = Provider(provider.settings())
    provider.answers[FOUND] = Response(status_code=503)
    with pytest.raises(ProviderError):
        one.about()
    provider.answers.clear()
    assert one.about()


def test_a_wrong_secret_or_code_gets_no_tokens_and_shows_no_secret(provider: Lying) -> None:
    for changes, why in (({"client_secret": "wrong"}, "401 'invalid_client'"), ({}, "400 'invalid_grant'")):
        with pytest.raises(ProviderError, match=f"/token answers {why}") as caught:
            Provider(provider.settings(**changes)).tokens("made-up", "v" * 43)
        assert "wrong" not in str(caught.value)
        assert "Doe" not in str(caught.value)
    provider.answers["/token"] = JSONResponse({"access_token": "at"})
    with pytest.raises(ProviderError, match=r"what it gives cannot be used: .*id_token"):
        Provider(provider.settings()).tokens("made-up", "v" * 43)


def test_what_else_it_knows_is_of_the_same_subject(provider: Lying) -> None:
    provider.told = {"sub": "s-8", "groups": ["engineers"]}
    one = Provider(provider.settings())
    assert one.told("at", "s-8")["groups"] == ["engineers"]
    with pytest.raises(ProviderError, match="another subject"):
        one.told("at", "s-7")
