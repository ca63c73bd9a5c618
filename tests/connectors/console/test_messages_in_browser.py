"""The console in German, in a real browser: all of the page, its numbers, its dates, and the way back to English."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from connectors.console.server import STATIC
from tests import factories as make
from tests.connectors.console.in_browser import Console, eventually, text_of, visible, ward_order
from tests.connectors.console.test_browser import course
from tests.connectors.console.test_messages import patterns_of_twins
from tests.twin.alerts.rules.views import nadir, told
from twin import load_model
from twin.alerts.lifecycle import to_alert
from twin.dosing.branches import BranchError, branch
from twin.events import Advice, Alert
from twin.events.outputs.advice import WhatIf
from twin.wording import Said, amount, bare, capital, change, say, share

SHOWN = """
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walk.nextNode()); ) {
      const within = node.parentElement;
      if (within.closest("[lang]").lang === "de" && !within.closest("noscript")) found.push(node.textContent);
    }
    const names = ["aria-label", "title", "placeholder", "data-label", "data-note"];
    for (const name of names)
      for (const each of document.querySelectorAll(`[${name}]:not(.chip, [lang=en])`))
        found.push(each.getAttribute(name));
    return [document.title, ...found];
"""
"""All texts of the page that are said to be German; a chip's title is what the twin said."""

READ_ALL = """
    const done = arguments[arguments.length - 1];
    import(new URL("static/messages.js", location.href)).then(async ({read, worded}) => {
      const patterns = await (await fetch("static/messages/" + arguments[0] + ".json")).json();
      done(Object.entries(patterns).map(([key, pattern]) => [key, worded(read(pattern), arguments[1], arguments[0])]));
    }).catch((error) => done(String(error)));
"""


SAY_ALL = """
    const done = arguments[arguments.length - 1];
    import(new URL("static/said.js", location.href)).then(({inWords}) => {
      done(arguments[0].map((said) => inWords({said, text: "?"}).text));
    }).catch((error) => done(String(error)));
"""

TERMS: dict[str, str | float] = {
    "drug": "docetaxel",
    "output": "neutrophils",
    "name": "neutropenia",
    "target": "docetaxel_auc",
    "n": 3.0,
    "toxicity": "neutropenia_g4",
    "device": "pump_1",
    "p": share(0.62),
    "kind": "lab_result",
    "grade": "4",
}
"""What is put into patterns by its name; for all else stands a quantity."""


def words(text: str) -> set[str]:
    """The words of a text, names of topics left out."""
    return {word.lower() for word in re.findall(r"[A-Za-zÄÖÜäöüß]{3,}", re.sub(r"\w+\.\w+", " ", text))}


def in_language(language: str) -> set[str]:
    """Every word of a message file, outside placeholders."""
    patterns: dict[str, str] = json.loads((STATIC / "messages" / f"{language}.json").read_text())
    return words(re.sub(r"\{\s*\w+\s*(,\s*(plural|select)\s*,|\})", " ", " ".join(patterns.values())))


def choose(page: webdriver.Chrome, **chosen: str) -> None:
    """Choose in the form in the head of the page, which begins again."""
    eventually(lambda: visible(page, "#chosen summary"))
    page.execute_script("document.getElementById('chosen').open = true")  # a page that is loaded again may be open yet
    eventually(lambda: visible(page, "#chosen form button"))
    for name, value in chosen.items():
        Select(page.find_element(By.CSS_SELECTOR, f"#chosen [name='{name.replace('_', '.')}']")).select_by_value(value)
    page.find_element(By.CSS_SELECTOR, "#chosen button").click()


@pytest.fixture
def german(page: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """The page after somebody chose German."""
    choose(page, language="de")
    eventually(lambda: text_of(page, "#ward-title") == "Station")
    yield page
    page.execute_script("localStorage.clear()")


def test_the_german_page_has_no_english_word_of_the_messages_left(german: webdriver.Chrome, console: Console) -> None:
    ended = make.alert("P-1", make.at(9), alert_id="old", phase="end", severity="low")
    standing = make.alert("P-1", make.at(20), text="In grade 4 now", advice="Repeat the count.")
    standing = standing.model_copy(update={"evidence": Alert.example().evidence})
    advice = Advice.example().model_copy(update={"patient_id": "P-1", "time": make.at(40)})
    console.publish(*course(), ended, standing, advice, make.rejected("P-1", detail="value out of range"))
    eventually(lambda: visible(german, '[data-patient="P-1"] .chip'))
    english = in_language("en") - in_language("de") - {"dosetwin", "english"}
    assert {"alerts", "ward", "measured", "forecast"} <= english
    assert text_of(german, "#ward-summary").startswith(
        "1 Patient, 1 braucht jetzt jemanden, 1 davon dringend · Stationszeit 4. März 2026"
    )
    assert text_of(german, '[data-patient="P-1"] [data-column="concentration"]').startswith("1,8 mg/L")
    assert "Neutropenie Grad 4: Neutrophile" in text_of(german, '[data-patient="P-1"] .chip')
    assert [text for text in german.execute_script(SHOWN) if words(text) & english] == []
    german.get(f"{console.address}/#patient/P-1")
    eventually(lambda: visible(german, "#advised article") and visible(german, "#measured-rows tr"))
    assert german.execute_script("return document.documentElement.lang") == "de"
    assert [text for text in german.execute_script(SHOWN) if words(text) & english] == []
    assert "Blutbild vor dem Nadir wiederholen" in text_of(german, "#alerts .advice"), "what to check, by the rule"
    said = german.find_element(By.CSS_SELECTOR, "#alerts li.high p[lang=en]")
    assert said.text == "In grade 4 now", "what the twin says stays as it was said, and screen readers are told so"


def test_alerts_and_reasons_are_told_in_the_language_of_the_page(german: webdriver.Chrome, console: Console) -> None:
    (raised,) = [one for one in told([nadir(0, 0.9)]) if one.rule == "tox.neutropenia_g4"]
    names = {"model": make.MODEL, "model_hash": make.MODEL_HASH, "rules_hash": "0" * 16}
    alert = to_alert(raised, 0, patient_id="P-1", **names)
    console.publish(*course(hours=2), alert, refused_beside_a_note())
    german.get(f"{console.address}/#patient/P-1")
    eventually(lambda: visible(german, "#advised article") and visible(german, "#alerts li.high, #alerts li.medium"))
    said = german.find_element(By.CSS_SELECTOR, "#alerts li p:nth-child(2)")
    assert alert.text.startswith("Grade 4 neutropenia with probability 90% within"), "as subscribers get it"
    assert said.text.startswith("Neutropenie Grad 4 mit einer Wahrscheinlichkeit von 90 % innerhalb von")
    assert not said.get_attribute("lang")
    reason = text_of(german, "#advised article p")
    assert reason == "Die größte erlaubte Dosis, die P(Neutropenie g4) höchstens 25 % einhält."
    note = german.find_element(By.CSS_SELECTOR, "#advised article p:nth-of-type(2)")
    assert note.text.startswith("Keine Dosis docetaxel ist geplant:")
    assert not note.get_attribute("lang")
    assert "„mg“ ist keine Einheit dafür (Zeit); eine wie „h“ schreiben" in text_of(
        german, "#advised .withheld li:last-child"
    )


def refused_beside_a_note() -> Advice:
    """Advice on what is usual, with a what-if that cannot be followed."""
    with pytest.raises(BranchError) as refused:
        branch("delay docetaxel 7 mg", load_model("docetaxel_ozawa2007"), 0)
    why: Said = refused.value.args[0]
    note = say("dose.comes_again", patterns_of_twins()["dose.comes_again"], drug="docetaxel")
    words = WhatIf(words="delay docetaxel 7 mg", problem=str(why), said=why.wording)
    example = Advice.example()
    changes = {"note": str(note), "note_said": note.wording, "branches": (*example.branches, words)}
    return example.model_copy(update={"patient_id": "P-1", "time": make.at(40), **changes})


@pytest.mark.usefixtures("console")
def test_every_text_of_a_twin_is_the_same_on_the_english_page_and_has_its_german_words(page: webdriver.Chrome) -> None:
    units = ("10*9/L", "mm[Hg]", "mg.h/L", "Cel", "d", "1", "ug/L", "umol/L", "mg/h", "ms")
    numbers = [amount(figure, unit) for unit in units for figure in ("0.45", "1234", "0.00123", "-2.5", "7")]
    samples = [
        *numbers,
        *map(share, (0.0, 0.618, 1.0)),
        *map(change, (0.25, -0.1)),
        capital("grade 4"),
        bare("2.5", "h"),
    ]
    for key, pattern in patterns_of_twins().items():
        terms = {name: TERMS.get(name, amount("2.5", "mg/L")) for name in re.findall(r"{(\w+)}", pattern)}
        samples.append(say(key, pattern, **terms))
    sent = [msgspec.to_builtins(one.wording) for one in samples]
    assert page.execute_async_script(SAY_ALL, sent) == [str(one) for one in samples]
    choose(page, language="de")
    eventually(lambda: text_of(page, "#ward-title") == "Station")
    try:
        in_german = page.execute_async_script(SAY_ALL, sent)
    finally:
        page.execute_script("localStorage.clear()")
    assert "?" not in in_german
    assert in_german[: len(numbers)] == [str(one).replace(".", ",") for one in numbers]
    assert len(in_german) == len(samples)


def test_the_page_begins_in_the_language_of_the_browser_and_keeps_what_was_chosen(
    page: webdriver.Chrome, console: Console
) -> None:
    console.publish(make.estimate("P-1"))
    page.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": "any", "acceptLanguage": "fr-FR,de-AT,en"})
    try:
        page.refresh()
        eventually(lambda: ward_order(page) == ["P-1"] and text_of(page, "#ward-title") == "Station")
        choose(page, language="en")
        eventually(lambda: text_of(page, "#ward-title") == "Ward")
        page.refresh()
        eventually(lambda: text_of(page, "#ward-title") == "Ward")
    finally:
        page.execute_script("localStorage.clear()")
        agent = page.execute_cdp_cmd("Browser.getVersion", {})["userAgent"]
        page.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": ""})


def test_every_pattern_can_be_read_and_speaks_of_one_and_of_many(page: webdriver.Chrome) -> None:
    for language in ("en", "de"):
        for n, begun in ((1, ("1 patient,", "1 Patient,")), (1200, ("1,200 patients,", "1.200 Patienten,"))):
            values = {"patients": n, "n": n, "side": "above", "alarmed": 2, "limit": "5 mg/L"}
            told = page.execute_async_script(READ_ALL, language, values)
            assert isinstance(told, list), told
            said = dict(told)
            assert said["ward.summary"].startswith(begun)
            assert not [text for text in said.values() if re.search(r"[{}#]", text)]
        assert said["grounds.limit"] in ("limit 5 mg/L, not above", "Grenze 5 mg/L, nicht darüber")
