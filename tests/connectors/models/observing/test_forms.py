"""What Y observes where the data say what a record is of: many tests in a row, grades that follow one another, M3."""

from __future__ import annotations

import numpy as np

from connectors.models.carrying import carry
from twin.model.formula import evaluate

ITEMS = """$PROB two scales
$INPUT ID TIME DV SCALE
$PRED
 SICK = THETA(1) + ETA(1)
 IF (SCALE.EQ.1) HARD = 0
 IF (SCALE.EQ.2) HARD = THETA(2)
 P1 = EXP(SICK - HARD)/(1 + EXP(SICK - HARD))
 P2 = P1/2
 P = 1E-9
 IF (SCALE.EQ.1.AND.DV.EQ.0) P = 1 - P1
 IF (SCALE.EQ.1.AND.DV.EQ.1) P = P1
 IF (SCALE.EQ.2.AND.DV.EQ.0) P = 1 - P1
 IF (SCALE.EQ.2.AND.DV.EQ.1) P = P1 - P2
 IF (SCALE.EQ.2.AND.DV.EQ.2) P = P2
 Y = -2*LOG(P)
$THETA -1 0.5
$OMEGA 0.3
$EST METHOD=1 LAPLACE -2LL
"""


def test_scales_of_unlike_length_are_outputs_of_their_own() -> None:
    found = carry(ITEMS, "scales.mod", language="nonmem").model
    assert [(o.name, o.kind, len(o.further)) for o in found.outputs] == [
        ("dv_scale1", "ordinal", 2),
        ("dv_scale2", "ordinal", 3),
    ]


def test_a_limit_is_told_from_a_likelihood_that_is_not_read() -> None:
    head = (
        "$PROB x\n$INPUT ID TIME AMT DV FLAG\n$SUBS ADVAN1 TRANS2\n$PK\n CL=THETA(1)*EXP(ETA(1))\n V=THETA(2)\n S1=V\n"
    )
    tail = "\n$THETA 5 40\n$OMEGA 0.1\n$SIGMA 0.04"
    limit = f"{head}$ERROR\n Y=F+EPS(1)\n IF (FLAG.EQ.1) THEN\n F_FLAG=1\n Y=PHI((1-F)/0.2)\n ENDIF{tail}"
    other = f"{head}$ERROR\n Y=F+EPS(1)\n IF (FLAG.EQ.1) THEN\n F_FLAG=2\n Y=2*F*DV\n ENDIF{tail}"
    assert any("(M3)" in str(lost) for lost in carry(limit, "x.mod").lost)
    assert any("likelihood that is not read" in str(lost) for lost in carry(other, "x.mod").lost)


def test_a_mean_of_the_normal_distribution_is_carried_as_a_formula() -> None:
    text = """$PROB p\n$INPUT ID TIME DV\n$PRED\n A = THETA(1)*EXP(ETA(1))\n Y = PHI(A) + EPS(1)
$THETA 0.5\n$OMEGA 0.1\n$SIGMA 0.04"""
    found = carry(text, "x.mod", language="nonmem").model
    env = {"A": 0.5}
    for each in (*found.derived, *found.terms):
        env[each.name] = float(evaluate(each.expression, env))
    np.testing.assert_allclose(float(evaluate(found.outputs[0].expression, env)), 0.6914624612740131, rtol=1e-8)
