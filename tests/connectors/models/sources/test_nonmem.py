"""Control streams of NONMEM: what is read of them gives the numbers of the closed forms and equations they name."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.models.carrying import Carried, carry
from connectors.models.source import SourceError
from tests.connectors.models.courses import outputs
from tests.connectors.models.streams import COUNTS, ORAL, with_
from twin.model.spec import ParameterSpec
from twin.population.theta import Theta

TIMES = [0.5, 1.0, 2.0, 6.0, 24.0]


def read(text: str) -> Carried:
    return carry(text, "run1.mod", drug="aspirin")


def parameter(found: Carried, name: str) -> ParameterSpec:
    return next(p for p in found.model.parameters if p.name == name)


def oral(cl: float, v2: float) -> list[float]:
    """Two compartments with first-order absorption by the sum of exponentials (Gibaldi & Perrier 1982)."""
    q, v3, ka, dose = 3.0, 60.0, 1.2, 80.0
    k10, k12, k21 = cl / v2, q / v2, q / v3
    total = k10 + k12 + k21
    root = np.sqrt(total**2 - 4 * k10 * k21)
    a, b = (total + root) / 2, (total - root) / 2
    found = []
    for t in TIMES:
        terms = [((k21 - r) / ((s - r) * (u - r)), r) for r, s, u in ((a, b, ka), (b, a, ka), (ka, a, b))]
        found.append(dose * ka / v2 * sum(w * np.exp(-r * t) for w, r in terms))
    return found


@pytest.mark.parametrize(("weight", "sex"), [(70.0, 0.0), (50.0, 1.0)])
def test_a_closed_form_with_covariates_gives_its_sum_of_exponentials(weight: float, sex: float) -> None:
    found = read(ORAL)
    cl = 5.0 * (weight / 70) ** 0.75 * (0.8 if sex else 1.0)
    got = outputs(found.model, TIMES, covariates={"WT": weight, "SEX": sex, "OCC": 1.0})[:, 0]
    np.testing.assert_allclose(got, oral(cl, 40 * weight / 70), rtol=1e-6)


def test_effects_of_patients_and_occasions_are_those_of_omega() -> None:
    found = read(ORAL)
    assert (found.model.eta_names, found.model.iov_names) == (("CL", "V2"), ("CL",))
    np.testing.assert_allclose(found.model.omega, [[0.09, 0.02], [0.02, 0.04]])
    np.testing.assert_allclose(found.model.omega_iov, [[0.01]])
    assert found.model.occasions is not None
    assert found.model.occasions.covariate == "OCC"


def test_lag_fraction_and_combined_error_are_carried() -> None:
    found = read(ORAL)
    assert "(F1)*input(aspirin, lag=ALAG1)" in found.text
    error = found.model.outputs[0].error
    assert (error.kind, error.additive, error.proportional) == ("combined", 0.05, 0.2)


def test_units_are_worked_out_and_bounds_noted() -> None:
    found = read(ORAL)
    units = {p.name: p.unit for p in found.model.parameters}
    assert {"CL": "L/h", "V2": "L", "Q": "L/h", "KA": "1/h", "ALAG1": "h", "F1": "1"}.items() <= units.items()
    assert found.model.outputs[0].unit == "mg/L"
    assert "estimated within 0 to 10" in (parameter(found, "KA").note or "")
    assert "fixed in the source" in (parameter(found, "Q").note or "")


def test_the_file_says_that_nobody_verified_it_and_what_is_missing() -> None:
    found = read(ORAL)
    assert found.model.unconfirmed is not None
    assert found.model.unconfirmed.startswith("unverified")
    head = found.text.split("\nid = ")[0]
    assert all(line.startswith("#") for line in head.strip().splitlines())
    assert "hours are assumed" in " ".join(head.replace("#", " ").split())
    assert any("regimen" in str(lost) for lost in found.lost)


def test_differential_equations_start_and_stay_at_baseline_without_the_drug() -> None:
    found = read(COUNTS)
    np.testing.assert_allclose(outputs(found.model, TIMES, covariates={"CP": 0.0})[:, 0], 5.0, rtol=1e-8)
    assert outputs(found.model, [100.0], covariates={"CP": 0.2})[0, 0] < 4.5
    gamma = parameter(found, "GAMMA")
    assert (gamma.distribution, gamma.iiv) == ("normal", 0.0004)
    error = found.model.outputs[0].error
    assert error.kind == "log_additive"
    assert error.additive == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("advan", "pk", "slope"),
    [
        ("ADVAN1 TRANS2", "CL=THETA(1)\nV=THETA(2)", -5 / 40),
        ("ADVAN1", "K=THETA(1)/THETA(2)", -5 / 40),
        ("ADVAN3 TRANS1", "K=THETA(1)/THETA(2)\nK12=0\nK21=0", -5 / 40),
        ("ADVAN11 TRANS4", "CL=THETA(1)\nV1=THETA(2)\nQ2=0\nV2=1\nQ3=0\nV3=1", -5 / 40),
    ],
)
def test_each_closed_form_eliminates_at_its_rate(advan: str, pk: str, slope: float) -> None:
    text = f"""$PROB x\n$INPUT ID TIME AMT DV\n$SUBS {advan}\n$PK\n{pk}\nS1=THETA(2)
$ERROR\nY=F*(1+EPS(1))\n$THETA 5 40\n$OMEGA 0 FIX\n$SIGMA 0.04"""
    got = outputs(read(text).model, [1.0, 3.0])[:, 0]
    assert np.log(got[1] / got[0]) / 2 == pytest.approx(slope, rel=1e-7)
    assert got[0] == pytest.approx(100 / 40 * np.exp(slope), rel=1e-7)


def test_an_eta_within_a_transformation_stays_in_its_formula() -> None:
    text = with_(ORAL, ("V2 = THETA(2)*WT/70*EXP(ETA(2))", "BC = (EXP(ETA(2))**0.5 - 1)/0.5\n  V2 = THETA(2)*EXP(BC)"))
    found = read(text)
    assert parameter(found, "ETA_2").distribution == "normal"
    assert parameter(found, "ETA_2").value == 0


def test_outputs_are_told_apart_by_what_the_data_say() -> None:
    error = """$ERROR
  IF (DVID.EQ.1) THEN
    Y = A(2)/V2*(1 + EPS(1))
  ELSE
    Y = A(3) + EPS(2)
  ENDIF
"""
    text = ORAL[: ORAL.index("$ERROR")] + error + ORAL[ORAL.index("$THETA (0, 5.0)") :]
    text = with_(text, ("OCC\n", "OCC DVID\n"), ("$SIGMA 1 FIX", "$SIGMA 0.04 0.25"))
    found = read(text)
    assert [(o.name, o.error.kind) for o in found.model.outputs] == [("dv_dvid1", "proportional"), ("dv", "additive")]


def test_m3_is_left_to_the_report_of_a_value_below_the_limit() -> None:
    text = with_(
        ORAL,
        (
            "Y = IPRED + W*EPS(1)",
            "IF (DV.GE.0.1) THEN\n  Y = IPRED + W*EPS(1)\n  ELSE\n  F_FLAG=1\n  Y=PHI((0.1-F)/W)\n  ENDIF",
        ),
    )
    found = read(text)
    assert [o.error.kind for o in found.model.outputs] == ["combined"]
    assert any("below the limit" in str(lost) for lost in found.lost)


def test_grades_and_events_are_recognised_by_their_probabilities() -> None:
    graded = """$PROB g\n$INPUT ID TIME DV DOS\n$PRED\n L=THETA(1)+THETA(2)*DOS+ETA(1)\n P=EXP(L)/(1+EXP(L))
 IF (DV.EQ.1) Y=P\n IF (DV.EQ.0) Y=1-P\n$THETA -1 0.1\n$OMEGA 0.3\n$EST METHOD=1 LAPLACE LIKE"""
    (output,) = read(graded).model.outputs
    assert (output.kind, len(output.further)) == ("ordinal", 2)
    event = """$PROB e\n$INPUT ID TIME DV\n$SUBS ADVAN6\n$MODEL COMP=(HAZ)\n$PK\n H=THETA(1)*EXP(ETA(1))
$DES\n DADT(1)=H\n$ERROR\n S=EXP(-A(1))\n IF (DV.EQ.0) Y=S\n IF (DV.EQ.1) Y=S*H\n$THETA 0.01\n$OMEGA 0.1\n$EST LIKE"""
    (output,) = read(event).model.outputs
    assert output.kind == "event"


MIXED = with_(ORAL, ("  KA = THETA(5)", "  KA = THETA(5)\n  IF (MIXNUM.EQ.2) KA = 0.1"))


def test_subpopulations_become_a_class_that_nobody_sees() -> None:
    found = read(MIXED + "$MIX\n NSPOP=2\n P(1)=0.7\n P(2)=1-0.7\n").model
    assert found.mixture is not None
    assert found.mixture.covariate == "MIXNUM"
    assert found.mixture.classes == ("class_1", "class_2")
    assert found.mixture.shares == pytest.approx((0.7, 0.3))
    (of,) = (one for one in found.covariates if one.name == "MIXNUM")
    assert (of.reference, of.levels) == (1.0, (("class_1", 1.0), ("class_2", 2.0)))


def test_shares_of_subpopulations_that_hang_on_patients_are_said() -> None:
    found = read(MIXED + "$MIX\n NSPOP=2\n P(1)=EXP(-0.01*WT)/2\n P(2)=1-P(1)\n")
    assert found.model.mixture is not None
    assert found.model.mixture.shares == pytest.approx((0.5, 0.5))
    assert any("shares of subpopulations are taken where WT is 0" in str(lost) for lost in found.lost)


@pytest.mark.parametrize(
    ("mix", "says"),
    [
        ("P(1)=0.7", r"without P\(1\) and P\(2\)"),
        ("P(1)=0.7\n P(2)=0.7", "sum to 1"),
        ("P(1)=0\n P(2)=1", "more than 0"),
        ("P(1)=BAD\n P(2)=0.5", "reads BAD in"),
    ],
)
def test_shares_that_are_none_are_refused(mix: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        read(f"{MIXED}$MIX\n {mix}\n")


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("ADVAN4 TRANS4", "ADVAN99", 5, "ADVAN99"),
        ("$SUBROUTINES ADVAN4 TRANS4", "", None, "names no ADVAN"),
        ("KA = THETA(5)", "KA = THETA(5", 15, "not a formula"),
        ("S2 = V2", "S2 = V2*(VERLOREN)", 18, "VERLOREN"),
        ("(0, 5.0)  ", "(0, five)  ", 24, "no number"),
        ("$OMEGA BLOCK(2)\n 0.09\n 0.02 0.04", "$OMEGA BLOCK(2)\n 0.09\n 0.04", 33, "3 of its lower triangle"),
        ("IF (OCC.EQ.2) IOV = ETA(4)", "IF (OCC.EQ.2) THEN\n IOV = ETA(4)", 10, "ENDIF"),
        ("Y = IPRED + W*EPS(1)", "Z = IPRED", 19, "defines no Y"),
        ("$PK", "$BK", 6, "$BK"),
        ("Y = IPRED + W*EPS(1)", "Y = -2*LOG(GAMLN(F))", 23, "likelihood"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(old: str, new: str, line: int | None, says: str) -> None:
    with pytest.raises(SourceError, match=r"run1\.mod") as caught:
        read(with_(ORAL, (old, new)))
    assert says in str(caught.value)
    assert caught.value.line == line or line is None


def test_a_stream_without_theta_or_records_is_named() -> None:
    with pytest.raises(SourceError, match="no language that is known"):
        read("CL = 5")
    with pytest.raises(SourceError, match=r"\$THETA"):
        carry("$PROB x\n$INPUT ID\n$PRED\nY=EPS(1)\n", "x.mod", language="nonmem")


@pytest.mark.parametrize(
    ("error", "kind", "sizes"),
    [
        ("Y = F + EPS(1)", "additive", (0.2, 0.0)),
        ("Y = F*(1 + EPS(1))", "proportional", (0.0, 0.2)),
        ("Y = F*EXP(EPS(1))", "log_additive", (0.2, 0.0)),
        ("Y = LOG(F) + EPS(1)", "log_additive", (0.2, 0.0)),
        ("W = SQRT(1 + 4/F**2)\n Y = LOG(F) + W*EPS(1)", "log_combined", (0.4, 0.2)),
        ("Y = F + (0.5 + F)*EPS(1)", "combined", (0.1, 0.2)),
        ("Y = F + F**0.8*EPS(1)", "power", (0.0, 0.2)),
        ("W = 1.5*F/(F + 5)\n Y = F + W*EPS(1)", "deviation", (0.0, 0.3)),
        ("W = SQRT(0.25 + (1.5*F**0.7)**2)\n Y = F + W*EPS(1)", "power", (0.1, 0.3)),
        ("W = 0.5 + 1.5*F**0.7\n Y = F + W*EPS(1)", "power", (0.1, 0.3)),
    ],
)
def test_the_law_of_a_residual_is_found_from_its_slopes(error: str, kind: str, sizes: tuple[float, float]) -> None:
    head = "$PROB x\n$INPUT ID TIME AMT DV\n$SUBS ADVAN1 TRANS2\n$PK\nCL=THETA(1)*EXP(ETA(1))\nV=THETA(2)\nS1=V\n"
    found = read(f"{head}$ERROR\n{error}\n$THETA 5 40\n$OMEGA 0.1\n$SIGMA 0.04").model.outputs[0].error
    assert found.kind == kind
    assert (found.additive, found.proportional) == pytest.approx(sizes, rel=1e-5)


@pytest.mark.parametrize(
    ("thetas", "fixed"),
    [("0.2 0.7", []), ("0.2 FIX 0.7", ["proportional"]), ("0.2 0.7 FIX", ["exponent"]),
     ("0.2 FIX 0.7 FIX", ["proportional", "exponent"])],
)  # fmt: skip
@pytest.mark.parametrize("width", ["THETA(3)*F**THETA(4)", "SQRT(0.01 + (THETA(3)*F**THETA(4))**2)"])
def test_the_exponent_of_an_error_stays_only_where_the_source_fixes_it(
    thetas: str, fixed: list[str], width: str
) -> None:
    head = "$PROB x\n$INPUT ID TIME AMT DV\n$SUBS ADVAN1 TRANS2\n$PK\nCL=THETA(1)*EXP(ETA(1))\nV=THETA(2)\nS1=V\n"
    text = f"{head}$ERROR\nW = {width}\nY = F + W*EPS(1)\n$THETA 5 40 {thetas}\n$OMEGA 0.1\n$SIGMA 1 FIX"
    found = read(text).model
    error = found.outputs[0].error
    assert (error.proportional, error.exponent) == pytest.approx((0.2, 0.7), rel=1e-5)
    known = [name.removeprefix("error.dv.") for name in found.fixed if name.startswith("error.")]
    assert known == ["additive"] * ("SQRT" in width) + fixed


def test_units_and_references_may_be_given() -> None:
    found = carry(ORAL, "run1.mod", drug="aspirin", units={"Q": "L/h"}, given={"WT": 60.0}, time_unit="h")
    assert next(c for c in found.model.covariates if c.name == "WT").reference == 60.0
    assert parameter(found, "Q").assumed is None
    with pytest.raises(SourceError, match="nothing called CLX"):
        carry(ORAL, "run1.mod", units={"CLX": "L/h"})


def test_the_prediction_is_of_the_compartment_that_the_data_observe() -> None:
    text = with_(
        ORAL,
        ("OCC\n", "OCC CMT\n"),
        ("S2 = V2", "S2 = V2\n  S3 = V3\n  IF (ID.EQ.7) KA = 9"),
        ("$THETA (0,0.05) (0,0.2)", "$THETA 0 FIX (0,0.2)"),
    )
    found = read(text)
    assert [o.name for o in found.model.outputs] == ["dv_cmt3", "dv"]
    got = outputs(found.model, TIMES, covariates={"OCC": 1.0})
    np.testing.assert_allclose(got[:, 1], oral(5.0, 40.0), rtol=1e-6)
    assert (got[:, 0] < got[:, 1])[:3].all()
    assert any("ID" in str(lost) for lost in found.lost)


STEPS = """$PROBLEM A name for the typical value
$INPUT ID TIME AMT DV EVID WT
$DATA data.csv IGNORE=@
$SUBROUTINES ADVAN2 TRANS2
$PK
TVCL = THETA(1)*(WT/70)**THETA(5)
CL = TVCL*EXP(ETA(1))
V = THETA(2)*EXP(ETA(2))
KA = THETA(3)
S2 = V
$ERROR
W = THETA(4)*F
Y = F + W*EPS(1)
$THETA (0,10) (0,15) (0,.5) FIX (0,.4) (.75 FIX)
$OMEGA .2
$OMEGA .1 FIX
$SIGMA 1 FIX
"""


def test_a_name_for_the_typical_value_is_no_parameter_and_what_is_fixed_stays_so_in_a_fit() -> None:
    found = read(STEPS)
    assert [p.name for p in found.model.parameters] == ["CL", "V", "KA", "THETA_5"]
    assert found.model.fixed == ("omega.V", "KA", "THETA_5")
    assert Theta.of(found.model).names == ("CL", "V", "omega.CL", "error.dv.proportional")
    known = read(STEPS.replace("(0,.4)", "(.4 FIX)"))
    assert "error.dv.proportional" in known.model.fixed


def test_shifts_of_the_formulas_and_units_of_plain_numbers_are_not_estimated() -> None:
    found = read(STEPS.replace("KA = THETA(3)", "KA = THETA(3) + CL + V + ETA(1)"))
    assert {"ETA_1", "one_time", "one_amount"} <= {*found.model.fixed}


TOGETHER = """$PROBLEM Parent and metabolite, measured together
$INPUT ID TIME AMT DV EVID CMT L2
$DATA data.csv IGNORE=@
$SUBROUTINES ADVAN6 TOL=6
$MODEL COMP=(PARENT) COMP=(METAB)
$PK
K = THETA(1)*EXP(ETA(1))
V = THETA(2)
KM = THETA(3)
$DES
DADT(1) = -K*A(1)
DADT(2) = K*A(1) - KM*A(2)
$ERROR
IF (CMT.EQ.1) THEN
  Y = A(1)/V*(1 + EPS(1))
ELSE
  Y = A(2)/V + EPS(2)
ENDIF
$THETA (0,.2) (0,15) (0,.5)
$OMEGA .2
$SIGMA BLOCK(2) .04 .03 .09
"""


def test_residuals_of_values_that_l2_groups_correlate_as_sigma_says() -> None:
    found = read(TOGETHER).model
    assert [o.error.beside for o in found.outputs] == [(), (0.5,)]
    assert [c.level for c in found.correlations] == ["residual"]
    assert not any(o.error.beside for o in read(TOGETHER.replace(" L2", "")).model.outputs)
    same = read(TOGETHER.replace("EPS(2)", "EPS(1)"))
    assert any("the correlation of the residuals of" in each.what and "is 1" in each.what for each in same.lost)


SEIZURES = """$PROBLEM Counts by Stirling's formula
$INPUT ID TIME DV MDV DOSE
$DATA data.csv IGNORE=@
$PRED
BASE = THETA(1)*EXP(ETA(1))
LAMB = BASE*(1 - THETA(2)*DOSE/(DOSE + THETA(3)))
IF (DV.GT.0) THEN
  LFAC = DV*LOG(DV) - DV + LOG(DV*(1+4*DV*(1+2*DV)))/6 + LOG(3.1415)/2
ELSE
  LFAC = 0
ENDIF
LPOI = -LAMB + DV*LOG(LAMB) - LFAC
Y = -2*LPOI
$THETA (0,2) (0,.3,1) (0,5)
$OMEGA .1
$ESTIMATION METHOD=COND LAPLACE -2LL
"""


def test_counts_are_recognised_by_how_their_probabilities_go_on() -> None:
    (count,) = read(SEIZURES).model.outputs
    assert (count.kind, count.error.kind, count.further) == ("count", "poisson", ())
    inflated = SEIZURES.replace("Y = -2*LPOI", "PZ = THETA(4)\nPK = (1-PZ)*EXP(LPOI)\nIF (DV.EQ.0) PK = PK + PZ\nY=PK")
    inflated = inflated.replace("(0,5)", "(0,5) (0,.2,1)").replace("-2LL", "LIKELIHOOD")
    (count,) = read(inflated).model.outputs
    assert (count.error.kind, len(count.further)) == ("poisson", 2)


def test_counts_of_patients_of_two_classes_are_one_output_with_the_dispersion_of_the_typical_patient() -> None:
    """Negative binomial by Stirling's formula, of gammas too; drug works in one class only."""
    text = SEIZURES.replace(
        "LAMB = BASE*(1 - THETA(2)*DOSE/(DOSE + THETA(3)))",
        """EFF = THETA(2)*DOSE/(DOSE + THETA(3))
IF (MIXNUM.EQ.2) EFF = 0
LAMB = BASE*(1 - EFF)
OD = THETA(4)*EXP(ETA(2))
A = 1/OD + 1
B = 1/OD + DV + 1
GA = (A+0.5)*LOG(A) - A + 1/(12*A)
GB = (B+0.5)*LOG(B) - B + 1/(12*B)
LNB = GB - LOG(B) - LOG(B - 1) - GA + LOG(A) + LOG(A - 1)""",
    )
    text = text.replace(
        "LPOI = -LAMB + DV*LOG(LAMB) - LFAC", "LPOI = LNB - LFAC - LOG(1+OD*LAMB)/OD + DV*LOG(LAMB/(LAMB+1/OD))"
    )
    text = text.replace("$THETA", "$MIX\nNSPOP = 2\nP(1) = THETA(5)\nP(2) = 1 - THETA(5)\n$THETA").replace(
        "(0,5)", "(0,5) (0,.5) (0,.4,1)"
    )
    found = read(text.replace("$OMEGA .1", "$OMEGA .1 .2"))
    (count,) = found.model.outputs
    assert (count.name, count.kind, count.error.kind) == ("dv", "count", "negative_binomial")
    assert count.error.dispersion == pytest.approx(0.5, rel=0.02)
    assert found.model.mixture is not None
    said = next(each.what for each in found.lost if "dispersion" in each.what)
    assert "differs between patients (ETA_2) is not carried" in said


def test_short_names_of_abbreviated_are_written_out() -> None:
    short = "$ABBR REPLACE THETA(CL)=THETA(1)\n$ABBREVIATED DECLARE X\n$ABBR REPLACE ETA( V )=ETA(2)\n$PK"
    text = with_(ORAL, ("$PK", short), ("TVCL = THETA(1)", "TVCL = theta( cl )"), ("EXP(ETA(2))", "EXP(ETA(V))"))
    np.testing.assert_allclose(outputs(read(text).model, TIMES), outputs(read(ORAL).model, TIMES), rtol=1e-12)
    assert read(text).model.eta_names == ("CL", "V2")
    with pytest.raises(SourceError, match=r"'REPLACE ETA\(OCC_CL\)=ETA\(,3,4\)' stands for one of several") as caught:
        read(with_(ORAL, ("$PK", "$ABBR REPLACE ETA(OCC_CL)=ETA(,3,4)\n$PK")))
    assert caught.value.line == 6
