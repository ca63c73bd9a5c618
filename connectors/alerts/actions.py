"""What somebody does about an alert, on its way to the twin: one way for the command line, the console and FHIR.

An action counts when the worker has read it; it is on its way when Kafka has it, and until then nobody is told so.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from connectors.kafka.clients import NotConfirmed, abandon, open_producer
from connectors.kafka.topics import topic_of
from connectors.settings import Settings
from twin.events import Action, AlertAction, HandledAlert, SeenAlert, encode

CONFIRM_SECONDS = 10.0
"""How long the broker may take to confirm an action: somebody waits for it."""

WHO = "a pseudonym, never a name: 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
"""What ``by`` is, in words."""


def action_on(
    alert: SeenAlert,
    action: Action,
    by: str,
    now: datetime,
    source: str,
    reason: str = "",
    until: datetime | None = None,
) -> AlertAction:
    """What ``by`` does about an alert as it was told last, ``now`` or as soon as it was told.

    Raises:
        ValueError: the action says too little, or too much; the message names field, value and mend.
    """
    try:
        return AlertAction.about(alert, action, by, now, source, reason, until)
    except ValidationError as error:
        raise _named(error) from None


def taken_back(alert: HandledAlert, by: str, now: datetime, source: str, reason: str) -> AlertAction:
    """The retraction of what was done last about an alert as it was told last.

    Raises:
        ValueError: nothing was done about it, or this says too little; the message names field, value and mend.
    """
    if not reason.strip():
        raise ValueError("field 'reason': it is empty; write why it is taken back")
    try:
        return AlertAction.taking_back(alert, by, now, source, reason)
    except ValidationError as error:
        raise _named(error) from None


def _named(error: ValidationError) -> ValueError:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = WHO if where == "by" else str(first["msg"]).removeprefix("Value error, ")
    return ValueError(f"field '{where}': {said}" if where else said)


class ActionSender:
    """Gives actions to Kafka, one after another; whoever calls it waits until the broker has its own.

    The producer is opened by the first action and kept. After a failure another takes its place, for kafka-python may
    not find back to a broker that was away. An action that is sent twice has one id and counts once.
    """

    def __init__(self, settings: Settings) -> None:
        self._bootstrap, self._prefix = settings.kafka, settings.topic_prefix
        self._turn = threading.Lock()
        self._producer: Any = None

    def send(self, word: AlertAction) -> None:
        """Done when the broker has it on all its replicas.

        Raises:
            KafkaUnreachable: no broker answers.
            NotConfirmed: it does not confirm in `CONFIRM_SECONDS`.
        """
        from kafka.errors import KafkaError

        with self._turn:
            if self._producer is None:
                self._producer = _producer(self._bootstrap)
            try:
                key, topic = word.patient_id.encode(), topic_of(word, self._prefix)
                self._producer.send(topic, value=encode(word), key=key).get(CONFIRM_SECONDS)
            except KafkaError as error:
                self._let_go()
                raise NotConfirmed(
                    f"the broker did not confirm it ({type(error).__name__}); send it again once Kafka is well"
                ) from None

    def close(self) -> None:
        """Let go of the producer; a later action opens another."""
        with self._turn:
            self._let_go()

    def _let_go(self) -> None:
        if self._producer is not None:
            abandon(self._producer)
            self._producer = None


def _producer(bootstrap: str) -> Any:
    millis = round(CONFIRM_SECONDS * 1000)
    return open_producer(
        bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_block_ms=millis,
        request_timeout_ms=millis // 2,
        delivery_timeout_ms=millis,
    )
