"""What a model file says of its own numbers is read, and refused where it contradicts itself."""

from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin import toys
from twin.model import evidence as forms
from twin.model.evidence import STATED_AS, CitationSpec, ConfirmationSpec, StatedAs, StatedSpec, variance_of
from twin.model.spec import Model, ModelError
from twin.modelfile import evidence
from twin.modelfile.reader import parse_model

CONFIRMED = '[[confirmed_by]]\ncitation = "a deposit"\ncovers = "numbers"\ndoi = "10.1/x"\n'
PRINTED = '[variability]\nstated_as = "{}"\nsource = "Table 2"\n'


def model(clearance: str = "", more: str = "", head: str = "", error: str = "") -> Model:
    """The bolus toy, whose SD of eta of CL is here 0.41, with more to say."""
    text = toys.BOLUS.replace("iiv = 0.16\n", f"iiv = 0.1681\n{clearance}\n", 1)
    if error:
        text = text.replace("error = { proportional = 0.2", f"error = {{ {error}", 1)
    return parse_model(f"{head}\n{text}\n{more}", "mine.toml")


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(evidence).failed == 0
    assert doctest.testmod(forms).failed == 0


def test_a_file_names_who_confirms_it_or_says_that_nobody_does() -> None:
    silent, confirmed, unconfirmed = model(), model(more=CONFIRMED), model(head='unconfirmed = "looked in DDMoRE"')
    assert (silent.confirmed_by, silent.unconfirmed) == ((), None)
    assert confirmed.confirmed_by == (ConfirmationSpec(CitationSpec("a deposit", "10.1/x", None, None), "numbers"),)
    assert unconfirmed.unconfirmed == "looked in DDMoRE"
    with pytest.raises(ModelError, match=r"mine.toml: unconfirmed: contradicts \[\[confirmed_by\]\]; keep"):
        model(head='unconfirmed = "looked in DDMoRE"', more=CONFIRMED)


@given(st.floats(0.01, 1.5), st.sampled_from(STATED_AS))
def test_every_form_is_what_it_is_called(printed: float, form: StatedAs) -> None:
    variance = variance_of(printed, form)
    again = {
        "variance": variance,
        "sd": math.sqrt(variance),
        "cv_of_eta": math.sqrt(variance),
        "cv_of_parameter": math.sqrt(math.expm1(variance)),
    }
    assert again[form] == pytest.approx(printed)
    assert variance_of(printed, "cv_of_eta", 3.0) == pytest.approx((printed * 3.0) ** 2)


@pytest.mark.parametrize(
    ("stated", "form"),
    [("0.168", "variance"), ("0.41", "sd"), ("0.41", "cv_of_eta"), ("0.428", "cv_of_parameter")],
)
def test_a_printed_number_must_give_the_variance(stated: str, form: str) -> None:
    found = model(f"stated = {{ iiv = {stated} }}", PRINTED.format(form))
    assert found.variability is not None
    assert found.variability.stated_as == form
    assert model(f'stated_as = "{form}"\nstated = {{ iiv = {stated} }}').parameters[0].stated == StatedSpec(
        form,
        float(stated),  # type: ignore[arg-type]
    )
    for other in STATED_AS:
        if {other, form} in ({"sd", "cv_of_eta"}, {form}):
            continue
        with pytest.raises(
            ModelError, match=r"CL\.stated\.iiv: is .*, as \w+ a variance of .*, and iiv is 0\.1681; mend"
        ):
            model(f"stated = {{ iiv = {stated} }}", PRINTED.format(other))


@pytest.mark.parametrize(
    ("clearance", "more", "message"),
    [
        ("stated = { iiv = 0.4 }", "", r"CL\.stated: does not say what it is; write stated_as, one of variance, sd"),
        ("stated = { iov = 0.4 }", PRINTED.format("sd"), r"CL\.stated\.iov: has no iov beside it; write iov, or leave"),
        ('stated_as = "percent"', "", r"CL\.stated_as: 'percent' is not known; write one of variance, sd, cv_of_eta"),
        (
            "stated = { se = 0.4 }",
            "",
            r"CL\.stated\.patients: is missing beside se, which says nothing alone; write it",
        ),
        ("stated = { cohort_sd = -2 }", "", r"CL\.stated\.cohort_sd: is -2; it must be greater than 0"),
        ("stated = { patients = 40 }", "", r"CL\.stated\.se: is missing beside patients"),
        ("stated = { se = 1, patients = 2.5 }", "", r"CL\.stated\.patients: is 2\.5; write a whole number"),
        ("stated = { se = 1, patients = 1 }", "", r"CL\.stated\.patients: is 1; it must be at least 2"),
        ("stated = { omega = 0.4 }", PRINTED.format("sd"), r"CL\.stated\.omega: unknown key"),
        (
            'distribution = "normal"\nstated_as = "cv_of_parameter"',
            "",
            r"CL\.stated_as: is of log-normal parameters only; write 'sd'",
        ),
        ("", '[variability]\nstated_as = "sd"\n', r"variability\.source: is missing; say where"),
        ("", '[[expected]]\nof = "A"\nat = 1\nlow = 2\nhigh = 1\nsource = "x"', r"expected\[0\]\.high: is 1, not abo"),
        ("", '[[expected]]\nof = "hope"\nat = 1\nlow = 1\nhigh = 2\nsource = "x"', r"expected\[0\]\.of: 'hope' is not"),
    ],
)
def test_what_is_stated_badly_is_refused(clearance: str, more: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        model(clearance, more)


def test_an_error_fitted_on_the_logarithm_is_log_additive() -> None:
    assert model(error='proportional = 0.1, fitted_on = "linear"').outputs[0].error.fitted_on == "linear"
    assert model(error="log_additive = 0.1, additive = 2").outputs[0].error.kind == "log_combined"
    with pytest.raises(
        ModelError, match=r"error\.fitted_on: is 'log', and .*; the SD of LOG\(F\) is log_additive; write"
    ):
        model(error='proportional = 0.1, additive = 2, fitted_on = "log"')
    with pytest.raises(ModelError, match=r"is 'linear', which does not go with an error that is log_additive; leave"):
        model(error='log_additive = 0.1, fitted_on = "linear"')


def test_a_covariance_may_be_said_to_be_printed() -> None:
    joint = '[[correlations]]\nbetween = ["CL", "V"]\n{}\nsource = "Table 2"\n'
    printed = joint.format('covariance = 0.01\nstated_as = "covariance"')
    assert [(c.between, c.printed) for c in model(more=printed).correlations] == [(("CL", "V"), True)]
    assert not model(more=joint.format("covariance = 0.01")).correlations[0].printed
    with pytest.raises(ModelError, match=r"correlations\[0\]\.stated_as: is 'covariance', but a correlation is given"):
        model(more=joint.format('correlation = 0.1\nstated_as = "covariance"'))
