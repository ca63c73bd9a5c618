"""The console in a real browser: events on a real Kafka, the page as a person at the ward sees and drives it."""

from __future__ import annotations

import contextlib
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import TopicPartition
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from connectors.kafka.clients import open_consumer, records_to
from connectors.kafka.heartbeats import last_beats
from connectors.kafka.topics import COMMANDS, ensure_topics
from streams.commands.project.doctor import check_workers
from tests import factories as make
from tests.connectors.console.in_browser import (
    Console,
    eventually,
    inked,
    resize,
    start_console,
    stop_console,
    text_of,
    visible,
    ward_order,
)
from tests.streams.worker.stage import Stage, WorkerProcess, enrolment, lab
from twin.events import Alert, AlertAction, AlertHandling, OutputEvent, decode


def course(patient_id: str = "P-1", hours: int = 48) -> list[OutputEvent]:
    """Two days of a patient: hourly estimates, two counts, a forecast of three weeks."""
    estimates = [make.estimate(patient_id, make.at(hour)) for hour in range(hours + 1)]
    counts = [make.prediction(patient_id, make.at(hour), observed=3.9) for hour in (10, 40)]
    ahead = make.forecast(patient_id, make.at(hours), hours=tuple(range(6, 504, 6)))
    return [*estimates, *counts, ahead]


def test_a_new_alert_becomes_visible_and_a_resolved_one_goes(page: webdriver.Chrome, console: Console) -> None:
    assert "never commands a pump" in text_of(page, "header .intent")
    assert visible(page, "#ward-empty")
    console.publish(make.estimate("P-1"), make.estimate("P-2"))
    eventually(lambda: ward_order(page) == ["P-1", "P-2"])
    console.publish(make.alert("P-2", rule="tox.neutropenia_g4", severity="high", probability=0.62))
    eventually(lambda: visible(page, '[data-patient="P-2"] .chip.high'))
    assert text_of(page, '[data-patient="P-2"] .chip') == "▲Neutropenia grade 4: neutrophils 62 %"
    assert ward_order(page) == ["P-2", "P-1"]
    assert "P-2: Neutropenia grade 4: neutrophils begun" in (
        page.find_element(By.ID, "announce").get_attribute("textContent") or ""
    )
    cleared = make.alert("P-2", make.at(5), severity="high", phase="end", revision=1, onset=make.at(0))
    console.publish(cleared)
    eventually(lambda: not page.find_elements(By.CSS_SELECTOR, ".chip.high"))
    eventually(lambda: ward_order(page) == ["P-1", "P-2"])


def test_a_ward_line_says_what_the_twin_says(page: webdriver.Chrome, console: Console) -> None:
    console.publish(*course(), make.alert("P-1", rule="delivery.underinfusion", severity="medium", probability=None))
    line = '[data-patient="P-1"]'
    eventually(lambda: text_of(page, f'{line} [data-label="P(grade 4)"]') == "40 %")
    eventually(lambda: "Under-infusion: docetaxel" in text_of(page, f"{line} .chip.medium"))
    assert text_of(page, f'{line} [data-label="Delivered rate"]').split("\n") == [
        "96 mg/h",
        "docetaxel, 48 mg in all",
        "▼ below plan",
    ]
    assert text_of(page, f'{line} [data-label="Concentration"]').startswith("1.8 mg/L")
    assert text_of(page, f'{line} [data-label="Count now"]').startswith("4.2 ×10⁹/L")
    assert "35 % above 3–5" in text_of(page, f'{line} [data-label="Exposure at end"]')
    assert text_of(page, f'{line} [data-label="Nadir ahead"]').startswith("0.6 in 8 d")
    assert text_of(page, f'{line} [data-label="Last measured"]') == "3.9 ×10⁹/L\nneutrophils, 8 h ago"


def test_a_patient_is_drawn_and_followed(page: webdriver.Chrome, console: Console) -> None:
    alert = make.alert("P-1", make.at(20), text="Neutrophils below 0.5 with probability 0.62")
    console.publish(*course(), alert)
    eventually(lambda: visible(page, '[data-patient="P-1"] .chip'))
    page.find_element(By.CSS_SELECTOR, '[data-patient="P-1"] [data-label="Count now"]').click()
    eventually(lambda: text_of(page, "#patient-title") == "P-1")
    for chart in ("level:docetaxel_plasma", "level:neutrophils", "exposure:docetaxel_auc"):
        eventually(lambda chart=chart: inked(page, chart)["blue"] > 2000)
    eventually(lambda: inked(page, "delivery")["blue"] > 500)
    assert "probability 0.62" in text_of(page, "#alerts li.high")
    assert "within 7 d" in text_of(page, "#alerts li.high")
    assert len(visible(page, "#measured-rows tr")) == 2
    assert [row.split()[0] for row in visible(page, "#parameter-rows tr")] == ["CL", "MTT"]
    assert not {"not known", "population"} & set(" ".join(visible(page, "#parameter-rows")).split("\n"))

    before = inked(page, "level:neutrophils")
    collapse = make.band("neutrophils", "10*9/L", 0.9)
    console.publish(make.estimate("P-1", make.at(60), outputs=(make.band("docetaxel_plasma", "mg/L", 0.4), collapse)))
    eventually(lambda: "now 0.9" in text_of(page, "figure:nth-child(2) .readout"))
    assert inked(page, "level:neutrophils") != before
    updated = make.alert("P-1", make.at(61), phase="update", revision=1, onset=make.at(20), text="now 0.9 likely")
    updated = updated.model_copy(update={"evidence": Alert.example().evidence})
    console.publish(updated)
    eventually(lambda: "now 0.9 likely" in text_of(page, "#alerts li.high"))
    page.find_element(By.CSS_SELECTOR, "#alerts .history summary").click()
    assert len(visible(page, "#alerts ol li")) == 2
    page.find_element(By.CSS_SELECTOR, "#alerts .grounds summary").click()
    rests_on = text_of(page, "#alerts .grounds dl").replace("\u00a0", " ")
    for words in ("62 % ± 1.6 % by chance", "raised above 35 % by 3 %", "limit 0.5", "lab result of neutrophils"):
        assert words in rests_on
    console.publish(make.alert("P-1", make.at(70), state="withdrawn", revision=2, onset=make.at(20)))
    eventually(lambda: text_of(page, "#ended-summary") == "1 ended alert")
    page.find_element(By.ID, "ended-summary").click()
    eventually(lambda: visible(page, '#ended-alerts li.ended[data-state="withdrawn"]'))
    assert len(visible(page, "#ended-alerts ol li")) == 3, "the opened history stays open"


def test_a_patient_links_to_its_board_by_the_pseudonym_alone(page: webdriver.Chrome, console: Console) -> None:
    console.publish(make.estimate("P-1"), make.forecast("P-1"))
    page.get(f"{console.address}#patient/P-1")
    address = "http://boards.example/grafana/d/dosetwin-patient?var-patient=P-1"
    eventually(lambda: page.find_element("id", "patient-boards").get_attribute("href") == address)
    assert visible(page, "#patient-boards") == ["Boards in Grafana"]


def test_what_stands_is_told_with_its_age_and_what_ended_is_folded_away(
    page: webdriver.Chrome, console: Console
) -> None:
    over = [make.alert("P-1", make.at(9), alert_id=f"old-{n}", phase="end", severity="low") for n in range(3)]
    standing = make.alert("P-1", make.at(20), freshness_hours=1.0, text="In grade 4 now")
    console.publish(*course(), *over, standing)
    eventually(lambda: visible(page, '[data-patient="P-1"] .chip'))
    page.get(f"{console.address}/#patient/P-1")
    eventually(lambda: visible(page, "#alerts li.high"))
    assert "newest data behind it 29 h old" in text_of(page, "#alerts li.high"), "1 h when it was told, 28 h ago"
    assert "(28 h ago)" in text_of(page, "#alerts li.high")
    assert len(visible(page, "#alerts li.high")) == 1
    assert text_of(page, "#ended-summary") == "3 ended alerts"
    assert visible(page, "#ended-alerts li.ended") == []
    page.find_element(By.ID, "ended-summary").click()
    eventually(lambda: len(visible(page, "#ended-alerts > li.ended")) == 3)


def test_twins_whose_worker_is_killed_say_so_within_five_seconds(
    browser: webdriver.Chrome, kafka: str, tmp_path: Path
) -> None:
    stage = Stage(kafka)
    stage.play([enrolment("P-1"), lab("P-1", 1)])
    console = start_console(kafka, stage.prefix)
    try:
        with WorkerProcess(stage, tmp_path / "worker.log") as worker:
            browser.get(f"{console.address}/#patient/P-1")
            eventually(lambda: text_of(browser, "#patient-title") == "P-1")
            eventually(lambda: text_of(browser, "#link-text").startswith("live"), seconds=60)
            assert visible(browser, "#pulse") == []
            (beat, age), *_ = last_beats(kafka, stage.prefix)
            assert (beat.worker, beat.state, beat.partitions) == ("one", "live", stage.partitions)
            assert age < 10
            worker.kill()
        killed = time.monotonic()
        eventually(lambda: "No word of the worker of this twin" in text_of(browser, "#pulse"))
        assert time.monotonic() - killed < 5.0
        assert text_of(browser, "#link-text").startswith("twins not live")
        assert next(iter(check_workers(stage.settings))).subject == "partition 0"
        with WorkerProcess(stage, tmp_path / "worker.log") as worker:
            eventually(lambda: text_of(browser, "#link-text").startswith("live"), seconds=60)
            assert worker.stop() == 0
        eventually(lambda: "The worker of this twin stopped" in text_of(browser, "#pulse"))
        assert {beat.state for beat, _ in last_beats(kafka, stage.prefix)} == {"stopped"}
        assert all(finding.mend for finding in check_workers(stage.settings))
    finally:
        browser.get("about:blank")
        assert stop_console(console) == 0
        stage.close()


def test_scales_and_spans_redraw_the_charts(page: webdriver.Chrome, console: Console) -> None:
    console.publish(*course())
    eventually(lambda: ward_order(page) == ["P-1"])
    page.get(f"{console.address}/#patient/P-1")
    eventually(lambda: inked(page, "level:neutrophils")["blue"] > 2000)
    ten_days = inked(page, "level:neutrophils")
    page.find_element(By.CSS_SELECTOR, '#spans input[value="24 h"]').click()
    eventually(lambda: inked(page, "level:neutrophils") != ten_days)
    one_day = inked(page, "level:neutrophils")
    page.find_element(By.ID, "log-scale").click()
    eventually(lambda: inked(page, "level:neutrophils") not in (one_day, {"ink": 0, "blue": 0}))
    page.find_element(By.ID, "log-scale").click()
    eventually(lambda: inked(page, "level:neutrophils") == one_day)


def test_the_page_can_be_driven_by_keyboard(page: webdriver.Chrome, console: Console) -> None:
    console.publish(*course("P-1"), *course("P-2"))
    eventually(lambda: ward_order(page) == ["P-1", "P-2"])
    body = page.find_element(By.TAG_NAME, "body")
    reached: list[str] = []
    while "P-1" not in reached and len(reached) < 14:
        (body if page.switch_to.active_element == body else page.switch_to.active_element).send_keys(Keys.TAB)
        reached.append(page.switch_to.active_element.text)
    assert reached[-1] == "P-1", "and all that comes before it is reached too"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    eventually(lambda: text_of(page, "#patient-title") == "P-1")
    assert page.switch_to.active_element.get_attribute("id") == "patient-title"
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    eventually(lambda: visible(page, "#ward-table"))
    assert page.switch_to.active_element.text == "P-1"


def test_an_alert_is_acknowledged_by_keyboard_and_what_others_do_is_shown(
    page: webdriver.Chrome, console: Console
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    alert = make.alert("P-1", now - timedelta(hours=2))
    console.publish(make.estimate("P-1", now - timedelta(hours=1)), alert)
    page.get(f"{console.address}/#patient/P-1")
    eventually(lambda: visible(page, "#alerts .act summary"))
    for _ in range(20):
        if page.switch_to.active_element.text == "Acknowledge, shelve or comment":
            break
        page.switch_to.active_element.send_keys(Keys.TAB)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    eventually(lambda: visible(page, "#alerts .act button[name=acknowledge]"))
    for text in (Keys.TAB + "nurse-7", Keys.TAB + "I see to"):
        page.switch_to.active_element.send_keys(text)
    console.publish(make.estimate("P-1", now))  # a frame that comes meanwhile takes nothing of what is being written
    eventually(lambda: "1 h ago" not in text_of(page, "#patient-summary") and "(2 h ago)" in text_of(page, "#alerts"))
    page.switch_to.active_element.send_keys(" it" + Keys.ENTER)
    eventually(lambda: "Sent." in text_of(page, "#alerts .answer"))
    (word,) = sent_actions(console)
    assert (word.action, word.alert_id) == ("acknowledge", alert.alert_id)
    assert (word.by, word.reason) == ("nurse-7", "I see to it")
    done = AlertHandling("shelve", "doctor-1", now, "count at six", "done 1")
    until = now + timedelta(hours=6)
    shelved = make.alert("P-1", now, revision=1, onset=alert.onset, phase="shelved", shelved_until=until, handled=done)
    console.publish(shelved)
    eventually(lambda: "shelved by doctor-1: count at six" in text_of(page, "#alerts .handled"))
    assert visible(page, "#alerts .act button") == ["Acknowledge", "Comment", "Unshelve", "Take back"]
    assert text_of(page, "#alerts .answer") == ""
    page.find_element(By.CSS_SELECTOR, "#alerts .act [name=reason]").send_keys("the wrong patient")
    page.find_element(By.CSS_SELECTOR, "#alerts .act button[name=retract]").send_keys(Keys.ENTER)
    eventually(lambda: "Sent." in text_of(page, "#alerts .answer"))
    back = next(word for word in sent_actions(console) if word.status == "retracted")
    assert (back.replaces, back.by, back.reason) == ("done 1", "nurse-7", "the wrong patient")
    page.find_element(By.CSS_SELECTOR, "#alerts .act input[name=by]").send_keys(Keys.ESCAPE)
    assert visible(page, "#alerts .act form") == []
    assert page.switch_to.active_element.text == "Acknowledge, shelve or comment"
    assert text_of(page, "#patient-title") == "P-1"


def sent_actions(console: Console) -> list[AlertAction]:
    """What people did, as it stands on the topic of commands."""
    with contextlib.closing(open_consumer(console.kafka)) as consumer:
        name = console.prefix + COMMANDS
        places = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name)]
        words = [decode(record.value) for record in records_to(consumer, consumer.end_offsets(places))]
    return [word for word in words if isinstance(word, AlertAction)]


def test_text_of_events_is_never_markup(page: webdriver.Chrome, console: Console) -> None:
    text = "<img src=x onerror=\"document.title='broken'\"><b>bold</b>"
    console.publish(make.estimate("P-1"), make.alert("P-1", text=text), make.rejected("P-1", detail=text))
    eventually(lambda: visible(page, "#refused"))
    page.find_element(By.ID, "refused-summary").click()
    assert text in text_of(page, "#refused-list")
    page.get(f"{console.address}/#patient/P-1")
    eventually(lambda: text in text_of(page, "#alerts"))
    assert page.title == "P-1 · dosetwin"
    assert page.find_elements(By.CSS_SELECTOR, "main img, main b") == []


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_runs_out_of_the_window(page: webdriver.Chrome, console: Console, width: int) -> None:
    resize(page, width, 800)
    names = ("P-1", "P-" + "long" * 15)
    console.publish(*(event for name in names for event in course(name)), *(make.alert(name) for name in names))
    eventually(lambda: len(visible(page, ".chip")) == 2)
    beyond = """
        const width = document.documentElement.clientWidth;
        return [...document.querySelectorAll("body *")].filter(each => each.getBoundingClientRect().right > width + 1
          && !each.closest("table.plain, .unseen")).map(each => each.outerHTML.slice(0, 80));
    """
    assert page.execute_script(beyond) == []
    for name in names:
        page.get(f"{console.address}/#patient/{name}")
        eventually(lambda: inked(page, "level:neutrophils")["blue"] > 500)
        assert page.execute_script(beyond) == []


def test_a_patient_opened_before_its_twin_spoke_appears_when_it_does(page: webdriver.Chrome, console: Console) -> None:
    page.get(f"{console.address}/#patient/%E0%A4%A")  # an address that was cut short names nobody
    eventually(lambda: visible(page, "#ward"))
    page.get(f"{console.address}/#patient/P-9")
    eventually(lambda: "nothing is known of patient P-9 yet" in text_of(page, "#patient-absent"))
    console.publish(*course("P-9"))
    eventually(lambda: inked(page, "level:neutrophils")["blue"] > 2000)
    assert not visible(page, "#patient-absent")


def test_the_dark_page_is_dark_and_its_charts_are_drawn_for_it(page: webdriver.Chrome, console: Console) -> None:
    console.publish(*course())
    eventually(lambda: ward_order(page) == ["P-1"])
    page.get(f"{console.address}/#patient/P-1")
    eventually(lambda: inked(page, "level:neutrophils")["blue"] > 2000)
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = page.execute_script(ground)
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": dark})
    try:
        assert page.execute_script(ground) != light
        eventually(lambda: inked(page, "level:neutrophils")["blue"] > 2000)
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_page_says_when_the_console_is_gone_and_finds_it_again(browser: webdriver.Chrome, kafka: str) -> None:
    prefix = f"b{uuid.uuid4().hex[:8]}."
    ensure_topics(kafka, prefix)
    first = start_console(kafka, prefix)
    first.publish(make.estimate("P-1"))
    resize(browser, 1280, 900)
    browser.get(first.address)
    eventually(lambda: ward_order(browser) == ["P-1"])
    began = time.monotonic()
    assert stop_console(first) == 0
    assert time.monotonic() - began < 6, "an open page held up the end"
    eventually(lambda: text_of(browser, "#link-text").startswith("reconnecting"))
    eventually(lambda: "may be old" in text_of(browser, "#banner"))
    assert ward_order(browser) == ["P-1"], "what was known stays in sight"
    first.publish(make.estimate("P-2", make.at(0) + timedelta(hours=1)))
    second = start_console(kafka, prefix, port=int(first.address.rpartition(":")[2]))
    try:
        eventually(lambda: ward_order(browser) == ["P-1", "P-2"], seconds=40)
        eventually(lambda: text_of(browser, "#link-text").startswith("twins not live"))
        assert not visible(browser, "#banner")
    finally:
        browser.get("about:blank")
        assert stop_console(second) == 0
