"""A provider that lies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connectors.access.oidc.lying import Lying, lying


@pytest.fixture
def provider() -> Iterator[Lying]:
    with lying() as one:
        yield one
