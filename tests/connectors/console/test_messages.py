"""Message files: every text of the console in every language, and no text beside them."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from itertools import chain
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import twin
from connectors.access.roles import MAY, Deed
from connectors.console.server import STATIC
from tests.connectors.console.literals import Page, literals
from twin.alerts.rules import rules
from twin.dosing import published
from twin.events import INPUT_EVENTS, Advice, Alert, kind_of
from twin.events.outputs.advice import AdviceCause
from twin.events.outputs.alert import Action, AlertPhase, AlertState
from twin.events.outputs.evidence import Freshness

LANGUAGES = sorted(path.stem for path in (STATIC / "messages").glob("*.json"))
SCRIPTS = {path.name: path.read_text() for path in sorted(STATIC.glob("*.js"))}
PAGES = {path.name: path.read_text() for path in sorted(STATIC.glob("*.html"))}

PLACEHOLDER = re.compile(r"\{\s*(\w+)\s*(?:\}|,\s*(\w+)\s*,)")
KEY = re.compile(r"\btext(?:Or)?\(\s*(?:[^\"`()]*\? )?\"([\w. ]+)\"(?: : \"([\w. ]+)\")?")
FIELD = re.compile(r"\bfield\(\"([\w.]+)\"")
FAMILY = re.compile(r"\btext(?:Or)?\(`([\w.]+?)\$\{")

WORDS = re.compile(r"[A-Za-z]{2,}[ ,:]+[A-Za-z]{2,}|^[A-Z][a-z]+")
WORD_BESIDE = re.compile(r"(^|[ (])[A-Za-z]{2,}([ ),.]|$)")

CODE = {
    "advice.js": {"advised "},
    "act.js": {"Enter", "Escape"},
    "cells.js": {"chip ", "gauge plain", "line late"},
    "choices.js": {"Escape"},
    "charts.js": {"12px system-ui, sans-serif", "px system-ui, sans-serif"},
    "console.js": {
        *("npm run --prefix connectors/console vendor", " · dosetwin", "Escape"),
        *("(prefers-color-scheme: dark)", "(prefers-contrast: more)"),
    },
    "dom.js": {"mark ", "interval ", "tick "},
    "format.js": {"Cel"},
    "grounds.js": {"dosetwin explain"},
    "inbox.js": {"ArrowDown", "ArrowUp", "End", "Escape", "Home"},
    "messages.js": {'a "}" too many in ', "no placeholder at ", " in ", 'no end, or no "other", of '},
    "parameters.js": {"gauge triple", "plain wraps"},
    "plots.js": {"middle limit-text", "line way-"},
    "question.js": {"Escape"},
    "text.js": {"English", "Deutsch"},
    "whatif.js": {
        *(f"give {drug}" for drug in ("pegfilgrastim 6 mg sc in 24 h", "filgrastim 0.3 mg sc in 24 h")),
        *("give glucarpidase 5.19 mg iv in 1 h", "input:checked", "advised foreseen"),
        *("stop ", "slow ", "extend ", "skip ", "delay ", "scale "),
    },
}
"""What looks like a text and is none: keys, classes and selectors, what is typed or sent as it stands, faults of
programmers, and what languages call themselves."""


@cache
def messages(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((STATIC / "messages" / f"{language}.json").read_text())
    return found


def placeholders(pattern: str) -> set[tuple[str, str]]:
    return set(PLACEHOLDER.findall(pattern))


def test_there_is_english_and_german() -> None:
    assert LANGUAGES == ["de", "en"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_in_every_language_in_one_order_and_with_the_same_placeholders(language: str) -> None:
    english = messages("en")
    assert list(messages(language)) == list(english), "the same keys at the same places in every file"
    for key, pattern in messages(language).items():
        assert pattern.strip(), key
        assert placeholders(pattern) == placeholders(english[key]), f"{language} {key}: {pattern}"
        assert pattern.count("{") == pattern.count("}"), f"{language} {key}: {pattern}"


def test_every_rule_has_its_title_and_what_to_check_in_every_language() -> None:
    for rule in rules().offers:
        assert messages("en")[f"rule.{rule.RULE}.title"] == rule.TITLE
        said = getattr(rule, "ADVICE", None)
        if said is not None:
            assert messages("en")[f"rule.{rule.RULE}.check"] == said, "where it changes, it changes in every language"
        for language in LANGUAGES:
            assert messages(language)[f"rule.{rule.RULE}.check"]
    known = {f"rule.{rule.RULE}.{part}" for rule in rules().offers for part in ("title", "check")}
    assert {key for key in messages("en") if key.startswith("rule.")} == known


def patterns_of_twins() -> dict[str, str]:
    """Every pattern that twins say something by (`twin.wording.say`), by its key."""
    found: dict[str, str] = {}
    for path in sorted(Path(twin.__path__[0]).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "say":
                key, pattern = map(ast.literal_eval, call.args)
                assert found.setdefault(key, pattern) == pattern, f"{path}: {key} has two patterns"
    return found | texts_of_published_rules()


def texts_of_published_rules() -> dict[str, str]:
    """What published rules say in words of their own, by the keys of these."""
    tables = [one if isinstance(one, list) else [one] for one in published.rules().values()]
    return {
        f"published.{field}.{rule['id']}": rule[field]
        for rule in chain.from_iterable(tables)
        for field in ("why", "note")
        if field in rule
    }


def test_what_twins_say_is_in_the_message_file_as_they_say_it() -> None:
    patterns = patterns_of_twins()
    assert len(patterns) > 100
    ours = {"share", "change"}
    said = {key.removeprefix("said."): text for key, text in messages("en").items() if key.startswith("said.")}
    assert {key: text for key, text in said.items() if key not in ours} == patterns


def test_whatever_an_event_may_say_in_one_word_has_a_text() -> None:
    said = {
        "severity": get_args(Alert.model_fields["severity"].annotation),
        "state": get_args(AlertState),
        "phase": get_args(AlertPhase),
        "action": get_args(Action),
        "fresh": get_args(get_type_hints(Freshness)["source"]),
        "decision": get_args(get_args(Advice.model_fields["decision"].annotation)[0]),
        "advice": [f"about_{cause}" for cause in get_args(AdviceCause)],
        "event": sorted(map(kind_of, INPUT_EVENTS)),
        "account": [*(f"may_{deed}" for deed in Deed), *(f"role_{role}" for role in MAY)],
    }
    for family, words in said.items():
        assert words, family
        assert {f"{family}.{word}" for word in words} <= set(messages("en"))


def used() -> tuple[set[str], set[str]]:
    """The keys that are asked for by name, and the beginnings of those that are asked for by what an event says."""
    keys, families = set(), {"name.", "ward."}
    for source in SCRIPTS.values():
        keys |= {key for found in KEY.findall(source) for key in found if key} | set(FIELD.findall(source))
        families |= set(FAMILY.findall(source))
    for source in PAGES.values():
        page = Page()
        page.feed(source)
        keys |= set(page.keys)
    return keys, families


def test_no_text_is_asked_for_that_is_not_there_and_none_is_there_that_nobody_asks_for() -> None:
    keys, families = used()
    assert keys - set(messages("en")) == set()
    for family in families:
        assert any(key.startswith(family) for key in messages("en")), family
    assert [key for key in messages("en") if key not in keys and not key.startswith(tuple(families))] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_text_beside_its_messages(name: str) -> None:
    page = Page()
    page.feed(PAGES[name])
    assert set(page.texts) == {"dosetwin"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_no_text_beside_the_messages(name: str) -> None:
    found = {
        one.text
        for one in literals(SCRIPTS[name])
        if WORDS.search(one.text) or (one.part and " " in one.text and WORD_BESIDE.search(one.text))
    }
    assert found - CODE.get(name, set()) == set(), "texts belong into messages/*.json; what is code, into CODE here"
    assert CODE.get(name, set()) - found == set(), "is not there any more"
    assert not re.search(r"""\b(?:text|title|placeholder|"aria-label"): ["`][^"`$]*[A-Za-z]""", SCRIPTS[name])


def test_a_style_sheet_says_nothing() -> None:
    assert not re.search(r'content:[^;"]*"[^";]*[A-Za-z]', (STATIC / "console.css").read_text())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('f("a b") // "c d"', ["a b"]),
        ('x.replace(/"/g, \'it "is"\')', ['it "is"']),
        ('`now ${n > 1 ? `${n} values` : "one"} old`', ["now ", "", " values", "one", " old"]),
        ('a / 2 + "x y" / 3; return /[/"]/.test(s)', ["x y"]),
        ("/* `no` */ `plain`", ["plain"]),
    ],
)
def test_every_string_of_a_script_is_found(source: str, found: list[str]) -> None:
    assert [one.text for one in literals(source)] == found


def test_a_text_beside_the_messages_would_be_found() -> None:
    assert WORDS.search("No alert stands.")
    assert WORDS.search("Unshelve")
    assert WORD_BESIDE.search(" ago")
    page = Page()
    page.feed('<p title="a title">text</p><noscript>not this</noscript>')
    assert page.texts == ["a title", "text"]


def test_no_message_file_lies_beside_the_room() -> None:
    assert {path.parent for path in Path(STATIC).rglob("*.json") if "vendor" not in path.parts} == {STATIC / "messages"}
