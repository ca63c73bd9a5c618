"""Advice as people read it: every probability with its error, and what is beyond a limit marked."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.twin.dosing.patients import counted, infused
from twin.dosing.advice import advise
from twin.dosing.protocol import usual_protocol
from twin.dosing.sampling import next_sample
from twin.dosing.telling import advice_figure, advice_lines, advice_values, branch_lines, sample_lines
from twin.dosing.whatif import what_if


def test_the_table_has_each_alternative_with_its_odds_and_errors() -> None:
    twin = counted()
    advice = advise(twin, None, replace(usual_protocol(twin.model), limits={"neutropenia_g4": 0.1}))
    text = "\n".join(advice_lines(advice))
    for one in advice.alternatives:
        assert one.name in text
    risk = next(t.reached for t in advice.planned.toxicities if t.toxicity.name == "neutropenia_g4")
    assert f"{risk.p:.1%} ± {risk.se:.1%} !" in text
    assert "nothing of this is sent to a device" in text


def test_values_for_machines_are_json_and_say_what_the_table_says() -> None:
    advice = advise(infused(), None, usual_protocol(infused().model))
    values = json.loads(json.dumps(advice_values(advice)))
    assert values["alternatives"][-1]["amount_mg"] == advice.advised.amount
    assert (
        values["alternatives"][0]["exposures"]["fluorouracil_auc"]["in_window"] == advice.planned.exposures[0].within.p
    )


def test_the_figure_has_a_panel_for_each_probability() -> None:
    advice = advise(infused(), None, usual_protocol(infused().model))
    titles = [axis.get_title(loc="left") for axis in advice_figure(advice).axes]
    assert titles == ["P(fluorouracil_auc in its window)", "P(leukopenia_g4)"]


def test_branches_and_samples_have_a_line_each() -> None:
    twin = infused()
    lines = branch_lines(what_if(twin, ["stop fluorouracil"]))
    assert [line.split("  ")[0] for line in lines] == ["branch", "as planned", "stop fluorouracil"]
    assert sample_lines(next_sample(twin, None, usual_protocol(twin.model)))[0].startswith(
        "next sample: fluorouracil_plasma"
    )
    assert "none" in sample_lines(None)[0]
