"""Those who read topics beside the workers: sinks, the stage of devices that do not know their patient, and whoever
keeps the chain of what was said of alerts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from connectors.alert_filter import FilterSettings
from connectors.audit.keeping import chain_state
from connectors.kafka.group_lags import GroupLag, group_lags
from connectors.kafka.heartbeats import any_waits
from connectors.kafka.topics import ALERTS, DEVICES
from connectors.settings import Settings, SettingsError, load_settings
from connectors.sinks import sinks
from connectors.sinks.lags import sink_lags
from streams.devices.stage import group_of
from streams.doctor.finding import Finding

AUDIT_SECONDS = 3.0
"""Whoever keeps the chain goes on with it within such a time."""

BEHIND_SECONDS = 300.0
"""A reader whose oldest waiting record is older keeps up no more; Grafana's rule for sinks says so too."""


def check_sinks(settings: Settings) -> Iterator[Finding]:
    """Does every sink that ever read these topics still do, and keep up, and did every subscriber that is set up?"""
    lags = sink_lags(settings)
    for name, wrong in _set_up().items():
        if wrong:
            yield Finding(f"sink {name}", wrong, "change or unset the variable named")
        elif name not in lags:
            yield Finding(f"sink {name}", "is set up and never ran", f"start it with 'dosetwin sink {name}'")
    for name, lag in lags.items():
        mend = f"start it with 'dosetwin sink {name}': the broker keeps what it has not read"
        yield _judged(
            f"sink {name}", lag, mend, "its /readyz and its log say why: what it writes to is away, slow or full"
        )


def _set_up() -> dict[str, str]:
    """Subscribers to alerts that the environment sets up, each with what is wrong with its settings.

    It does where it has one of those that must be set; others may be of more than one part.
    """
    found = {}
    for sink in sinks().offers:
        fields = sink.Settings.model_fields
        decide = [name for name, field in fields.items() if field.is_required()] or list(fields)
        named = any(os.environ.get(sink.Settings.variable(name)) for name in decide)
        if not named or not issubclass(sink.Settings, FilterSettings):
            continue
        found[sink.SINK] = ""
        try:
            load_settings(sink.Settings)
        except SettingsError as error:
            found[sink.SINK] = str(error)
    return found


def check_devices(settings: Settings) -> Iterator[Finding]:
    """Does somebody give what devices say to the patients to whom they are bound?"""
    start = "start it with 'dosetwin devices run'"
    topic, group = settings.topic_prefix + DEVICES, group_of(settings)
    lag = group_lags(settings.kafka, {group: [topic]}).get(group)
    if lag is not None:
        yield _judged(
            "devices", lag, f"{start}: what devices said waits", "its log says why, or it needs more processes"
        )
    elif any_waits(settings.kafka, [topic]):
        yield Finding("devices", "what devices said waits, and nobody ever read it", start)


def check_audit(settings: Settings, pause: Callable[[float], object] = time.sleep) -> Iterator[Finding]:
    """Is there a chain of what was said of alerts, does it hold, and does somebody go on with it?"""
    start = "start it with 'dosetwin audit run'"
    topic = settings.topic_prefix + ALERTS
    before = chain_state(settings)
    if before is None:
        told = any_waits(settings.kafka, [topic])
        yield Finding("audit chain", "is not kept", f"{start}: alerts were told" if told else "")
        return
    state = before
    if before.waiting:
        pause(AUDIT_SECONDS)
        state = chain_state(settings) or before
    seen = f"{state.links} links"
    if state.faults:
        first = f"{seen}, {len(state.faults)} faults, the first: {state.faults[0]}"
        yield Finding("audit chain", first, "'dosetwin audit verify' names them all; keep both topics as they are")
    elif state.waiting and state.links == before.links:
        yield Finding("audit chain", f"{seen}, it holds, but {state.waiting} records are not told of", start)
    else:
        yield Finding("audit chain", f"{seen}, it holds" + (", it catches up" if state.waiting else ""))


def _judged(subject: str, lag: GroupLag, start: str, wait: str) -> Finding:
    seen = "runs" if lag.running else "does not run"
    if not lag.records:
        return Finding(subject, f"{seen}, nothing waits")
    seen += f", {lag.records} records wait, the oldest for {lag.behind_seconds:.0f} s"
    return Finding(subject, seen, start if not lag.running else wait if lag.behind_seconds > BEHIND_SECONDS else "")
