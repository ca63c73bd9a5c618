"""The provider of identities by which people log in to the console: does it answer, is it the one that is meant, and
can what it signs be checked?"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.access.oidc.provider import Provider, ProviderError
from connectors.access.oidc.settings import oidc_settings
from connectors.settings import SettingsError
from streams.doctor.finding import Finding

SUBJECT = "provider of identities"


def check_provider() -> Iterator[Finding]:
    """Could people log in by it now? Nothing is found where nothing is said of a provider."""
    try:
        settings = oidc_settings()
    except SettingsError as error:
        yield Finding(SUBJECT, str(error), "change or unset the variable named")
        return
    if settings is None:
        return
    provider, named = Provider(settings), f"{settings.variable('issuer')}={settings.issuer!r}"
    try:
        provider.about()
    except ProviderError as error:
        mend = f"nobody logs in by it now: look at the provider, at {settings.variable('issuer')} and _CA"
        yield Finding(SUBJECT, f"{named}: {error}", mend)
        return
    try:
        keys = provider.keys.usable()
    except ProviderError as error:
        yield Finding(SUBJECT, f"{named}: {error}", "what it signs cannot be checked: look at the provider")
        return
    if not keys:
        mend = "let it sign by RS, PS or ES with 256, 384 or 512 bits, by an RSA key of 2,048 bits at least"
        yield Finding(SUBJECT, f"{named}: publishes no key by which a token could be checked", mend)
        return
    yield Finding(
        SUBJECT, f"{settings.issuer} answers by that name, and publishes {keys} keys; the console is {settings.console}"
    )
