"""Alerts over a real MQTT broker: told when somebody has them, and retained as long as they stand."""

from __future__ import annotations

import gc
import time
import uuid
from typing import Any

import pytest

from connectors.settings import SettingsError, load_settings
from connectors.sinks.subscribers.mqtt_publish import Settings, open_writer
from connectors.sinks.telling.pace import Notice
from connectors.sinks.writer import AccessDenied, Unavailable
from tests.connectors.sinks.subscribers.heard import Heard
from tests.connectors.sinks.telling.told import NOON, OVER, alert
from tests.mosquitto import PASSWORD, Mosquitto
from twin.events import Alert, decode_output, encode


def told(broker: Mosquitto, *alerts: Alert, port: int = 0, **given: Any) -> None:
    own = {"broker": f"127.0.0.1:{port or broker.port}", "client_id": f"told-{uuid.uuid4().hex}"}
    with open_writer(Settings(**own | given)) as writer:
        writer.write([Notice(one, NOON) for one in alerts])


@pytest.fixture
def root() -> str:
    """Topics of the test's own."""
    return f"told/{uuid.uuid4().hex}"


def test_each_alert_is_published_on_its_topic_as_it_stands_in_kafka(broker: Mosquitto, root: str) -> None:
    heard, both = Heard(), (alert(), alert("P-2", severity="high"))
    with heard.subscribed(broker.port, f"{root}/#"):
        told(broker, *both, topic=f"{root}/{{patient}}/{{rule}}/{{severity}}")
        said = heard.until(2)
    assert [topic for topic, _ in said] == [f"{root}/P-1/tox.x/low", f"{root}/P-2/tox.x/high"]
    assert [decode_output(payload) for _, payload in said] == list(both)


def test_what_nobody_subscribes_to_waits_unless_told_otherwise(broker: Mosquitto, root: str) -> None:
    with pytest.raises(Unavailable, match="nobody subscribes"):
        told(broker, alert(), topic=root)
    told(broker, alert(), topic=root, needs_subscriber=False)


def test_how_an_alert_stands_is_retained_until_it_is_over(broker: Mosquitto, root: str) -> None:
    topics = {
        "topic": f"{root}/said",
        "state_topic": f"{root}/standing/{{patient}}/{{alert}}",
        "needs_subscriber": False,
    }
    ended, stands = alert(), alert("P-2", revision=1)
    told(broker, ended, alert("P-2"), stands, alert("P-2"), **topics)
    told(broker, alert(revision=1, phase=OVER), **topics)
    heard = Heard()
    with heard.subscribed(broker.port, f"{root}/standing/#"):
        end = time.monotonic() + 60
        while not heard.retained and time.monotonic() < end:
            time.sleep(0.01)
    assert heard.retained == {f"{root}/standing/P-2/{stands.alert_id}": encode(stands)}


def test_a_broker_is_told_that_we_are_there_and_that_we_are_gone(broker: Mosquitto, root: str) -> None:
    heard = Heard()
    with heard.subscribed(broker.port, f"{root}/#"):
        told(broker, alert(), topic=f"{root}/said", status_topic=f"{root}/status")
        said = heard.until(3)
    assert [payload for topic, payload in said if topic.endswith("status")] == [b"online", b"offline"]


def test_a_broker_that_wants_a_login_or_gives_no_right_is_waited_for(broker: Mosquitto, root: str) -> None:
    with pytest.raises(AccessDenied, match="check client_id, user and password"):
        told(broker, alert(), port=broker.guarded, username="dosetwin", password="wrong")
    with pytest.raises(AccessDenied, match=f"refuses topic {root}: reason code 0x87"):
        told(broker, alert(), port=broker.guarded, topic=root, username="dosetwin", password=PASSWORD)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho leaves that socket to the collector
def test_a_broker_is_proven_over_tls(broker: Mosquitto, root: str) -> None:
    with pytest.raises(Unavailable, match="certificate verify failed"):
        told(broker, alert(), port=broker.tls, topic=root, tls=True)
    gc.collect()
    told(broker, alert(), port=broker.tls, topic=root, authority=broker.authority, needs_subscriber=False)


def test_a_broker_that_is_away_is_waited_for(broker: Mosquitto) -> None:
    with pytest.raises(Unavailable, match="ConnectionRefusedError"):
        told(broker, alert(), port=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"topic": "alerts/#"}, "DOSETWIN_MQTT_PUBLISH_TOPIC='alerts/#': .*without"),
        ({"topic": "alerts/{ward}"}, r"\{ward\} is nothing that an alert has"),
        ({"state_topic": "standing/{patient}"}, r"write \{alert\} into it"),
        ({"broker": "mqtt"}, "DOSETWIN_MQTT_PUBLISH_BROKER='mqtt'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(Settings, **given)


def test_alerts_go_to_another_machine_in_the_clear_only_if_told_to() -> None:
    with (
        pytest.raises(ValueError, match="give --tls or --authority"),
        open_writer(Settings(broker="mqtt.example:1883")),
    ):
        pass
