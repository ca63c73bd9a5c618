"""What is kept how long, told beside what it is to be, on real servers."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

import pytest

from connectors.kafka.topics import LABS, VITALS, ensure_topics
from connectors.services import Influx
from connectors.services.influxdb import InfluxError, keep, kept_seconds
from connectors.settings import Settings
from connectors.sinks.influx import InfluxWriter
from connectors.sinks.influx import Settings as InfluxSettings
from connectors.sinks.writer import BadItem
from streams.doctor.retention import check_bucket_kept, check_topics_kept
from twin.clock import DAY_MS


def test_a_topic_that_keeps_otherwise_than_it_is_told_to_is_named_with_its_mend(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(kafka=kafka, topic_prefix=f"t{uuid.uuid4().hex[:8]}.", partitions=1)
    ensure_topics(kafka, settings.topic_prefix, 1, (LABS, VITALS))
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", f"{VITALS}=14")
    wrong, told = check_topics_kept(settings)
    assert (wrong.well, wrong.seen) == (False, "iomt.vitals keeps records 30 days, and is to keep them 14 days")
    assert wrong.mend == "'dosetwin topics create' tells it so"
    assert (told.well, told.seen) == (True, "30 days: clinical.labs, iomt.vitals")
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", "vitals=14")
    (unknown,) = check_topics_kept(settings)
    assert (unknown.well, "no topic is named 'vitals'" in unknown.seen) == (False, True)


def test_a_bucket_keeps_what_it_is_told_to_and_old_points_are_passed_over(
    influx: Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    from influxdb_client.client.influxdb_client import InfluxDBClient

    own = replace(influx, bucket=f"kept-{uuid.uuid4().hex[:8]}")
    with InfluxDBClient(own.url, own.token, org=own.org) as client:
        client.buckets_api().create_bucket(bucket_name=own.bucket, org=own.org)
    to = InfluxSettings(url=own.url, token=own.token, org=own.org, bucket=own.bucket)
    assert [one.seen for one in check_bucket_kept(to)] == ["points are kept for ever"]
    monkeypatch.setenv("DOSETWIN_KEEP_BUCKETS", f"{own.bucket}=400")
    (wrong,) = check_bucket_kept(to)
    assert (wrong.well, wrong.seen) == (False, "keeps points for ever, and is to keep them 400 days")
    for days in (400, 1, 90, None, 30):
        assert (keep(own, days), keep(own, days), kept_seconds(own)) == (True, False, (days or 0) * 86_400)
    with pytest.raises(InfluxError, match="is not there, or not for this token"):
        keep(replace(own, token="wrong"), 3)
    assert "may not see" in next(check_bucket_kept(to.model_copy(update={"token": "wrong"}))).seen

    writer, now = InfluxWriter(to), time.time_ns()
    old = now - 200 * DAY_MS * 1_000_000
    writer.write([f"m,a=1 f=1 {now}", f"m,a=1 f=2 {old}"])
    writer.write([f"m,a=1 f=2 {old}"])
    with pytest.raises(BadItem, match="field type conflict"):
        writer.write([f'm,a=1 f="x" {now + 1}', f"m,a=1 f=2 {old}"])
    writer.close()
    with InfluxDBClient(own.url, own.token, org=own.org) as client:
        found = client.query_api().query(f'from(bucket: "{own.bucket}") |> range(start: -365d)')
    assert [record.get_value() for table in found for record in table.records] == [1]
