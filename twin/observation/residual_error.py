"""The residual error of an output, as a model file writes it: ``error = { proportional = 0.2, additive = 0.1 }``.

The keys combine freely where that has a sense, and are refused where it has none.
"""

from __future__ import annotations

from typing import Literal, cast

from twin.model.evidence import FITTED_ON, FittedOn
from twin.model.formula import ExpressionError
from twin.model.measured.error import ErrorKind, ErrorSpec, OutlierSpec
from twin.model.table import Table
from twin.observation.deviation import flaw, read_formula


def read_error(table: Table) -> ErrorSpec:
    """The error of an output, from its table.

    Raises:
        ModelError: no size, sizes that exclude each other, or numbers out of their range.
    """
    kind, additive, proportional, exponent, formula = _sizes(table)
    df, outliers = table.optional_number("df", above=2), _outliers(table)
    box_cox = table.optional_number("box_cox")
    error = ErrorSpec(
        kind,
        additive,
        proportional,
        df,
        *table.evidence(),
        exponent,
        _combination(table, both=kind in ("combined", "power", "deviation") and additive > 0),
        box_cox,
        outliers,
        _replicate_correlation(table, plain=df is None and outliers is None),
        fitted_on=_fitted_on(table, kind),
        formula=formula,
    )
    table.close()
    return error


def _fitted_on(table: Table, kind: ErrorKind) -> FittedOn | None:
    if not table.has("fitted_on"):
        return None
    found = cast(FittedOn, table.choice("fitted_on", FITTED_ON))
    if found == "log" and kind in ("proportional", "combined"):
        mend = "the SD of LOG(F) is log_additive; write that instead of proportional"
        raise table.wrong("fitted_on", f"is 'log', and the error is {kind}; {mend}")
    if kind in (("log_additive", "log_combined") if found == "linear" else ("additive", "box_cox")):
        raise table.wrong("fitted_on", f"is '{found}', which does not go with an error that is {kind}; leave it out")
    return found


def size_in_words(error: ErrorSpec) -> str:
    """The sizes of an error and its law, for a card."""
    sizes = {
        "proportional": f"{error.proportional:g} of the value",
        "additive": f"{error.additive:g}",
        "combined": f"{error.additive:g} and {error.proportional:g} of the value",
        "power": f"{error.proportional:g} times the value to the power {error.exponent:g}",
        "deviation": f"{error.proportional:g} times {error.formula}, f being the value",
        "log_additive": f"{error.additive:g} on the logarithm",
        "log_combined": f"{error.proportional:g} and {error.additive:g} over the value on the logarithm",
        "box_cox": f"{error.additive:g} on the Box-Cox scale, exponent {error.box_cox or 0:g}",
    }
    parts = [sizes[error.kind]]
    if error.kind in ("power", "deviation") and error.additive:
        parts.insert(0, f"{error.additive:g}")
    if error.combination == "sd":
        parts.append("added as standard deviations")
    if error.df is not None:
        parts.append(f"Student-t with {error.df:g} degrees of freedom")
    if error.outliers is not None:
        parts.append(f"{error.outliers.share:g} of them {error.outliers.widening:g} times as far")
    if error.replicate_correlation is not None:
        parts.append(f"replicates correlated {error.replicate_correlation:g}")
    return ", ".join(parts)


def _sizes(table: Table) -> tuple[ErrorKind, float, float, float, str | None]:
    """Kind, additive and proportional size, exponent of the prediction, and the formula of a deviation."""
    if not table.has("deviation"):
        return *_named_sizes(table), None
    for other in ("proportional", "power", "log_additive", "box_cox"):
        if table.has(other):
            raise table.wrong("deviation", f"cannot be combined with '{other}'; keep one")
    deviation = table.table("deviation")
    coefficient, text = deviation.number("coefficient", above=0), deviation.text("formula")
    try:
        formula = read_formula(text)
    except ExpressionError as error:
        raise deviation.wrong("formula", f"{error} (a deviation is a formula of the prediction f alone)") from None
    if (problem := flaw(formula)) is not None:
        raise deviation.wrong("formula", f"{problem}; write one that is above 0 at all from 1e-6 to 1e6, as with max()")
    deviation.close()
    return "deviation", table.optional_number("additive", above=0) or 0.0, coefficient, 1.0, formula


def _named_sizes(table: Table) -> tuple[ErrorKind, float, float, float]:
    additive, proportional = table.optional_number("additive", above=0), table.optional_number("proportional", above=0)
    log_additive = table.optional_number("log_additive", above=0)
    if log_additive is not None:
        for other in ("proportional", "power", "box_cox"):
            if table.has(other):
                raise table.wrong(
                    "log_additive", "cannot be combined with 'proportional', 'power' or 'box_cox'; keep one"
                )
        if additive is not None:
            return "log_combined", additive, log_additive, 1.0
        return "log_additive", log_additive, 0.0, 1.0
    if table.has("box_cox"):
        if additive is None or proportional is not None or table.has("power"):
            raise table.wrong("box_cox", "needs 'additive' alone, the standard deviation on the transformed scale")
        return "box_cox", additive, 0.0, 1.0
    if table.has("power"):
        if proportional is not None:
            raise table.wrong("power", "is a proportional error with an exponent; keep 'power' or 'proportional'")
        power = table.table("power")
        coefficient, exponent = power.number("coefficient", above=0), power.number("exponent")
        power.close()
        return "power", additive or 0.0, coefficient, exponent
    if additive is not None:
        return ("additive" if proportional is None else "combined"), additive, proportional or 0.0, 1.0
    if proportional is not None:
        return "proportional", 0.0, proportional, 1.0
    raise table.wrong(
        "", "gives no size; write proportional, additive, power, deviation or log_additive as a standard deviation"
    )


def _combination(table: Table, *, both: bool) -> Literal["variance", "sd"]:
    if not table.has("combination"):
        return "variance"
    found = table.choice("combination", ("variance", "sd"))
    if not both:
        raise table.wrong("combination", "has nothing to combine; write an additive size and a proportional one")
    return cast(Literal["variance", "sd"], found)


def _outliers(table: Table) -> OutlierSpec | None:
    if not table.has("outliers"):
        return None
    inner = table.table("outliers")
    share, widening = inner.number("share", above=0), inner.number("widening", above=1)
    if share > 0.5:
        raise inner.wrong("share", f"is {share:g}; outliers are the lesser part, at most 0.5")
    inner.close()
    return OutlierSpec(share, widening)


def _replicate_correlation(table: Table, *, plain: bool) -> float | None:
    found = table.optional_number("replicate_correlation", above=0)
    if found is None:
        return None
    if found >= 1:
        raise table.wrong("replicate_correlation", f"is {found:g}; it must be less than 1")
    if not plain:
        raise table.wrong("replicate_correlation", "needs a normal error; leave out 'df' and 'outliers', or this")
    return found
