"""What a control stream keeps from record to record; numbers without $THETA, MTIME, other spellings."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.models.carrying import Carried, carry
from connectors.models.source import SourceError
from tests.connectors.models.courses import outputs

HEAD = "$PROB x\n$INPUT ID TIME AMT DV EVID WT\n$SUBS ADVAN13 TOL=9\n$MODEL COMP=(CENTRAL)\n"
TAIL = "\n$THETA 5 40\n$OMEGA 0.1\n$SIGMA 0.04\n"


def read(text: str) -> Carried:
    return carry(text, "run1.mod", drug="aspirin", language="nonmem")


def test_numbers_of_the_code_are_typical_values_where_there_is_no_theta() -> None:
    text = f"""{HEAD}$PK\n TVCL = 5\n CL = TVCL*EXP(ETA(1))*(WT/70)\n V = 40\n S1 = V\n$DES\n DADT(1) = -CL/V*A(1)
$ERROR\n Y = F*(1 + EPS(1))\n$OMEGA 0.1\n$SIGMA 0.04"""
    found = read(text).model
    assert [(p.name, p.value, p.iiv) for p in found.parameters if p.iiv] == [("CL", 5.0, 0.1)]
    np.testing.assert_allclose(outputs(found, [8.0], covariates={"WT": 70.0})[0, 0], 2.5 * np.exp(-1.0), rtol=1e-8)


def test_a_grade_follows_the_one_before_it() -> None:
    text = """$PROB g\n$INPUT ID TIME DV DOS\n$PRED\n IF (NEWIND.NE.2) LAST = 0
 L = THETA(1) + THETA(2)*DOS + ETA(1)\n IF (LAST.EQ.1) L = L + THETA(3)\n P = EXP(L)/(1 + EXP(L))
 IF (DV.EQ.1) Y = P\n IF (DV.EQ.0) Y = 1 - P\n LAST = DV\n$THETA -1 0.1 2\n$OMEGA 0.3\n$EST METHOD=1 LAPLACE LIKE"""
    found = read(text)
    assert "previous(dv)" in found.text
    assert any("the value observed before" in str(lost) for lost in found.lost)


def test_what_is_interpolated_between_records_stands_still_at_a_record() -> None:
    text = f"""{HEAD}$PK\n IF (NEWIND.NE.2) OLDW = 0\n IF (NEWIND.NE.2) OLDT = 0\n SLOPE = 0
 IF (TIME.GT.OLDT) SLOPE = (WT - OLDW)/(TIME - OLDT)\n CL = THETA(1)*EXP(ETA(1))*(WT + SLOPE)/70\n V = THETA(2)
 S1 = V\n$DES\n DADT(1) = -CL/V*A(1)\n$ERROR\n Y = F*(1 + EPS(1))\n OLDW = WT\n OLDT = TIME{TAIL}"""
    found = read(text)
    got = outputs(found.model, [8.0], covariates={"WT": 70.0})[0, 0]
    assert got == pytest.approx(2.5 * np.exp(-1.0), rel=1e-8)
    assert sum("is taken as at the record itself" in str(lost) for lost in found.lost) == 2


def test_mtime_switches_the_equations() -> None:
    text = f"""{HEAD}$PK\n CL = THETA(1)*EXP(ETA(1))\n V = THETA(2)\n S1 = V\n MTIME(1) = 4
$DES\n DADT(1) = -CL/V*A(1)*(1 - MPAST(1))\n$ERROR\n Y = F*(1 + EPS(1)){TAIL}"""
    got = outputs(read(text).model, [4.0, 20.0], covariates={"WT": 70.0})[:, 0]
    np.testing.assert_allclose(got, 2.5 * np.exp(-0.5), rtol=1e-5)


@pytest.mark.parametrize(
    ("written", "states"),
    [
        ("COMP (A1, DEFDOSE)\nCOMP=(2)", ["A1", "COMP2"]),
        ("COMP ; dosing\nCOMP", ["COMP1", "COMP2"]),
        ("COMP=DEEP COMP=(SLOW)", ["DEEP", "SLOW"]),
    ],
)
def test_compartments_are_counted_however_they_are_written(written: str, states: list[str]) -> None:
    text = f"""$PROB x\n$INPUT ID TIME AMT DV\n$SUBS ADVAN5\n$MODEL {written}\n$PK\n K12 = THETA(1)*EXP(ETA(1))
 K20 = THETA(2)\n$ERROR\n Y = F*(1 + EPS(1)){TAIL}"""
    assert [state.name for state in read(text).model.states] == states


def test_an_equation_that_is_missing_is_named_unless_its_compartment_is_idle() -> None:
    two = HEAD.replace("COMP=(CENTRAL)", "COMP=(CENTRAL) COMP=(IDLE)")
    pk = "$PK\n CL = THETA(1)*EXP(ETA(1))\n V = THETA(2)\n S1 = V\n"
    code = pk + "$DES\n DADT(1) = -CL/V*A(1){}\n$ERROR\n Y = F + EPS(1)"
    assert any("DADT(2) is not given" in str(lost) for lost in read(two + code.format("") + TAIL).lost)
    with pytest.raises(SourceError, match=r"has no DADT\(2\)"):
        read(two + code.format(" + A(2)") + TAIL)


def test_a_rounded_omega_is_made_positive_definite_and_a_prior_is_named() -> None:
    text = f"""{HEAD}$PRIOR NWPRI NTHETA=2\n$PK\n CL = THETA(1)*EXP(ETA(1))\n V = THETA(2)*EXP(ETA(2))\n S1 = V
$DES\n DADT(1) = -CL/V*A(1)\n$ERROR\n Y = F*(1 + EPS(1))\n$THETA 5 40\n$OMEGA BLOCK(2) 0.1 0.1001 0.1\n$SIGMA 0.04"""
    lost = " ".join(str(each) for each in read(text).lost)
    assert "not positive definite" in lost
    assert "$PRIOR" in lost
