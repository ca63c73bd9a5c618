"""What is excreted with the urine: amounts, rates over collections, and areas under them.

A rate stands at the middle of its collection (Gibaldi and Perrier 1982, chapter 1; Phoenix WinNonlin's models 210-212).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.nca.profile import NcaError, profile_of
from twin.nca.terminal import best_terminal
from twin.nca.trapezoids import Course, Rule


class Excretion(NamedTuple):
    """Middles and rates (n,) of the collections, what they come to by name, and remarks."""

    middles: Floats
    rates: Floats
    found: dict[str, float]
    remarks: tuple[str, ...]


def excretion(
    begins: Sequence[float] | Floats,
    ends: Sequence[float] | Floats,
    amounts: Sequence[float] | Floats,
    dose: float,
    rule: Rule = "linear",
) -> Excretion:
    """What collections since one extravascular or intravenous dose tell.

    Args:
        begins, ends: (n,) of each collection, since the dose.
        amounts: (n,) in each, in the unit of the dose: concentration times volume.
        dose: positive.

    Raises:
        NcaError: a collection that ends before it begins, overlaps another or begins before the dose, a negative
            amount, or nothing excreted at all.
    """
    first, last, found = (np.asarray(each, dtype=float) for each in (begins, ends, amounts))
    order = np.argsort(first, kind="stable")
    first, last, found = first[order], last[order], found[order]
    if len(first) and first[0] < 0.0:
        raise NcaError(f"collection {first[0]:g} to {last[0]:g} begins before the dose: times count from it")
    if (last <= first).any():
        wrong = int(np.flatnonzero(last <= first)[0])
        raise NcaError(f"collection {first[wrong]:g} to {last[wrong]:g}: it has to end after it begins")
    if (first[1:] < last[:-1]).any():
        wrong = int(np.flatnonzero(first[1:] < last[:-1])[0])
        raise NcaError(
            f"collection {first[wrong + 1]:g} to {last[wrong + 1]:g} begins before the one from {first[wrong]:g} ends"
        )
    middles, rates = (first + last) / 2, found / (last - first)
    profile = profile_of(middles, rates, dose, "extravascular")
    peak, tail = int(np.argmax(profile.values)), profile.last
    times, values = profile.from_the_dose()
    areas = Course.by(rule, times, values).areas()
    measurable = int(np.flatnonzero(values > 0.0)[-1])
    area = float(areas[:measurable].sum())
    told = {
        "dose": dose,
        "points": float(len(profile.times)),
        "recovered": float(found.sum()),
        "recovered_share": 100.0 * float(found.sum()) / dose,
        "rate_max": float(profile.values[peak]),
        "rate_tmax": float(profile.times[peak]),
        "rate_last": float(profile.values[tail]),
        "rate_tlast": float(profile.times[tail]),
        "aurc_last": area,
        "aurc_all": float(areas.sum()),
    }
    line = best_terminal(profile)
    if line is None:
        return Excretion(middles, rates, told, ("no three rates after the largest fall: no terminal slope",))
    told |= {"lambda_z": line.rate, "lambda_z_points": float(line.points), "half_life": float(np.log(2.0)) / line.rate}
    told |= {"r_squared": line.r_squared, "adjusted_r_squared": line.adjusted_r_squared}
    for kind, rate in (("obs", told["rate_last"]), ("pred", line.at(told["rate_tlast"]))):
        beyond = rate / line.rate
        told |= {
            f"aurc_inf_{kind}": area + beyond,
            f"aurc_extrapolated_{kind}": 100.0 * beyond / (area + beyond),
        }
    return Excretion(middles, rates, told, ())
