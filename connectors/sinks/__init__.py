"""Ways out: what the twins say, written where others look.

In come topics of Kafka. Out go records in outside systems, each written durably before it is acknowledged, a repeat
overwriting itself.

A sink is a module that stands here, or a module that a package names in the entry point group ``dosetwin.sinks``. The
first line of its docstring says what it carries where, and it says of itself:

    SINK = "archive"
    TOPICS = (ESTIMATES, ALERTS)

    class Settings(PartSettings, env_prefix="DOSETWIN_ARCHIVE_"):
        folder: Path = Field(description="where the files go")

    @contextmanager
    def open_writer(settings: Settings, surroundings: connectors.settings.Settings) -> Iterator[Writer]: ...

Its settings come from the environment and, but for secrets, from the options of ``dosetwin sink NAME``. Its writer says
how a record becomes items and how items are written (`connectors.sinks.writer.Writer`); the rest is the same for all.
Those who are told of alerts stand in `connectors.sinks.subscribers`: their settings are a `SubscriberSettings` and
their writer is a `Subscriber`, both of `connectors.sinks.telling`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, cast

from connectors.kafka import topics
from connectors.settings import PREFIX, PartSettings
from connectors.settings import Settings as Surroundings
from connectors.sinks.delivery import Delivery, open_delivery
from connectors.sinks.writer import Writer
from twin.registry import Found, PluginError, attribute, discover

GROUP = "dosetwin.sinks"

SHARED = frozenset({"kafka", "prefix", "metrics_port", "metrics_host", "log_level", "log_format"})
"""Options that every sink has; `streams.commands.live.sink` gives them their meaning."""


class Sink(Protocol):
    """What a sink's module offers."""

    SINK: str
    TOPICS: tuple[str, ...]
    Settings: type[PartSettings]

    def open_writer(self, settings: Any, surroundings: Surroundings, /) -> AbstractContextManager[Writer[Any]]:
        """The outside system, opened with the sink's own settings; it need not be up yet. ``surroundings``: of all."""
        ...


@functools.cache
def sinks() -> Found[Sink]:
    """Every sink, and what offered itself as one and cannot be used."""
    rooms = [__name__, f"{__name__}.subscribers"]
    return discover("sink", _sink, rooms=rooms, group=GROUP, mark="SINK", name_of=lambda sink: sink.SINK)


@contextmanager
def open_sink(sink: Sink, settings: Surroundings, its: PartSettings) -> Iterator[Delivery[Any]]:
    """The delivery of a sink's topics to its system, opened with ``its`` own settings, in its own consumer group.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    with (
        sink.open_writer(its, settings) as writer,
        open_delivery(sink.SINK, sink.TOPICS, writer, settings) as delivery,
    ):
        yield delivery


def _sink(offered: object) -> Sink:
    name = attribute(offered, "SINK", str, "write SINK = 'name'")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise PluginError(f"SINK '{name}' is no name", "write it in small letters, digits and hyphens")
    carried = attribute(offered, "TOPICS", tuple, "write TOPICS = (ESTIMATES, ...)")
    if not carried or set(carried) - set(topics.TOPICS):
        raise PluginError(f"TOPICS {carried} are not some of the topics", f"choose from {', '.join(topics.TOPICS)}")
    settings = attribute(offered, "Settings", type, "write class Settings(PartSettings, env_prefix=...)")
    prefix = f"{PREFIX}{name.replace('-', '_').upper()}_"
    if not issubclass(settings, PartSettings) or settings.model_config.get("env_prefix") != prefix:
        raise PluginError("Settings do not say where they come from", f"write PartSettings, env_prefix='{prefix}'")
    if taken := settings.model_fields.keys() & SHARED:
        raise PluginError(f"Settings have {', '.join(sorted(taken))}, as every sink has", "give them other names")
    if not callable(getattr(offered, "open_writer", None)):
        raise PluginError("has no open_writer(settings, surroundings)", "write a context manager that gives a Writer")
    return cast(Sink, offered)
