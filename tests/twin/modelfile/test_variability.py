"""Variability in a model file: what is read, and what each mistake is told."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from twin.model.spec import Model, ModelError
from twin.modelfile.reader import parse_model

BY_GAP = '[occasions]\ndrug = "toxin"\ngap = 48\nassumed = "a test"\n'
BY_SITE = """
[covariates.SITE]
unit = "1"
reference = 0
assumed = "a test"
[sites]
covariate = "SITE"
assumed = "a test"
"""
WALKING = '[drift]\ngrid = 24\nlag = 96\nassumed = "a test"\n'
CLEARANCE, VOLUME = "iiv = 0.16\n", "iiv = 0.09\n"


def varied(clearance: str = CLEARANCE, volume: str = VOLUME, more: str = "") -> Model:
    """The bolus toy with other variability."""
    text = toys.BOLUS.replace(CLEARANCE, clearance).replace(VOLUME, volume)
    return parse_model(f"{text}\n{more}", "mine.toml")


def test_a_model_may_vary_between_occasions() -> None:
    model = varied(clearance="iiv = 0.16\niov = 0.04\n", volume="iov = 0.01\n", more=BY_GAP)
    assert (model.eta_names, model.iov_names, model.effect_names) == (("CL",), ("CL", "V"), ("CL", "V"))
    assert np.array_equal(model.omega, [[0.16]])
    assert np.array_equal(model.omega_iov, [[0.04, 0], [0, 0.01]])
    assert model.occasions is not None
    assert (model.occasions.drug, model.occasions.gap, model.occasions.every) == ("toxin", 48, None)
    assert not model.omega_iov.flags.writeable


def test_effects_of_an_occasion_may_be_correlated() -> None:
    correlated = '[[correlations]]\nbetween = ["CL", "V"]\n{}\nlevel = "iov"\nassumed = "a test"\n'
    varying = {"clearance": CLEARANCE + "iov = 0.04\n", "volume": VOLUME + "iov = 0.01\n"}
    for size in ("correlation = 0.5", "covariance = 0.01"):
        model = varied(**varying, more=correlated.format(size) + BY_GAP)
        np.testing.assert_allclose(model.omega_iov, [[0.04, 0.01], [0.01, 0.01]])
        assert np.array_equal(model.omega, np.diag([0.16, 0.09]))
    with pytest.raises(ModelError, match=r"Omega of the occasions is not positive definite .*; lower the covariances"):
        varied(**varying, more=correlated.format("covariance = 0.03") + BY_GAP)
    with pytest.raises(ModelError, match=r"correlations\[0\].between: must name two different parameters with iov: CL"):
        varied(clearance=varying["clearance"], more=correlated.format("covariance = 0.01") + BY_GAP)
    with pytest.raises(ModelError, match=r"correlations\[0\].level: 'ioov' is not known; write one of iiv, iov, isv"):
        varied(**varying, more=correlated.replace('"iov"', '"ioov"').format("covariance = 0.01") + BY_GAP)


def test_a_model_may_vary_between_sites() -> None:
    correlated = '[[correlations]]\nbetween = ["CL", "V"]\ncorrelation = 0.5\nlevel = "isv"\nassumed = "a test"\n'
    model = varied(CLEARANCE + "isv = 0.04\n", VOLUME + "isv = 0.01\n", correlated + BY_SITE)
    assert model.sites is not None
    assert (model.sites.covariate, model.isv_names, model.site_columns) == ("SITE", ("CL", "V"), (0, 1))
    np.testing.assert_allclose(model.omega_isv, [[0.04, 0.01], [0.01, 0.01]])
    assert np.array_equal(model.omega_iiv, np.diag([0.16, 0.09]))
    np.testing.assert_allclose(model.omega, [[0.2, 0.01], [0.01, 0.1]])
    assert not model.omega.flags.writeable


def test_only_what_varies_between_sites_varies_more_in_a_patient_alone() -> None:
    model = varied(volume=VOLUME + "isv = 0.04\n", more=BY_SITE)
    np.testing.assert_allclose(model.omega, np.diag([0.16, 0.13]))
    assert varied().omega is not None
    assert (varied().sites, varied().isv_names, varied().omega_isv.shape) == (None, (), (0, 0))


def test_a_model_may_drift() -> None:
    model = varied(CLEARANCE + "drift = 0.0001\n", VOLUME + "drift = 0.0002\n", WALKING)
    assert [p.drift for p in model.parameters] == [0.0001, 0.0002]
    assert model.drift is not None
    assert (model.drift.grid, model.drift.lag) == (24, 96)


def test_a_model_that_says_nothing_of_occasions_and_drift_has_none() -> None:
    model = varied()
    assert (model.occasions, model.drift, model.iov_names, model.omega_iov.shape) == (None, None, (), (0, 0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clearance": "iov = 0.1\n"}, r"parameters\.CL\.iov: needs to know when an occasion begins; add"),
        ({"clearance": "iov = 0\n"}, r"parameters\.CL\.iov: is 0; it must be greater than 0"),
        ({"more": BY_SITE}, r"sites: no parameter has isv: sites would not differ"),
        ({"clearance": CLEARANCE + "isv = 0.1\n"}, r"parameters\.CL\.isv: needs to know who is of one site; add \[sit"),
        ({"clearance": "isv = 0.1\n", "more": BY_SITE}, r"parameters\.CL\.iiv: is missing; patients of one site"),
        (
            {"clearance": CLEARANCE + "isv = 0.1\n", "more": BY_SITE.replace('"SITE"', '"WARD"')},
            r"sites\.covariate: 'WARD' is not known; write one of SITE",
        ),
        ({"clearance": CLEARANCE + "isv = -1\n", "more": BY_SITE}, r"parameters\.CL\.isv"),
        ({"more": BY_GAP}, r"occasions: no parameter has iov: occasions would not differ"),
        (
            {"clearance": "iov = 0.1\n", "more": BY_GAP.replace("gap = 48", "")},
            r"occasions: must say one of: drug and gap, drug and every, or covariate alone",
        ),
        (
            {"clearance": "iov = 0.1\n", "more": BY_GAP + "every = 24\n"},
            r"occasions: must say one of: drug and gap, drug and every, or covariate alone",
        ),
        (
            {"clearance": "iov = 0.1\n", "more": BY_GAP.replace('drug = "toxin"', "")},
            r"occasions: must say one of: drug and gap, drug and every, or covariate alone",
        ),
        (
            {"clearance": "iov = 0.1\n", "more": BY_GAP.replace("toxin", "water")},
            r"occasions\.drug: 'water' is not known; write one of toxin",
        ),
        (
            {"clearance": "iov = 0.1\n", "more": '[occasions]\ncovariate = "OCC"\nassumed = "a test"\n'},
            r"occasions\.covariate: 'OCC' is not known",
        ),
        ({"clearance": "iov = 0.1\n", "more": "[occasions]\ndrug = 'toxin'\ngap = 4\n"}, r"occasions\.source"),
        ({"clearance": "iiv = 0.1\ndrift = 0.1\n"}, r"parameters\.CL\.drift: needs its grid; add \[drift\]"),
        ({"more": WALKING}, r"drift: no parameter has a drift, so there is nothing to walk"),
        ({"clearance": "drift = 0.1\n", "more": WALKING}, r"parameters\.CL\.iiv: is missing; what drifts in a patient"),
        (
            {"clearance": "iiv = 0.1\ndrift = 0.1\n", "more": WALKING},
            r"parameters\.V\.drift: is missing; ",
        ),
        (
            {"clearance": "iiv = 0.1\ndrift = 0.1\n", "volume": "", "more": WALKING.replace("96", "12")},
            r"drift\.lag: is 12; it must be at least 24",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_its_mend(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        varied(**changes)
