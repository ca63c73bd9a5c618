"""What a patient's page tells beside its curves: parameters and their meaning, the twin's health, plan and delivery."""

from __future__ import annotations

from selenium import webdriver

from tests import factories as make
from tests.connectors.console.in_browser import Console, barriers, eventually, inked, text_of, visible
from twin.events import DueDose, PlannedByNow, Quantity

PLANNED = {
    make.DRUG: PlannedByNow(rate=Quantity(value=120.0, unit="mg/h"), amount=Quantity(value=60.0, unit="mg")),
}
RATES = {make.DRUG: Quantity(value=96.0, unit="mg/h"), "pegfilgrastim": Quantity(value=0.0, unit="mg/h")}
DUE = {make.DRUG: DueDose(time=make.at(24 * 21), amount=Quantity(value=160.0, unit="mg"))}


def test_a_patients_page_answers_what_is_due_what_a_parameter_means_and_how_far_the_twin_can_be_trusted(
    page: webdriver.Chrome, console: Console
) -> None:
    estimates = [
        make.estimate("P-1", make.at(hour), planned=PLANNED, due=DUE, delivered_rate=RATES, observations=min(hour, 1))
        for hour in range(25)
    ]
    good = [make.prediction("P-1", make.at(hour), observed=4.0, pit=0.1 * hour) for hour in range(1, 6)]
    far = [
        make.prediction("P-1", make.at(hour), output="docetaxel_plasma", observed=9.9, median=1.0, q95=2.0, pit=1.0)
        for hour in range(1, 6)
    ]
    ahead = make.forecast("P-1", make.at(24), hours=tuple(range(6, 240, 6)))
    classes = {"class_probability": {"slow_metaboliser": 0.062, "fast": 0.938}}
    estimates[-1] = estimates[-1].model_copy(update=classes)
    console.publish(*estimates, *good, *far, ahead, make.alert("P-1", make.at(20)))
    page.get(f"{console.address}/#patient/P-1")
    eventually(lambda: inked(page, "delivery")["blue"] > 500)
    facts = text_of(page, "#facts")
    assert "48 mg of 60 planned by now" in facts
    assert "docetaxel due next\n160 mg\nin 20 d, 23 Mar 2026, 08:00" in facts.replace("  ", " ")

    page.find_element("css selector", "#facts").screenshot("/tmp/t21/tidy/facts.png")
    fast, slow = visible(page, "#facts .classes li")
    assert [row.split("\n") for row in (fast, slow)] == [["fast", "94 %"], ["slow metaboliser", "6 %"]]
    widths = page.execute_script(
        "return [...document.querySelectorAll('#facts .classes .gauge')].map((gauge) => {"
        " const bar = gauge.firstChild.getBoundingClientRect(), box = gauge.getBoundingClientRect();"
        " return [bar.width / box.width, box.width, box.left]; })"
    )
    assert [round(share, 2) for share, *_ in widths] == [0.94, 0.06]
    assert widths[0][1:] == widths[1][1:], "the bars of all classes stand under one another"

    clearance, transit = visible(page, "#parameter-rows tr")
    assert "clearance of docetaxel from plasma" in clearance
    assert "35.7 (19–67.2)" in clearance
    assert "of the population" in clearance
    assert "mean transit time through the marrow" in transit

    level, count = visible(page, "#health-rows tr")
    assert "5 of 5" in count
    assert "no sign against it" in count
    assert "0 of 5" in level
    assert "the twin is too sure of itself, or the model does not fit" in level

    page.execute_script("document.getElementById('model-card').open = true")
    eventually(lambda: visible(page, "#model-card-body table"))
    assert "62 Japanese adults" in text_of(page, "#model-card-body")

    page.execute_script("document.querySelectorAll('#ask details').forEach((part) => { part.open = true; })")
    offered = visible(page, "#ask .what-ifs label")
    assert offered[:4] == ["stop docetaxel", "slow docetaxel 0.5", "extend docetaxel 6 h", "skip docetaxel"]
    assert offered[-1] == "give pegfilgrastim 6 mg sc in 24 h"
    assert barriers(page) == []
