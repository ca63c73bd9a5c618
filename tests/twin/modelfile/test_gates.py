"""What a sound file probably does not mean is said with its mend, and can be said to be meant."""

from __future__ import annotations

import pytest

from twin.modelfile.gates import doubts
from twin.modelfile.library import library_ids, load_model
from twin.modelfile.lint import doubtful
from twin.modelfile.reader import parse_model
from twin.modelfile.template import template

START = template("mine")
INPUTS = '\n[inputs.mydrug]\nassumed = "a test"\n'
JOINT = '\n[[correlations]]\nbetween = ["CL", "V"]\nassumed = "a test"\n'
CENTRAL = 'derivative = "input(mydrug) - CL/V*A"'
DEPOT = (
    'derivative = "{1} + ka*D - CL/V*A"\n[states.D]\nunit = "mg"\nderivative = "{0} - ka*D"\n'
    '[parameters.ka]\nvalue = 1\nunit = "1/h"\nassumed = "x"\n'
)


def said(text: str) -> list[str]:
    """Doubts about a file, each as key and problem."""
    return [f"{doubt.key}: {doubt.problem}" for doubt in doubts(parse_model(text, "mine.toml"), "mine.toml")]


def changed(*changes: tuple[str, str], more: str = "") -> str:
    """The template with changes and more sections."""
    text = START
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text + more


def entering(depot: str, central: str) -> str:
    return changed((CENTRAL, DEPOT.format(depot, central)))


def test_a_file_as_it_should_be_leaves_no_doubt() -> None:
    assert said(START) == []


@pytest.mark.parametrize("name", library_ids())
def test_the_library_leaves_no_doubt(name: str) -> None:
    assert doubts(load_model(name), name) == ()


def test_a_drug_that_enters_two_states_whole_counts_twice() -> None:
    (twice,) = said(entering("input(mydrug)", "input(mydrug)"))
    assert twice.startswith("states.D.derivative: input(mydrug) enters A and D whole by one route (iv), so that a")
    assert 'or say [inputs.mydrug] whole_into = ["A", "D"]' in twice
    assert said(entering("input(mydrug, oral)", "input(mydrug, oral)"))[0].count("(oral)") == 1
    assert said(entering("input(mydrug, oral)", "input(mydrug, iv)")) == []
    assert said(entering("input(mydrug, oral)", "input(mydrug)")) == []
    assert said(entering("0.3*input(mydrug)", "0.7*input(mydrug)")) == []
    assert said(entering("input(mydrug)", "pulse(mydrug)*V*0*A")) == []
    assert said(entering("input(mydrug)", "input(mydrug)") + INPUTS + 'whole_into = ["A", "D"]\n') == []


def test_a_drug_that_enters_nothing_does_nothing() -> None:
    silent = changed(("input(mydrug) - CL/V*A", "0 - CL/V*A"))
    (nothing,) = said(silent)
    assert nothing.startswith(
        "drug: 'mydrug' enters no state and is in no formula, so that its doses do nothing; write"
    )
    assert said(silent + INPUTS + "enters_nothing = true\n") == []
    assert said(changed(("input(mydrug) - CL/V*A", "dose(mydrug)/V*CL - CL/V*A"))) == []
    (other,) = said(START + '\n[inputs.helper]\nassumed = "a test"\n')
    assert other.startswith("inputs.helper: 'helper' enters no state")


def test_a_variance_that_can_only_be_a_percentage_is_doubted() -> None:
    (percent,) = said(changed(("iiv = 0.09 ", "iiv = 30 ")))
    assert percent == (
        "parameters.CL.iiv: is 30, a variance of ln CL with an SD of 5.5; a CV of 30 % is 0.08618; if it is meant, "
        "stated = { iiv = ... } gives the printed number"
    )
    assert said(changed(("iiv = 0.09 ", "stated = { iiv = 30 }\niiv = 30 "))) == []
    assert said(changed(("iiv = 0.09 ", 'distribution = "normal"\niiv = 30 '))) == []


@pytest.mark.parametrize(
    ("iiv", "distribution", "doubted"),
    [
        # Over 25 patients a mean of 10 L/h with an error of 0.4 allows an SD of 2, which is 0.2 of ln CL.
        ("0.04", "log-normal", False),
        ("0.08", "log-normal", False),
        ("0.2", "log-normal", True),
        ("4", "normal", False),
        ("20", "normal", True),
    ],
)
def test_patients_do_not_differ_more_than_the_standard_error_allows(iiv: str, distribution: str, doubted: bool) -> None:
    given = f'distribution = "{distribution}"\nstated = {{ se = 0.4, patients = 25 }}\niiv = {iiv} '
    found = said(changed(("iiv = 0.09 ", given)))
    assert len(found) == doubted
    if iiv == "20":
        assert found == [
            "parameters.CL.iiv: is 20, an SD of 4.5 L/h, where the standard error of 0.4 over 25 patients allows 2 at "
            "most; the table may print SDs, a CV in percent, or another scale; if it is meant, leave se out of stated"
        ]


@pytest.mark.parametrize(("iiv", "doubted"), [("0.04", False), ("0.08", False), ("0.2", True)])
def test_patients_do_not_differ_more_than_the_cohort_did(iiv: str, doubted: bool) -> None:
    """Of a clearance of 10 L/h, measured in a cohort with an SD of 2: 0.2 of ln CL."""
    found = said(changed(("iiv = 0.09 ", f"stated = {{ cohort_sd = 2 }}\niiv = {iiv} ")))
    assert len(found) == doubted
    if doubted:
        assert found == [
            "parameters.CL.iiv: is 0.2, an SD of 4.5 L/h, where the cohort's SD is 2; the table may print SDs, a CV in "
            "percent, or another scale; if it is meant, leave cohort_sd out of stated"
        ]
    # Of two bounds the narrower one is named, once.
    (both,) = said(changed(("iiv = 0.09 ", "stated = { cohort_sd = 2, se = 0.1, patients = 25 }\niiv = 0.2 ")))
    assert "the standard error of 0.1 over 25 patients allows 0.5 at most" in both


def test_pressures_whose_sds_are_taken_for_variances_differ_more_than_the_cohort_did() -> None:
    text = load_model("ambulatory_bp_sheng2013").text
    for printed in (0.079, 0.12):
        wrong = text.replace(f"iiv = {printed**2:.4g}\nstated_as", f"iiv = {printed}\nstated_as")
        wrong = wrong.replace(f'stated_as = "sd"\nstated = {{ iiv = {printed}', f"stated = {{ iiv = {printed}")
        assert wrong.count(f"iiv = {printed}\n") == 1
        (doubt,) = said(wrong)
        assert doubt.startswith("parameters.Base_")


def test_the_phases_of_a_rhythm_cannot_differ_by_days_whose_mean_is_known_to_minutes() -> None:
    text = load_model("ambulatory_bp_sheng2013").text
    for right, table in (("iiv = 0.05", "iiv = 3.3"), ("iiv = 0.18", "iiv = 1.11")):
        sd = float(table.split()[-1])
        wrong = text.replace(f"{right}, se", f"{table}, se").replace(
            f"iiv = {float(right.split()[-1]) ** 2:.4g}\n", f"iiv = {sd**2:.6g}\n"
        )
        assert wrong != text
        (doubt,) = said(wrong)
        assert "standard error" in doubt


def test_a_covariance_made_of_variances_is_seen_where_digits_tell() -> None:
    variances = (("iiv = 0.09 ", "iiv = 0.104976 "), ("iiv = 0.04\n", "iiv = 0.335241\n"))
    (product,) = said(changed(*variances, more=JOINT + "covariance = 0.016892\n"))
    assert product.startswith(
        "correlations[0].covariance: is 0.48 times the product of both variances, as if a correla"
    )
    assert "write correlation = 0.48, or stated_as" in product
    assert said(changed(*variances, more=JOINT + "covariance = 0.09005\n")) == []
    assert said(changed(*variances, more=JOINT + 'covariance = 0.016892\nstated_as = "covariance"\n')) == []
    assert said(changed(*variances, more=JOINT + "correlation = 0.48\n")) == []
    assert said(changed(*variances, more=JOINT + "covariance = 0\n")) == []
    # Two digits say nothing: almost any ratio is within their rounding.
    assert said(changed(more=JOINT + "covariance = 0.0018\n")) == []


@pytest.mark.parametrize(
    ("old", "new", "begin"),
    [
        (
            '[variability]\nstated_as = "variance" ',
            "[unused]\nx = ",
            "parameters.CL.iiv: of CL, V: the file does not",
        ),
        (
            'fitted_on = "linear", ',
            "",
            "outputs.mydrug_plasma.error: has a proportional part of 0.2, and the",
        ),
        ('unconfirmed = "a template: nobody published these numbers"', "", "sources: no independent source is named"),
    ],
)
def test_what_a_file_does_not_say_of_its_numbers_is_asked(old: str, new: str, begin: str) -> None:
    text = changed((old, new))
    if "[unused]" in text:
        start = text.index("[unused]")
        text = text[:start] + text[text.index("# --- parameters", start) :]
    (asked,) = said(text)
    assert asked.startswith(begin)


def test_a_doubt_stands_at_its_line() -> None:
    (doubt,) = doubtful(parse_model(changed(("iiv = 0.09 ", "iiv = 30 ")), "mine.toml"), "mine.toml")
    assert doubt.source.startswith("iiv = 30 ")
