"""Pages of calibration and of a model: whole in themselves, honest about failures, and safe for any text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from connectors.reports.calibration import calibration_page, index_page
from connectors.reports.drawing import drawing, svg
from connectors.reports.examination import examination_page, examination_record
from tests.twin.bedside import count, dose
from tests.twin.toys import LEVELS
from twin.kernel.kernel import compile_model
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model
from twin.study.calibration import COVERAGE, Calibration, Counted, Foreseen, Uniform
from twin.study.design import design
from twin.study.examination import examine
from twin.study.population import outlooks
from twin.study.records import record_of
from twin.study.uniformity import p_value

pytestmark = pytest.mark.slow

TOY = parse_model(LEVELS, "toy.toml")
EVEN = (np.arange(60) + 0.5) / 60


def uniform(name: str, values: np.ndarray) -> Uniform:
    return Uniform(name, tuple(values.tolist()), p_value(values))


def verdict(pit: np.ndarray = EVEN) -> Calibration:
    coverage = tuple(Counted(level, level - 0.01, level - 0.05, level + 0.04) for level in COVERAGE)
    foreseen = tuple(
        Foreseen(o.name, o.unit, 60, coverage, 0.1, 0.12, o.error.kind == "log_additive", 1 / 6, 0.1, 0.2)
        for o in TOY.outputs
    )
    ranks = tuple(uniform(name, EVEN) for name in (*TOY.eta_names, "log-likelihood"))
    pits = tuple(uniform(o.name, pit) for o in TOY.outputs)
    passed = all(one.p_value >= 0.0016 for one in pits)
    return Calibration(
        TOY.id, TOY.hash, TOY.title, 60, 1000, ranks, pits, foreseen, 0.0016, passed, (0.5, 0.8), (2.0, 90.0)
    )


class Elements(HTMLParser):
    """What a page is made of: tags that are open and closed in order, and addresses it would ask."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.asked: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.asked += [
            v or "" for k, v in attrs if k in ("src", "href", "xlink:href") and not (v or "").startswith("#")
        ]
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.remove(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def whole(text: str) -> Elements:
    """A page that is well formed, has no script, and asks nothing of anybody but its own folder."""
    page = Elements(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & set(page.seen)
    assert [address for address in page.asked if not re.fullmatch(r"[\w.-]+\.html", address)] == []
    assert "url(http" not in text
    return page


def shown(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.fixture(scope="module")
def page() -> str:
    kernel = compile_model(TOY)
    return calibration_page(verdict(), TOY, design(kernel), outlooks(kernel))


def test_a_calibration_page_is_whole_and_says_everything(page: str) -> None:
    assert whole(page).seen.count("svg") == 4
    text = shown(page)
    for word in (TOY.title, TOY.hash, *TOY.eta_names, "log-likelihood", "toxin_plasma", "marker", "Talts et al. 2018"):
        assert word in text
    assert "calibrated Of 60 patients simulated" in text
    assert "not calibrated" not in text
    assert "at most 1 %" in text
    assert "168, 336, 504" in text, "when the marker is measured"


def test_the_same_verdict_gives_the_same_page(page: str) -> None:
    kernel = compile_model(TOY)
    assert calibration_page(verdict(), TOY, design(kernel), outlooks(kernel)) == page


def test_a_failure_is_named() -> None:
    kernel = compile_model(TOY)
    failed = verdict(EVEN**2)
    assert not failed.passed
    text = shown(calibration_page(failed, TOY, design(kernel), outlooks(kernel)))
    assert "not calibrated Of 60 patients" in text
    assert "toxin_plasma , marker are not uniform" in text


def test_the_index_leads_to_every_page_and_names_who_is_missing() -> None:
    other = replace(verdict(EVEN**2), model="other_model")
    text = index_page([verdict(), other], [("third", "ValueError: <cannot> be solved")])
    assert set(whole(text).asked) == {"toy_levels.html", "other_model.html"}
    words = shown(text)
    assert "toy_levels calibrated 60" in words
    assert "other_model not calibrated 60" in words
    assert "&lt;cannot&gt; be solved" in text


def test_any_title_is_shown_as_text() -> None:
    odd = replace(verdict(), title='<script>alert("x")</script> & co')
    kernel = compile_model(TOY)
    text = calibration_page(odd, TOY, design(kernel), outlooks(kernel))
    whole(text)
    assert "&lt;script&gt;" in text


def test_a_patient_who_drifts_is_shown_with_what_was_expected_of_each_value() -> None:
    model = load_model("mercaptopurine_jost2020")
    events = [*(dose(24 * day, 17.5, drug="mercaptopurine", route="oral") for day in range(30))]
    counts = [count(24 * day, value) for day, value in ((0, 2.5), (7, 2.1), (20, 1.4), (29, 1.9))]
    found = examine("P-1", record_of([*events, *counts], model)[0], model, 100)
    text = examination_page(model, [found], 100, "records.csv", 0)
    assert whole(text).seen.count("svg") == 4
    assert "Grey: the 90 % interval of each value just before it was told" in shown(text)
    values = examination_record(model, [found])["patients"][0]["values"]
    assert [value["dv"] for value in values] == [2.5, 2.1, 1.4, 1.9]


def test_a_drawing_is_text_that_can_be_read_and_has_no_ids_of_its_own() -> None:
    with drawing(3, columns=2) as (figure, axes):
        assert len(axes) == 3
        axes[0].plot([0, 1], [1, 2])
        axes[0].set_title("A < B")
        text = svg(figure, 'what "it" shows')
    assert text.startswith('<svg role="img" aria-label="what &#34;it&#34; shows"')
    assert "A &lt; B" in text
    assert "metadata" not in text
    assert re.findall(r' id="[a-z0-9]+_\d+"', text) == []
