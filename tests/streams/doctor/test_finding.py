"""A finding is well where nothing is to be mended."""

from __future__ import annotations

from streams.doctor.finding import Finding


def test_what_has_a_mend_is_not_well() -> None:
    assert Finding("Kafka", "answers").well
    assert not Finding("Kafka", "does not answer", "start it").well
