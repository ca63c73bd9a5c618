"""A feed's meters: how many events arrived, and whether the broker still confirms any."""

from __future__ import annotations

from connectors.kafka.feed_metrics import FeedMetrics


def test_a_feed_is_ready_while_nothing_is_awaited_or_what_is_awaited_is_confirmed() -> None:
    now = [100.0]
    metrics = FeedMetrics(lambda: now[0])
    now[0] += 1_000.0
    assert (metrics.waiting(), metrics.dead(), metrics.silent()) == ("", "", 0.0)
    metrics.sent()
    metrics.sent()
    now[0] += 9.0
    metrics.confirmed("iomt.pump")
    now[0] += 9.0
    assert metrics.waiting() == ""
    now[0] += 2.0
    assert metrics.waiting() == "the broker has confirmed nothing for 11 s"
    assert metrics.dead() == ""
    assert metrics.registry.get_sample_value("dosetwin_feed_unconfirmed_age_seconds") == 11.0
    now[0] += 300.0
    assert metrics.dead() == "the broker has confirmed nothing for 311 s"
    metrics.refused("KafkaTimeoutError")
    assert (metrics.waiting(), metrics.dead()) == ("", "")
    count = metrics.registry.get_sample_value
    assert count("dosetwin_feed_events_total", {"topic": "iomt.pump"}) == 1.0
    assert count("dosetwin_feed_failed_total", {"error": "KafkaTimeoutError"}) == 1.0
    assert count("dosetwin_feed_in_flight_records") == 0.0
