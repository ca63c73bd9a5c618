"""mrgsolve model specifications, annotated and not."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.models.carrying import Carried, carry
from connectors.models.source import SourceError
from tests.connectors.models.courses import outputs
from tests.connectors.models.streams import with_

ANNOTATED = """$PROB A drug by mouth
$PARAM @annotated
TVCL : 5   : Clearance (L/h)
TVV  : 40  : Volume (L)
TVKA : 1.2 : Absorption (1/h)
WT   : 70  : Weight (kg)
$CMT @annotated
GUT  : Dosing compartment (mg)
CENT : Central compartment (mg)
$MAIN
double CL = TVCL*pow(WT/70, 0.75)*exp(ECL);
double V  = TVV*(WT/70)*exp(EV);
double KA = TVKA;
if (WT > 100) {
  KA = TVKA*0.9; // slower
}
F_GUT = 0.8;
ALAG_GUT = 0.25;
$OMEGA @annotated @block
ECL : 0.09 : on clearance
EV  : 0.02 0.04 : on volume
$SIGMA @labels PROP ADD
0.04 0.25
$ODE
dxdt_GUT  = -KA*GUT;
dxdt_CENT = KA*GUT - (CL/V)*CENT;
$TABLE
capture CP = CENT/V;
capture DV = CP*(1+PROP) + ADD;
"""

PLAIN = """[ PARAM ] CL = 2, V = 20
[ PKMODEL ] cmt = "CENT"
[ TABLE ]
double CP = CENT/V;
[ CAPTURE ] CP
"""


def read(text: str) -> Carried:
    return carry(text, "model.cpp", drug="aspirin")


def bateman(t: np.ndarray, ka: float) -> np.ndarray:
    k = 5 / 40
    return 80 / 40 * ka / (ka - k) * (np.exp(-k * t) - np.exp(-ka * t))


def test_an_annotated_model_gives_the_bateman_function() -> None:
    found = read(ANNOTATED)
    times = [0.5, 2.0, 12.0]
    np.testing.assert_allclose(outputs(found.model, times)[:, 0], bateman(np.array(times), 1.2), rtol=1e-7)
    assert found.model.eta_names == ("CL", "V")
    np.testing.assert_allclose(found.model.omega, [[0.09, 0.02], [0.02, 0.04]])
    assert "lag=" in found.text


def test_its_error_covariate_and_comments_are_carried() -> None:
    found = read(ANNOTATED)
    (output,) = found.model.outputs
    assert (output.name, output.error.kind, output.error.additive) == ("dv", "combined", 0.5)
    assert [(c.name, c.reference, c.unit) for c in found.model.covariates] == [("WT", 70.0, "kg")]
    clearance = next(p for p in found.model.parameters if p.name == "CL")
    assert (clearance.unit, "Clearance" in (clearance.note or "")) == ("L/h", True)


def test_a_closed_model_without_error_has_one_that_is_assumed() -> None:
    found = read(PLAIN)
    np.testing.assert_allclose(
        outputs(found.model, [1.0, 5.0])[:, 0], 5 * np.exp(-0.1 * np.array([1.0, 5.0])), rtol=1e-7
    )
    assert found.model.outputs[0].error.assumed is not None
    assert any("no residual error" in str(lost) for lost in found.lost)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("dxdt_GUT  = -KA*GUT;", "", 8, "dxdt_GUT"),
        ("double KA = TVKA;", "double KA = TVKA*(;", 13, "not a formula"),
        ("(CL/V)*CENT", "(CL/VX)*CENT", None, "VX"),
        ("EV  : 0.02 0.04 : on volume", "EV  : 0.04 : on volume", 19, "lower triangle"),
        ("TVCL : 5 ", "TVCL : five ", 3, "TVCL has no value"),
        ("{\n  KA = TVKA*0.9; // slower\n}", "{\n  KA = TVKA*0.9;\n", 14, "brace"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(old: str, new: str, line: int | None, says: str) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        read(with_(ANNOTATED, (old, new)))
    assert line is None or caught.value.line == line
