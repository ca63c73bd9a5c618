"""Queries as Grafana sends them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.grafana import asking, flux
from connectors.grafana.asking import View, window
from tests import factories as make

VIEW = View("ward", make.at(0), make.at(24))


def test_what_is_chosen_stands_as_an_address_writes_it() -> None:
    query = f"{flux.chosen('patient')} v.defaultBucket v.timeRangeStart v.windowPeriod"
    assert VIEW.filled(query, {"patient": 'A" b'}) == f'"A%22%20b" "ward" {make.at(0).isoformat()} 60s'


def test_a_query_whose_variable_has_no_value_is_not_sent() -> None:
    with pytest.raises(ValueError, match=r"\$\{model is left open in .*: choose a value for it"):
        VIEW.filled(flux.chosen("model"), {"patient": "A"})


@pytest.mark.parametrize(("shown", "length"), [(1 / 60, "1s"), (6, "20s"), (24 * 31, "1800s"), (24 * 36500, "604800s")])
def test_windows_are_those_that_grafana_knows(shown: float, length: str) -> None:
    assert window(timedelta(hours=shown)) == length


def test_every_board_that_is_provisioned_has_queries_and_each_has_a_place_of_its_own() -> None:
    for name, board in asking.committed().items():
        places = [asked.where for asked in asking.queries(name, board)]
        assert places
        assert len(set(places)) == len(places)
