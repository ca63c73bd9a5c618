"""The page for whoever sets a subscriber up keeps its word: commands are accepted, its receiver proves a message."""

from __future__ import annotations

import re
import shlex
import time
from typing import Any

import pytest
from typer.main import get_command

from connectors.alert_filter import FilterSettings
from connectors.settings import load_settings
from connectors.sinks import sinks
from connectors.sinks.subscribers.webhook import payload
from connectors.sinks.telling.message import Message
from connectors.webhooks import keys_of, new_secret, signed
from streams.cli import app
from tests import factories as make
from tests.places import ROOT

PAGE = (ROOT / "docs" / "subscribers.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^dosetwin (sink .*)$", PAGE, re.MULTILINE)


def options(words: list[str]) -> dict[str, Any]:
    """What the command line makes of a command's words."""
    command: Any = get_command(app)
    context = command.make_context("dosetwin", words.copy())
    while hasattr(command, "resolve_command"):
        _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(command.name, words.copy(), parent=context)
    return dict(context.params)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_accepted_with_its_settings(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_WEBHOOK_SECRET", new_secret())
    _, name, *words = shlex.split(command)
    sink = sinks().named(name)
    assert sink is not None
    given = options(["sink", name, *words])
    fields = sink.offer.Settings.model_fields
    assert load_settings(sink.offer.Settings, **{field: given[field] for field in fields if field in given})


def test_every_subscriber_is_on_the_page() -> None:
    subscribers = {sink.SINK for sink in sinks().offers if issubclass(sink.Settings, FilterSettings)}
    assert {command.split()[1] for command in COMMANDS} == subscribers


def test_the_receiver_of_the_page_proves_a_message() -> None:
    code = re.search(r"```python\n# receiver.py\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    there: dict[str, Any] = {}
    exec(code[1], there)
    secret, alert = new_secret(), make.alert()
    body = payload(Message((alert,)))
    headers = signed(keys_of(secret), alert.event_id, int(time.time()), body)
    assert there["alert_of"](body, headers, secret)["event_id"] == alert.event_id
    with pytest.raises(Exception, match="No matching signature"):
        there["alert_of"](body + b" ", headers, secret)
