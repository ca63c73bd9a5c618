"""The card says who confirms a model, in the list that is printed and on the page."""

from __future__ import annotations

import numpy as np

from connectors.reports.card import card_page
from connectors.reports.facts import UNCONFIRMED, facts
from tests.twin import toys
from tests.twin.population.mixture.mixtures import eliminated
from tests.twin.population.sites.clinics import bolus
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model
from twin.study.population import Outlook

TIMES = np.array([0.0, 1.0])
FLAT = Outlook(0, 0, TIMES, TIMES, TIMES, TIMES, TIMES)


def confirmation(head: str = "", more: str = "") -> tuple[str, ...]:
    """What the card says of the confirmation of a toy."""
    model = parse_model(f"{head}\n{toys.BOLUS}\n{more}", "toy.toml")
    (section,) = [section for section in facts(model) if section.title.startswith("Confirmed")]
    for line in section.lines:
        assert line.replace("'", "&#39;") in card_page(model, [FLAT])
    return section.lines


def test_the_card_names_who_confirms_the_model() -> None:
    told = '[[confirmed_by]]\ncitation = "a deposit"\ncovers = "numbers and structure"\nurl = "https://x.org"\n'
    assert confirmation(more=told) == ("numbers and structure: a deposit; https://x.org",)


def test_the_card_says_which_classes_nobody_sees() -> None:
    (section,) = (one for one in facts(eliminated()) if one.title.startswith("Covariates"))
    said = "SORT is a class that nobody sees; shares of patients: slow 0.4, fast 0.6 (made up for a test)"
    assert section.lines == (said,)


def test_the_card_says_where_nobody_confirms_it() -> None:
    assert confirmation() == (f"{UNCONFIRMED} the file does not say where one was looked for",)
    assert confirmation('unconfirmed = "looked in DDMoRE"') == (f"{UNCONFIRMED} looked in DDMoRE",)


def test_the_card_says_what_the_typical_patient_must_show() -> None:
    expected = '[[expected]]\nof = "A"\nat = 24\nlow = 1\nhigh = 2\nsource = "Figure 2"\n'
    assert confirmation(more=expected)[1] == "the typical patient's A at 24 h is 1 to 2; Figure 2"


def test_the_card_says_in_which_form_variability_was_printed_and_which_covariance_is_assumed() -> None:
    (section,) = [s for s in facts(load_model("sunitinib_anc_hansson2013")) if s.title.startswith("Parameters")]
    assert any(
        line.startswith("variability is printed as variances of eta; wojjy001/sunitinib") for line in section.lines
    )
    (together,) = [line for line in section.lines if line.startswith("Circ0 and Emax vary together: ")]
    assert "ASSUMED: of Circ0 and Emax: the source calls the row MTT" in together


def test_a_card_says_who_differs_between_sites_and_what_tells_them() -> None:
    section = next(one for one in facts(bolus()) if one.title.startswith("Parameters"))
    assert [row[3] for row in section.rows] == ["0.4, 0.3 between sites", "0.3, 0.2 between sites"]
    assert "correlation of CL and V (ISV): 0.333" in section.lines
    assert "patients with one value of SITE are of one site; made up for a test" in section.lines
