"""Where messages are said."""

from __future__ import annotations

import pytest

from connectors.speaking.place import place_of


def test_an_address_is_host_and_port() -> None:
    assert place_of("ward.example:2575", 2575) == ("ward.example", 2575)


@pytest.mark.parametrize("address", ["", "ward.example", "ward.example:", "ward.example:mllp", ":2575"])
def test_what_is_none_is_told_how_to_write_one(address: str) -> None:
    with pytest.raises(ValueError, match=r"--to .*: write host:port, as 127\.0\.0\.1:2575"):
        place_of(address, 2575)
