"""Control streams written for tests: small ones, each with what one of them is about."""

from __future__ import annotations

ORAL = """
$PROBLEM A drug by mouth, two compartments
$INPUT ID TIME AMT DV EVID MDV WT SEX OCC
$DATA none.csv IGNORE=@
$SUBROUTINES ADVAN4 TRANS4
$PK
  TVCL = THETA(1)*(WT/70)**0.75
  IF (SEX.EQ.1) TVCL = TVCL*(1 + THETA(6))   ; women clear less
  IOV = ETA(3)
  IF (OCC.EQ.2) IOV = ETA(4)
  CL = TVCL*EXP(ETA(1) + IOV)
  V2 = THETA(2)*WT/70*EXP(ETA(2))
  Q  = THETA(3)
  V3 = THETA(4)
  KA = THETA(5)
  ALAG1 = THETA(7)
  F1 = THETA(8)
  S2 = V2
$ERROR
  IPRED = F
  W = SQRT(THETA(9)**2 + (THETA(10)*F)**2)
  IRES = DV - IPRED
  Y = IPRED + W*EPS(1)
$THETA (0, 5.0)        ; 1 CL (L/h)
$THETA (0, 40)         ; 2 V2 (L)
$THETA 3 FIX           ; 3 Q
 (0,60)                ; 4 V3
$THETA (0, 1.2, 10)
$THETA (-1, -0.2, 1)
$THETA (0, 0.25)
$THETA (0, 0.8, 1)
$THETA (0,0.05) (0,0.2)
$OMEGA BLOCK(2)
 0.09
 0.02 0.04
$OMEGA BLOCK(1) 0.01
$OMEGA BLOCK(1) SAME
$SIGMA 1 FIX
$ESTIMATION METHOD=1 INTER
"""

COUNTS = """
$PROB Neutrophils under a drug, whose concentration is in the data
$INPUT ID TIME DV EVID MDV CP
$DATA none.csv
$SUBROUTINE ADVAN13 TOL=9
$MODEL COMP=(PROL) COMP=(TRANSIT) COMP=(CIRC,DEFOBS)
$PK
  BASE = THETA(1)*EXP(ETA(1))
  MTT  = THETA(2)*EXP(ETA(2))
  SLOPE = THETA(3)
  GAMMA = THETA(4) + ETA(3)
  KTR = 2/MTT
  A_0(1) = BASE
  A_0(2) = BASE
  A_0(3) = BASE
$DES
  EDRUG = SLOPE*CP
  DADT(1) = KTR*A(1)*(1 - EDRUG)*(BASE/A(3))**GAMMA - KTR*A(1)
  DADT(2) = KTR*(A(1) - A(2))
  DADT(3) = KTR*(A(2) - A(3))
$ERROR
  IPRED = LOG(A(3))
  IF (EVID.EQ.0) Y = IPRED + EPS(1)
$THETA (0, 5) (0, 90) (0, 2.5) (0, 0.16)
$OMEGA 0.1 0.03 0.0004
$SIGMA 0.09
"""


def with_(text: str, *changes: tuple[str, str]) -> str:
    """A stream with parts of it changed, each of which it has."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text
