"""Effects that are the SAME: of occasions where data or time choose among them, else of lesions that vary alike; and
effects of sites."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.models.carrying import Carried, carry
from connectors.models.source import SourceError

OMEGA = "$THETA 5 40\n$OMEGA 0.1\n$OMEGA BLOCK(1) 0.05\n$OMEGA BLOCK(1) SAME\n$SIGMA 0.04\n"


def read(items: str, pk: str) -> Carried:
    text = f"""$PROB x\n$INPUT ID TIME AMT DV {items}\n$SUBS ADVAN1 TRANS2\n$PK\n{pk}\n V = THETA(2)\n S1 = V
$ERROR\n Y = F*(1 + EPS(1))\n{OMEGA}"""
    return carry(text, "run1.mod", drug="aspirin", language="nonmem")


def test_an_occasion_is_found_through_names_that_stand_for_its_effects() -> None:
    pk = " Z = 0\n V1 = ETA(2) + Z\n V2 = ETA(3) + Z\n BOV = V1\n IF (CYCLE.EQ.2) BOV = V2\n"
    pk += " CL = THETA(1)*EXP(ETA(1) + BOV)"
    found = read("CYCLE", pk).model
    assert found.occasions is not None
    assert (found.occasions.covariate, found.iov_names) == ("CYCLE", ("CL",))


def test_an_occasion_may_be_told_by_the_time() -> None:
    pk = """ OCC = 1\n IF (TIME.GE.24) OCC = 2\n F1 = 0\n F2 = 0\n IF (OCC.EQ.1) F1 = 1\n IF (OCC.EQ.2) F2 = 1
 CL = THETA(1)*EXP(ETA(1) + F1*ETA(2) + F2*ETA(3))""".replace("F1", "ONE").replace("F2", "TWO")
    found = read("", pk).model
    assert found.occasions is not None
    assert (found.occasions.drug, found.occasions.every) == ("aspirin", 24.0)


def test_effects_that_are_read_side_by_side_are_of_the_patient() -> None:
    found = read("", " CL = THETA(1)*EXP(ETA(1) + ETA(2)) + THETA(1)*EXP(ETA(3))").model
    assert found.occasions is None
    assert [p.iiv for p in found.parameters if p.iiv] == [0.1, 0.05, 0.05]


def test_same_without_a_block_is_refused() -> None:
    with pytest.raises(SourceError, match="says SAME"):
        carry("$PROB x\n$INPUT ID\n$PRED\n Y=THETA(1)+EPS(1)\n$THETA 1\n$OMEGA BLOCK SAME\n$SIGMA 1", "x.mod")


def of_sites(level: str, cl: str = "ETA(1) + ETA(3)") -> Carried:
    text = f"""$PROB x\n$INPUT ID TIME AMT DV SITE LAND\n$SUBS ADVAN1 TRANS2\n$PK\n CL = THETA(1)*EXP({cl})
 V = THETA(2)*EXP(ETA(2) + ETA(4))\n S1 = V\n$ERROR\n Y = F*(1 + EPS(1))\n$THETA 5 40\n$OMEGA 0.1 0.1
$OMEGA BLOCK(2) 0.05 0.01 0.02\n$LEVEL {level}\n$SIGMA 0.04"""
    return carry(text, "run1.mod", drug="aspirin", language="nonmem")


def test_effects_of_sites_stand_above_those_of_patients() -> None:
    found = of_sites("SITE=(3[1],4[2])")
    assert found.model.sites is not None
    assert (found.model.sites.covariate, found.model.isv_names) == ("SITE", ("CL", "V"))
    np.testing.assert_allclose(found.model.omega_isv, [[0.05, 0.01], [0.01, 0.02]])
    np.testing.assert_allclose(found.model.omega_iiv, [[0.1, 0.0], [0.0, 0.1]])
    assert "a patient whose SITE is 0 is of a site alone" in " ".join(str(each) for each in found.lost)


def test_of_levels_above_another_one_is_carried_and_the_others_are_named() -> None:
    found = of_sites("SITE=(4[2]) LAND=(3[4])")
    assert found.model.isv_names == ("V",)
    lost = " ".join(str(each) for each in found.lost)
    assert "effects of LAND ($LEVEL) are taken for those of each patient: there is one level above the patient" in lost
    other = of_sites("CLINIC=(3[1],4[2])")
    assert other.model.sites is None
    assert "$INPUT has no CLINIC" in " ".join(str(each) for each in other.lost)


def test_an_effect_of_sites_that_no_patients_stands_beside_is_one_of_patients() -> None:
    found = of_sites("SITE=(3[1])", cl="ETA(3)")
    assert found.model.sites is None
    assert "ETA_3, an effect of sites ($LEVEL), is taken for one of each patient" in " ".join(map(str, found.lost))
