"""Jars are the pinned ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.services import kafka as kafka_server


def test_a_jar_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jar").write_bytes(b"a")
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    kafka_server.check_sums(tmp_path, f"{digest}  a.jar\n")
    with pytest.raises(kafka_server.WrongJar, match=r"b\.jar: not fetched"):
        kafka_server.check_sums(tmp_path, f"{digest}  a.jar\n{digest}  b.jar\n")
    (tmp_path / "a.jar").write_bytes(b"changed")
    with pytest.raises(kafka_server.WrongJar, match=r"a\.jar: its SHA-256 is not the pinned"):
        kafka_server.check_sums(tmp_path, f"{digest}  a.jar\n")
    with pytest.raises(kafka_server.WrongJar, match=r"a\.jar: not among the pinned jars"):
        kafka_server.check_sums(tmp_path, "")
