"""Sinks and the stage of devices: told apart are those that run, those that keep up, and those that nobody started."""

from __future__ import annotations

import uuid

import pytest
from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition

from connectors.audit.keeping import ChainState
from connectors.kafka.clients import open_consumer
from connectors.kafka.group_lags import GroupLag
from connectors.kafka.topics import DEVICE_TOPICS, DEVICES, TOPICS, ensure_topics
from connectors.settings import Settings
from connectors.sinks.lags import sink_lags
from streams.devices.stage import group_of
from streams.doctor import readers
from streams.doctor.readers import check_audit, check_devices, check_sinks


@pytest.mark.parametrize(
    ("lag", "seen", "mend"),
    [
        (GroupLag(0, 0.0, True), "runs, nothing waits", ""),
        (GroupLag(0, 0.0, False), "does not run, nothing waits", ""),
        (GroupLag(7, 299.0, True), "runs, 7 records wait, the oldest for 299 s", ""),
        (GroupLag(7, 301.0, True), "runs, 7 records wait, the oldest for 301 s", "its /readyz and its log say why"),
        (GroupLag(1, 2.0, False), "does not run, 1 records wait", "start it with 'dosetwin sink influx'"),
    ],
)
def test_a_sink_that_does_not_run_or_keep_up_is_named_with_its_mend(
    monkeypatch: pytest.MonkeyPatch, lag: GroupLag, seen: str, mend: str
) -> None:
    monkeypatch.setattr(readers, "sink_lags", lambda _: {"influx": lag})
    (found,) = check_sinks(Settings())
    assert found.subject == "sink influx"
    assert found.seen.startswith(seen)
    assert found.mend.startswith(mend)
    assert found.well is (mend == "")


def test_a_subscriber_that_is_set_up_is_named_though_it_never_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "sink_lags", lambda _: {"webhook": GroupLag(0, 0.0, True)})
    monkeypatch.setenv("DOSETWIN_WEBHOOK_URL", "https://receiver.example")
    monkeypatch.setenv("DOSETWIN_WEBHOOK_SECRET", "whsec_" + "c2VjcmV0" * 4)
    monkeypatch.setenv("DOSETWIN_EMAIL_SENDER", "twin@ward.example")
    monkeypatch.setenv("DOSETWIN_MQTT_PUBLISH_TOPIC", "alerts/{patient}")
    monkeypatch.setenv("DOSETWIN_FHIR_CLIENT_ID", "of the way in")
    email, mqtt, webhook = check_sinks(Settings())
    assert (email.subject, email.seen) == ("sink email", "DOSETWIN_EMAIL_RECIPIENTS is not set, and it must be")
    assert (mqtt.subject, mqtt.seen) == ("sink mqtt-publish", "is set up and never ran")
    assert mqtt.mend == "start it with 'dosetwin sink mqtt-publish'"
    assert (webhook.subject, webhook.seen, webhook.well) == ("sink webhook", "runs, nothing waits", True)


def test_words_of_devices_that_nobody_reads_are_named(kafka: str) -> None:
    settings = Settings(kafka=kafka, topic_prefix=f"doctor-{uuid.uuid4().hex[:8]}.")
    topic = settings.topic_prefix + DEVICES
    assert list(check_devices(settings)) == []
    ensure_topics(kafka, settings.topic_prefix, 1, (*TOPICS, *DEVICE_TOPICS))
    assert list(check_devices(settings)) == []
    producer = KafkaProducer(bootstrap_servers=kafka)
    producer.send(topic, value=b"x", partition=0)
    producer.flush()
    (found,) = check_devices(settings)
    assert (found.seen, found.mend) == (
        "what devices said waits, and nobody ever read it",
        "start it with 'dosetwin devices run'",
    )
    consumer = open_consumer(kafka, group_id=group_of(settings))
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(1, "", -1)})
    consumer.close()
    (found,) = check_devices(settings)
    assert (found.seen, found.well) == ("does not run, nothing waits", True)
    producer.send(topic, value=b"x", partition=0)
    producer.close()
    (found,) = check_devices(settings)
    assert found.seen.startswith("does not run, 1 records wait")
    assert found.mend == "start it with 'dosetwin devices run': what devices said waits"
    assert sink_lags(settings) == {}


def test_a_chain_that_nobody_keeps_or_that_was_changed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[ChainState | None] = []
    monkeypatch.setattr(readers, "chain_state", lambda _: states.pop(0))
    monkeypatch.setattr(readers, "any_waits", lambda *_: True)

    def found(*given: ChainState | None) -> tuple[str, str]:
        states[:] = given
        (finding,) = check_audit(Settings(), pause=lambda _: None)
        return finding.seen, finding.mend

    assert found(None) == ("is not kept", "start it with 'dosetwin audit run': alerts were told")
    assert found(ChainState(4, 0, ())) == ("4 links, it holds", "")
    assert found(ChainState(4, 2, ()), ChainState(6, 0, ())) == ("6 links, it holds", "")
    assert found(ChainState(4, 9, ()), ChainState(6, 7, ())) == ("6 links, it holds, it catches up", "")
    seen, mend = found(ChainState(4, 2, ()), ChainState(4, 2, ()))
    assert (seen, mend) == ("4 links, it holds, but 2 records are not told of", "start it with 'dosetwin audit run'")
    seen, mend = found(ChainState(4, 0, ("partition 1: link 2 was changed",)))
    assert "link 2 was changed" in seen
    assert "audit verify" in mend
