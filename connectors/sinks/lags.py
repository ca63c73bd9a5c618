"""How far every sink is, asked of the broker: also of those that died."""

from __future__ import annotations

from connectors.kafka.group_lags import GroupLag, group_lags
from connectors.settings import Settings
from connectors.sinks import sinks
from connectors.sinks.delivery import consumer_group


def sink_lags(surroundings: Settings) -> dict[str, GroupLag]:
    """How far each sink is that ever read from these topics, by its name.

    Raises:
        KafkaUnreachable: no broker answers.
        KafkaError: it does not say.
    """
    prefix = surroundings.topic_prefix
    groups = {consumer_group(sink.SINK, prefix): sink for sink in sinks().offers}
    topics = {group: [prefix + topic for topic in sink.TOPICS] for group, sink in groups.items()}
    lags = group_lags(surroundings.kafka, topics)
    return {groups[group].SINK: lags[group] for group in sorted(lags)}
