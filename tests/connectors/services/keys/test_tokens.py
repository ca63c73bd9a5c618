"""Tokens of InfluxDB: one for each role, kept from start to start, made anew where the server knows them no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.services import Influx
from connectors.services.influxdb import InfluxError, accepts
from connectors.services.keys.tokens import give_tokens, token_file


def test_each_role_has_a_token_that_is_kept_while_it_is_good(influx: Influx, tmp_path: Path) -> None:
    give_tokens(influx, tmp_path)
    first = {role: token_file(tmp_path, role).read_text() for role in ("sink", "grafana")}
    assert len({*first.values(), influx.token}) == 3
    assert all(accepts(Influx(influx.url, token, influx.org, influx.bucket)) for token in first.values())
    assert not accepts(Influx(influx.url, first["sink"], influx.org, "another"))
    assert not accepts(Influx(influx.url, first["grafana"], influx.org, "another"))
    give_tokens(influx, tmp_path)
    assert token_file(tmp_path, "sink").read_text() == first["sink"]
    token_file(tmp_path, "sink").write_text("of another server")
    give_tokens(influx, tmp_path)
    assert token_file(tmp_path, "grafana").read_text() == first["grafana"]
    assert token_file(tmp_path, "sink").read_text() not in ("of another server", first["sink"])


def test_whoever_may_not_give_tokens_is_told_so(influx: Influx, tmp_path: Path) -> None:
    with pytest.raises(InfluxError, match="shows no bucket 'dosetwin' to its operator"):
        give_tokens(Influx(influx.url, "wrong", influx.org, influx.bucket), tmp_path)
