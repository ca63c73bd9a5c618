"""The doctor on the provider of identities: a real one, and what can be wrong with one."""

from __future__ import annotations

import pytest

from streams.doctor.finding import Finding
from streams.doctor.identities import check_provider
from tests import identities
from tests.connectors.access.oidc.lying import Lying, lying

CONSOLE = "http://127.0.0.1:8500"


def found(monkeypatch: pytest.MonkeyPatch, address: str, **other: str) -> Finding:
    """What is said of a provider there."""
    for name, value in {**identities.settings(address, CONSOLE), **other}.items():
        monkeypatch.setenv(name, value)
    (one,) = check_provider()
    return one


def test_nothing_is_said_where_no_provider_is_named() -> None:
    assert list(check_provider()) == []


def test_a_real_provider_is_well_by_the_name_that_it_calls_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with identities.provider_for(CONSOLE) as address:
        well = found(monkeypatch, address)
        assert well.well, well
        assert well.seen.startswith(f"{address} answers by that name, and publishes ")
        other = address.replace("127.0.0.1", "localhost")
        wrong = found(monkeypatch, other)
        assert f"calls itself '{address}': write that as DOSETWIN_OIDC_ISSUER" in wrong.seen
        assert not wrong.well


def test_what_is_wrong_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = found(monkeypatch, "http://127.0.0.1:1")
    assert "/.well-known/openid-configuration cannot be asked" in gone.seen
    assert "DOSETWIN_OIDC_ISSUER and _CA" in gone.mend
    unset = found(monkeypatch, "http://127.0.0.1:1", DOSETWIN_OIDC_GROUPS="nurses")
    assert "DOSETWIN_OIDC_GROUPS=" in unset.seen
    assert unset.mend == "change or unset the variable named"


@pytest.mark.parametrize(
    ("answers", "seen"),
    [
        ({"/jwks": {"keys": []}}, "publishes no key by which a token could be checked"),
        ({"/jwks": []}, "/jwks answers with no JSON object"),
    ],
)
def test_keys_that_are_missing_are_told(answers: dict[str, object], seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.responses import JSONResponse

    with lying() as provider:
        provider.answers = {path: JSONResponse(said) for path, said in answers.items()}
        one = found(monkeypatch, provider.address)
    assert isinstance(provider, Lying)
    assert seen in one.seen
    assert not one.well
